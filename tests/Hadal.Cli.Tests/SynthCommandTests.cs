namespace Hadal.Cli.Tests;

public sealed class SynthCommandTests : IDisposable
{
    private const string Small = """
        {"model_type":"qwen2","vocab_size":300,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":4,"num_attention_heads":2,"num_key_value_heads":1,"rms_norm_eps":1e-6,
         "max_position_embeddings":64,"bos_token_id":0,"eos_token_id":1}
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    private string Config => Path.Combine(_folder.FullName, "config.json");

    private string Target => Path.Combine(_folder.FullName, "made", "model");

    public SynthCommandTests() => File.WriteAllText(Config, Small);

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(null, "bf16")]
    [InlineData("int8", "int8-g128")]
    [InlineData("int4-g32", "awq-int4-g32")]
    [InlineData("int4-g64", "awq-int4-g64")]
    public void What_it_writes_is_inspected_measured_and_run(string? quantization, string expected)
    {
        // With groups of 128 only the down projections are whole groups; they make the half of the weights or more.
        File.WriteAllText(Config, Small.Replace("\"intermediate_size\":128", "\"intermediate_size\":1024", StringComparison.Ordinal).Replace("\"hidden_size\":64", "\"hidden_size\":128", StringComparison.Ordinal));
        string[] options = quantization is null ? [] : ["--quantization", quantization];
        var text = TestShell.Run("", ["synth", Config, "-o", Target, "--layers", "2", "--seed", "5", .. options]).Done().Text;
        Assert.StartsWith($"{Target}: ", text, StringComparison.Ordinal);
        Assert.EndsWith($"of random weights, 2 layers, {quantization ?? "bf16"}\n", text, StringComparison.Ordinal);
        var json = TestShell.Run("", "inspect", Target, "--json").Done().Json;
        Assert.Equal(expected, json.GetProperty("quantization").GetString());
        Assert.Equal(2, json.GetProperty("config").GetProperty("num_hidden_layers").GetInt32());
        Assert.Equal(0, TestShell.Run("", "bench", Target, "--prompt", "8", "--generate", "2", "--repeat", "1").ExitCode);
        Assert.Equal("length", TestShell.Run("", "run", Target, "-p", "noise", "--max-tokens", "3", "--seed", "2", "--json").Done().Json.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public void A_terminal_sees_how_far_it_is()
    {
        var outcome = new TestShell { IsTerminal = true }.Run("synth", Config, "-o", Target);
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("writing", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_usage_says_what_there_is()
    {
        Assert.StartsWith("hadal: SHAPE: expected r1-distill-qwen-1.5b, ", TestShell.Run("", "synth", "gpt-5", "-o", Target).Fault(2), StringComparison.Ordinal);
        Assert.EndsWith("or the path of a config.json, found ''", TestShell.Run("", "synth", "", "-o", Target).Fault(2), StringComparison.Ordinal);
        Assert.Equal("hadal: --layers: expected 1 to 4, the layers of the shape, found 5", TestShell.Run("", "synth", Config, "-o", Target, "--layers", "5").Fault(2));
        Assert.Equal("hadal: --quantization: expected bf16, int8, int4-g32, int4-g64, int4-g128, found 'int3'", TestShell.Run("", "synth", Config, "-o", Target, "--quantization", "int3").Fault(2));
        Assert.Contains("'-o' is required", TestShell.Run("", "synth", Config).Fault(2), StringComparison.Ordinal);
        Assert.Equal("hadal: -o: the name of the directory is empty", TestShell.Run("", "synth", Config, "-o", "").Fault(2));
    }

    [Fact]
    public void Faults_are_one_line()
    {
        Assert.StartsWith($"hadal: {Config}: is a file, expected a new directory", TestShell.Run("", "synth", Config, "-o", Config).Fault(1), StringComparison.Ordinal);
        Assert.StartsWith($"hadal: {_folder.FullName}: exists and is not empty", TestShell.Run("", "synth", Config, "-o", _folder.FullName).Fault(1), StringComparison.Ordinal);
        // 2.5 TB of weights.
        Assert.Contains("too little space: expected ", TestShell.Run("", "synth", "deepseek-v3", "-o", Target).Fault(1), StringComparison.Ordinal);
        File.WriteAllText(Config, Small.Replace("\"vocab_size\":300", "\"vocab_size\":200", StringComparison.Ordinal));
        Assert.StartsWith("hadal: vocab_size is 200, expected at least 258", TestShell.Run("", "synth", Config, "-o", Target).Fault(1), StringComparison.Ordinal);
        File.WriteAllText(Config, "{}");
        Assert.StartsWith($"hadal: {Config}: model_type is missing", TestShell.Run("", "synth", Config, "-o", Target).Fault(1), StringComparison.Ordinal);
        Assert.Equal([Config], Directory.GetFileSystemEntries(_folder.FullName));
    }
}
