namespace Hadal.Inference.Grammars.Patterns;

/// <summary>A regular expression over characters, as parsed. Greedy and lazy quantifiers are one, and groups leave no trace: only the language counts.</summary>
/// <param name="IsNullable">Whether the empty text is in the language, assertions taken as true.</param>
/// <param name="HasAssertion">Whether an anchor, a word boundary or a lookahead stands anywhere inside.</param>
internal abstract record PatternNode(bool IsNullable, bool HasAssertion)
{
    /// <summary>One character of a set.</summary>
    public sealed record Character(CodePointSet Set) : PatternNode(false, false);

    /// <summary>The items one after the other; none is the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Items) : PatternNode(Items.All(i => i.IsNullable), Items.Any(i => i.HasAssertion));

    /// <summary>Any of the options.</summary>
    public sealed record Alternation(IReadOnlyList<PatternNode> Options) : PatternNode(Options.Any(o => o.IsNullable), Options.Any(o => o.HasAssertion));

    /// <summary><paramref name="Min"/> to <paramref name="Max"/> times the item; no maximum is null.</summary>
    public sealed record Repetition(PatternNode Item, int Min, int? Max) : PatternNode(Min == 0 || Item.IsNullable, Item.HasAssertion);

    /// <summary><c>^</c>.</summary>
    public sealed record Start() : PatternNode(true, true);

    /// <summary><c>$</c>.</summary>
    public sealed record End() : PatternNode(true, true);

    /// <summary><c>\b</c>, or <c>\B</c> where negated.</summary>
    public sealed record WordBoundary(bool IsNegated) : PatternNode(true, true);

    /// <summary><c>(?=…)</c>, or <c>(?!…)</c> where negated.</summary>
    public sealed record Lookahead(PatternNode Item, bool IsNegated) : PatternNode(true, true);
}
