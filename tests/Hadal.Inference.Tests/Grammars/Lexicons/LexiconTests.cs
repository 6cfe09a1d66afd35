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
        Assert.StartsWith("lexicon, line 2: expected a term of 1 to 1000 bytes, found 2000", Assert.Throws<GrammarException>(() => Lexicon.Read(new StringReader("a\n" + new string('a', 2_000)))).Message, StringComparison.Ordinal);
        Assert.StartsWith("lexicon, line 3: expected a term of 1 to 1000 bytes in front of the tab, found none", Assert.Throws<GrammarException>(() => Lexicon.Read(new StringReader("a\n\n \tD1"))).Message, StringComparison.Ordinal);
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
    public void Masks_of_many_terms_allow_their_beginnings_within_the_default_limits()
    {
        var terms = Terms().Take(60_000).ToList();
        var lexicon = Lexicon.Build(terms.Select((term, index) => (term, $"T{index}")));
        Assert.True(lexicon.Count > 2 * terms.Count, $"{lexicon.Count} spellings");
        byte[][] words = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), .. Syllables.SelectMany(s => (string[])[s, " " + s, s + "s"]).Select(Encoding.UTF8.GetBytes), []];
        var vocabulary = new TokenTrie(words, [words.Length - 1]);
        var grammars = new[] { lexicon.ToGrammar(), InQuotes(lexicon) };
        foreach (var (index, grammar) in grammars.Index())
        {
            var random = new Random(index);
            for (var round = 0; round < 20; round++)
            {
                var term = terms[random.Next(terms.Count)];
                var matcher = new GrammarMatcher(grammar, vocabulary);
                foreach (var value in Encoding.UTF8.GetBytes(index == 0 ? term : $"\"{term}\""))
                {
                    var mask = GrammarMatcherTests.Mask(matcher);
                    for (var id = 0; id < words.Length; id++)
                    {
                        var isTaken = matcher.TryAccept(id);
                        if (isTaken) matcher.Rollback(1);
                        Assert.True(isTaken == TokenMask.Contains(mask, id), $"token {id} after {term}, {matcher.Tokens.Count}");
                    }

                    matcher.Accept(value);
                }

                Assert.True(matcher.IsComplete, term);
            }
        }

        Assert.Equal(["T7"], lexicon.IdsOf(terms[7]).Intersect(["T7"]));
    }

    [Fact]
    public void A_lexicon_beyond_its_limit_is_refused_while_it_is_read()
    {
        var read = 0;
        var fault = Assert.Throws<GrammarException>(() => Lexicon.Build(Enumerable.Range(0, int.MaxValue).Select(i => ($"t{read = i}", "x")), AsGiven));
        Assert.Contains($"{Lexicon.SpellingsMax} spellings", fault.Message, StringComparison.Ordinal);
        Assert.Equal(Lexicon.SpellingsMax, read);
    }

    private static readonly string[] Syllables = ["ka", "ro", "lin", "tis", "car", "cin", "oma", "neu", "der", "mat", "hep", "ati", "pul", "mon", "ary", "sti", "nos", "gen", "al", "ic"];

    /// <summary>Terms of one to three words that look like medical ones.</summary>
    private static IEnumerable<string> Terms()
    {
        var random = new Random(4);
        for (; ; ) yield return string.Join(' ', Enumerable.Range(0, random.Next(1, 4)).Select(_ => string.Concat(Enumerable.Range(0, random.Next(2, 5)).Select(_ => Syllables[random.Next(Syllables.Length)]))));
    }

    private static Grammar InQuotes(Lexicon lexicon)
    {
        var builder = new GrammarBuilder();
        return builder.Build(builder.Lexeme(builder.Regexes.Concat(builder.Regexes.Literal("\""), lexicon.ToRegex(builder.Regexes, inJsonString: true), builder.Regexes.Literal("\""))));
    }

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
        var acceptor = new ByteAcceptor(lexicon.ToGrammar());
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
