using System.Text;
using Hadal.Web.Conversations;

namespace Hadal.Web.Chat;

/// <summary>An answer while it is written: its text, and how long it takes.</summary>
/// <param name="message">Its place in the conversation.</param>
/// <param name="clock">Measures it.</param>
internal sealed class AnswerDraft(Message message, TimeProvider clock)
{
    /// <summary>Drawing may take a quarter of the time.</summary>
    private const int DrawShare = 3;

    /// <summary>What comes in less is one burst of the network and says nothing of the model.</summary>
    private const double LeastSeconds = 0.1;

    /// <summary>Keeping may take a twentieth of the time.</summary>
    private const int KeepShare = 19;

    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan LeastUnkept = TimeSpan.FromSeconds(1);

    private readonly StringBuilder _content = new();
    private readonly StringBuilder _reasoning = new();
    private readonly SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)> _calls = [];
    private readonly long _started = clock.GetTimestamp();
    private long _drawn = clock.GetTimestamp();
    private TimeSpan _pause = TimeSpan.Zero;
    private long _kept = clock.GetTimestamp();
    private TimeSpan _unkept = LeastUnkept;
    private long? _first;
    private long _last;
    private int _pieceCount;
    private string? _finishReason;
    private (int Prompt, int Completion)? _usage;

    /// <summary>Takes a piece.</summary>
    public void Add(ChatPiece piece)
    {
        _content.Append(piece.Content);
        _reasoning.Append(piece.Reasoning);
        _finishReason = piece.FinishReason ?? _finishReason;
        _usage = piece.Usage ?? _usage;
        foreach (var call in piece.Calls)
        {
            if (!_calls.TryGetValue(call.Index, out var known)) _calls.Add(call.Index, known = (call.Id ?? $"call-{call.Index}", call.Name ?? "?", new StringBuilder()));
            known.Arguments.Append(call.Arguments);
        }

        if (piece.Content.Length + piece.Reasoning.Length + piece.Calls.Count == 0) return;
        _pieceCount++;
        _last = clock.GetTimestamp();
        _first ??= _last;
    }

    /// <summary>Whether enough time has passed to draw it again.</summary>
    public bool IsDue() => clock.GetElapsedTime(_drawn) >= _pause;

    /// <summary>Draws it, and paces what follows by the time that took.</summary>
    public void Measure(Action draw)
    {
        var began = clock.GetTimestamp();
        draw();
        _drawn = clock.GetTimestamp();
        var pause = clock.GetElapsedTime(began, _drawn) * DrawShare;
        _pause = pause > LeastPause ? pause : LeastPause;
    }

    /// <summary>Whether enough time has passed to keep what is written, because the page may be closed before the end.</summary>
    public bool IsToBeKept() => clock.GetElapsedTime(_kept) >= _unkept;

    /// <summary>Keeps it, and paces what follows by the time that took.</summary>
    public async Task KeepAsync(Func<Task> keep)
    {
        var began = clock.GetTimestamp();
        await keep();
        _kept = clock.GetTimestamp();
        var pause = clock.GetElapsedTime(began, _kept) * KeepShare;
        _unkept = pause > LeastUnkept ? pause : LeastUnkept;
    }

    /// <summary>What is written by now.</summary>
    public Message Written() => message with
    {
        Content = _content.ToString(), Reasoning = _reasoning.Length > 0 ? _reasoning.ToString() : null, Figures = Figures(),
        ToolCalls = _calls.Count > 0 ? [.. _calls.Values.Select(call => new ToolCall(call.Id, call.Name, call.Arguments.ToString()))] : null,
    };

    /// <summary>The whole answer.</summary>
    public Message Ended() => Written() with { FinishReason = _finishReason ?? "stop" };

    /// <summary>What was written until the reader ended it.</summary>
    public Message Stopped() => Written() with { FinishReason = "stopped" };

    /// <summary>What was written until it failed.</summary>
    public Message Failed(string error) => Written() with { FinishReason = "error", Error = error };

    private AnswerFigures? Figures()
    {
        if (_first is not { } first) return null;
        var count = _usage?.Completion ?? _pieceCount;
        var seconds = clock.GetElapsedTime(first, _last).TotalSeconds;
        return new AnswerFigures
        {
            PromptTokens = _usage?.Prompt, CompletionTokens = count, FirstTokenMs = clock.GetElapsedTime(_started, first).TotalMilliseconds,
            TokensPerSecond = count > 1 && seconds > LeastSeconds ? (count - 1) / seconds : null,
        };
    }
}
