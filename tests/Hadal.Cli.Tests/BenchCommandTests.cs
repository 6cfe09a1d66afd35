using Hadal.Inference.Kernels;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class BenchCommandTests
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");

    [Fact]
    public void The_object_has_exactly_the_documented_fields()
    {
        var json = TestShell.Run("", "bench", Model, "--prompt", "20", "--generate", "5", "--depth", "10", "--threads", "1", "--repeat", "2", "--json").Done().Json;
        Assert.Equal(
            ["model", "quantization", "model_bytes", "threads", "vector_width", "prompt_tokens", "generated_tokens", "depth", "prefill_tokens_per_second", "decode_tokens_per_second", "load_ms", "peak_rss_bytes"],
            json.EnumerateObject().Select(field => field.Name));
        Assert.Equal("hf", json.GetProperty("model").GetString());
        Assert.Equal("f32", json.GetProperty("quantization").GetString());
        Assert.Equal(1, json.GetProperty("threads").GetInt32());
        Assert.Equal(VectorWidth.Bits, json.GetProperty("vector_width").GetInt32());
        Assert.Equal(20, json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(5, json.GetProperty("generated_tokens").GetInt32());
        Assert.Equal(10, json.GetProperty("depth").GetInt32());
        Assert.InRange(json.GetProperty("prefill_tokens_per_second").GetDouble(), double.Epsilon, double.MaxValue);
        Assert.InRange(json.GetProperty("decode_tokens_per_second").GetDouble(), double.Epsilon, double.MaxValue);
        Assert.InRange(json.GetProperty("load_ms").GetDouble(), double.Epsilon, double.MaxValue);
        // The weights alone are a MiB, and nobody runs .NET in less than ten.
        Assert.InRange(json.GetProperty("peak_rss_bytes").GetInt64(), 10 << 20, long.MaxValue);
    }

    [Fact]
    public void What_is_not_measured_is_null()
    {
        var json = TestShell.Run("", "bench", Model, "--prompt", "0", "--generate", "3", "--repeat", "1", "--json").Done().Json;
        Assert.Equal(System.Text.Json.JsonValueKind.Null, json.GetProperty("prefill_tokens_per_second").ValueKind);
        Assert.Contains("reading   not measured", TestShell.Run("", "bench", Model, "--prompt", "0", "--generate", "3", "--repeat", "1").Done().Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_line_of_input_is_a_turn()
    {
        var text = TestShell.Run("\n\n\n", "bench", Model, "--prompt", "4", "--generate", "0", "--depth", "6", "--turns").Done().Text;
        var turns = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(3, turns.Length);
        Assert.All(turns, turn =>
        {
            Assert.InRange(turn.GetProperty("prefill_tokens_per_second").GetDouble(), double.Epsilon, double.MaxValue);
            Assert.Equal(System.Text.Json.JsonValueKind.Null, turn.GetProperty("decode_tokens_per_second").ValueKind);
        });
    }

    [Fact]
    public void Turns_take_neither_rounds_nor_one_object() =>
        Assert.Contains("expected neither --repeat nor --json", TestShell.Run("\n", "bench", Model, "--turns", "--json").Fault(2), StringComparison.Ordinal);

    [Fact]
    public void A_depth_that_fills_the_context_is_named() =>
        Assert.StartsWith("hadal: --depth: expected fewer tokens than the 163840", TestShell.Run("", "bench", Model, "--depth", "163840").Fault(2), StringComparison.Ordinal);

    [Fact]
    public void Auto_reads_in_larger_passes_and_the_default_does_not()
    {
        var auto = ModelOpening.OptionsOf(null, null, Arithmetic.Integer, mla: MlaForm.Auto);
        Assert.Equal((MlaForm.Auto, 1024), (auto.MlaForm, auto.MaxBatchTokens));
        var standard = ModelOpening.OptionsOf(null, null, Arithmetic.Integer);
        Assert.Equal((MlaForm.Absorbed, 256), (standard.MlaForm, standard.MaxBatchTokens));
    }

    [Theory]
    [InlineData("--prompt", "-1", "--prompt: expected a whole number from 0 to 2147483647, found '-1'")]
    [InlineData("--repeat", "0", "--repeat: expected a whole number from 1 to 10000, found '0'")]
    [InlineData("--threads", "many", "--threads: expected a whole number from 1 to 1024, found 'many'")]
    [InlineData("--depth", "2147483647", "--depth with --prompt or --generate: expected at most 163840 tokens")]
    public void Faulty_numbers_are_wrong_usage(string option, string value, string message) =>
        Assert.StartsWith($"hadal: {message}", TestShell.Run("", "bench", Model, option, value).Fault(2), StringComparison.Ordinal);

    [Fact]
    public void Nothing_to_measure_is_wrong_usage() =>
        Assert.Contains("expected one of them above 0", TestShell.Run("", "bench", Model, "--prompt", "0", "--generate", "0").Fault(2), StringComparison.Ordinal);
}
