using System.Globalization;

namespace Hadal.Inference.Grammars.Formal;

/// <summary>A place in the text of a grammar file, with the steps that its readers share.</summary>
internal sealed class GrammarText(string text, string kind)
{
    private const int LengthMax = 4 << 20;
    private const int DepthMax = 200;
    private const int CountMax = 1_000_000;

    private readonly string _text = text.Length <= LengthMax ? text : throw new GrammarException($"{kind} of {text.Length} characters: expected at most {LengthMax}");
    private int _depth;

    /// <summary>Index of the next character.</summary>
    public int At { get; set; }

    /// <summary>Whether nothing is left.</summary>
    public bool IsAtEnd => At >= _text.Length;

    /// <summary>The next character; NUL at the end.</summary>
    public char Next => Peek(0);

    /// <summary>A character further on; NUL behind the end.</summary>
    public char Peek(int ahead) => At + ahead < _text.Length ? _text[At + ahead] : '\0';

    /// <summary>The text between two indexes.</summary>
    public string Slice(int start, int end) => _text[start..end];

    /// <summary>Whether the text goes on like this.</summary>
    public bool Looks(string expected) => _text.AsSpan(Math.Min(At, _text.Length)).StartsWith(expected, StringComparison.Ordinal);

    /// <summary>Takes what is expected, if it is there.</summary>
    public bool Take(string expected)
    {
        if (!Looks(expected))
        {
            return false;
        }

        At += expected.Length;
        return true;
    }

    /// <summary>Takes characters while they are of a kind.</summary>
    public string TakeWhile(Func<char, bool> isWanted)
    {
        var start = At;
        while (!IsAtEnd && isWanted(_text[At]))
        {
            At++;
        }

        return _text[start..At];
    }

    /// <summary>One Unicode scalar value; half a surrogate pair is U+FFFD.</summary>
    public int TakeRune()
    {
        if (IsAtEnd)
        {
            throw Error("ends too early");
        }

        _ = System.Text.Rune.DecodeFromUtf16(_text.AsSpan(At), out var rune, out var length);
        At += length;
        return rune.Value;
    }

    /// <summary>A whole number, or null where none stands.</summary>
    public int? TakeNumber()
    {
        var digits = TakeWhile(char.IsAsciiDigit);
        if (digits.Length == 0)
        {
            return null;
        }

        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= CountMax ? number : throw Error($"a repetition of more than {CountMax}");
    }

    /// <summary>The code point of as many hexadecimal digits.</summary>
    public int TakeHexadecimal(int digits)
    {
        if (At + digits > _text.Length || !int.TryParse(_text.AsSpan(At, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            || value is < 0 or > 0x10FFFF or (>= 0xD800 and <= 0xDFFF))
        {
            throw Error($"an escape needs {digits} hexadecimal digits of a character");
        }

        At += digits;
        return value;
    }

    /// <summary><c>*</c>, <c>+</c>, <c>?</c> or a number of times in braces, if one of them comes next.</summary>
    public (int Min, int? Max)? TryTakeQuantifier()
    {
        if (Take("*")) return (0, null);
        if (Take("+")) return (1, null);
        if (Take("?")) return (0, 1);
        return Take("{") ? TakeBounds() : null;
    }

    /// <summary><c>{n}</c>, <c>{n,}</c>, <c>{,m}</c> or <c>{n,m}</c>; the opening brace is taken.</summary>
    private (int Min, int? Max) TakeBounds()
    {
        TakeWhile(c => c == ' ');
        var min = TakeNumber();
        var max = min;
        TakeWhile(c => c == ' ');
        if (Take(","))
        {
            TakeWhile(c => c == ' ');
            max = TakeNumber();
            min ??= 0;
            TakeWhile(c => c == ' ');
        }

        return min is { } low && Take("}") && !(max < low) ? (low, max) : throw Error("expected {n}, {n,} or {n,m} with n up to m");
    }

    /// <summary>Enters a nested part.</summary>
    public void Enter()
    {
        if (++_depth > DepthMax)
        {
            throw Error($"groups are nested deeper than {DepthMax}");
        }
    }

    /// <summary>Leaves a nested part.</summary>
    public void Leave() => _depth--;

    /// <summary>An error at this place.</summary>
    public GrammarException Error(string message) => Error(message, At);

    /// <summary>An error at an index.</summary>
    public GrammarException Error(string message, int at)
    {
        var before = _text.AsSpan(0, Math.Min(at, _text.Length));
        var line = before.Count('\n') + 1;
        return new GrammarException($"{kind}, line {line}, column {before.Length - before.LastIndexOf('\n')}: {message}");
    }
}
