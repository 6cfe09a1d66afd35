namespace Hadal.Checkpoints.Text;

/// <summary>A regular expression of the kind that pre-tokenizers use, matched on code points: ordered alternatives of sequences of
/// repeated character classes with bounded lookahead.</summary>
/// <remarks>The framework's expressions work on UTF-16 units: <c>\p{L}</c> misses letters above U+FFFF and a class cannot hold a range up
/// there. Here what is written is what is matched, with the semantics of the Oniguruma engine (first alternative wins, repetition is
/// greedy and gives back). The end and the failure of an unbounded repetition are remembered, so that matching takes time linear in the text.</remarks>
internal sealed class RunePattern
{
    /// <summary>The most steps that a pattern's bounded parts may take from one position; published ones take about a hundred, one a thousand.</summary>
    public const int MaxSteps = 4096;

    private RunePattern(string source, Node[] nodes, int start)
    {
        Source = source;
        Nodes = nodes;
        Start = start;
    }

    public enum NodeKind
    {
        Repeat,
        Fork,
        Look,
        LineEnd,
        TextBegin,
        Accept,
    }

    /// <summary>The expression as written.</summary>
    public string Source { get; }

    internal Node[] Nodes { get; }

    internal int Start { get; }

    /// <summary>Parses an expression.</summary>
    /// <exception cref="CheckpointException">It uses something that is not supported.</exception>
    public static RunePattern Parse(string source)
    {
        var (nodes, start) = new RunePatternParser(source).Parse();
        return new RunePattern(source, nodes, start);
    }

    /// <summary>Matches exactly one string.</summary>
    public static RunePattern Literal(string text)
    {
        var nodes = new List<Node> { new(NodeKind.Accept) };
        var next = 0;
        foreach (var rune in text.EnumerateRunes().Reverse())
        {
            var builder = new RuneClass.Builder();
            builder.Ranges.Add((rune.Value, rune.Value));
            nodes.Add(new Node(NodeKind.Repeat) { Class = builder.Build(), Min = 1, Max = 1, Next = next });
            next = nodes.Count - 1;
        }

        return new RunePattern(text, [.. nodes], next);
    }

    internal sealed record Node(NodeKind Kind)
    {
        public int Next { get; init; } = -1;

        public RuneClass? Class { get; init; }

        public int Min { get; init; }

        public int Max { get; init; }

        public bool IsPossessive { get; init; }

        /// <summary>Starts of the alternatives, in order.</summary>
        public int[] Branches { get; init; } = [];

        /// <summary>Start of what a lookahead wants to see.</summary>
        public int Look { get; init; } = -1;

        public bool IsNegated { get; init; }
    }
}
