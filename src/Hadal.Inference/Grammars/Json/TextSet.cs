namespace Hadal.Inference.Grammars.Json;

/// <summary>A set of values, known through the texts that spell them: some surely belong to members, some surely do not, the rest is not decided and never used.</summary>
/// <param name="In">Spellings of members.</param>
/// <param name="Out">Spellings of values that are no members.</param>
/// <remarks>A complement swaps the two. That keeps every construction on the safe side: what a schema forbids is never written, even where not every
/// spelling of what it allows is.</remarks>
internal readonly record struct TextSet(ByteRegex In, ByteRegex Out)
{
    /// <summary>Values of both sets.</summary>
    public TextSet And(TextSet other, RegexPool pool) => new(pool.And(In, other.In), pool.Or(Out, other.Out));

    /// <summary>Values of either set.</summary>
    public TextSet Or(TextSet other, RegexPool pool) => new(pool.Or(In, other.In), pool.And(Out, other.Out));

    /// <summary>The other values.</summary>
    public TextSet Not() => new(Out, In);

    /// <summary>Whether every member is surely outside of the other set; <paramref name="all"/> is every value.</summary>
    public bool Excludes(TextSet other, TextSet all, RegexPool pool) =>
        In == ByteRegex.Nothing || other.Out == all.In || pool.IsNothing(pool.And(In, pool.Not(other.Out)));
}
