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

    /// <summary>The whole grammar has been derived.</summary>
    Accept,
}

/// <summary>A position in a rule.</summary>
internal readonly record struct Position(PositionKind Kind, int A = 0, int B = 0, int C = 0);

/// <summary>Bounds of a counted repeat. <paramref name="Max"/> may be <see cref="RegexPool.Unbounded"/>.</summary>
internal readonly record struct Bounds(int Min, int Max);

/// <summary>A grammar as rules over lexemes: every rule is a small automaton of positions.</summary>
internal sealed record GrammarProgram
{
    /// <summary>Calls the root, then accepts.</summary>
    public const int StartPosition = 0;

    public required Position[] Positions { get; init; }

    /// <summary>Targets of splits.</summary>
    public required int[] Targets { get; init; }

    public required Bounds[] Bounds { get; init; }

    /// <summary>First position of every rule.</summary>
    public required int[] RuleStarts { get; init; }

    /// <summary>Rules that derive the empty string.</summary>
    public required bool[] RuleNullable { get; init; }

    /// <summary>Term of every lexeme.</summary>
    public required int[] Lexemes { get; init; }
}
