namespace Hadal.Inference.Grammars.Patterns;

/// <summary>How characters become bytes: as plain UTF-8, or as the inside of a JSON string, where a character has several spellings.</summary>
/// <remarks>Every text has at least one spelling and no two texts share one, so that complement and intersection of texts are those of their spellings.</remarks>
internal sealed class TextWriting
{
    private readonly RegexPool _pool;
    private readonly bool _isJson;
    private readonly Dictionary<CodePointSet, ByteRegex> _sets = [];
    private readonly Dictionary<int, ByteRegex> _characters = [];
    private ByteRegex? _usualText;

    private TextWriting(RegexPool pool, bool isJson)
    {
        _pool = pool;
        _isJson = isJson;
        AnyCharacter = Of(CodePointSet.All);
        AnyText = pool.Repeat(AnyCharacter, 0, null);
    }

    /// <summary>What may stand behind a backslash for a character (RFC 8259, section 7).</summary>
    public static IReadOnlyList<(byte Letter, int CodePoint)> EscapeLetters { get; } =
        [((byte)'"', '"'), ((byte)'\\', '\\'), ((byte)'/', '/'), ((byte)'b', 8), ((byte)'f', 12), ((byte)'n', 10), ((byte)'r', 13), ((byte)'t', 9)];

    /// <summary>One character, whichever.</summary>
    public ByteRegex AnyCharacter { get; }

    /// <summary>Any text.</summary>
    public ByteRegex AnyText { get; }

    /// <summary>The pool that the expressions live in.</summary>
    public RegexPool Pool => _pool;

    /// <summary>Characters are their UTF-8 bytes.</summary>
    public static TextWriting Utf8(RegexPool pool) => new(pool, false);

    /// <summary>Characters stand inside a JSON string (RFC 8259, section 7), in any legal spelling: themselves, <c>\n</c> and its like, <c>\u000A</c> in
    /// either case of its digits, surrogate pairs for what lies above U+FFFF. Unpaired surrogates spell nothing.</summary>
    public static TextWriting JsonString(RegexPool pool) => new(pool, true);

    /// <summary>One character of the set.</summary>
    public ByteRegex Of(CodePointSet set)
    {
        if (_sets.TryGetValue(set, out var known))
        {
            return known;
        }

        var spelt = _isJson ? JsonCharacter(set) : Raw(set);
        _sets.Add(set, spelt);
        return spelt;
    }

    /// <summary>The text in every spelling.</summary>
    public ByteRegex AllSpellings(string text) => Spell(text, static (writing, rune) => writing.Of(rune));

    /// <summary>The text as writers of JSON write it: printable ASCII stands for itself, every other character may be written in any way.</summary>
    public ByteRegex UsualSpellings(string text) => Spell(text, static (writing, rune) =>
        rune is >= ' ' and <= '~' and not ('"' or '\\') ? writing._pool.Bytes(ByteSet.Of((byte)rune)) : writing.Of(rune));

    /// <summary>Any text as writers of JSON write it.</summary>
    public ByteRegex UsualText
    {
        get
        {
            if (_usualText is { } known)
            {
                return known;
            }

            var printable = CodePointSet.Of((' ', '~')).Except(CodePointSet.Of(('"', '"'), ('\\', '\\')));
            var usual = _pool.Repeat(_isJson ? _pool.Or(Raw(printable), Of(printable.Complement())) : AnyCharacter);
            _usualText = usual;
            return usual;
        }
    }

    /// <summary>Any text as writers of JSON write it; what is not of <paramref name="texts"/>.</summary>
    public ByteRegex UsualTextExcept(IEnumerable<string> texts)
    {
        var excluded = _pool.Or(texts.Select(UsualSpellings).ToArray());
        return excluded == ByteRegex.Nothing ? UsualText : _pool.And(UsualText, _pool.Not(excluded));
    }

    /// <summary>Everything that is not in <paramref name="language"/> but is a text.</summary>
    public ByteRegex Complement(ByteRegex language) => _pool.And(AnyText, _pool.Not(language));

    private ByteRegex Of(int rune)
    {
        if (!_characters.TryGetValue(rune, out var known))
        {
            known = Of(CodePointSet.Of(rune));
            _characters.Add(rune, known);
        }

        return known;
    }

    private ByteRegex Spell(string text, Func<TextWriting, int, ByteRegex> character)
    {
        var all = ByteRegex.Empty;
        var runes = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            runes.Add(rune.Value);
        }

        for (var i = runes.Count - 1; i >= 0; i--)
        {
            all = _pool.Concat(character(this, runes[i]), all);
        }

        return all;
    }

    private ByteRegex Raw(CodePointSet set)
    {
        var ranges = new CodePointRange[set.Ranges.Length];
        for (var i = 0; i < ranges.Length; i++)
        {
            ranges[i] = new CodePointRange(set.Ranges[i].First, set.Ranges[i].Last);
        }

        return _pool.CodePoints(ranges);
    }

    private ByteRegex JsonCharacter(CodePointSet set)
    {
        var mustEscape = CodePointSet.Of((0, 31), ('"', '"'), ('\\', '\\'));
        var letters = ByteSet.None;
        foreach (var (letter, codePoint) in EscapeLetters)
        {
            if (set.Contains(codePoint))
            {
                letters |= ByteSet.Of(letter);
            }
        }

        var escape = _pool.Or(
            _pool.Bytes(letters),
            _pool.Concat(Byte('u'), _pool.Or(
                Digits(set.Intersect(CodePointSet.Of((0, 0xFFFF))), 0, BasicLevels),
                Digits(Supplementary(set), 0, PairLevels))));
        return _pool.Or(Raw(set.Except(mustEscape)), _pool.Concat(Byte('\\'), escape));
    }

    private ByteRegex Byte(char character) => _pool.Bytes(ByteSet.Of((byte)character));

    /// <summary>One digit of an escape: how many values it has, what each is written as, and what stands before it.</summary>
    private readonly record struct Level(int Bits, string Before, string Symbols);

    private static readonly Level[] BasicLevels = [new(4, "", Hexadecimal), new(4, "", Hexadecimal), new(4, "", Hexadecimal), new(4, "", Hexadecimal)];

    private static readonly Level[] PairLevels =
        [new(2, "D", "89AB"), new(4, "", Hexadecimal), new(4, "", Hexadecimal), new(2, "\\uD", "CDEF"), new(4, "", Hexadecimal), new(4, "", Hexadecimal)];

    private const string Hexadecimal = "0123456789ABCDEF";

    /// <summary>What lies above U+FFFF, counted from there: the 20 bits that a surrogate pair carries.</summary>
    private static (int First, int Last)[] Supplementary(CodePointSet set)
    {
        var above = set.Intersect(CodePointSet.Of((0x10000, 0x10FFFF)));
        var offsets = new (int First, int Last)[above.Ranges.Length];
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = (above.Ranges[i].First - 0x10000, above.Ranges[i].Last - 0x10000);
        }

        return offsets;
    }

    private ByteRegex Digits(CodePointSet set, int level, Level[] levels) => Digits(set.Ranges, level, levels);

    /// <summary>The numbers of the ranges, digit by digit from <paramref name="level"/> on; equal rests are written once.</summary>
    private ByteRegex Digits(ReadOnlySpan<(int First, int Last)> ranges, int level, Level[] levels)
    {
        if (ranges.IsEmpty)
        {
            return ByteRegex.Nothing;
        }

        if (level == levels.Length)
        {
            return ByteRegex.Empty;
        }

        var rest = 0;
        foreach (var below in levels.AsSpan(level + 1))
        {
            rest += below.Bits;
        }

        var byRest = new Dictionary<ByteRegex, ByteSet>();
        var full = ByteSet.None;
        for (var digit = 0; digit < 1 << levels[level].Bits; digit++)
        {
            var inside = Within(ranges, digit << rest, 1 << rest);
            if (inside is [(0, var last)] && last == (1 << rest) - 1)
            {
                full |= Symbol(levels[level].Symbols[digit]);
            }
            else if (inside.Length > 0)
            {
                var tail = Digits(inside, level + 1, levels);
                byRest[tail] = byRest.GetValueOrDefault(tail) | Symbol(levels[level].Symbols[digit]);
            }
        }

        if (!full.IsEmpty)
        {
            var tail = Digits([(0, (1 << rest) - 1)], level + 1, levels);
            byRest[tail] = byRest.GetValueOrDefault(tail) | full;
        }

        var options = ByteRegex.Nothing;
        foreach (var (tail, symbols) in byRest)
        {
            options = _pool.Or(options, _pool.Concat(_pool.Bytes(symbols), tail));
        }

        for (var i = levels[level].Before.Length - 1; i >= 0; i--)
        {
            var symbol = levels[level].Before[i];
            options = _pool.Concat(_pool.Bytes(symbol is 'u' or '\\' ? ByteSet.Of((byte)symbol) : Symbol(symbol)), options);
        }

        return options;
    }

    private static (int First, int Last)[] Within(ReadOnlySpan<(int First, int Last)> ranges, int start, int length)
    {
        var inside = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges)
        {
            if (first < start + length && last >= start)
            {
                inside.Add((Math.Max(first, start) - start, Math.Min(last, start + length - 1) - start));
            }
        }

        return [.. inside];
    }

    /// <summary>A hexadecimal digit in either case.</summary>
    private static ByteSet Symbol(char digit) => ByteSet.Of((byte)digit) | ByteSet.Of((byte)char.ToLowerInvariant(digit));
}
