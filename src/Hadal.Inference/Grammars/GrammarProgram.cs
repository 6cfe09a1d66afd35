namespace Hadal.Inference.Grammars;

/// <summary>What a position in a rule waits for.</summary>
internal enum PositionKind : byte
{
    /// <summary>A: lexeme; B: position behind it.</summary>
    Terminal,

    /// <summary>A: rule; B: position behind it.</summary>
    Call,

    /// <summary>A: first of its targets; B: their number. Goes on at any of them.</summary>
    Split,

    /// <summary>A: the rule that ends here.</summary>
    End,

    /// <summary>A: rule that is repeated; B: index of the bounds; C: the rule that ends here once the count suffices.</summary>
    Counted,

    /// <summary>A: index of the <see cref="MemberRule"/>; C: the rule that ends here once nothing is missing. The count of an item is the number of what has been seen.</summary>
    Members,

    /// <summary>A: rule of a member; B: index of the <see cref="MemberRule"/>; C: index of the member in it.</summary>
    Member,

    /// <summary>The whole grammar has been derived.</summary>
    Accept,
}

/// <summary>A position in a rule.</summary>
internal readonly record struct Position(PositionKind Kind, int A = 0, int B = 0, int C = 0);

/// <summary>Bounds of a counted repeat. <paramref name="Max"/> may be <see cref="RegexPool.Unbounded"/>.</summary>
internal readonly record struct Bounds(int Min, int Max);

/// <summary>Members in any order: those of <paramref name="Required"/> at most once, those behind them any number of times.</summary>
/// <param name="Start">The position of the whole.</param>
/// <param name="Firsts">Position of each member where it is the first of all; -1 where it can never end.</param>
/// <param name="Nexts">The same behind others.</param>
/// <param name="Required">For the members that stand at most once: whether they must be there.</param>
/// <param name="Min">Least number of all together.</param>
/// <param name="Max">Largest number, or <see cref="RegexPool.Unbounded"/>.</param>
internal sealed record MemberRule(int Start, int[] Firsts, int[] Nexts, bool[] Required, int Min, int Max)
{
    /// <summary>Up to here members are counted.</summary>
    public int CountCap { get; } = Math.Max(1, Max == RegexPool.Unbounded ? Min : Max);
}

/// <summary>A grammar as rules over lexemes: every rule is a small automaton of positions.</summary>
internal sealed record GrammarProgram
{
    /// <summary>Calls the root, then accepts.</summary>
    public const int StartPosition = 0;

    public required Position[] Positions { get; init; }

    /// <summary>Targets of splits.</summary>
    public required int[] Targets { get; init; }

    public required Bounds[] Bounds { get; init; }

    public required MemberRule[] Members { get; init; }

    /// <summary>First position of every rule.</summary>
    public required int[] RuleStarts { get; init; }

    /// <summary>Rules that derive the empty string.</summary>
    public required bool[] RuleNullable { get; init; }

    /// <summary>Term of every lexeme.</summary>
    public required int[] Lexemes { get; init; }
}
