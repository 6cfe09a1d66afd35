namespace Hadal.Training;

/// <summary>A training run that cannot start or go on. The message is one line: what, where, expected, found, and what to do.</summary>
public sealed class TrainingException : Exception
{
    /// <summary>Creates the exception with its one-line message.</summary>
    public TrainingException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with its one-line message and the fault beneath it.</summary>
    public TrainingException(string message, Exception? innerException) : base(message, innerException)
    {
    }

    /// <summary>Creates the exception without a message; present because the framework's guidelines ask for it.</summary>
    public TrainingException()
    {
    }
}
