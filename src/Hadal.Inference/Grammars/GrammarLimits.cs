namespace Hadal.Inference.Grammars;

/// <summary>What one grammar may cost. Passing a limit is a <see cref="GrammarException"/> for whoever uses the grammar; the constraint is never
/// loosened instead.</summary>
/// <remarks>The defaults let every schema of public collections through and keep a grammar from a stranger below some hundred megabytes and a
/// mask below some hundred milliseconds.</remarks>
public sealed record GrammarLimits
{
    /// <summary>Regular expressions, derivatives included. Each takes about 100 bytes.</summary>
    public int MaxRegexTerms { get; init; } = 500_000;

    /// <summary>Nesting of regular expressions and of grammar nodes.</summary>
    public int MaxDepth { get; init; } = 1_000;

    /// <summary>Nodes of the grammar as built.</summary>
    public int MaxNodes { get; init; } = 1_000_000;

    /// <summary>Named rules.</summary>
    public int MaxRules { get; init; } = 100_000;

    /// <summary>States of the lexer's automaton that are kept. Each takes 1 KiB and its list of lexemes.</summary>
    public int MaxLexerStates { get; init; } = 50_000;

    /// <summary>States of the parser that are kept.</summary>
    public int MaxParserStates { get; init; } = 200_000;

    /// <summary>Items in one state of the parser.</summary>
    public int MaxItemsPerState { get; init; } = 50_000;

    /// <summary>Bytes that the lazily built tables of a grammar may take together, masks included.</summary>
    public long MaxMemoryBytes { get; init; } = 256L << 20;

    /// <summary>Steps that building the grammar may take, a step being what a node of the token trie costs: some nanoseconds. Derivatives count as several.</summary>
    public long MaxStepsToBuild { get; init; } = 500_000_000;

    /// <summary>Steps that computing one mask or accepting one token may take: nodes of the token trie, items of the parser, and derivatives, which count as
    /// several.</summary>
    public long MaxStepsPerMask { get; init; } = 20_000_000;

    /// <summary>The defaults.</summary>
    public static GrammarLimits Default { get; } = new();
}
