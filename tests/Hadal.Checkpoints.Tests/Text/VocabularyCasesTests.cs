using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Texts and ids that come with llama.cpp, for the vocabularies that stand beside the repository and for some that do not.</summary>
public sealed class VocabularyCasesTests
{
    private const string Folder = "data/tokenizer/ggml-vocab/";

    // From here on its vocabulary has runs of spaces, which are taken out of the text before it is split.
    private const int FirstAddedOfMpt = 50254;

    [Theory]
    [InlineData("deepseek-llm", 23)]
    [InlineData("deepseek-coder", 23)]
    [InlineData("gpt-2", 23)]
    [InlineData("falcon", 23)]
    [InlineData("llama-spm", 23)]
    [InlineData("bert-bge", 46)]
    public void Every_case_of_a_vocabulary_gives_its_ids(string name, int count)
    {
        var tokenizer = Vocabulary(name);
        var cases = Cases(name);
        Assert.Equal(count, cases.Count);
        foreach (var (text, ids) in cases)
        {
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false));
            // Neither BERT, which drops case and accents, nor Falcon, which has no tokens for some control characters, keeps the text.
            if (name is not ("bert-bge" or "falcon")) Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    /// <summary>Without the vocabulary, the ids still tell where the text was split: each piece has the same ids wherever it stands, and
    /// what is left of a text between known pieces are the ids of an unknown one. A split too many shows, one too few may not.</summary>
    [Theory]
    [InlineData("qwen2", "qwen2", true)]
    [InlineData("deepseek-r1-qwen", "deepseek-r1-qwen", true)]
    [InlineData("llama-bpe", "llama-bpe", true)]
    [InlineData("refact", "refact", false)]
    [InlineData("command-r", "command-r", false)]
    [InlineData("mpt", "mpt", false)]
    [InlineData("roberta-bpe", "roberta-bpe", false)]
    [InlineData("chameleon", "chameleon", false)]
    public void Texts_are_split_where_the_ids_of_an_absent_vocabulary_say(string name, string preTokenizer, bool startsWithBytes)
    {
        var family = GgufPreTokenizers.Find(preTokenizer);
        var pending = new List<(string[] Pieces, int[] Ids)>();
        foreach (var (text, ids) in Cases(name).Where(item => name != "mpt" || item.Ids.All(id => id < FirstAddedOfMpt))) pending.Add((PreTokenizerTests.Pieces(family.PreTokenizer, family.Normalizer.Apply(text)), ids));
        Assert.All(pending, item => Assert.InRange(item.Pieces.Length, 0, item.Ids.Length));

        var known = new Dictionary<string, int[]>();
        for (var before = -1; before != known.Count;)
        {
            before = known.Count;
            foreach (var (pieces, ids) in pending) Learn(pieces, ids, known);
        }

        Assert.InRange(known.Count, 15, int.MaxValue);
        if (!startsWithBytes) return;
        // The first 256 ids of these vocabularies are the bytes in the order of the alphabet.
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(value => (byte)value).OrderBy(value => ByteAlphabet.CharOf(value))];
        var spelled = known.Where(pair => pair.Value.All(id => id < 256)).ToList();
        Assert.InRange(spelled.Count, 4, int.MaxValue);
        Assert.All(spelled, pair => Assert.Equal(pair.Key, Encoding.UTF8.GetString([.. pair.Value.Select(id => bytes[id])])));
    }

    /// <summary>RoBERTa numbers the tokens of GPT-2 in another order.</summary>
    [Fact]
    public void The_ids_of_roberta_are_those_of_gpt2_renamed()
    {
        var tokenizer = Vocabulary("gpt-2");
        var names = new Dictionary<int, int>();
        var count = 0;
        foreach (var (text, ids) in Cases("roberta-bpe"))
        {
            var own = tokenizer.Encode(text, addSpecial: false);
            Assert.Equal(own.Count, ids.Length);
            for (var i = 0; i < own.Count; i++)
            {
                if (!names.TryAdd(own[i], ids[i])) Assert.Equal(names[own[i]], ids[i]);
                count++;
            }
        }

        Assert.Equal(names.Count, names.Values.Distinct().Count());
        Assert.InRange(count - names.Count, 100, int.MaxValue);
    }

    [Fact]
    public void The_bytes_of_gpt2_are_those_that_its_own_encoder_lists()
    {
        var tokenizer = Vocabulary("gpt-2");
        var count = 0;
        using var packed = new GZipStream(File.OpenRead(SharedData.PathOrSkip("data/tokenizer/tiktoken/gpt2.tiktoken.gz")), CompressionMode.Decompress);
        using var lines = new StreamReader(packed);
        while (lines.ReadLine() is { Length: > 0 } line)
        {
            var parts = line.Split(' ');
            Assert.Equal(Convert.FromBase64String(parts[0]), tokenizer.TokenBytes(int.Parse(parts[1], CultureInfo.InvariantCulture)));
            count++;
        }

        Assert.Equal(50_256, count);
    }

    private static void Learn(string[] pieces, int[] ids, Dictionary<string, int[]> known)
    {
        int first = 0, last = pieces.Length, begin = 0, end = ids.Length;
        for (; first < last && known.TryGetValue(pieces[first], out var front); first++)
        {
            Assert.Equal(front, ids.AsSpan(begin, Math.Min(front.Length, end - begin)));
            begin += front.Length;
        }

        for (; last > first && known.TryGetValue(pieces[last - 1], out var back); last--)
        {
            Assert.Equal(back, ids.AsSpan(Math.Max(begin, end - back.Length), Math.Min(back.Length, end - begin)));
            end -= back.Length;
        }

        if (first == last) Assert.Equal(begin, end);
        else if (last - first == 1) known.Add(pieces[first], ids[begin..end]);
    }

    private static List<(string Text, int[] Ids)> Cases(string name)
    {
        var cases = new List<(string, int[])>();
        foreach (var line in File.ReadLines(SharedData.PathOrSkip($"{Folder}{name}.cases.jsonl")))
        {
            using var item = JsonDocument.Parse(line);
            cases.Add((item.RootElement.GetProperty("text").GetString()!, TokenizerFixtures.Ids(item.RootElement.GetProperty("ids"))));
        }

        return cases;
    }

    private static Tokenizer Vocabulary(string name)
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("vocabulary.gguf");
        using (var packed = new GZipStream(File.OpenRead(SharedData.PathOrSkip($"{Folder}ggml-vocab-{name}.gguf.gz")), CompressionMode.Decompress))
        using (var file = File.Create(path)) packed.CopyTo(file);
        return TokenizerLoader.FromGguf(path);
    }
}
