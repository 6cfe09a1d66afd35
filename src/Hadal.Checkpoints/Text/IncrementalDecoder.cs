using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Turns the token ids of a running generation into text as they arrive, without ever giving out half a character: bytes that
/// may still become one are held back. All outputs joined, with <see cref="Flush"/> last, are <see cref="Tokenizer.Decode"/> of all ids.</summary>
/// <remarks>One decoder belongs to one generation; not thread-safe.</remarks>
public sealed class IncrementalDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecial;
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
    private bool _isAtStart = true;

    /// <summary>Creates a decoder.</summary>
    /// <param name="tokenizer">The tokenizer of the model.</param>
    /// <param name="skipSpecial">Leaves control tokens out; otherwise they give their literal text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tokenizer"/> is null.</exception>
    public IncrementalDecoder(Tokenizer tokenizer, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _skipSpecial = skipSpecial;
    }

    /// <summary>Takes the next token and returns the text that is certain by now, often the empty string.</summary>
    /// <param name="tokenId">Token id.</param>
    public string Append(int tokenId) =>
        _skipSpecial && _tokenizer.IsControl(tokenId) ? "" : Convert(_tokenizer.TokenBytes(tokenId), flush: false);

    /// <summary>Ends the text: bytes held back become U+FFFD. The decoder then starts anew.</summary>
    public string Flush()
    {
        var text = Convert([], flush: true);
        _isAtStart = true;
        return text;
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        if (_isAtStart && bytes.Length > 0)
        {
            if (_tokenizer.DropsLeadingSpace && bytes[0] == (byte)' ') bytes = bytes[1..];
            _isAtStart = false;
        }

        var count = _utf8.GetCharCount(bytes, flush);
        return string.Create(count, new State(_utf8, bytes, flush), static (chars, state) => state.Utf8.GetChars(state.Bytes, chars, state.Flush));
    }

    private readonly ref struct State(Decoder utf8, ReadOnlySpan<byte> bytes, bool flush)
    {
        public Decoder Utf8 { get; } = utf8;

        public ReadOnlySpan<byte> Bytes { get; } = bytes;

        public bool Flush { get; } = flush;
    }
}
