using System.Buffers;
using System.Text.Unicode;

namespace Hadal.Checkpoints.Text;

/// <summary>Turns the token ids of a running generation into text as they arrive, without ever giving out half a character: bytes that
/// may still become one are held back. All outputs joined, with <see cref="Flush"/> last, are <see cref="Tokenizer.Decode"/> of all ids.</summary>
/// <remarks>One decoder belongs to one generation; not thread-safe.</remarks>
public sealed class IncrementalDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecial;
    private readonly ArrayBufferWriter<char> _text = new();
    private byte[] _held = new byte[64];
    private int _heldCount;
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
    public string Append(int tokenId)
    {
        AppendTo(_text, tokenId);
        return TakeText();
    }

    /// <summary>Takes the next token and writes the text that is certain by now; no allocation of its own once a long token was seen.</summary>
    /// <param name="text">Where the text goes.</param>
    /// <param name="tokenId">Token id.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public void AppendTo(IBufferWriter<char> text, int tokenId)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!_skipSpecial || !_tokenizer.IsControl(tokenId)) Convert(_tokenizer.TokenBytes(tokenId), flush: false, text);
    }

    /// <summary>Ends the text: bytes held back become U+FFFD. The decoder then starts anew.</summary>
    public string Flush()
    {
        FlushTo(_text);
        return TakeText();
    }

    /// <summary>As <see cref="Flush"/>, writing the text.</summary>
    /// <param name="text">Where the text goes.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public void FlushTo(IBufferWriter<char> text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Convert([], flush: true, text);
        _isAtStart = true;
    }

    private string TakeText()
    {
        var text = _text.WrittenCount == 0 ? "" : new string(_text.WrittenSpan);
        _text.ResetWrittenCount();
        return text;
    }

    private void Convert(ReadOnlySpan<byte> bytes, bool flush, IBufferWriter<char> text)
    {
        if (_isAtStart && bytes.Length > 0)
        {
            if (_tokenizer.DropsLeadingSpace && bytes[0] == (byte)' ') bytes = bytes[1..];
            _isAtStart = false;
        }

        if (_held.Length - _heldCount < bytes.Length) Array.Resize(ref _held, 2 * (_heldCount + bytes.Length));
        bytes.CopyTo(_held.AsSpan(_heldCount));
        var held = _held.AsSpan(0, _heldCount + bytes.Length);

        // What may still become a character at the end is not read unless this is the end. A byte gives at most one UTF-16 unit.
        Utf8.ToUtf16(held, text.GetSpan(held.Length), out var read, out var written, replaceInvalidSequences: true, isFinalBlock: flush);
        text.Advance(written);
        held[read..].CopyTo(_held);
        _heldCount = held.Length - read;
    }
}
