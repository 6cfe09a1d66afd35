using System.Text;

namespace Hadal.Cli;

/// <summary>Earlier prompts, kept in a file that only the user may read.</summary>
/// <remarks>One prompt a line; backslashes and line ends are written as <c>\\</c> and <c>\n</c>. Where the file cannot be used, the history lasts as long as the program.</remarks>
internal sealed class PromptHistory
{
    private const int MaxPrompts = 1000;
    private readonly string? _path;
    private readonly List<string> _prompts = [];

    private PromptHistory(string? path) => _path = path;

    /// <summary>Prompts, oldest first.</summary>
    public IReadOnlyList<string> Prompts => _prompts;

    /// <summary>Reads the history of a user.</summary>
    public static PromptHistory Open(Shell shell)
    {
        var history = new PromptHistory(PathOf(shell));
        if (history._path is null || !File.Exists(history._path)) return history;
        try
        {
            var lines = File.ReadAllLines(history._path);
            history._prompts.AddRange(lines.TakeLast(MaxPrompts).Select(Unescape));
            if (lines.Length > 2 * MaxPrompts) history.Write(FileMode.Create, history._prompts);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new PromptHistory(null);
        }

        return history;
    }

    /// <summary>Adds a prompt, unless it is the last one again.</summary>
    public void Add(string prompt)
    {
        if (prompt.Length == 0 || (_prompts.Count > 0 && _prompts[^1] == prompt)) return;
        _prompts.Add(prompt);
        if (_path is null) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            Write(FileMode.Append, [prompt]);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // The prompt stays in memory; a conversation does not end because a disk is full.
        }
    }

    private static string? PathOf(Shell shell)
    {
        var state = OperatingSystem.IsWindows()
            ? shell.Variable("LOCALAPPDATA")
            : shell.Variable("XDG_STATE_HOME") ?? (shell.Home is { } home ? Path.Combine(home, ".local", "state") : null);
        return state is null ? null : Path.Combine(state, "hadal", "history");
    }

    private void Write(FileMode mode, IEnumerable<string> prompts)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var stream = new FileStream(_path!, options);
        foreach (var prompt in prompts) stream.Write(Encoding.UTF8.GetBytes(Escape(prompt) + "\n"));
    }

    private static string Escape(string prompt) => prompt.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);

    private static string Unescape(string line)
    {
        var prompt = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] != '\\' || i + 1 == line.Length) prompt.Append(line[i]);
            else prompt.Append(line[++i] == 'n' ? '\n' : line[i]);
        }

        return prompt.ToString();
    }
}
