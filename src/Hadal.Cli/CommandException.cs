namespace Hadal.Cli;

/// <summary>A command that ends with a message of one line and an exit code.</summary>
internal sealed class CommandException : Exception
{
    private CommandException(int exitCode, string message, Exception? innerException) : base(message, innerException) => ExitCode = exitCode;

    /// <summary>What the process ends with.</summary>
    public int ExitCode { get; }

    /// <summary>The command was called wrongly.</summary>
    public static CommandException Usage(string message, Exception? innerException = null) => new(Cli.ExitCode.WrongUsage, message, innerException);

    /// <summary>The command was called rightly and failed.</summary>
    public static CommandException Failed(string message, Exception? innerException = null) => new(Cli.ExitCode.Failed, message, innerException);
}

/// <summary>Exit codes of the process.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    public const int Failed = 1;

    public const int WrongUsage = 2;

    /// <summary>128 + SIGINT, as shells count it.</summary>
    public const int Interrupted = 130;
}
