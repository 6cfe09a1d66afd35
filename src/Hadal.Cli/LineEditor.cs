using System.Globalization;

namespace Hadal.Cli;

/// <summary>How reading a prompt ended.</summary>
internal enum LineEnd
{
    /// <summary>With a prompt.</summary>
    Entered,

    /// <summary>With Ctrl+D on an empty line, or the end of the input.</summary>
    EndOfInput,

    /// <summary>With Ctrl+C on an empty line.</summary>
    Interrupted,
}

/// <summary>Reads prompts from the keyboard: cursor keys, history, several lines, paste.</summary>
internal sealed class LineEditor(Shell shell, PromptHistory history)
{
    private const string PasteOn = "\e[?2004h", PasteOff = "\e[?2004l", PasteBegin = "[200~", PasteEnd = "[201~";
    private const string Quotes = "\"\"\"";

    private readonly LineDisplay _display = new(shell);
    private string _text = "";
    private int _cursor;
    private int _historyIndex;
    private string _draft = "";

    /// <summary>Reads a prompt.</summary>
    public (LineEnd End, string Text) Read()
    {
        (_text, _cursor, _historyIndex, _draft) = ("", 0, history.Prompts.Count, "");
        shell.TakeCtrlC(true);
        shell.Error.Write(PasteOn);
        try
        {
            _display.Begin();
            while (true)
            {
                _display.Draw(_text, _cursor);
                if (Press(shell.ReadKey()) is not { } end) continue;
                _display.Draw(_text, _text.Length);
                shell.Error.Write("\r\n");
                var prompt = WithoutMarks(_text);
                if (end == LineEnd.Entered) history.Add(prompt);
                return (end, prompt);
            }
        }
        finally
        {
            shell.Error.Write(PasteOff);
            shell.TakeCtrlC(false);
        }
    }

    /// <summary>Does what a key says; a value ends the prompt.</summary>
    private LineEnd? Press(ConsoleKeyInfo key)
    {
        var isControl = key.Modifiers.HasFlag(ConsoleModifiers.Control);
        var isAlt = key.Modifiers.HasFlag(ConsoleModifiers.Alt);
        switch (key.Key)
        {
            case ConsoleKey.Enter when isAlt: Insert("\n"); return null;
            case ConsoleKey.Enter: return Enter();
            case ConsoleKey.Escape: EscapeSequence(); return null;
            case ConsoleKey.LeftArrow: _cursor = isControl || isAlt ? WordLeft() : Left(); return null;
            case ConsoleKey.RightArrow: _cursor = isControl || isAlt ? WordRight() : Right(); return null;
            case ConsoleKey.UpArrow: Up(); return null;
            case ConsoleKey.DownArrow: Down(); return null;
            case ConsoleKey.Home: _cursor = LineBegin(); return null;
            case ConsoleKey.End: _cursor = LineEndIndex(); return null;
            case ConsoleKey.Backspace: Delete(isControl || isAlt ? WordLeft() : Left(), _cursor); return null;
            case ConsoleKey.Delete: Delete(_cursor, Right()); return null;
            case >= ConsoleKey.A and <= ConsoleKey.Z when isControl && !isAlt: return PressControl(key.Key);
            case ConsoleKey.B when isAlt: _cursor = WordLeft(); return null;
            case ConsoleKey.F when isAlt: _cursor = WordRight(); return null;
            case ConsoleKey.D when isAlt: Delete(_cursor, WordRight()); return null;
            default:
                if (!char.IsControl(key.KeyChar) && !isAlt) Insert(key.KeyChar.ToString());
                return null;
        }
    }

    private LineEnd? PressControl(ConsoleKey key)
    {
        switch (key)
        {
            case ConsoleKey.A: _cursor = LineBegin(); return null;
            case ConsoleKey.B: _cursor = Left(); return null;
            case ConsoleKey.E: _cursor = LineEndIndex(); return null;
            case ConsoleKey.F: _cursor = Right(); return null;
            case ConsoleKey.H: Delete(Left(), _cursor); return null;
            case ConsoleKey.J: return Enter();
            case ConsoleKey.K: Delete(_cursor, LineEndIndex()); return null;
            case ConsoleKey.L: _display.Clear(); return null;
            case ConsoleKey.N: Down(); return null;
            case ConsoleKey.P: Up(); return null;
            case ConsoleKey.U: Delete(LineBegin(), _cursor); return null;
            case ConsoleKey.W: Delete(WordLeft(), _cursor); return null;
            case ConsoleKey.D when _text.Length == 0: return LineEnd.EndOfInput;
            case ConsoleKey.D: Delete(_cursor, Right()); return null;
            case ConsoleKey.C when _text.Length == 0: return LineEnd.Interrupted;
            case ConsoleKey.C: Abandon(); return null;
            default: return null;
        }
    }

    /// <summary>Ends the prompt, unless it says that it goes on.</summary>
    private LineEnd? Enter()
    {
        if (_text.StartsWith(Quotes, StringComparison.Ordinal) && _text.IndexOf(Quotes, Quotes.Length, StringComparison.Ordinal) < 0)
        {
            Insert("\n");
            return null;
        }

        if (!_text.EndsWith('\\')) return LineEnd.Entered;
        _text = _text[..^1] + "\n";
        _cursor = _text.Length;
        return null;
    }

    /// <summary>Leaves the text standing above a new, empty prompt.</summary>
    private void Abandon()
    {
        _display.Draw(_text, _text.Length);
        shell.Error.Write("^C\r\n");
        (_text, _cursor, _historyIndex) = ("", 0, history.Prompts.Count);
        _display.Begin();
    }

    /// <summary>Reads what follows an escape that the console made no key of: the beginning of a paste, or something to leave aside.</summary>
    private void EscapeSequence()
    {
        var sequence = "";
        do sequence += shell.ReadKey().KeyChar;
        while (sequence.Length < 16 && (sequence == "[" || !char.IsAsciiLetter(sequence[^1])) && sequence[^1] != '~' && sequence[0] == '[');
        if (sequence == PasteBegin) Paste();
    }

    private void Paste()
    {
        var pasted = new System.Text.StringBuilder();
        while (true)
        {
            var key = shell.ReadKey();
            if (key.KeyChar != '\0') pasted.Append(key.KeyChar);
            if (EndsWith(pasted, "\e" + PasteEnd)) break;
        }

        pasted.Length -= PasteEnd.Length + 1;
        Insert(pasted.ToString().ReplaceLineEndings("\n"));
    }

    private static bool EndsWith(System.Text.StringBuilder text, string end)
    {
        if (text.Length < end.Length) return false;
        for (var i = 0; i < end.Length; i++)
            if (text[text.Length - end.Length + i] != end[i]) return false;
        return true;
    }

    private void Insert(string text)
    {
        _text = _text.Insert(_cursor, text);
        _cursor += text.Length;
    }

    private void Delete(int begin, int end)
    {
        _text = _text.Remove(begin, end - begin);
        _cursor = begin;
    }

    /// <summary>One line up, or from the first line back in the history.</summary>
    private void Up()
    {
        var begin = LineBegin();
        if (begin > 0)
        {
            var above = begin == 1 ? 0 : _text.LastIndexOf('\n', begin - 2) + 1;
            _cursor = Math.Min(above + (_cursor - begin), begin - 1);
        }
        else if (_historyIndex > 0)
        {
            if (_historyIndex == history.Prompts.Count) _draft = _text;
            Show(history.Prompts[--_historyIndex]);
        }
    }

    /// <summary>One line down, or from the last line forth in the history.</summary>
    private void Down()
    {
        var end = LineEndIndex();
        if (end < _text.Length)
        {
            var column = _cursor - LineBegin();
            var next = _text.IndexOf('\n', end + 1);
            _cursor = Math.Min(end + 1 + column, next < 0 ? _text.Length : next);
        }
        else if (_historyIndex < history.Prompts.Count)
        {
            Show(++_historyIndex == history.Prompts.Count ? _draft : history.Prompts[_historyIndex]);
        }
    }

    private void Show(string text) => (_text, _cursor) = (text, text.Length);

    private int LineBegin() => _cursor == 0 ? 0 : _text.LastIndexOf('\n', _cursor - 1) + 1;

    private int LineEndIndex() => _text.IndexOf('\n', _cursor) is var index and >= 0 ? index : _text.Length;

    private int Left()
    {
        if (_cursor == 0) return 0;
        // Steps go by what people take for a character, which may be several code points.
        var starts = StringInfo.ParseCombiningCharacters(_text);
        return starts.Last(start => start < _cursor);
    }

    private int Right() => _cursor == _text.Length ? _cursor : _cursor + StringInfo.GetNextTextElementLength(_text, _cursor);

    private int WordLeft()
    {
        var index = _cursor;
        while (index > 0 && char.IsWhiteSpace(_text[index - 1])) index--;
        while (index > 0 && !char.IsWhiteSpace(_text[index - 1])) index--;
        return index;
    }

    private int WordRight()
    {
        var index = _cursor;
        while (index < _text.Length && char.IsWhiteSpace(_text[index])) index++;
        while (index < _text.Length && !char.IsWhiteSpace(_text[index])) index++;
        return index;
    }

    private static string WithoutMarks(string text)
    {
        if (!text.StartsWith(Quotes, StringComparison.Ordinal)) return text;
        var end = text.IndexOf(Quotes, Quotes.Length, StringComparison.Ordinal);
        return end < 0 ? text : text[Quotes.Length..end].Trim('\n');
    }
}
