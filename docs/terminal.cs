// Records a terminal (the main command of the README, then a short conversation) and draws it as docs/terminal.svg.
//   dotnet run docs/terminal.cs
// Needs Linux with script (util-linux) and bash. Everything is as it came, at the speed it came; only pauses are cut to half a second.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Security;
using System.Text;
using System.Text.RegularExpressions;

const int columns = 96, rows = 60;
const double longestPause = 0.5;
// Time for a person's eyes, not for the program: it is ready when its prompt stands there.
TimeSpan perKey = TimeSpan.FromMilliseconds(25), beforeTyping = TimeSpan.FromMilliseconds(400), limit = TimeSpan.FromMinutes(3);

var root = FindRoot();
var program = Path.Combine(root, "src", "Hadal.Cli", "bin", "Release", "net10.0");
// The recording shows a second start: the first one of a fresh clone is mostly the compiler.
using (var build = Process.Start("dotnet", ["build", Path.Combine(root, "src", "Hadal.Cli"), "-c", "Release", "-v", "quiet", "--nologo", "-tl:off"]))
{
    build.WaitForExit();
    if (build.ExitCode != 0) return 1;
}

(string Prompt, string Typed)[] steps =
[
    ("$ ", MainCommand()),
    ("$ ", "hadal run"),
    ("> ", "Mary has 39 apples and gives away 9. How many apples are left?"),
    ("> ", "Write name, count and city as JSON: David has 49 ships and comes from Vienna."),
    ("> ", "你是谁？"),
    ("> ", "What is the weather like in Paris?"),
    ("> ", "/exit"),
];

var screen = new Screen(columns, rows);
using var terminal = StartTerminal();
var reading = Read();
foreach (var (prompt, typed) in steps)
{
    if (!await IsReadyAsync(prompt)) return Fail($"waited {limit.TotalMinutes:F0} minutes for '{prompt}'");
    await Task.Delay(beforeTyping);
    foreach (var key in typed.EnumerateRunes())
    {
        terminal.StandardInput.Write(key.ToString());
        await Task.Delay(perKey);
    }

    terminal.StandardInput.Write('\r');
}

if (!await IsReadyAsync("$ ")) return Fail("the conversation has no end");
var picture = Path.Combine(root, "docs", "terminal.svg");
lock (screen) File.WriteAllText(picture, Picture.Draw(screen));
terminal.StandardInput.Write("exit\r");
await reading;
Console.WriteLine($"{picture}: {screen.Seconds.ToString("F1", CultureInfo.InvariantCulture)} s");
return 0;

// The first fenced command of the README, so that the picture shows what the reader is told to run.
string MainCommand() => Regex.Match(File.ReadAllText(Path.Combine(root, "README.md")), "```sh\n(.*)\n```").Groups[1].Value;

Process StartTerminal()
{
    var home = Directory.CreateTempSubdirectory("hadal-terminal").FullName;
    var settings = Path.Combine(home, "bashrc");
    File.WriteAllText(settings, "PS1='$ '; HISTFILE=\n");
    var start = new ProcessStartInfo("script", ["-q", "-c", $"stty cols {columns} rows {rows}; exec bash --noprofile --rcfile '{settings}' -i", "/dev/null"])
    {
        WorkingDirectory = root,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        StandardInputEncoding = new UTF8Encoding(false),
        StandardOutputEncoding = Encoding.UTF8,
    };
    start.Environment["PATH"] = program + Path.PathSeparator + start.Environment["PATH"];
    start.Environment["TERM"] = "xterm-256color";
    start.Environment["LC_ALL"] = "C.UTF-8";
    start.Environment["XDG_STATE_HOME"] = home;
    start.Environment.Remove("NO_COLOR");
    var process = Process.Start(start)!;
    process.StandardInput.AutoFlush = true;
    return process;
}

async Task Read()
{
    var buffer = new char[4096];
    var watch = Stopwatch.StartNew();
    var last = 0.0;
    while (await terminal.StandardOutput.ReadAsync(buffer) is var count and > 0)
    {
        var now = watch.Elapsed.TotalSeconds;
        lock (screen) screen.Write(buffer.AsSpan(0, count), Math.Min(now - last, longestPause));
        last = now;
    }
}

async Task<bool> IsReadyAsync(string prompt)
{
    for (var watch = Stopwatch.StartNew(); watch.Elapsed < limit; await Task.Delay(20))
        lock (screen)
            if (screen.IsWaitingAt(prompt)) return true;
    return false;
}

int Fail(string what)
{
    terminal.Kill(entireProcessTree: true);
    Console.Error.WriteLine($"terminal.cs: {what}; the screen shows:\n{screen}");
    return 1;
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run terminal.cs inside the repository");
    return folder;
}

/// <summary>What a cell shows, and since when.</summary>
internal readonly record struct Cell(string Text, bool IsDim, double Since)
{
    /// <summary>Nothing, or the second half of a wide character.</summary>
    public bool IsBlank => Text is " " or "";
}

/// <summary>As much of a terminal as a shell and <c>hadal</c> use: text, line ends, cursor moves, erasing, dim text.</summary>
internal sealed class Screen(int columns, int rows)
{
    private readonly Cell[,] _cells = Blank(columns, rows);
    private readonly StringBuilder _sequence = new();
    private int _row, _column;
    private bool _isDim;
    private char _high;

    /// <summary>Length of the recording.</summary>
    public double Seconds { get; private set; }

    /// <summary>Rows down to the cursor.</summary>
    public int UsedRows => _row + 1;

    /// <summary>Columns.</summary>
    public int Columns => columns;

    /// <summary>The cursor.</summary>
    public (int Row, int Column) Cursor => (_row, _column);

    /// <summary>A cell.</summary>
    public Cell this[int row, int column] => _cells[row, column];

    /// <summary>Shows output that came so many seconds after what came before it.</summary>
    public void Write(ReadOnlySpan<char> output, double seconds)
    {
        var before = (Cell[,])_cells.Clone();
        Seconds += seconds;
        foreach (var unit in output) Write(unit);
        // What was drawn again unchanged has stood there all the time.
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++)
            {
                var (old, now) = (before[row, column], _cells[row, column]);
                _cells[row, column] = now with { Since = (old.Text, old.IsDim) == (now.Text, now.IsDim) ? old.Since : Seconds };
            }
    }

    /// <summary>Whether the cursor stands behind a prompt that is all of its line.</summary>
    public bool IsWaitingAt(string prompt) => _column == prompt.Length && Line(_row).TrimEnd() == prompt.TrimEnd();

    /// <inheritdoc/>
    public override string ToString() => string.Join('\n', Enumerable.Range(0, UsedRows).Select(row => Line(row).TrimEnd()));

    private string Line(int row) => string.Concat(Enumerable.Range(0, columns).Select(column => _cells[row, column].Text));

    private static Cell[,] Blank(int columns, int rows)
    {
        var cells = new Cell[rows, columns];
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++) cells[row, column] = new Cell(" ", false, 0);
        return cells;
    }

    private void Write(char unit)
    {
        if (_sequence.Length > 0)
        {
            _sequence.Append(unit);
            // A control sequence ends with a letter or the like, an operating system command with a bell or ESC \.
            var isEnd = _sequence.Length > 1 && _sequence[1] switch
            {
                '[' => _sequence.Length > 2 && unit is >= '@' and <= '~',
                ']' => unit == '\a' || (unit == '\\' && _sequence[^2] == '\e'),
                _ => true,
            };
            if (!isEnd) return;
            if (_sequence[1] == '[') Obey(unit, _sequence.ToString(2, _sequence.Length - 3));
            _sequence.Clear();
            return;
        }

        switch (unit)
        {
            case '\e': _sequence.Append(unit); break;
            case '\r': _column = 0; break;
            case '\n': Down(); break;
            case '\b': _column = Math.Max(_column - 1, 0); break;
            case < ' ': break;
            default:
                if (char.IsHighSurrogate(unit)) _high = unit;
                else Put(char.IsLowSurrogate(unit) ? new Rune(_high, unit) : new Rune(unit));
                break;
        }
    }

    private void Put(Rune rune)
    {
        var width = IsWide(rune) ? 2 : 1;
        if (_column + width > columns)
        {
            _column = 0;
            Down();
        }

        _cells[_row, _column] = new Cell(rune.ToString(), _isDim, 0);
        if (width == 2) _cells[_row, _column + 1] = new Cell("", _isDim, 0);
        _column += width;
    }

    private void Down()
    {
        if (++_row == rows) throw new InvalidOperationException($"the recording is longer than {rows} rows; show less");
    }

    private void Obey(char command, string parameters)
    {
        var first = int.TryParse(parameters.Split(';')[0], CultureInfo.InvariantCulture, out var number) ? number : -1;
        switch (command)
        {
            case 'A': _row = Math.Max(_row - Math.Max(first, 1), 0); break;
            case 'C': _column = Math.Min(_column + Math.Max(first, 1), columns - 1); break;
            case 'D': _column = Math.Max(_column - Math.Max(first, 1), 0); break;
            case 'F': (_row, _column) = (Math.Max(_row - Math.Max(first, 1), 0), 0); break;
            case 'G': _column = Math.Clamp(first, 1, columns) - 1; break;
            case 'K': Erase(_row, first > 0 ? 0 : _column, first == 1 ? _column : columns); break;
            case 'J':
                Erase(_row, _column, columns);
                for (var row = _row + 1; row < rows; row++) Erase(row, 0, columns);
                break;
            case 'm' when first is 2: _isDim = true; break;
            case 'm' when first is 0 or 22 or -1: _isDim = false; break;
        }
    }

    private void Erase(int row, int begin, int end)
    {
        for (var column = begin; column < end; column++) _cells[row, column] = new Cell(" ", false, 0);
    }

    private static bool IsWide(Rune rune) =>
        rune.Value is (>= 0x1100 and < 0x1160) or (>= 0x2E80 and < 0xA4D0) or (>= 0xAC00 and < 0xD7A4) or (>= 0xF900 and < 0xFB00) or (>= 0xFE30 and < 0xFE70)
            or (>= 0xFF00 and < 0xFF61) or (>= 0xFFE0 and < 0xFFE7) or (>= 0x1F300 and < 0x1F700) or (>= 0x20000 and < 0x40000);
}

/// <summary>The last screen of a recording, in which everything appears when it came. Who does not move pictures sees the whole.</summary>
internal static class Picture
{
    private const double CellWidth = 8.4, LineHeight = 19, Margin = 18, Together = 0.05;

    private const string Style = """
          <style>
            .card { fill: #f6f8fa; stroke: #d0d7de }
            text { fill: #1f2328; white-space: pre; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace; animation: come 1ms backwards }
            .dim { fill: #59636e }
            .cursor { fill: #1f2328; animation: come 1ms backwards }
            @keyframes come { from { opacity: 0 } }
            @media (prefers-color-scheme: dark) {
              .card { fill: #0d1117; stroke: #30363d }
              text, .cursor { fill: #e6edf3 }
              .dim { fill: #9198a1 }
            }
            @media (prefers-reduced-motion: reduce) { text, .cursor { animation: none } }
          </style>
        """;

    /// <summary>Draws a screen.</summary>
    public static string Draw(Screen screen)
    {
        var (width, height) = ((2 * Margin) + (screen.Columns * CellWidth), (2 * Margin) + (screen.UsedRows * LineHeight));
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:0.#} {height:0.#}\" xml:space=\"preserve\">\n");
        svg.Append("  <title>A terminal: hadal continues a text, then holds a conversation</title>\n").Append(Style.ReplaceLineEndings("\n")).Append('\n');
        svg.Append(CultureInfo.InvariantCulture, $"  <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{width - 1:0.#}\" height=\"{height - 1:0.#}\" rx=\"8\"/>\n");
        for (var row = 0; row < screen.UsedRows; row++) DrawRow(svg, screen, row);
        var (x, y) = (Margin + (screen.Cursor.Column * CellWidth), Margin + (screen.Cursor.Row * LineHeight));
        var end = Tick(screen.Seconds);
        svg.Append(CultureInfo.InvariantCulture, $"  <rect class=\"cursor\" x=\"{x:0.#}\" y=\"{y + 2:0.#}\" width=\"{CellWidth}\" height=\"{LineHeight - 3}\" style=\"animation-delay:{end:0.##}s\"/>\n");
        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawRow(StringBuilder svg, Screen screen, int row)
    {
        for (var column = 0; column < screen.Columns;)
        {
            var first = screen[row, column];
            if (first.IsBlank)
            {
                column++;
                continue;
            }

            // Characters of full width get a place each; fonts give those of half width one width, which the length of the run makes ours.
            var (begin, cells, text) = (column, 0, new StringBuilder());
            var isWide = IsWide(column);
            for (; column < screen.Columns && Belongs(screen[row, column]) && IsWide(column) == isWide; column += isWide ? 2 : 1, cells += isWide ? 2 : 1) text.Append(screen[row, column].Text);
            var shown = text.ToString().TrimEnd(' ');
            cells -= text.Length - shown.Length;
            var places = string.Join(' ', Enumerable.Range(0, isWide ? cells / 2 : 1).Select(index => (Margin + ((begin + (2 * index)) * CellWidth)).ToString("0.#", CultureInfo.InvariantCulture)));
            svg.Append(CultureInfo.InvariantCulture, $"  <text x=\"{places}\" y=\"{Margin + (row * LineHeight) + 14:0.#}\"");
            if (!isWide) svg.Append(CultureInfo.InvariantCulture, $" textLength=\"{cells * CellWidth:0.#}\"");
            if (first.IsDim) svg.Append(" class=\"dim\"");
            svg.Append(CultureInfo.InvariantCulture, $" style=\"animation-delay:{Tick(first.Since):0.##}s\">{SecurityElement.Escape(shown)}</text>\n");

            bool Belongs(Cell cell) => cell.IsDim == first.IsDim && (Tick(cell.Since) == Tick(first.Since) || cell.Text == " ");
        }

        bool IsWide(int column) => column + 1 < screen.Columns && screen[row, column + 1].Text.Length == 0;
    }

    private static double Tick(double seconds) => Math.Ceiling(seconds / Together) * Together;
}
