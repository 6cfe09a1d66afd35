using System.Diagnostics;
using System.Threading.Channels;

namespace Hadal.Inference.Engine;

/// <summary>The chunks of one answer on their way from the engine's thread to one reader: a bounded channel, beside it their texts and alternatives.</summary>
/// <remarks>Texts travel as units and become strings on the reader's side, so that the engine allocates nothing per token.</remarks>
internal sealed class Answer
{
    private readonly record struct Step(GeneratedChunk Chunk, int TextLength, int TopLogProbCount);

    private readonly Channel<Step> _steps;
    private readonly SpanQueue<char> _text = new();
    private readonly SpanQueue<TokenLogProb> _topLogProbs = new();
    private readonly Action _wakeEngine;
    private readonly int _maxUnread;
    private volatile bool _isPaused;

    /// <param name="maxUnread">Chunks that may lie unread before the sequence pauses.</param>
    /// <param name="wakeEngine">Called when a reader has made room.</param>
    public Answer(int maxUnread, Action wakeEngine)
    {
        _maxUnread = maxUnread;
        _wakeEngine = wakeEngine;

        // One more for a last chunk, which is written whether or not there is room.
        _steps = Channel.CreateBounded<Step>(new BoundedChannelOptions(maxUnread + 1) { SingleReader = true, SingleWriter = true });
    }

    /// <summary>Engine: true while the reader is so far behind that the sequence has to pause.</summary>
    public bool IsFull
    {
        get
        {
            // Said before counting: a reader that takes a chunk afterwards sees it and wakes the engine.
            _isPaused = true;
            _isPaused = _steps.Reader.Count >= _maxUnread;
            return _isPaused;
        }
    }

    /// <summary>Engine: adds a chunk, whose text and alternatives are given beside it.</summary>
    public void Write(in GeneratedChunk chunk, ReadOnlySpan<char> text, ReadOnlySpan<TokenLogProb> topLogProbs)
    {
        _text.Write(text);
        _topLogProbs.Write(topLogProbs);
        var isWritten = _steps.Writer.TryWrite(new Step(chunk, text.Length, topLogProbs.Length));
        Debug.Assert(isWritten, "a sequence whose answer is full was computed");
    }

    /// <summary>Engine: there will be no more chunks.</summary>
    public void Complete(Exception? fault = null) => _steps.Writer.TryComplete(fault);

    /// <summary>Reader: waits for a chunk; false when there will be none. Throws the fault of <see cref="Complete"/>.</summary>
    public ValueTask<bool> WaitAsync() => _steps.Reader.WaitToReadAsync(CancellationToken.None);

    /// <summary>Reader: takes a chunk.</summary>
    public bool TryRead(out GeneratedChunk chunk)
    {
        if (!_steps.Reader.TryRead(out var step))
        {
            chunk = default;
            return false;
        }

        if (_isPaused) _wakeEngine();
        chunk = step.Chunk with
        {
            Text = step.TextLength == 0 ? "" : string.Create(step.TextLength, _text, static (text, queue) => queue.Read(text)),
            TopLogProbs = step.Chunk.LogProb is null ? null : TakeTopLogProbs(step.TopLogProbCount),
        };
        return true;
    }

    private TokenLogProb[] TakeTopLogProbs(int count)
    {
        var taken = new TokenLogProb[count];
        _topLogProbs.Read(taken);
        return taken;
    }
}
