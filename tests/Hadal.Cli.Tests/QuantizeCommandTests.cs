using System.Text.Json;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class QuantizeCommandTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    private string Target => Path.Combine(_folder.FullName, "small");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_object_says_what_became_of_every_tensor()
    {
        var json = TestShell.Run("", "quantize", Model, "-o", Target, "--method", "rtn", "--bits", "4", "--group", "32", "--json").Done().Json;
        Assert.Equal(["model", "path", "method", "bits", "group", "bytes_before", "bytes_after", "mean_squared_error", "tensors"], json.EnumerateObject().Select(field => field.Name));
        Assert.Equal(("hf", Target, "rtn", 4, 32), (
            json.GetProperty("model").GetString(), json.GetProperty("path").GetString(), json.GetProperty("method").GetString(), json.GetProperty("bits").GetInt32(), json.GetProperty("group").GetInt32()));
        var tensors = json.GetProperty("tensors").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!);
        var quantised = tensors["model.layers.0.mlp.up_proj.weight"];
        Assert.Equal(["name", "dtype", "bytes_before", "bytes_after", "mean_squared_error", "relative_error"], quantised.EnumerateObject().Select(field => field.Name));
        Assert.Equal("AWQ_INT4", quantised.GetProperty("dtype").GetString());
        // 160 rows of 64 weights: half a byte each, and per group of 32 half a byte and a half.
        Assert.Equal((160 * 64 * 4, (160 * 32) + (160 * 2 * 5 / 2)), (quantised.GetProperty("bytes_before").GetInt32(), quantised.GetProperty("bytes_after").GetInt32()));
        Assert.InRange(quantised.GetProperty("relative_error").GetDouble(), 1e-6, 0.2);
        Assert.Equal(JsonValueKind.Null, tensors["lm_head.weight"].GetProperty("mean_squared_error").ValueKind);
        Assert.Equal("awq-int4-g32", TestShell.Run("", "bench", Target, "--prompt", "4", "--generate", "1", "--repeat", "1", "--json").Done().Json.GetProperty("quantization").GetString());
        Assert.Equal(TestShell.Run("tide", "tokenize", Model).Done().Text, TestShell.Run("tide", "tokenize", Target).Done().Text);
    }

    [Fact]
    public void Eight_bits_are_for_people_a_table()
    {
        var text = TestShell.Run("", "quantize", Model, "-o", Target, "--bits", "8", "--group", "32").Done().Text;
        Assert.Contains("8 bits in groups of 32", text, StringComparison.Ordinal);
        Assert.Contains("error       ", text, StringComparison.Ordinal);
        Assert.Contains("int8-g32", TestShell.Run("", "inspect", Target).Done().Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_is_made_of_8_bits_where_that_is_asked_for()
    {
        var json = TestShell.Run("", "quantize", Model, "-o", Target, "--bits", "8", "--group", "32", "--head", "8", "--json").Done().Json;
        var head = json.GetProperty("tensors").EnumerateArray().Single(tensor => tensor.GetProperty("name").GetString() == "lm_head.weight");
        Assert.Equal("I8", head.GetProperty("dtype").GetString());
        Assert.InRange(head.GetProperty("relative_error").GetDouble(), 1e-6, 0.01);
        TestShell.Run("", "logits", Target, "--token-ids", "1,2,3", "--json").Done();
    }

    [Theory]
    [InlineData("--method: awq is not computed yet; expected rtn", "--method", "awq")]
    [InlineData("--method: gptq is not computed yet; expected rtn", "--method", "gptq")]
    [InlineData("--method: expected rtn, found 'best'", "--method", "best")]
    [InlineData("--bits: 3 is not computed yet; expected 4 or 8", "--bits", "3")]
    [InlineData("--bits: expected 4 or 8, found 5", "--bits", "5")]
    [InlineData("--head: expected 8, found 4", "--head", "4")]
    [InlineData("--head: expected --bits 8 beside it; the AWQ layout of 4 bits has no place for a matrix of 8", "--head", "8")]
    [InlineData("--group: expected 32, 64 or 128, found 256", "--group", "256")]
    [InlineData("--group: expected a whole number from 1 to 2147483647, found 'all'; see hadal quantize --help", "--group", "all")]
    public void Wrong_usage_is_one_line(string expected, string option, string value)
    {
        Assert.Equal($"hadal: {expected}", TestShell.Run("", "quantize", Model, "-o", Target, option, value).Fault(2));
        Assert.Empty(_folder.EnumerateFileSystemInfos());
    }

    [Fact]
    public void Faults_are_one_line()
    {
        Assert.Contains("'-o' is required", TestShell.Run("", "quantize", Model).Fault(2), StringComparison.Ordinal);
        Assert.Contains("Required argument 'MODEL' missing", TestShell.Run("", "quantize", "-o", Target).Fault(2), StringComparison.Ordinal);
        Assert.StartsWith("hadal: model 'nobody/nothing' was not found", TestShell.Run("", "quantize", "nobody/nothing", "-o", Target).Fault(1), StringComparison.Ordinal);
        Assert.Contains("is a GGUF file, expected a directory", TestShell.Run("", "quantize", GoldenData.PathOf("qwen2/model-Q4_K.gguf"), "-o", Target).Fault(1), StringComparison.Ordinal);
        TestShell.Run("", "quantize", Model, "-o", Target, "--group", "32").Done();
        Assert.StartsWith($"hadal: {Target}: exists and is not empty", TestShell.Run("", "quantize", Model, "-o", Target).Fault(1), StringComparison.Ordinal);
        Assert.Contains("is stored as AwqInt4, expected floats", TestShell.Run("", "quantize", Target, "-o", Target + "2").Fault(1), StringComparison.Ordinal);
    }
}
