using Hadal.Checkpoints;
using Hadal.Inference.Models;

namespace Hadal.Cli.Tests;

/// <summary>What the program takes at most, beside what it says it will take.</summary>
public sealed class PeakMemoryTests : IDisposable
{
    private const long MiB = 1 << 20;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("bf16", null)]
    [InlineData("int8-g128", "int8")]
    [InlineData("int4-g128", "int4-g128")]
    public async Task The_peak_stays_within_what_is_estimated(string name, string? quantization)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the peak of a process is read from Linux");
        // The same program on almost no weights is what the run time and its code take.
        var (own, _) = await PeakAsync(name + "-small", quantization, hidden: 128, layers: 1);
        var (peak, estimate) = await PeakAsync(name, quantization, hidden: 1024, layers: 8);
        Assert.InRange(estimate.WeightBytes, 60 * MiB, 400 * MiB);
        // Weights, caches and activations are in use, so that they must be seen; a second copy of the weights, or tiles beside what they were made of, would not fit.
        Assert.InRange(peak - own, estimate.WeightBytes / 2, estimate.TotalBytes + (24 * MiB));
    }

    private async Task<(long Peak, MemoryEstimate Estimate)> PeakAsync(string name, string? quantization, int hidden, int layers)
    {
        const int Prompt = 200, Generate = 4;
        var (config, model) = (Path.Combine(_folder.FullName, name + ".json"), Path.Combine(_folder.FullName, name));
        await File.WriteAllTextAsync(config, $$"""
            {"model_type":"qwen2","vocab_size":8192,"hidden_size":{{hidden}},"intermediate_size":{{4 * hidden}},"num_hidden_layers":{{layers}},"num_attention_heads":{{hidden / 64}},
             "num_key_value_heads":{{hidden / 128}},"rms_norm_eps":1e-6,"max_position_embeddings":1024,"bos_token_id":0,"eos_token_id":1}
            """, TestContext.Current.CancellationToken);
        string[] form = quantization is null ? [] : ["--quantization", quantization];
        TestShell.Run("", ["synth", config, "-o", model, .. form]).Done();
        using var process = HadalProcess.Start("bench", model, "--prompt", $"{Prompt}", "--generate", $"{Generate}", "--repeat", "1", "--threads", "2", "--json");
        var json = System.Text.Json.JsonElement.Parse(await process.Output.ReadToEndAsync(TestContext.Current.CancellationToken));
        using var checkpoint = Checkpoint.Open(model);
        return (json.GetProperty("peak_rss_bytes").GetInt64(), MemoryEstimate.For(checkpoint, ModelOpening.OptionsOf(Prompt + Generate, 2, Arithmetic.Integer)));
    }
}
