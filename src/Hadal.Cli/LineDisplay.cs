using System.Globalization;
using System.Text;
using Spectre.Console.Rendering;

namespace Hadal.Cli;

/// <summary>Draws a prompt that is being edited, over as many rows as it needs.</summary>
internal sealed class LineDisplay(Shell shell)
{
    private const string First = "> ", Following = "· ", ClearBelow = "\e[J", ClearScreen = "\e[H\e[2J";
    private int _cursorRow;

    /// <summary>Begins where the cursor is, at the left edge.</summary>
    public void Begin() => _cursorRow = 0;

    /// <summary>Clears the terminal; the next drawing begins at its top.</summary>
    public void Clear()
    {
        shell.Error.Write(ClearScreen);
        _cursorRow = 0;
    }

    /// <summary>Draws the text in place of what was drawn before.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cursor">UTF-16 index of the cursor in it.</param>
    public void Draw(string text, int cursor)
    {
        var frame = new StringBuilder();
        MoveUp(frame, _cursorRow);
        frame.Append('\r').Append(ClearBelow).Append(First);
        // The last column stays free: terminals disagree about where the cursor is behind it.
        var width = Math.Max(shell.Width() - 1, First.Length + 2);
        var (row, column) = (0, First.Length);
        var (cursorRow, cursorColumn) = (0, 0);
        for (var index = 0; ; index += StringInfo.GetNextTextElementLength(text, index))
        {
            var isEnd = index >= text.Length;
            var element = isEnd ? "" : StringInfo.GetNextTextElement(text, index);
            var shown = element is "\t" ? "    " : TerminalText.Visible(element);
            var cells = shown is "\n" ? 0 : new Segment(shown).CellCount();
            if (column + cells > width) Break("");
            if (index <= cursor) (cursorRow, cursorColumn) = (row, column);
            if (isEnd) break;
            if (shown is "\n") Break(Following);
            else frame.Append(shown);
            column += cells;
        }

        MoveUp(frame, row - cursorRow);
        frame.Append('\r');
        if (cursorColumn > 0) frame.Append(CultureInfo.InvariantCulture, $"\e[{cursorColumn}C");
        _cursorRow = cursorRow;
        shell.Error.Write(frame);

        void Break(string start)
        {
            frame.Append("\r\n").Append(start);
            row++;
            column = start.Length;
        }
    }

    private static void MoveUp(StringBuilder frame, int rows)
    {
        if (rows > 0) frame.Append(CultureInfo.InvariantCulture, $"\e[{rows}A");
    }
}
