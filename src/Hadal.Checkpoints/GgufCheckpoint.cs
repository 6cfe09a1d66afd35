using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints;

/// <summary>Opens a GGUF model: metadata becomes the config, tensors get their published names.</summary>
internal static class GgufCheckpoint
{
    /// <summary>Opens <paramref name="path"/> and the parts that belong to it.</summary>
    /// <exception cref="CheckpointException">What is wrong with it.</exception>
    public static Checkpoint Open(string path)
    {
        var files = GgufParts.Open(path);
        try
        {
            var warnings = new List<string>();
            var config = GgufConfig.Read(files, warnings);
            ConfigCheck.Check(config, path);
            ConfigCheck.Warn(config, warnings);
            var faults = new FaultList(path);
            var stored = GgufTensors.Read(files, (config as DeepSeekConfig)?.NRoutedExperts ?? 0, faults);
            faults.ThrowIfAny("the file is damaged, or made for a newer form of its architecture");
            var tensors = TensorBinder.Bind(path, config, () => Specs(config, stored), stored, warnings);
            var metadata = files[0].Metadata;
            return new Checkpoint(path, "gguf", config, tensors, [.. files.Select(file => file.Map)], () => TokenizerLoader.FromGguf(metadata))
            {
                Warnings = warnings,
                ChatTemplate = metadata.GetString("tokenizer.chat_template"),
                GenerationConfig = new GenerationConfig { BosTokenId = config.BosTokenId, EosTokenId = config.EosTokenId, PadTokenId = config.PadTokenId },
            };
        }
        catch
        {
            foreach (var file in files) file.Dispose();
            throw;
        }
    }

    /// <summary>What the file must hold: the manifest, in the layout of latent attention it has, and the rotary factors where it has them.</summary>
    private static IReadOnlyList<WeightSpec> Specs(ModelConfig config, Dictionary<string, WeightTensor> stored)
    {
        var splitKvB = config is DeepSeekConfig && !stored.ContainsKey(WeightManifest.LayerPrefix(0) + "self_attn.kv_b_proj.weight");
        var specs = WeightManifest.For(config, splitKvB);
        if (config is not GroupedQueryConfig grouped || !stored.ContainsKey(GgufTensors.RopeFactors)) return specs;
        return [.. specs, new WeightSpec(GgufTensors.RopeFactors, [grouped.HeadSize / 2], WeightRole.Scale, Quantizable: false) { DimensionKeys = ["head_dim / 2"] }];
    }
}
