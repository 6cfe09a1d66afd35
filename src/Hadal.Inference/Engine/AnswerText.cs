using System.Buffers;
using Hadal.Checkpoints.Text;

namespace Hadal.Inference.Engine;

/// <summary>Turns the tokens of an answer into text, holding back what may still change: half a character, the possible beginning of a stop string.</summary>
/// <remarks>Works on the engine's thread and allocates nothing once its buffers have grown to the longest token.</remarks>
internal sealed class AnswerText(Tokenizer tokenizer, GenerationOptions options)
{
    private readonly IncrementalDecoder _decoder = new(tokenizer, options.SkipSpecial);
    private readonly StopStrings _stops = new(options.StopStrings);
    private readonly ArrayBufferWriter<char> _decoded = new(64);
    private char[] _held = new char[64];
    private int _heldCount;
    private int _certainCount;

    /// <summary>Text that is certain and was not dropped yet.</summary>
    public ReadOnlySpan<char> Certain => _held.AsSpan(0, _certainCount);

    /// <summary>The stop string that ended the text, or null.</summary>
    public string? FoundStop => _stops.Found;

    /// <summary>Takes a token; true if it completes a stop string, which then ends the text.</summary>
    public bool Append(int tokenId)
    {
        _decoder.AppendTo(_decoded, tokenId);
        return FindStop();
    }

    /// <summary>Ends the text: what was held back becomes certain. Bytes of a character that the model left unfinished are U+FFFD, as bytes that are no text are anywhere.</summary>
    public void End()
    {
        _decoder.FlushTo(_decoded);
        Cut();
    }

    /// <summary>Ends the text where a limit cuts it: what was held back becomes certain, but for bytes of a character whose rest might have come. They are no part of the text.</summary>
    public void Cut()
    {
        if (!FindStop()) _certainCount = _heldCount;
    }

    /// <summary>Forgets the certain text, which was given to the reader.</summary>
    public void DropCertain()
    {
        _held.AsSpan(_certainCount, _heldCount - _certainCount).CopyTo(_held);
        _heldCount -= _certainCount;
        _certainCount = 0;
    }

    private bool FindStop()
    {
        var decoded = _decoded.WrittenSpan;
        if (_held.Length - _heldCount < decoded.Length) Array.Resize(ref _held, 2 * (_heldCount + decoded.Length));
        var stopLength = 0;
        for (var i = 0; i < decoded.Length && stopLength == 0; i++)
        {
            _held[_heldCount++] = decoded[i];
            stopLength = _stops.Append(decoded[i]);
        }

        _decoded.ResetWrittenCount();
        _certainCount = _heldCount - (stopLength > 0 ? stopLength : _stops.HeldLength);

        // A stop string may begin in the middle of a pair; the first half is not given out alone.
        if (_certainCount > 0 && _certainCount < _heldCount && char.IsHighSurrogate(_held[_certainCount - 1])) _certainCount--;
        return stopLength > 0;
    }
}
