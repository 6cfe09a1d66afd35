namespace Hadal.Cli.Tests;

/// <summary>Key presses for the line editor.</summary>
internal static class Keys
{
    public static ConsoleKeyInfo Enter { get; } = new('\r', ConsoleKey.Enter, false, false, false);

    public static ConsoleKeyInfo AltEnter { get; } = new('\r', ConsoleKey.Enter, false, true, false);

    public static ConsoleKeyInfo Of(ConsoleKey key) => new('\0', key, false, false, false);

    public static ConsoleKeyInfo Control(char letter) => new((char)(letter & 31), ConsoleKey.A + (char.ToUpperInvariant(letter) - 'A'), false, false, true);

    /// <summary>Keys of a text as the console gives them; line ends are Enter, escapes come alone.</summary>
    public static IEnumerable<ConsoleKeyInfo> Typed(string text) => text.Select(unit => unit switch
    {
        '\n' => Enter,
        '\e' => new ConsoleKeyInfo(unit, ConsoleKey.Escape, false, false, false),
        _ => new ConsoleKeyInfo(unit, ConsoleKey.None, false, false, false),
    });

    /// <summary>Keys of a bracketed paste.</summary>
    public static IEnumerable<ConsoleKeyInfo> Pasted(string text) => Typed($"\e[200~{text}\e[201~");
}
