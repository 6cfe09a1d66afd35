namespace Hadal.Inference.Engine;

/// <summary>Why a generation was refused or failed.</summary>
public enum GenerationFault
{
    /// <summary>The engine failed while it worked on this request; other requests go on.</summary>
    Failed,

    /// <summary>The queue is full; a later try may succeed.</summary>
    QueueFull,

    /// <summary>The tenant holds as many places of the queue as it leaves others; a later try may succeed.</summary>
    ShareFull,

    /// <summary>The prompt leaves no room in the context.</summary>
    PromptTooLong,

    /// <summary>A logit of the model is NaN or infinite.</summary>
    InvalidLogits,

    /// <summary>The grammar passed one of its limits, or no token of the vocabulary continues the text as it demands.</summary>
    Grammar,

    /// <summary>The engine was closed.</summary>
    Closed,
}

/// <summary>A generation that was refused or failed. The message is one line without secrets; it can be shown to the caller.</summary>
public sealed class GenerationException : Exception
{
    /// <summary>Creates the exception.</summary>
    public GenerationException(GenerationFault fault, string message, Exception? innerException = null) : base(message, innerException) => Fault = fault;

    /// <summary>Creates the exception with its one-line message.</summary>
    public GenerationException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with its one-line message and the fault beneath it.</summary>
    public GenerationException(string message, Exception? innerException) : base(message, innerException)
    {
    }

    /// <summary>Creates the exception without a message; present because the framework's guidelines ask for it.</summary>
    public GenerationException()
    {
    }

    /// <summary>Why.</summary>
    public GenerationFault Fault { get; }

    /// <summary>Of a full queue: when there will be room, by how long sequences have taken lately. Otherwise null.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
