using System.IO.Compression;
using System.Text;
using CsCheck;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Lexicons;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Grammars.Lexicons;

/// <summary>Lexicons as terminals.</summary>
public class LexiconTests
{
    private static readonly LexiconOptions AsGiven = new() { CaseVariants = false, PluralVariants = false };

    [Fact]
    public void A_lexicon_holds_its_terms_with_their_ids()
    {
        var lexicon = Lexicon.Build([("asthma", "D1"), ("HIV infection", "D2"), ("carcinoma of lung", "D3"), ("lung cancer", "D3"), ("Asthma", "D4"), ("neurosis", "D5"), ("biopsy", "D6")]);
        Assert.Equal(["D1", "D4"], lexicon.IdsOf("asthma").Order());
        Assert.Equal(["D2"], lexicon.IdsOf("HIV infections"));
        Assert.Empty(lexicon.IdsOf("hIV infection"));
        Assert.Equal(["D3"], lexicon.IdsOf("Lung cancers"));
        Assert.Equal(["D5"], lexicon.IdsOf("neuroses"));
        Assert.Equal(["D6"], lexicon.IdsOf("Biopsies"));
        Assert.Empty(lexicon.IdsOf("lung"));
        Assert.Empty(lexicon.IdsOf(""));
    }

    [Fact]
    public void Lines_are_terms_and_ids()
    {
        var lexicon = Lexicon.Read(new StringReader("# names\nflu\tD1\n\n cold \n"), AsGiven);
        Assert.Equal(2, lexicon.Count);
        Assert.Equal(["D1"], lexicon.IdsOf("flu"));
        Assert.Equal(["cold"], lexicon.IdsOf("cold"));
        Assert.Throws<GrammarException>(() => Lexicon.Read(new StringReader("# nothing\n")));
        Assert.Throws<GrammarException>(() => Lexicon.Read(new StringReader(new string('a', 2_000))));
    }

    [Fact]
    public void Random_lexicons_hold_exactly_their_terms_in_the_fewest_states() =>
        Gen.String[Gen.Char["abß\"\\"], 1, 6].HashSet[1, 60].Sample(
            terms =>
            {
                var lexicon = Lexicon.Build(terms.Select(t => (t, $"id of {t}")), AsGiven);
                var pool = new RegexPool();
                var plain = lexicon.ToRegex(pool);
                var json = lexicon.ToRegex(pool, inJsonString: true);
                Assert.Equal(terms.Count, lexicon.Count);
                foreach (var term in terms)
                {
                    Assert.Equal([$"id of {term}"], lexicon.IdsOf(term));
                    Assert.True(pool.IsMatch(plain, Encoding.UTF8.GetBytes(term)));
                    Assert.True(pool.IsMatch(json, Encoding.UTF8.GetBytes(term.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal))));
                    foreach (var other in (string[])[term + "a", term[..^1], "b" + term]) Assert.Equal(terms.Contains(other), pool.IsMatch(plain, Encoding.UTF8.GetBytes(other)));
                }

                Assert.Equal(Residuals(terms), lexicon.StateCount);
            },
            iter: 300);

    [Fact]
    public void Names_of_diseases_fit_into_one_lexeme()
    {
        var names = new List<(string, string)>();
        var id = "";
        using var file = new GZipStream(File.OpenRead(SharedData.PathOrSkip("data/medical/disease-ontology/doid_2016-09-01.obo.gz")), CompressionMode.Decompress);
        using var reader = new StreamReader(file);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
            if (line.StartsWith("name: ", StringComparison.Ordinal)) names.Add((line[6..], id));
            if (line.StartsWith("synonym: \"", StringComparison.Ordinal)) names.Add((line[10..line.IndexOf('"', 10)].Replace("\\", "", StringComparison.Ordinal), id));
        }

        var lexicon = Lexicon.Build(names.Where(n => n.Item1.Length > 0));
        Assert.True(names.Count > 20_000 && lexicon.Count > names.Count);
        Assert.True(lexicon.StateCount < 12 * names.Count, $"{lexicon.StateCount} states");
        var acceptor = new ByteAcceptor(lexicon.ToGrammar(new GrammarLimits { MaxRegexTerms = 2_000_000 }));
        Assert.True(acceptor.Accepts("lung carcinomas"u8));
        Assert.True(acceptor.Accepts("Asthma"u8));
        Assert.False(acceptor.Accepts("asthmatic cancer of the wallet"u8));
    }

    /// <summary>How many different sets of rests the prefixes of the terms have: the number of states of the smallest automaton.</summary>
    private static int Residuals(IEnumerable<string> terms)
    {
        var bytes = terms.Select(Encoding.UTF8.GetBytes).ToList();
        return bytes.SelectMany(t => Enumerable.Range(0, t.Length + 1).Select(n => t[..n]))
            .Select(prefix => string.Join('|', bytes.Where(t => t.AsSpan().StartsWith(prefix)).Select(t => Convert.ToHexString(t[prefix.Length..])).Order(StringComparer.Ordinal)))
            .Distinct().Count();
    }
}
