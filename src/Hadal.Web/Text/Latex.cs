using System.Globalization;
using System.Net;
using System.Text;

namespace Hadal.Web.Text;

/// <summary>Formulas in the LaTeX that models write, as MathML.</summary>
/// <remarks>Elements and attributes are constants of this file and all text is encoded, so that a formula of a stranger cannot become other markup.</remarks>
internal sealed class Latex
{
    private const int MaxLength = 10_000;
    private const int MaxDepth = 48;

    private readonly string _text;
    private int _at;
    private int _depth;

    private Latex(string text) => _text = text;

    /// <summary>The formula as a <c>math</c> element; null where something in it is not understood.</summary>
    /// <param name="formula">LaTeX without its dollar signs.</param>
    /// <param name="isDisplay">Whether it stands on a line of its own.</param>
    public static string? TryToMathMl(string formula, bool isDisplay)
    {
        if (formula.Length > MaxLength) return null;
        try
        {
            var latex = new Latex(formula.Trim());
            var rows = latex.Rows("");
            return $"<math{(isDisplay ? " display=\"block\"" : "")}>{(rows is [[var only]] ? only : Table(rows, "alternate"))}</math>";
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static FormatException Unknown(string what) => new(what);

    private static string Encode(string text) => WebUtility.HtmlEncode(text);

    private static string Tag(string name, string content) => $"<{name}>{content}</{name}>";

    private static string Operator(string sign, string attributes = "") => $"<mo{attributes}>{Encode(sign)}</mo>";

    private static string Row(string content) => Tag("mrow", content);

    /// <summary>Cells and lines up to an end: <c>}</c>, <c>\right</c>, <c>\end</c>, or the end of the text.</summary>
    private List<List<string>> Rows(string end)
    {
        if (++_depth > MaxDepth) throw Unknown("depth");
        var rows = new List<List<string>> { new() };
        var cell = new StringBuilder();
        while (true)
        {
            SkipSpace();
            if (_at == _text.Length || IsAt(end))
            {
                if (_at == _text.Length && end.Length > 0) throw Unknown("open");
                _at += end.Length;
                rows[^1].Add(Row(cell.ToString()));
                _depth--;
                return rows;
            }

            if (_text[_at] == '&' || _text.AsSpan(_at).StartsWith("\\\\", StringComparison.Ordinal))
            {
                rows[^1].Add(Row(cell.ToString()));
                cell.Clear();
                if (_text[_at] == '&') _at++;
                else
                {
                    _at += 2;
                    SkipSpace();
                    if (_at < _text.Length && _text[_at] == '[') Until(']');
                    rows.Add([]);
                }

                continue;
            }

            cell.Append(Scripted());
        }
    }

    /// <summary>Whether an end stands here. A command ends with its last letter.</summary>
    private bool IsAt(string end) =>
        end.Length > 0 && Peek(end) && !(char.IsAsciiLetter(end[^1]) && _at + end.Length < _text.Length && char.IsAsciiLetter(_text[_at + end.Length]));

    /// <summary>One line without cells.</summary>
    private string Line(string end) => Rows(end) is [[var only]] ? only : throw Unknown("cells");

    /// <summary>Something with what stands at its foot and its shoulder.</summary>
    private string Scripted()
    {
        var isSum = false;
        var core = _text[_at] is '^' or '_' ? "<mrow></mrow>" : Atom(out isSum);
        string? below = null, above = null;
        while (true)
        {
            SkipSpace();
            if (_at == _text.Length) break;
            if (_text[_at] == '\'')
            {
                var count = 0;
                for (; _at < _text.Length && _text[_at] == '\''; _at++) count++;
                above = (above ?? "") + Operator(new string('′', count));
            }
            else if (_text[_at] == '_' && below is null)
            {
                _at++;
                below = Argument();
            }
            else if (_text[_at] == '^')
            {
                _at++;
                above = (above ?? "") + Argument();
            }
            else if (Peek("\\limits") || Peek("\\nolimits")) Name();
            else break;
        }

        if (above is not null) above = Row(above);
        return (below, above) switch
        {
            (null, null) => core,
            (null, _) => Tag(isSum ? "mover" : "msup", core + above),
            (_, null) => Tag(isSum ? "munder" : "msub", core + below),
            _ => Tag(isSum ? "munderover" : "msubsup", core + below + above),
        };
    }

    private bool Peek(string command) => _text.AsSpan(_at).StartsWith(command, StringComparison.Ordinal);

    private string Atom(out bool isSum)
    {
        isSum = false;
        var sign = _text[_at];
        if (sign == '\\') return Command(Name(), out isSum);
        if (sign == '{')
        {
            _at++;
            return Line("}");
        }

        if (sign is '}' or '#' or '%' or '$') throw Unknown("sign");
        if (char.IsAsciiDigit(sign)) return Tag("mn", Number());
        var length = char.IsSurrogatePair(_text, _at) ? 2 : 1;
        var text = _text.Substring(_at, length);
        _at += length;
        if (char.IsLetter(text, 0)) return Tag("mi", Encode(text));
        return sign switch
        {
            '-' => Operator("−"),
            '*' => Operator("∗"),
            '~' => Space(6),
            '(' or ')' or '[' or ']' or '|' => Operator(text, " stretchy=\"false\""),
            _ => Operator(text),
        };
    }

    private string Number()
    {
        var begin = _at;
        while (_at < _text.Length && (char.IsAsciiDigit(_text[_at]) || (_text[_at] is '.' or ',' && _at + 1 < _text.Length && char.IsAsciiDigit(_text[_at + 1])))) _at++;
        return _text[begin.._at];
    }

    /// <summary>The name of a command: letters, or one other sign.</summary>
    private string Name()
    {
        var begin = ++_at;
        while (_at < _text.Length && char.IsAsciiLetter(_text[_at])) _at++;
        if (_at == begin && _at++ == _text.Length) throw Unknown("\\");
        return _text[begin.._at];
    }

    /// <summary>What a command is about: a group, or one sign.</summary>
    private string Argument()
    {
        SkipSpace();
        if (_at == _text.Length || _text[_at] is '^' or '_' or '&') throw Unknown("argument");
        return char.IsAsciiDigit(_text[_at]) ? Tag("mn", _text[_at++].ToString()) : Atom(out _);
    }

    /// <summary>An argument taken as it is written.</summary>
    private string Verbatim()
    {
        SkipSpace();
        if (_at == _text.Length || _text[_at] != '{') throw Unknown("argument");
        return Until('}');
    }

    /// <summary>From an opening sign to its close, which is passed over.</summary>
    private string Until(char close)
    {
        var open = _text[_at++];
        var begin = _at;
        for (var level = 1; _at < _text.Length; _at++)
        {
            if (_text[_at] == open) level++;
            else if (_text[_at] == close && --level == 0) return _text[begin.._at++];
        }

        throw Unknown("open");
    }

    private string Command(string name, out bool isSum)
    {
        isSum = LatexSymbols.Sums.ContainsKey(name) || LatexSymbols.Limits.Contains(name) || name is "operatorname*" or "underbrace" or "overbrace";
        if (LatexSymbols.Identifiers.TryGetValue(name, out var letter)) return Tag("mi", Encode(letter));
        if (LatexSymbols.Operators.TryGetValue(name, out var sign)) return Operator(sign);
        if (LatexSymbols.Sums.TryGetValue(name, out var sum)) return Operator(sum, " movablelimits=\"true\"");
        if (LatexSymbols.Integrals.TryGetValue(name, out var integral)) return Operator(integral);
        if (LatexSymbols.Limits.Contains(name)) return Operator(name is "limsup" or "liminf" ? name.Insert(3, " ") : name is "argmax" or "argmin" ? name.Insert(3, " ") : name, " movablelimits=\"true\"");
        if (LatexSymbols.Functions.Contains(name)) return Tag("mi", name) + "<mspace width=\"0.1667em\"/>";
        if (LatexSymbols.Spaces.TryGetValue(name, out var width)) return Space(width);
        if (LatexSymbols.Silent.Contains(name)) return "";
        if (LatexSymbols.Accents.TryGetValue(name, out var accent)) return Tag("mover", Argument() + Operator(accent, $" stretchy=\"{(name is "overline" or "widehat" or "widetilde" or "overbrace" or "overrightarrow" ? "true" : "false")}\""));
        if (LatexSymbols.Below.TryGetValue(name, out var below)) return Tag("munder", Argument() + Operator(below, " stretchy=\"true\""));
        if (LatexSymbols.Alphabets.TryGetValue(name, out var alphabet)) return Styled(Verbatim(), alphabet);
        return Structure(name);
    }

    private string Structure(string name)
    {
        switch (name)
        {
            case "frac" or "dfrac" or "tfrac" or "cfrac":
                return Tag("mfrac", Argument() + Argument());
            case "binom" or "dbinom" or "tbinom":
                return Row(Operator("(") + $"<mfrac linethickness=\"0\">{Argument()}{Argument()}</mfrac>" + Operator(")"));
            case "sqrt":
                SkipSpace();
                if (_at == _text.Length || _text[_at] != '[') return Tag("msqrt", Argument());
                _at++;
                var degree = Line("]");
                return Tag("mroot", Argument() + degree);
            case "text" or "textrm" or "textbf" or "textit" or "mbox" or "texttt":
                return Tag("mtext", Encode(Verbatim()));
            case "mathrm" or "operatorname" or "mathit" or "mathop":
                if (_at < _text.Length && _text[_at] == '*') _at++;
                return $"<mi mathvariant=\"normal\">{Encode(Verbatim().Replace("\\,", "", StringComparison.Ordinal))}</mi>";
            case "overset" or "stackrel":
                var above = Argument();
                return Tag("mover", Argument() + above);
            case "underset":
                var below = Argument();
                return Tag("munder", Argument() + below);
            case "not":
                return Operator(Struck());
            case "pmod":
                return Space(18) + Row(Operator("(") + Tag("mi", "mod") + Space(6) + Argument() + Operator(")"));
            case "bmod" or "mod":
                return Space(4) + Tag("mi", "mod") + Space(4);
            case "boxed" or "mathstrut" or "phantom":
                return name == "boxed" ? $"<mrow class=\"boxed\">{Argument()}</mrow>" : Tag("mphantom", Argument());
            case "color" or "textcolor":
                Verbatim();
                return Argument();
            case "label" or "tag":
                Verbatim();
                return "";
            case "left":
                return Fenced();
            case "begin":
                return Environment(Verbatim());
            default:
                throw Unknown(name);
        }
    }

    /// <summary>A relation with a line through it.</summary>
    private string Struck()
    {
        SkipSpace();
        if (_at == _text.Length) throw Unknown("not");
        var sign = _text[_at] == '\\' ? LatexSymbols.Operators.GetValueOrDefault(Name()) ?? throw Unknown("not") : _text[_at++].ToString();
        return sign + "\u0338";
    }

    private string Fenced()
    {
        var open = Delimiter();
        var content = Line("\\right");
        return Row(open + content + Delimiter());
    }

    private string Delimiter()
    {
        SkipSpace();
        if (_at == _text.Length) throw Unknown("delimiter");
        var sign = _text[_at] == '\\' ? LatexSymbols.Operators.GetValueOrDefault(Name()) ?? throw Unknown("delimiter") : _text[_at++].ToString();
        return sign == "." ? "" : Operator(sign == "<" ? "⟨" : sign == ">" ? "⟩" : sign, " stretchy=\"true\" fence=\"true\"");
    }

    private string Environment(string name)
    {
        var plain = name.TrimEnd('*');
        if (plain is "array") Verbatim();
        var rows = Rows("\\end{" + name + "}");
        if (rows.Count > 1 && rows[^1] is ["<mrow></mrow>"]) rows.RemoveAt(rows.Count - 1);
        return plain switch
        {
            "matrix" or "array" or "smallmatrix" => Table(rows, ""),
            "pmatrix" => Row(Fence("(") + Table(rows, "") + Fence(")")),
            "bmatrix" => Row(Fence("[") + Table(rows, "") + Fence("]")),
            "Bmatrix" => Row(Fence("{") + Table(rows, "") + Fence("}")),
            "vmatrix" => Row(Fence("|") + Table(rows, "") + Fence("|")),
            "Vmatrix" => Row(Fence("‖") + Table(rows, "") + Fence("‖")),
            "cases" => Row(Fence("{") + Table(rows, "left")),
            "aligned" or "align" or "split" or "gathered" or "gather" or "equation" or "alignat" => Table(rows, "alternate"),
            _ => throw Unknown(name),
        };
    }

    private static string Fence(string sign) => Operator(sign, " stretchy=\"true\" fence=\"true\"");

    /// <summary>Lines of cells. Alignment is a class of the style sheet: MathML Core has no attribute for it.</summary>
    private static string Table(List<List<string>> rows, string alignment)
    {
        var table = new StringBuilder(alignment.Length > 0 ? $"<mtable class=\"{alignment}\" displaystyle=\"true\">" : "<mtable>");
        foreach (var row in rows)
        {
            table.Append("<mtr>");
            foreach (var cell in row) table.Append("<mtd>").Append(cell).Append("</mtd>");
            table.Append("</mtr>");
        }

        return table.Append("</mtable>").ToString();
    }

    private static string Styled(string letters, (int Capital, int Small, int Digit) alphabet)
    {
        var text = new StringBuilder();
        foreach (var letter in letters.Where(letter => letter != ' '))
        {
            if (letter is '\\' or '{' or '}' or '^' or '_') throw Unknown("style");
            var place = letter switch
            {
                >= 'A' and <= 'Z' => alphabet.Capital + letter - 'A',
                >= 'a' and <= 'z' => alphabet.Small + letter - 'a',
                >= '0' and <= '9' when alphabet.Digit > 0 => alphabet.Digit + letter - '0',
                _ => letter,
            };
            text.Append(place > char.MaxValue ? char.ConvertFromUtf32(LatexSymbols.OlderPlaces.GetValueOrDefault(place, place)) : ((char)place).ToString());
        }

        return Tag("mi", Encode(text.ToString()));
    }

    private static string Space(int eighteenths) => string.Create(CultureInfo.InvariantCulture, $"<mspace width=\"{eighteenths / 18.0:0.####}em\"/>");

    private void SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at])) _at++;
    }
}
