using Hadal.Inference.Grammars.Lexicons;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Texts of an automaton over UTF-8 as they stand inside a JSON string: the spellings of <see cref="TextWriting"/>, without writing them out.</summary>
/// <remarks>The states of the other automaton are its first ones. States within an escape get numbers when they are met, under a lock, since grammars are shared.</remarks>
/// <param name="plain">The texts.</param>
/// <param name="spellsAll">Whether every character may be escaped, or only those that writers of JSON escape: printable ASCII stands for itself then.</param>
internal sealed class SpelledAutomaton(AcyclicAutomaton plain, bool spellsAll) : ByteAutomaton
{
    private const byte Backslash = (byte)'\\';

    private static readonly ByteSet MustEscape = ByteSet.Range(0, 31) | ByteSet.Of("\"\\"u8);

    private static readonly ByteSet LeadBytes = ByteSet.Range(0xC2, 0xF4);

    private readonly ByteSet _escapable = LeadBytes | (spellsAll ? ByteSet.Range(0, 127) : MustEscape | ByteSet.Of(127));
    private readonly Lock _lock = new();
    private readonly Dictionary<Escape, int> _numbers = [];
    private readonly List<Escape> _escapes = [];
    private readonly Dictionary<int, List<(int CodePoint, int Target)>> _characters = [];

    /// <summary>A place within an escape.</summary>
    /// <param name="From">State of the other automaton in front of the character.</param>
    /// <param name="High">High surrogate that stands before; 0 for none.</param>
    /// <param name="Length">What stands of the escape: 0 for nothing of the second one, 1 for the backslash, 2 for <c>\u</c>, 3 to 5 with digits behind it.</param>
    /// <param name="Digits">Their value.</param>
    private readonly record struct Escape(int From, int High, int Length, int Digits);

    public override int Start => plain.Start;

    public override bool IsFinite => true;

    public override bool Accepts(int state) => state < plain.StateCount && plain.Accepts(state);

    public override ByteSet First(int state)
    {
        if (state < plain.StateCount)
        {
            var labels = plain.First(state);
            return (labels & _escapable).IsEmpty ? labels & ~MustEscape : labels & ~MustEscape | ByteSet.Of(Backslash);
        }

        lock (_lock)
        {
            var first = ByteSet.None;
            foreach (var (symbols, _) in Steps(_escapes[state - plain.StateCount]))
            {
                first |= symbols;
            }

            return first;
        }
    }

    public override int Next(int state, byte value)
    {
        if (state < plain.StateCount && value != Backslash)
        {
            return MustEscape.Contains(value) ? Dead : plain.Next(state, value);
        }

        lock (_lock)
        {
            if (state < plain.StateCount)
            {
                return (plain.First(state) & _escapable).IsEmpty ? Dead : Number(new Escape(state, 0, 1, 0));
            }

            foreach (var (symbols, next) in Steps(_escapes[state - plain.StateCount]))
            {
                if (symbols.Contains(value))
                {
                    return next is { } escape ? Number(escape) : Letter(_escapes[state - plain.StateCount], value);
                }
            }

            return Dead;
        }
    }

    /// <summary>Where a byte leads that ends the character: a letter behind the backslash, or the last digit.</summary>
    private int Letter(Escape at, byte value)
    {
        var unit = at.Length == 1 ? TextWriting.EscapeLetters.First(escape => escape.Letter == value).CodePoint : at.Digits << 4 | Convert.FromHexString($"0{(char)value}")[0];
        var codePoint = at.High == 0 ? unit : char.ConvertToUtf32((char)at.High, (char)unit);
        return CharactersFrom(at.From).Find(character => character.CodePoint == codePoint).Target;
    }

    /// <summary>The bytes that lead on within an escape and where; null where the character ends.</summary>
    private IEnumerable<(ByteSet Symbols, Escape? Next)> Steps(Escape at)
    {
        if (at.Length == 0)
        {
            return [(ByteSet.Of(Backslash), at with { Length = 1 })];
        }

        if (at.Length == 1)
        {
            var letters = ByteSet.None;
            foreach (var (codePoint, _) in at.High == 0 ? CharactersFrom(at.From) : [])
            {
                letters |= LetterOf(codePoint);
            }

            return [(ByteSet.Of((byte)'u'), at with { Length = 2 }), (letters, null)];
        }

        var steps = new SortedDictionary<int, Escape?>();
        var left = 5 - at.Length;
        foreach (var (codePoint, _) in CharactersFrom(at.From))
        {
            var (first, second) = Units(codePoint);
            var unit = at.High == 0 ? first : second;
            if ((at.High != 0 && first != at.High) || unit >> (4 * (left + 1)) != at.Digits)
            {
                continue;
            }

            var digits = unit >> (4 * left);
            steps[digits & 15] = left > 0 ? at with { Length = at.Length + 1, Digits = digits }
                : at.High == 0 && second != 0 ? new Escape(at.From, first, 0, 0)
                : null;
        }

        return steps.Select(step => (Symbol(step.Key), step.Value));
    }

    private int Number(Escape escape)
    {
        if (!_numbers.TryGetValue(escape, out var number))
        {
            number = plain.StateCount + _escapes.Count;
            _numbers.Add(escape, number);
            _escapes.Add(escape);
        }

        return number;
    }

    /// <summary>The characters that follow in a state and may be escaped.</summary>
    private List<(int CodePoint, int Target)> CharactersFrom(int state)
    {
        if (!_characters.TryGetValue(state, out var characters))
        {
            characters = [];
            foreach (var lead in plain.First(state) & _escapable)
            {
                var length = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
                AddCharacters(plain.Next(state, lead), length, length == 0 ? lead : lead & (0x3F >> length), characters);
            }

            _characters.Add(state, characters);
        }

        return characters;
    }

    private void AddCharacters(int state, int left, int codePoint, List<(int CodePoint, int Target)> characters)
    {
        if (left == 0)
        {
            characters.Add((codePoint, state));
            return;
        }

        foreach (var value in plain.First(state))
        {
            AddCharacters(plain.Next(state, value), left - 1, codePoint << 6 | value & 0x3F, characters);
        }
    }

    private static (int First, int Second) Units(int codePoint) =>
        codePoint < 0x10000 ? (codePoint, 0) : (0xD800 + (codePoint - 0x10000 >> 10), 0xDC00 + (codePoint - 0x10000 & 0x3FF));

    private static ByteSet Symbol(int digit) => ByteSet.Of((byte)"0123456789abcdef"[digit]) | ByteSet.Of((byte)"0123456789ABCDEF"[digit]);

    private static ByteSet LetterOf(int codePoint)
    {
        foreach (var escape in TextWriting.EscapeLetters)
        {
            if (escape.CodePoint == codePoint)
            {
                return ByteSet.Of(escape.Letter);
            }
        }

        return ByteSet.None;
    }
}
