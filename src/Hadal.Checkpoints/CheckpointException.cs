namespace Hadal.Checkpoints;

/// <summary>A checkpoint that cannot be used. The message is one line: what, where, expected, found, and what to do.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Creates the exception with its one-line message.</summary>
    public CheckpointException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with its one-line message and the fault beneath it.</summary>
    public CheckpointException(string message, Exception? innerException) : base(message, innerException)
    {
    }

    /// <summary>Creates the exception without a message; present because the framework's guidelines ask for it.</summary>
    public CheckpointException()
    {
    }
}
