using System.Text;
using Spectre.Console;

namespace Hadal.Cli;

/// <summary>Columns and progress bars for people.</summary>
internal static class Tables
{
    private const string BoldOn = "\e[1m", DimOn = "\e[2m", Reset = "\e[0m", Gap = "   ";

    /// <summary>Writes a title and named values below each other.</summary>
    public static void WriteFields(Shell shell, string title, IReadOnlyList<(string Name, string Value)> fields)
    {
        WriteLine(shell, title, BoldOn);
        var width = fields.Max(field => field.Name.Length);
        foreach (var (name, value) in fields)
        {
            shell.Text.Write(Styled(shell, $"  {name.PadRight(width)}{Gap}", DimOn));
            shell.Text.WriteLine(TerminalText.Visible(value));
        }
    }

    /// <summary>Writes rows in columns; those after <paramref name="leftColumns"/> are aligned to the right.</summary>
    public static void WriteRows(Shell shell, IReadOnlyList<string> titles, IReadOnlyList<string[]> rows, int leftColumns)
    {
        var widths = titles.Select((title, column) => rows.Select(row => row[column].Length).Append(title.Length).Max()).ToArray();
        WriteLine(shell, Line(titles), DimOn);
        foreach (var row in rows) WriteLine(shell, Line(row), style: null);

        string Line(IReadOnlyList<string> cells)
        {
            var line = new StringBuilder();
            for (var column = 0; column < cells.Count; column++)
            {
                if (column > 0) line.Append(Gap);
                line.Append(column < leftColumns ? cells[column].PadRight(widths[column]) : cells[column].PadLeft(widths[column]));
            }

            return line.ToString().TrimEnd();
        }
    }

    /// <summary>Runs work under a progress bar on standard error.</summary>
    /// <param name="shell">Has a terminal there.</param>
    /// <param name="title">What is done.</param>
    /// <param name="total">What is to be done, in any unit.</param>
    /// <param name="work">The work; it says how much is done by now.</param>
    public static T WithBar<T>(Shell shell, string title, double total, Func<Action<double>, T> work)
    {
        var console = ErrorConsole(shell);
        return console.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask(title, maxValue: total);
                return work(done => task.Value = done);
            });
    }

    /// <summary>Standard error as the library of progress bars writes to it.</summary>
    public static IAnsiConsole ErrorConsole(Shell shell)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(shell.Error),
            Ansi = shell.UsesColour ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = shell.UsesColour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
        });
        console.Profile.Width = shell.Width();
        return console;
    }

    private static void WriteLine(Shell shell, string line, string? style) =>
        shell.Text.WriteLine(style is null ? TerminalText.Visible(line) : Styled(shell, TerminalText.Visible(line), style));

    private static string Styled(Shell shell, string text, string style) => shell.IsOutputTerminal && shell.HasColour ? $"{style}{text}{Reset}" : text;
}
