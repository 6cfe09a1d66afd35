namespace Hadal.Cli;

/// <summary>Lines for people on standard error.</summary>
internal static class Messages
{
    private const string DimOn = "\e[2m", Reset = "\e[0m";

    /// <summary>A line in the background: dim where there is colour.</summary>
    public static void Dim(Shell shell, string line) => shell.Error.WriteLine(shell.UsesColour ? $"{DimOn}{line}{Reset}" : line);
}
