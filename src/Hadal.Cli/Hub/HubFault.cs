namespace Hadal.Cli.Hub;

/// <summary>A request that the hub did not answer as it should.</summary>
/// <param name="message">One sentence for people, without the token.</param>
/// <param name="isTransient">Whether the same request may succeed later.</param>
/// <param name="retryAfter">When the hub wants it again, or null.</param>
/// <param name="cause">What led to it, or null.</param>
internal sealed class HubFault(string message, bool isTransient, TimeSpan? retryAfter = null, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>Whether the same request may succeed later.</summary>
    public bool IsTransient => isTransient;

    /// <summary>When the hub wants it again, or null.</summary>
    public TimeSpan? RetryAfter => retryAfter;
}
