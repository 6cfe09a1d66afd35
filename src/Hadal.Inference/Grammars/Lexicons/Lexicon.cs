using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Hadal.Inference.Grammars.Lexicons;

/// <summary>Which spellings of a term a lexicon holds besides the one that is given.</summary>
public sealed record LexiconOptions
{
    /// <summary>Whether a term may begin with a small or a capital letter; words with two capitals in a row (<c>HIV</c>) stay as they are.</summary>
    public bool CaseVariants { get; init; } = true;

    /// <summary>Whether the English plural of the last word is held too.</summary>
    public bool PluralVariants { get; init; } = true;

    /// <summary>The defaults.</summary>
    public static LexiconOptions Default { get; } = new();
}

/// <summary>A set of terms with their ids, as a minimal acyclic automaton over UTF-8: a terminal of grammars that lets only these terms be written.</summary>
/// <remarks>Terms stay bytes in flat arrays, some hundred bytes for a spelling while the lexicon is built and some fifty afterwards. The number of a term is
/// counted along its path, so that ids need no second dictionary.</remarks>
public sealed class Lexicon
{
    /// <summary>Spellings, variants among them, that one lexicon may hold; told before the memory for more is taken.</summary>
    public const int SpellingsMax = 4_000_000;

    /// <summary>Bytes of all spellings together.</summary>
    public const int BytesMax = 256 << 20;

    private const int TermBytesMax = 1_000;
    private readonly AcyclicAutomaton _automaton;
    private readonly string[] _ids;
    private readonly int[] _firstIds;
    private readonly int[] _idsOfTerms;

    private Lexicon(AcyclicAutomaton automaton, string[] ids, int[] firstIds, int[] idsOfTerms) =>
        (_automaton, _ids, _firstIds, _idsOfTerms) = (automaton, ids, firstIds, idsOfTerms);

    /// <summary>Number of spellings.</summary>
    public int Count => _firstIds.Length - 1;

    /// <summary>Number of states of the automaton.</summary>
    public int StateCount => _automaton.StateCount;

    /// <summary>Makes a lexicon.</summary>
    /// <param name="terms">Terms with their ids; a term may stand several times.</param>
    /// <param name="options">Which spellings to add; the defaults where null.</param>
    /// <exception cref="GrammarException">There is no term, one is empty or longer than 1,000 bytes, or there are more than <see cref="SpellingsMax"/> spellings
    /// or <see cref="BytesMax"/> bytes.</exception>
    public static Lexicon Build(IEnumerable<(string Term, string Id)> terms, LexiconOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(terms);
        options ??= LexiconOptions.Default;
        var (ids, numbers) = (new List<string>(), new Dictionary<string, int>(StringComparer.Ordinal));
        var spellings = new Spellings();
        foreach (var (term, id) in terms)
        {
            if (!numbers.TryGetValue(id, out var number))
            {
                numbers.Add(id, number = ids.Count);
                ids.Add(id);
            }

            foreach (var spelling in TermSpellings.Of(term.Trim(), options))
            {
                spellings.Add(spelling, number);
            }
        }

        var builder = new AcyclicAutomatonBuilder();
        var (firstIds, idsOfTerms) = (new List<int> { 0 }, new List<int>(spellings.Count));
        var order = spellings.Sorted();
        for (var start = 0; start < order.Length;)
        {
            var text = spellings[order[start].Index];
            builder.Add(text);
            var end = start;
            for (; end < order.Length && spellings[order[end].Index].SequenceEqual(text); end++)
            {
                var id = spellings.IdOf(order[end].Index);
                if (idsOfTerms.IndexOf(id, firstIds[^1]) < 0)
                {
                    idsOfTerms.Add(id);
                }
            }

            firstIds.Add(idsOfTerms.Count);
            start = end;
        }

        return order.Length == 0
            ? throw new GrammarException($"lexicon: expected terms of 1 to {TermBytesMax} bytes, found none")
            : new Lexicon(builder.Finish(), [.. ids], [.. firstIds], [.. idsOfTerms]);
    }

    /// <summary>Reads terms, one a line, each with an id behind a tab where it has one; without, it is its own id. Empty lines and lines that begin with # are passed over.</summary>
    /// <param name="reader">The lines.</param>
    /// <param name="options">Which spellings to add; the defaults where null.</param>
    /// <exception cref="GrammarException">There is no term, or one is too long.</exception>
    public static Lexicon Read(TextReader reader, LexiconOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return Build(Lines(reader), options);
    }

    /// <summary>The ids of a text that is a spelling of a term; none where it is not.</summary>
    /// <param name="text">The text.</param>
    public IReadOnlyList<string> IdsOf(string text) => _automaton.IndexOf(Encoding.UTF8.GetBytes(text)) is var index and >= 0
        ? [.. _idsOfTerms.AsSpan(_firstIds[index].._firstIds[index + 1]).ToArray().Select(id => _ids[id])]
        : [];

    /// <summary>Any one of the spellings, as an expression to build grammars with.</summary>
    /// <param name="regexes">Where the expression is made.</param>
    /// <param name="inJsonString">Whether quotation marks and backslashes are escaped, for use inside a JSON string.</param>
    public ByteRegex ToRegex(RegexPool regexes, bool inJsonString = false)
    {
        ArgumentNullException.ThrowIfNull(regexes);
        return regexes.Automaton(inJsonString ? new EscapedAutomaton(_automaton) : _automaton);
    }

    /// <summary>A grammar of exactly one term.</summary>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">A limit is passed.</exception>
    public Grammar ToGrammar(GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        return builder.Build(builder.Lexeme(ToRegex(builder.Regexes)));
    }

    private static IEnumerable<(string Term, string Id)> Lines(TextReader reader)
    {
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            if (line.Trim().Length == 0 || line[0] == '#')
            {
                continue;
            }

            var tab = line.IndexOf('\t', StringComparison.Ordinal);
            var term = (tab < 0 ? line : line[..tab]).Trim();
            var length = Encoding.UTF8.GetByteCount(term);
            if (length is 0 or > TermBytesMax)
            {
                throw new GrammarException(string.Create(CultureInfo.InvariantCulture, $"lexicon, line {number}: expected a term of 1 to {TermBytesMax} bytes{(tab < 0 ? "" : " in front of the tab")}, found {(length == 0 ? "none" : $"{length}: '{term[..40]}…'")}"));
            }

            yield return (term, tab < 0 ? term : line[(tab + 1)..].Trim());
        }
    }

    /// <summary>Spellings as bytes, one behind the other, each with the number of an id.</summary>
    private sealed class Spellings
    {
        private readonly List<int> _ends = [0];
        private readonly List<int> _ids = [];
        private byte[] _bytes = new byte[4096];

        public int Count => _ids.Count;

        public ReadOnlySpan<byte> this[int index] => _bytes.AsSpan(_ends[index].._ends[index + 1]);

        public int IdOf(int index) => _ids[index];

        public void Add(string spelling, int id)
        {
            var (length, end) = (Encoding.UTF8.GetByteCount(spelling), _ends[^1]);
            if (length is 0 or > TermBytesMax)
            {
                throw new GrammarException($"lexicon: expected terms of 1 to {TermBytesMax} bytes, found one {(length == 0 ? "that is empty" : $"of {length}: '{spelling[..40]}…'")}");
            }

            if (Count == SpellingsMax || end + length > BytesMax)
            {
                throw new GrammarException($"lexicon: more than {SpellingsMax} spellings or {BytesMax} bytes of them, variants of case and number among them; give fewer terms");
            }

            if (end + length > _bytes.Length)
            {
                Array.Resize(ref _bytes, Math.Max(end + length, Math.Min(2 * _bytes.Length, BytesMax)));
            }

            Encoding.UTF8.GetBytes(spelling, _bytes.AsSpan(end));
            _ends.Add(end + length);
            _ids.Add(id);
        }

        /// <summary>The spellings in the order of their bytes, equal ones in the order they came. The first eight bytes decide nearly always.</summary>
        public (ulong Head, int Index)[] Sorted()
        {
            var order = new (ulong Head, int Index)[Count];
            Span<byte> head = stackalloc byte[8];
            for (var index = 0; index < order.Length; index++)
            {
                head.Clear();
                this[index][..Math.Min(8, this[index].Length)].CopyTo(head);
                order[index] = (BinaryPrimitives.ReadUInt64BigEndian(head), index);
            }

            Array.Sort(order, (a, b) =>
            {
                if (a.Head != b.Head)
                {
                    return a.Head.CompareTo(b.Head);
                }

                var difference = this[a.Index].SequenceCompareTo(this[b.Index]);
                return difference != 0 ? difference : a.Index.CompareTo(b.Index);
            });
            return order;
        }
    }
}
