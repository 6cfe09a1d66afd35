using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class LogitsCommandTests
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");

    [Theory]
    [InlineData("deepseek-v3", "hf", "exact.F32")]
    [InlineData("deepseek-v32-dsa", "model-F16.gguf", "exact.F16")]
    [InlineData("qwen2", "model-Q4_K.gguf", "exact.Q4_K")]
    public void Logits_are_those_of_another_engine(string folder, string file, string set)
    {
        foreach (var sequence in Golden.Of(folder).GetProperty("sequences").EnumerateArray())
        {
            var ids = Golden.Ints(sequence.GetProperty("token_ids"));
            var positions = Golden.Ints(sequence.GetProperty("logit_positions"));
            var json = TestShell.Run("", "logits", GoldenData.PathOf($"{folder}/{file}"), "--token-ids", string.Join(',', ids), "--last", $"{positions.Length}", "--json").Done().Json;
            Assert.Equal(["token_ids", "vocab_size", "positions", "logits"], json.EnumerateObject().Select(field => field.Name));
            Assert.Equal(ids, Golden.Ints(json.GetProperty("token_ids")));
            Assert.Equal(512, json.GetProperty("vocab_size").GetInt32());
            Assert.Equal(positions, Golden.Ints(json.GetProperty("positions")));
            var expected = Golden.Logits(folder, set, sequence.GetProperty("name").GetString()!);
            var found = json.GetProperty("logits").EnumerateArray().SelectMany(row => row.EnumerateArray().Select(logit => logit.GetSingle())).ToArray();
            Assert.Equal(expected.Length, found.Length);
            // The golden tolerance; the engine's own tests hold the kernels to a fifth of it.
            for (var i = 0; i < expected.Length; i++) Assert.InRange(found[i], expected[i] - 1e-3f, expected[i] + 1e-3f);
        }
    }

    [Fact]
    public void Without_last_every_position_is_there_and_threads_change_no_bit()
    {
        var ids = string.Join(',', Enumerable.Range(1, 70));
        var one = TestShell.Run("", "logits", Model, "--token-ids", ids, "--json", "--threads", "1").Done();
        Assert.Equal(Enumerable.Range(0, 70), Golden.Ints(one.Json.GetProperty("positions")));
        Assert.All(one.Json.GetProperty("logits").EnumerateArray(), row => Assert.Equal(512, row.GetArrayLength()));
        Assert.Equal(one.Text, TestShell.Run("", "logits", Model, "--token-ids", ids, "--json", "--threads", "3").Done().Text);
    }

    [Fact]
    public void Integer_arithmetic_is_near_exact_and_changes_only_quantised_models()
    {
        var ids = string.Join(',', Enumerable.Range(1, 40));
        foreach (var (file, isQuantized) in new[] { ("qwen2/model-Q4_K.gguf", true), ("deepseek-v3/hf", false) })
        {
            var exact = Logits(file, "exact");
            var integer = Logits(file, "integer");
            Assert.Equal(exact, Logits(file, null));
            if (!isQuantized) Assert.Equal(exact, integer);
            else Assert.InRange(exact.Zip(integer, (a, b) => MathF.Abs(a - b)).Max(), 1e-3f, 1f);
        }

        float[] Logits(string file, string? arithmetic)
        {
            string[] arguments = ["logits", GoldenData.PathOf(file), "--token-ids", ids, "--last", "1", "--json", .. arithmetic is null ? Array.Empty<string>() : ["--arithmetic", arithmetic]];
            var row = Assert.Single(TestShell.Run("", arguments).Done().Json.GetProperty("logits").EnumerateArray().ToArray());
            return [.. row.EnumerateArray().Select(logit => logit.GetSingle())];
        }
    }

    [Fact]
    public void Without_json_people_see_the_likeliest_tokens()
    {
        var lines = TestShell.Run("", "logits", Model, "--token-ids", "42 71", "--last", "1").Done().Text.TrimEnd().Split('\n');
        Assert.Matches(@"^1: 71 'e' -> \d+ '.*' -?\d+\.\d{3}(, \d+ '.*' -?\d+\.\d{3}){4}$", Assert.Single(lines));
    }

    [Theory]
    [InlineData("", "--token-ids: expected at least one token id, found none")]
    [InlineData("1,x", "--token-ids: expected token ids such as 1,2,3, found 'x'")]
    [InlineData("1,-1", "--token-ids: expected token ids such as 1,2,3, found '-1'")]
    [InlineData("1,512", "--token-ids: expected ids from 0 to 511, which the model has, found 512")]
    public void Faulty_ids_are_wrong_usage(string ids, string message) =>
        Assert.Equal($"hadal: {message}", TestShell.Run("", "logits", Model, "--token-ids", ids, "--json").Fault(2));

    [Fact]
    public void More_tokens_than_the_model_was_made_for_are_refused() =>
        Assert.Contains("--token-ids: expected at most 163840 tokens", TestShell.Run("", "logits", Model, "--token-ids", string.Join(',', new int[163841]), "--json").Fault(2), StringComparison.Ordinal);
}
