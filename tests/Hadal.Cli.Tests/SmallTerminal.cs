using System.Globalization;
using System.Text;

namespace Hadal.Cli.Tests;

/// <summary>As much of a terminal as the line editor uses: cells, carriage return, line feed, up, right, clear below.</summary>
internal sealed class SmallTerminal(int width)
{
    private readonly List<string[]> _rows = [NewRow(width)];
    private int _row;
    private int _column;

    public (int Row, int Column) Cursor => (_row, _column);

    /// <summary>The lowest row that was reached and not cleared since.</summary>
    public int LastRow => _rows.Count - 1;

    public string Screen => string.Join('\n', _rows.Select(cells => string.Concat(cells).TrimEnd())).TrimEnd('\n');

    public void Write(string text)
    {
        for (var index = 0; index < text.Length;)
        {
            if (text[index] == '\e')
            {
                var end = index + 2;
                while (!char.IsAsciiLetter(text[end])) end++;
                Control(text[end], text[(index + 2)..end]);
                index = end + 1;
                continue;
            }

            var element = StringInfo.GetNextTextElement(text, index);
            index += element.Length;
            Put(element);
        }
    }

    private static string[] NewRow(int width) => [.. Enumerable.Repeat(" ", width)];

    private void Control(char command, string argument)
    {
        var count = int.TryParse(argument, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 1;
        switch (command)
        {
            case 'A':
                Assert.InRange(count, 0, _row);
                _row -= count;
                break;
            case 'C':
                _column += count;
                Assert.InRange(_column, 0, width - 1);
                break;
            case 'J' when argument.Length == 0:
                for (var column = _column; column < width; column++) _rows[_row][column] = " ";
                _rows.RemoveRange(_row + 1, _rows.Count - _row - 1);
                break;
            case 'h' or 'l':
                break;
            default:
                Assert.Fail($"unknown control ESC[{argument}{command}");
                break;
        }
    }

    private void Put(string element)
    {
        switch (element)
        {
            case "\r\n":
                _column = 0;
                NextRow();
                return;
            case "\r":
                _column = 0;
                return;
            case "\n":
                NextRow();
                return;
        }

        // Wide by the ranges the tests use: CJK and pictures.
        var cells = Rune.GetRuneAt(element, 0).Value >= 0x1100 && Rune.GetRuneAt(element, 0).Value is not (>= 0x2000 and < 0x2E80) ? 2 : 1;
        Assert.InRange(_column + cells, 0, width);
        _rows[_row][_column] = element;
        if (cells == 2) _rows[_row][_column + 1] = "";
        _column += cells;
    }

    private void NextRow()
    {
        if (++_row == _rows.Count) _rows.Add(NewRow(width));
    }
}
