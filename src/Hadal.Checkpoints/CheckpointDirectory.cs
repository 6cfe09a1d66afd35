using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints;

/// <summary>Opens a directory with <c>config.json</c> and safetensors files.</summary>
internal static class CheckpointDirectory
{
    /// <summary>Opens the directory.</summary>
    /// <exception cref="CheckpointException">What is wrong with it.</exception>
    public static Checkpoint Open(CheckpointFolder folder)
    {
        var path = folder.Path;
        var config = ModelConfigReader.Read(folder);
        var shards = SafetensorsShards.Open(folder);
        try
        {
            var faults = new FaultList(path);
            var stored = SafetensorsTensors.Read(shards, config.QuantizationConfig, faults);
            faults.ThrowIfAny();
            var warnings = new List<string>();
            ConfigCheck.Warn(config, warnings);
            var tensors = TensorBinder.Bind(path, config, () => WeightManifest.For(config), stored, warnings);
            return new Checkpoint(path, "safetensors", config, tensors, [.. shards.Select(shard => shard.Map)], () => TokenizerLoader.FromDirectory(path))
            {
                Warnings = warnings,
                ChatTemplate = ChatTemplateFile.Read(folder, warnings),
                GenerationConfig = GenerationConfigReader.Read(folder, config),
            };
        }
        catch
        {
            foreach (var shard in shards) shard.Dispose();
            throw;
        }
    }
}
