using System.Text;

namespace Hadal.Server.Answers;

/// <summary>A call of a tool.</summary>
internal sealed class ChatCall(string id, string name)
{
    public string Id => id;

    public string Name => name;

    public StringBuilder Arguments { get; } = new();
}

/// <summary>A whole answer, put together from its steps.</summary>
internal sealed class ChatChoice
{
    public StringBuilder Content { get; } = new();

    public StringBuilder Reasoning { get; } = new();

    public List<ChatCall> Calls { get; } = [];

    public List<PlacedToken> LogProbs { get; } = [];

    public string? FinishReason { get; private set; }

    public ChatUsage? Usage { get; private set; }

    /// <summary>Adds a step.</summary>
    public void Add(ChatStep step)
    {
        foreach (var part in step.Parts)
        {
            if (part.Kind == AnswerPartKind.CallBegin) Calls.Add(new ChatCall(ChatDeltas.NewCallId(), part.Text));
            else (part.Kind switch { AnswerPartKind.Reasoning => Reasoning, AnswerPartKind.CallArguments => Calls[^1].Arguments, _ => Content }).Append(part.Text);
        }

        LogProbs.AddRange(step.LogProbs);
        FinishReason = step.FinishReason ?? FinishReason;
        Usage = step.Usage ?? Usage;
    }
}

/// <summary>What a chunk of a stream says about one answer.</summary>
internal sealed record ChatDelta(int Choice)
{
    public bool IsFirst { get; init; }

    public string? Content { get; init; }

    public string? Reasoning { get; init; }

    /// <summary>Number of the call; null where the chunk is about none.</summary>
    public int? Call { get; init; }

    public string? CallId { get; init; }

    public string? CallName { get; init; }

    public string CallArguments { get; init; } = "";

    public IReadOnlyList<PlacedToken> LogProbs { get; init; } = [];

    /// <summary>Whether the grammar left no choice for the token that the chunk is about.</summary>
    public bool IsForced { get; init; }

    public string? FinishReason { get; init; }
}

/// <summary>Turns the steps of one answer into the chunks of a stream.</summary>
internal sealed class ChatDeltas(int choice)
{
    private int _callCount;

    /// <summary>A new id of a call.</summary>
    public static string NewCallId() => "call_" + Endpoints.ChatCompletions.NewId();

    /// <summary>The chunk that opens the answer.</summary>
    public ChatDelta Role() => new(choice) { IsFirst = true, Content = "" };

    /// <summary>The chunks of a step.</summary>
    public IEnumerable<ChatDelta> Of(ChatStep step)
    {
        var logProbs = step.LogProbs;
        foreach (var part in step.Parts)
        {
            var delta = Of(part) with { LogProbs = logProbs, IsForced = step.IsForced };
            logProbs = [];
            yield return delta;
        }

        // A token whose text is held back still has its probability.
        if (logProbs.Count > 0) yield return new ChatDelta(choice) { Content = "", LogProbs = logProbs };
        if (step.FinishReason is { } reason) yield return new ChatDelta(choice) { FinishReason = reason };
    }

    private ChatDelta Of(AnswerPart part) => part.Kind switch
    {
        AnswerPartKind.Content => new ChatDelta(choice) { Content = part.Text },
        AnswerPartKind.Reasoning => new ChatDelta(choice) { Reasoning = part.Text },
        AnswerPartKind.CallBegin => new ChatDelta(choice) { Call = _callCount++, CallId = NewCallId(), CallName = part.Text },
        _ => new ChatDelta(choice) { Call = _callCount - 1, CallArguments = part.Text },
    };
}
