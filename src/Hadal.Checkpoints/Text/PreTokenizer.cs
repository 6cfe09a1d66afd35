using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>What becomes of the matches of a split pattern and of the text between them.</summary>
internal enum SplitBehavior
{
    /// <summary>Each match and each gap is a piece.</summary>
    Isolated,

    /// <summary>Matches are dropped.</summary>
    Removed,

    /// <summary>A match joins the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>A match joins the piece after it.</summary>
    MergedWithNext,

    /// <summary>Neighbouring matches are one piece.</summary>
    Contiguous,
}

/// <summary>One stage of a pre-tokenizer.</summary>
/// <param name="Pattern">Splits every piece of the stage before; null leaves the pieces whole.</param>
/// <param name="Behavior">What becomes of matches.</param>
/// <param name="IsInverted">Matches and gaps change places.</param>
/// <param name="SpellsBytes">Afterwards the text is spelt in the byte alphabet.</param>
internal sealed record PreTokenizerStage(
    RunePattern? Pattern, SplitBehavior Behavior = SplitBehavior.Isolated, bool IsInverted = false, bool SpellsBytes = false);

/// <summary>Where a space (or the sign that stands for one) is put in front of the text.</summary>
internal enum PrefixSpace
{
    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>Before the first stretch of text only.</summary>
    First,

    /// <summary>Before every stretch of text between added tokens.</summary>
    Always,
}

/// <summary>Splits text into the pieces within which merging happens: stages run one after another, each on the pieces of the one before.</summary>
internal sealed class PreTokenizer
{
    /// <summary>The pattern of the GPT-2 encoder, which a <c>ByteLevel</c> stage applies unless told otherwise.</summary>
    public const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The stages in order.</summary>
    public required IReadOnlyList<PreTokenizerStage> Stages { get; init; }

    /// <summary>Where a space is put in front.</summary>
    public PrefixSpace PrefixSpace { get; init; }

    /// <summary>Replaces every space before the stages run, or null.</summary>
    public char? SpaceSign { get; init; }

    /// <summary>Stages that all isolate the matches of a pattern.</summary>
    public static PreTokenizer Isolating(params IEnumerable<string> patterns) =>
        new() { Stages = [.. patterns.Select(pattern => new PreTokenizerStage(RunePattern.Parse(pattern)))] };

    /// <summary>Splits a stretch of text between added tokens.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="isFirst">The stretch begins the whole text.</param>
    public PreTokenizedText Split(string text, bool isFirst = true)
    {
        var sign = SpaceSign ?? ' ';
        if (SpaceSign is not null) text = text.Replace(' ', sign);
        if ((PrefixSpace == PrefixSpace.Always || (PrefixSpace == PrefixSpace.First && isFirst)) && !text.StartsWith(sign)) text = sign + text;

        var pieces = new List<TextPiece>();
        if (text.Length > 0) pieces.Add(new TextPiece(0, text.Length));
        var isSpelled = false;
        for (var i = 0; i < Stages.Count && pieces.Count > 0; i++)
        {
            var stage = Stages[i];
            if (stage.Pattern is { } pattern) pieces = Apply(stage, new RunePatternMatcher(pattern, text), pieces);
            if (!stage.SpellsBytes || isSpelled || i == Stages.Count - 1) continue;
            (text, pieces) = Spell(text, pieces);
            isSpelled = true;
        }

        return new PreTokenizedText(text, pieces, isSpelled);
    }

    private static List<TextPiece> Apply(PreTokenizerStage stage, RunePatternMatcher matcher, List<TextPiece> pieces)
    {
        var result = new List<TextPiece>(pieces.Count + 16);
        var parts = new List<(TextPiece Piece, bool IsMatch)>();
        foreach (var piece in pieces)
        {
            parts.Clear();
            matcher.Enter(piece.Begin, piece.End);
            var position = piece.Begin;
            while (matcher.TryFind(position, out var begin, out var end))
            {
                if (begin > position) parts.Add((new TextPiece(position, begin), stage.IsInverted));
                parts.Add((new TextPiece(begin, end), !stage.IsInverted));
                position = end;
            }

            if (position < piece.End) parts.Add((new TextPiece(position, piece.End), stage.IsInverted));
            Behave(stage.Behavior, parts, result);
        }

        return result;
    }

    private static void Behave(SplitBehavior behavior, List<(TextPiece Piece, bool IsMatch)> parts, List<TextPiece> result)
    {
        var first = result.Count;
        for (var i = 0; i < parts.Count; i++)
        {
            var (piece, isMatch) = parts[i];
            var wasMatch = i > 0 && parts[i - 1].IsMatch;
            var joins = behavior switch
            {
                SplitBehavior.Isolated => false,
                SplitBehavior.Removed => false,
                SplitBehavior.MergedWithPrevious => isMatch && !wasMatch,
                SplitBehavior.MergedWithNext => wasMatch && !isMatch,
                _ => wasMatch == isMatch,
            };
            if (joins && result.Count > first) result[^1] = new TextPiece(result[^1].Begin, piece.End);
            else if (behavior != SplitBehavior.Removed || !isMatch) result.Add(piece);
        }
    }

    private static (string Text, List<TextPiece> Pieces) Spell(string text, List<TextPiece> pieces)
    {
        var spelled = new StringBuilder(text.Length);
        var moved = new List<TextPiece>(pieces.Count);
        foreach (var piece in pieces)
        {
            var begin = spelled.Length;
            foreach (var value in Encoding.UTF8.GetBytes(text, piece.Begin, piece.End - piece.Begin)) spelled.Append(ByteAlphabet.CharOf(value));
            moved.Add(new TextPiece(begin, spelled.Length));
        }

        return (spelled.ToString(), moved);
    }
}

/// <summary>A piece [Begin, End) in UTF-16 units.</summary>
internal readonly record struct TextPiece(int Begin, int End);

/// <summary>A text and its pieces in order.</summary>
/// <param name="Text">The text that the pieces index.</param>
/// <param name="Pieces">The pieces.</param>
/// <param name="IsSpelled">True if the text is spelt in the byte alphabet.</param>
internal sealed record PreTokenizedText(string Text, IReadOnlyList<TextPiece> Pieces, bool IsSpelled);
