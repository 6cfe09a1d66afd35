using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Tests.Grammars.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Masks of real schemas over a real vocabulary of 102,400 tokens, against trying every token.</summary>
/// <remarks>The environment variables <c>HADAL_FUZZ_ITERATIONS</c> and <c>HADAL_FUZZ_SEED</c> set how many places are looked at and where drawing begins.</remarks>
public sealed class MaskBruteForceTests(ITestOutputHelper output)
{
    [Fact]
    public void Masks_within_real_instances_are_what_trying_every_token_gives()
    {
        var (first, count) = (Number("HADAL_FUZZ_SEED", 0), Number("HADAL_FUZZ_ITERATIONS", 25));
        var tokenizer = Unpacked(SharedData.PathOrSkip("data/tokenizer/ggml-vocab/ggml-vocab-deepseek-llm.gguf.gz"));
        var vocabulary = TokenTrie.Of(tokenizer);
        using var archive = ZipFile.OpenRead(SharedData.PathOrSkip("data/schema/maskbench-sample/maskbench_sample.zip"));
        var entries = archive.Entries.Where(entry => entry.Name.EndsWith(".json", StringComparison.Ordinal)).OrderBy(entry => entry.FullName, StringComparer.Ordinal).ToList();
        var mask = new ulong[vocabulary.MaskLength];
        var (places, allowed) = (0, 0L);
        for (var seed = first; places < count; seed++)
        {
            var random = new Random(seed);
            using var reader = new StreamReader(entries[random.Next(entries.Count)].Open());
            using var document = JsonDocument.Parse(reader.ReadToEnd(), new JsonDocumentOptions { MaxDepth = 512 });
            if (!TryPlace(document.RootElement, tokenizer, vocabulary, random, out var matcher)) continue;
            matcher.ComputeMask(mask);
            for (var id = 0; id < vocabulary.VocabSize; id++)
            {
                var isTaken = matcher.TryAccept(id);
                if (isTaken) matcher.Rollback(1);
                if (isTaken != TokenMask.Contains(mask, id)) Assert.Fail($"seed {seed}: the mask and the matcher differ on token {id}, {tokenizer.TokenText(id)}, after {tokenizer.Decode(matcher.Tokens, skipSpecial: false)}");
                if (isTaken) allowed++;
            }
            places++;
        }
        output.WriteLine($"{places} places, {allowed} tokens allowed of {(long)places * vocabulary.VocabSize}");
        Assert.InRange(allowed, places, (long)places * vocabulary.VocabSize - places);
    }

    [Theory]
    [InlineData("^.*a.{40}b", "^.*c.{30}d")]
    [InlineData("a.{40}b", "x[0-9a-f]{25}y")]
    [InlineData("(a|b)*a(a|b){60}", "z")]
    public void Patterns_that_search_cost_few_steps(string first, string second)
    {
        var tokenizer = Unpacked(SharedData.PathOrSkip("data/tokenizer/ggml-vocab/ggml-vocab-deepseek-llm.gguf.gz"));
        var vocabulary = TokenTrie.Of(tokenizer);
        var schema = $$"""{"type":"string","anyOf":[{"pattern":"{{first}}"},{"pattern":"{{second}}"}]}""";
        var matcher = new GrammarMatcher(JsonSchemaGrammar.Compile(schema, new JsonGrammarOptions { Limits = new GrammarLimits { MaxStepsPerMask = 4_000_000 } }).Grammar, vocabulary);
        var mask = new ulong[vocabulary.MaskLength];
        foreach (var token in tokenizer.Encode("\"" + string.Concat(Enumerable.Repeat("abacab xaab 1f ", 8)), addSpecial: false))
        {
            matcher.ComputeMask(mask);
            Assert.True(TokenMask.Contains(mask, token));
            Assert.True(matcher.TryAccept(token));
        }
        matcher.ComputeMask(mask);
        Assert.True(TokenMask.Count(mask) > vocabulary.VocabSize / 2);
    }

    private static Tokenizer Unpacked(string path)
    {
        var folder = Directory.CreateTempSubdirectory("hadal-masks");
        try
        {
            var model = Path.Combine(folder.FullName, "vocabulary.gguf");
            using (var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress))
            using (var plain = File.Create(model)) packed.CopyTo(plain);
            return TokenizerLoader.FromGguf(model);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A place within an instance of a schema, as far as the grammar follows it; false where the schema is refused or has no instance.</summary>
    private static bool TryPlace(JsonElement file, Tokenizer tokenizer, TokenTrie vocabulary, Random random, out GrammarMatcher matcher)
    {
        matcher = null!;
        var tests = file.GetProperty("tests");
        if (tests.GetArrayLength() == 0) return false;
        try
        {
            matcher = new GrammarMatcher(JsonSchemaGrammar.Compile(file.GetProperty("schema").GetRawText()).Grammar, vocabulary);
        }
        catch (GrammarException)
        {
            return false;
        }
        var text = System.Text.Encoding.UTF8.GetString(SchemaBenchTests.PythonJson(tests[random.Next(tests.GetArrayLength())].GetProperty("data")));
        var tokens = tokenizer.Encode(text, addSpecial: false);
        var length = random.Next(tokens.Count + 1);
        for (var index = 0; index < length && matcher.TryAccept(tokens[index]); index++) { }
        return true;
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
}
