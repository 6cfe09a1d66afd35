using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text.Jinja;

internal enum TokenKind
{
    Text,
    TagBegin,
    TagEnd,
    PrintBegin,
    PrintEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token and where it begins in the source.</summary>
internal readonly record struct JinjaToken(TokenKind Kind, string Value, int Position);

/// <summary>Splits a template into tokens with <c>trim_blocks</c> and <c>lstrip_blocks</c> on, as Jinja 3 does (pallets/jinja <c>lexer.py</c>).</summary>
internal sealed class JinjaLexer
{
    private const int MaxNameLength = 256;

    private static readonly string[] Operators =
    [
        "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",",
    ];

    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private readonly Stack<char> _open = new();
    private int _at;
    private bool _isAtLineStart = true;

    private JinjaLexer(string source) => _source = source;

    /// <summary>The source as positions refer to it: line ends are <c>\n</c>, and one at the very end is gone.</summary>
    public static string Normalize(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return source.EndsWith('\n') ? source[..^1] : source;
    }

    /// <summary>All tokens of a normalised source, <see cref="TokenKind.End"/> last.</summary>
    /// <exception cref="ChatTemplateException">The source is not a template.</exception>
    public static List<JinjaToken> Tokenize(string normalized)
    {
        var lexer = new JinjaLexer(normalized);
        while (lexer._at < normalized.Length) lexer.ReadRoot();
        lexer.Add(TokenKind.End, "", normalized.Length);
        return lexer._tokens;
    }

    /// <summary>The exception for a fault at a position.</summary>
    public static ChatTemplateException Fault(string normalized, ChatTemplateFault fault, string message, int position)
    {
        var line = normalized.AsSpan(0, position).Count('\n') + 1;
        var column = position - (position == 0 ? -1 : normalized.LastIndexOf('\n', position - 1));
        return new ChatTemplateException(fault, message, line, column);
    }

    /// <summary>Whitespace in Python's sense.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    private void ReadRoot()
    {
        var begin = FindTag();
        if (begin < 0)
        {
            AddText(_source[_at..]);
            _at = _source.Length;
            return;
        }

        var kind = _source[begin + 1];
        var sign = begin + 2 < _source.Length && _source[begin + 2] is '-' or '+' ? _source[begin + 2] : '\0';
        var text = _source[_at..begin];
        AddText(sign == '-' ? TrimEnd(text) : sign != '+' && kind != '{' ? TrimLine(text) : text);
        _at = begin + (sign == '\0' ? 2 : 3);
        if (kind == '#') SkipComment(begin);
        else if (kind == '%' && TryReadRaw(begin)) return;
        else ReadTag(begin, kind == '{' ? TokenKind.PrintBegin : TokenKind.TagBegin);
    }

    private int FindTag()
    {
        for (var index = _at; ; index++)
        {
            index = _source.IndexOf('{', index);
            if (index < 0 || index + 1 >= _source.Length) return -1;
            if (_source[index + 1] is '{' or '%' or '#') return index;
        }
    }

    private string TrimLine(string text)
    {
        var lineBegin = text.LastIndexOf('\n') + 1;
        if (lineBegin == 0 && !_isAtLineStart) return text;
        for (var i = lineBegin; i < text.Length; i++)
            if (!IsSpace(text[i])) return text;
        return text[..lineBegin];
    }

    private static string TrimEnd(string text)
    {
        var end = text.Length;
        while (end > 0 && IsSpace(text[end - 1])) end--;
        return text[..end];
    }

    private void SkipComment(int begin)
    {
        var end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0) throw Fail("the comment has no end", begin);
        var sign = end > _at ? _source[end - 1] : '\0';
        EndTag(end + 2, sign, trimsNewline: true);
    }

    /// <summary>After a tag's end: skips what the sign or <c>trim_blocks</c> removes.</summary>
    private void EndTag(int end, char sign, bool trimsNewline)
    {
        _at = end;
        if (sign == '-')
            while (_at < _source.Length && IsSpace(_source[_at])) _at++;
        else if (sign != '+' && trimsNewline && _at < _source.Length && _source[_at] == '\n') _at++;
        _isAtLineStart = _source[_at - 1] == '\n';
    }

    private bool TryReadRaw(int begin)
    {
        var at = _at;
        if (!TryReadWordTag("raw", ref at, out var sign)) return false;
        if (sign == '+') return false;
        EndTag(at, sign, trimsNewline: false);
        var bodyBegin = _at;
        for (var index = _at; ; index++)
        {
            index = _source.IndexOf("{%", index, StringComparison.Ordinal);
            if (index < 0) throw Fail("the raw block has no end", begin);
            var end = index + 2;
            var beginSign = end < _source.Length && _source[end] is '-' or '+' ? _source[end++] : '\0';
            if (!TryReadWordTag("endraw", ref end, out var endSign)) continue;
            var body = _source[bodyBegin..index];
            AddText(beginSign == '-' ? TrimEnd(body) : beginSign != '+' ? TrimLine(body) : body);
            EndTag(end, endSign, trimsNewline: true);
            return true;
        }
    }

    /// <summary>Reads <c>word [sign]%}</c> at an offset.</summary>
    private bool TryReadWordTag(string word, ref int at, out char sign)
    {
        sign = '\0';
        var index = at;
        while (index < _source.Length && IsSpace(_source[index])) index++;
        if (string.CompareOrdinal(_source, index, word, 0, word.Length) != 0) return false;
        index += word.Length;
        while (index < _source.Length && IsSpace(_source[index])) index++;
        if (index < _source.Length && _source[index] is '-' or '+') sign = _source[index++];
        if (string.CompareOrdinal(_source, index, "%}", 0, 2) != 0) return false;
        at = index + 2;
        return true;
    }

    private void ReadTag(int begin, TokenKind kind)
    {
        Add(kind, "", begin);
        var isPrint = kind == TokenKind.PrintBegin;
        var close = isPrint ? "}}" : "%}";
        _open.Clear();
        while (true)
        {
            while (_at < _source.Length && IsSpace(_source[_at])) _at++;
            if (_at >= _source.Length) throw Fail(isPrint ? "the expression has no '}}'" : "the tag has no '%}'", begin);
            if (_open.Count == 0)
            {
                var sign = _source[_at] is '-' or '+' && !(isPrint && _source[_at] == '+') ? _source[_at] : '\0';
                var closeAt = _at + (sign == '\0' ? 0 : 1);
                if (string.CompareOrdinal(_source, closeAt, close, 0, 2) == 0)
                {
                    Add(isPrint ? TokenKind.PrintEnd : TokenKind.TagEnd, "", _at);
                    EndTag(closeAt + 2, sign, trimsNewline: !isPrint);
                    return;
                }
            }

            ReadToken();
        }
    }

    private void ReadToken()
    {
        var c = _source[_at];
        if (char.IsLetter(c) || c == '_') ReadName();
        else if (char.IsAsciiDigit(c)) ReadNumber();
        else if (c is '"' or '\'') ReadString(c);
        else ReadOperator();
    }

    private void ReadName()
    {
        var begin = _at;
        while (_at < _source.Length && (char.IsLetterOrDigit(_source[_at]) || _source[_at] == '_')) _at++;
        if (_at - begin > MaxNameLength) throw Fail($"a name has more than {MaxNameLength} characters", begin);
        Add(TokenKind.Name, _source[begin.._at], begin);
    }

    private void ReadNumber()
    {
        var begin = _at;
        SkipDigits();
        var isFloat = false;
        var isMember = begin > 0 && _source[begin - 1] == '.';
        if (!isMember && _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]))
        {
            isFloat = true;
            _at++;
            SkipDigits();
        }

        if (!isMember && _at < _source.Length && _source[_at] is 'e' or 'E')
        {
            var exponent = _at + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-') exponent++;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                isFloat = true;
                _at = exponent;
                SkipDigits();
            }
        }

        var spelling = _source[begin.._at].Replace("_", "", StringComparison.Ordinal);
        if (!isFloat && !long.TryParse(spelling, NumberStyles.None, CultureInfo.InvariantCulture, out _)) throw Fail("the number does not fit 64 bits", begin);
        Add(isFloat ? TokenKind.Float : TokenKind.Integer, spelling, begin);
    }

    private void SkipDigits()
    {
        while (_at < _source.Length && (char.IsAsciiDigit(_source[_at]) || _source[_at] == '_')) _at++;
    }

    private void ReadOperator()
    {
        foreach (var spelling in Operators)
        {
            if (string.CompareOrdinal(_source, _at, spelling, 0, spelling.Length) != 0) continue;
            if (spelling is "(" or "[" or "{") _open.Push(spelling[0]);
            else if (spelling is ")" or "]" or "}" && (!_open.TryPop(out var opened) || Closing(opened) != spelling[0]))
                throw Fail($"unexpected '{spelling}'", _at);
            Add(TokenKind.Operator, spelling, _at);
            _at += spelling.Length;
            return;
        }

        throw Fail($"unexpected character '{(char.IsControl(_source[_at]) ? '?' : _source[_at])}'", _at);
    }

    private static char Closing(char opened) => opened switch { '(' => ')', '[' => ']', _ => '}' };

    private void ReadString(char quote)
    {
        var begin = _at++;
        var text = new StringBuilder();
        while (true)
        {
            if (_at >= _source.Length) throw Fail("the text has no closing quote", begin);
            var c = _source[_at++];
            if (c == quote) break;
            if (c == '\\') ReadEscape(text, begin);
            else text.Append(c);
        }

        Add(TokenKind.String, text.ToString(), begin);
    }

    /// <summary>An escape sequence as Python reads it; unknown ones stay as they are.</summary>
    private void ReadEscape(StringBuilder text, int begin)
    {
        if (_at >= _source.Length) throw Fail("the text has no closing quote", begin);
        var c = _source[_at++];
        switch (c)
        {
            case '\n': break;
            case '\\' or '\'' or '"': text.Append(c); break;
            case 'n': text.Append('\n'); break;
            case 't': text.Append('\t'); break;
            case 'r': text.Append('\r'); break;
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'v': text.Append('\v'); break;
            case 'x': AppendHex(text, 2); break;
            case 'u': AppendHex(text, 4); break;
            case 'U': AppendHex(text, 8); break;
            case >= '0' and <= '7':
                var octal = c - '0';
                for (var i = 0; i < 2 && _at < _source.Length && _source[_at] is >= '0' and <= '7'; i++) octal = octal * 8 + _source[_at++] - '0';
                text.Append((char)octal);
                break;
            default: text.Append('\\').Append(c); break;
        }
    }

    private void AppendHex(StringBuilder text, int digits)
    {
        if (_at + digits > _source.Length || !uint.TryParse(_source.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || code > 0x10FFFF)
            throw Fail("the escape sequence is not complete", _at - 2);
        _at += digits;
        if (code <= 0xFFFF) text.Append((char)code);
        else text.Append(char.ConvertFromUtf32((int)code));
    }

    private void AddText(string text)
    {
        if (text.Length > 0) Add(TokenKind.Text, text, _at);
    }

    private void Add(TokenKind kind, string value, int position) => _tokens.Add(new JinjaToken(kind, value, position));

    private ChatTemplateException Fail(string message, int position) => Fault(_source, ChatTemplateFault.Syntax, message, position);
}
