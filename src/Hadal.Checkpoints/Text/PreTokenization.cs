namespace Hadal.Checkpoints.Text;

/// <summary>Splits text the way published tokenizers do before they merge, for those who learn a vocabulary.</summary>
public static class PreTokenization
{
    private static readonly PreTokenizer DeepSeekV3Splitter = PreTokenizer.Isolating(GgufPreTokenizers.DeepSeekV3);

    /// <summary>Splits as DeepSeek-V3: numbers by three digits, Chinese and kana apart from other letters, words with the space before them.
    /// The pieces joined are the text.</summary>
    /// <param name="text">Any text; a lone surrogate becomes U+FFFD.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public static IEnumerable<string> DeepSeekV3(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var split = DeepSeekV3Splitter.Split(TokenizerInput.Join([new TextSegment(text, IsTrusted: false)]).Text);
        return split.Pieces.Select(piece => split.Text[piece.Begin..piece.End]);
    }
}
