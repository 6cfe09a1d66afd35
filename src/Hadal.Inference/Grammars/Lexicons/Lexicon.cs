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
/// <remarks>Built term by term in order (Daciuk, Mihov, Watson, Watson 2000, "Incremental construction of minimal acyclic finite-state automata"). The
/// number of a term is counted along its path, so that ids need no second dictionary.</remarks>
public sealed class Lexicon
{
    private const int TermBytesMax = 1_000;
    private readonly AcyclicAutomaton _automaton;
    private readonly IReadOnlyList<string>[] _ids;

    private Lexicon(AcyclicAutomaton automaton, IReadOnlyList<string>[] ids) => (_automaton, _ids) = (automaton, ids);

    /// <summary>Number of spellings.</summary>
    public int Count => _ids.Length;

    /// <summary>Number of states of the automaton.</summary>
    public int StateCount => _automaton.StateCount;

    /// <summary>Makes a lexicon.</summary>
    /// <param name="terms">Terms with their ids; a term may stand several times.</param>
    /// <param name="options">Which spellings to add; the defaults where null.</param>
    /// <exception cref="GrammarException">There is no term, or one is empty or longer than 1,000 bytes.</exception>
    public static Lexicon Build(IEnumerable<(string Term, string Id)> terms, LexiconOptions? options = null)
    {
        options ??= LexiconOptions.Default;
        var ids = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var (term, id) in terms)
        {
            foreach (var spelling in TermSpellings.Of(term.Trim(), options))
            {
                if (!ids.TryGetValue(spelling, out var known))
                {
                    ids.Add(spelling, known = []);
                }

                if (!known.Contains(id))
                {
                    known.Add(id);
                }
            }
        }

        var sorted = ids.Select(i => (Bytes: Encoding.UTF8.GetBytes(i.Key), Ids: i.Value)).ToList();
        if (sorted.Count == 0 || sorted.Exists(s => s.Bytes.Length is 0 or > TermBytesMax))
        {
            throw new GrammarException($"lexicon: expected terms of 1 to {TermBytesMax} bytes, found {(sorted.Count == 0 ? "none" : "one that is empty or longer")}");
        }

        sorted.Sort((a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes));
        var automaton = new AcyclicAutomaton();
        foreach (var (bytes, _) in sorted)
        {
            automaton.Add(bytes);
        }

        automaton.Finish();
        return new Lexicon(automaton, sorted.Select(s => (IReadOnlyList<string>)s.Ids).ToArray());
    }

    /// <summary>Reads terms, one a line, each with an id behind a tab where it has one; without, it is its own id. Empty lines and lines that begin with # are passed over.</summary>
    /// <param name="reader">The lines.</param>
    /// <param name="options">Which spellings to add; the defaults where null.</param>
    /// <exception cref="GrammarException">There is no term, or one is too long.</exception>
    public static Lexicon Read(TextReader reader, LexiconOptions? options = null)
    {
        var terms = new List<(string, string)>();
        while (reader.ReadLine() is { } line)
        {
            if (line.Trim().Length == 0 || line[0] == '#')
            {
                continue;
            }

            var tab = line.IndexOf('\t', StringComparison.Ordinal);
            terms.Add(tab < 0 ? (line, line.Trim()) : (line[..tab], line[(tab + 1)..].Trim()));
        }

        return Build(terms, options);
    }

    /// <summary>The ids of a text that is a spelling of a term; none where it is not.</summary>
    /// <param name="text">The text.</param>
    public IReadOnlyList<string> IdsOf(string text) => _automaton.IndexOf(Encoding.UTF8.GetBytes(text)) is var index and >= 0 ? _ids[index] : [];

    /// <summary>Any one of the spellings, as an expression to build grammars with.</summary>
    /// <param name="regexes">Where the expression is made.</param>
    /// <param name="inJsonString">Whether quotation marks and backslashes are escaped, for use inside a JSON string.</param>
    /// <exception cref="GrammarException">A limit of the pool is passed: about two expressions for each state are needed.</exception>
    public ByteRegex ToRegex(RegexPool regexes, bool inJsonString = false) => _automaton.ToRegex(regexes, inJsonString);

    /// <summary>A grammar of exactly one term.</summary>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">A limit is passed.</exception>
    public Grammar ToGrammar(GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        return builder.Build(builder.Lexeme(ToRegex(builder.Regexes)));
    }
}
