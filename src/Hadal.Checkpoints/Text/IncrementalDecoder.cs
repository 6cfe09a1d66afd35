using System.Buffers;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Turns the token ids of a running generation into text as they arrive, without ever giving out half a character: bytes that
/// may still become one are held back. All outputs joined, with <see cref="Flush"/> last, are <see cref="Tokenizer.Decode"/> of all ids.</summary>
/// <remarks>One decoder belongs to one generation; not thread-safe.</remarks>
public sealed class IncrementalDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecial;
    private readonly ArrayBufferWriter<byte> _held = new();
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

        _held.Write(bytes);
        var complete = flush ? _held.WrittenCount : CompleteLength(_held.WrittenSpan);
        var text = Encoding.UTF8.GetString(_held.WrittenSpan[..complete]);
        var rest = _held.WrittenSpan[complete..].ToArray();
        _held.ResetWrittenCount();
        _held.Write(rest);
        return text;
    }

    /// <summary>Length without a character at the end that further bytes may complete.</summary>
    private static int CompleteLength(ReadOnlySpan<byte> bytes)
    {
        for (var length = Math.Max(0, bytes.Length - 3); length < bytes.Length; length++)
        {
            // Continuation bytes at the front belong to a character before, or to none.
            if ((bytes[length] & 0xC0) != 0x80 && Rune.DecodeFromUtf8(bytes[length..], out _, out _) == OperationStatus.NeedMoreData) return length;
        }

        return bytes.Length;
    }
}
