using System.Text;
using CsCheck;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class BytePairTests
{
    [Fact]
    public void Merging_follows_the_published_example()
    {
        var bpe = TokenizerFixtures.Json(TokenizerFixtures.LocalFile("tokenizer_pieces.json")).GetProperty("bpe");
        var tokens = new List<string>();
        foreach (var letter in "lowernsĠ") tokens.Add(letter.ToString());
        var merges = new List<(int, int, int)>();
        foreach (var merge in bpe.GetProperty("merges").EnumerateArray())
        {
            var sides = merge.GetString()!.Split(' ').Select(side => side.Replace(" ", "Ġ", StringComparison.Ordinal)).ToArray();
            tokens.Add(string.Concat(sides));
            merges.Add((tokens.IndexOf(sides[0]), tokens.IndexOf(sides[1]), tokens.Count - 1));
        }

        var table = new BytePairMerges(merges);
        foreach (var item in bpe.GetProperty("cases").EnumerateArray())
        {
            int[] ids = [.. item.GetProperty("mapped").GetString()!.Select(letter => tokens.IndexOf(letter.ToString()))];
            var length = table.Apply(ids);
            Assert.Equal(item.GetProperty("pieces").EnumerateArray().Select(piece => piece.GetString()), ids[..length].Select(id => tokens[id]));
        }
    }

    [Fact]
    public void Fast_merging_gives_what_the_definition_gives() => Cases.Sample((merges, ids) =>
    {
        var table = new BytePairMerges(merges);
        int[] fast = [.. ids], naive = [.. ids];
        var fastLength = table.Apply(fast);
        Assert.Equal(naive[..table.ApplyNaive(naive)], fast[..fastLength]);
    }, iter: 3000);

    [Theory]
    [InlineData("a", 3000)]
    [InlineData("x", 3000)]
    [InlineData("_", 3000)]
    [InlineData(" ", 3000)]
    [InlineData("\n", 3000)]
    [InlineData("the", 1000)]
    [InlineData("{\"level\":\"noon\"}", 200)]
    [InlineData("\u0301", 1500)]
    [InlineData("中", 1000)]
    public void Hostile_inputs_merge_as_defined(string unit, int count)
    {
        // Every pair of equal tokens up to 64 units merges, so that a long run takes as many rounds as it can.
        var bytes = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(unit, count)));
        var (merges, _) = Doubling(bytes.Distinct().Order().ToArray(), 6);
        var table = new BytePairMerges(merges);
        int[] fast = [.. bytes.Select(value => (int)value)], naive = [.. fast];
        var length = table.Apply(fast);
        Assert.Equal(naive[..table.ApplyNaive(naive)], fast[..length]);
    }

    [Theory]
    [InlineData("a", 100_000)]
    [InlineData("x", 524_288)]
    [InlineData("_", 50_000)]
    [InlineData("qzjv", 250_000)]
    [InlineData(" ", 1_000_000)]
    [InlineData("\n", 1_000_000)]
    [InlineData(" \n", 500_000)]
    [InlineData("<", 1_000_000)]
    [InlineData("'", 1_000_000)]
    [InlineData("1", 1_000_000)]
    [InlineData("中", 300_000)]
    [InlineData("😀", 250_000)]
    [InlineData("e\u0301", 300_000)]
    public void A_megabyte_of_anything_is_encoded_and_decoded(string unit, int count)
    {
        var text = new StringBuilder(unit.Length * count).Insert(0, unit, count).ToString();
        foreach (var folder in (string[])["deepseek-v3", "deepseek-v2-lite"])
        {
            var tokenizer = TokenizerFixtures.Golden(folder);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false)));
        }
    }

    [Fact]
    public void Sixty_four_threads_share_one_tokenizer()
    {
        var tokenizer = TokenizerFixtures.Golden("deepseek-v3");
        string[] texts = [.. TokenizerFixtures.Json(TokenizerFixtures.LocalFile("random_texts.json")).GetProperty("texts").EnumerateArray().Select(text => text.GetString()!)];
        var expected = texts.Select(text => TokenizerFixtures.Golden("deepseek-v3").Encode(text)).ToArray();
        using var start = new Barrier(64);
        var threads = Enumerable.Range(0, 64).Select(index => new Thread(() =>
        {
            start.SignalAndWait();
            for (var i = 0; i < texts.Length; i++)
            {
                var pick = (i + index) % texts.Length;
                if (!expected[pick].SequenceEqual(tokenizer.Encode(texts[pick]))) Interlocked.Increment(ref _mismatches);
            }
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Assert.Equal(0, _mismatches);
    }

    private int _mismatches;

    private static readonly Gen<((int, int, int)[] Merges, int[] Ids)> Cases =
        from pairs in Gen.Select(Gen.Int[0, 11], Gen.Int[0, 11]).Array[0, 24]
        from ids in Gen.OneOf(Gen.Int[0, 3].Array[0, 20], Gen.Int[0, 3].Array[60, 90])
        select (Distinct(pairs), ids);

    /// <summary>Merges whose results are new ids, so that later pairs may build on earlier ones.</summary>
    private static (int, int, int)[] Distinct((int Left, int Right)[] pairs) =>
        [.. pairs.Distinct().Select((pair, rank) => (pair.Left, pair.Right, 4 + rank))];

    private static (List<(int, int, int)> Merges, int NextId) Doubling(byte[] alphabet, int rounds)
    {
        var merges = new List<(int, int, int)>();
        var nextId = 256;
        List<int> ids = [.. alphabet];
        for (var round = 0; round < rounds; round++)
        {
            var created = new List<int>();
            foreach (var left in ids)
            {
                foreach (var right in ids)
                {
                    if (created.Count > 40) break;
                    merges.Add((left, right, nextId));
                    created.Add(nextId++);
                }
            }

            ids = created;
        }

        return (merges, nextId);
    }
}
