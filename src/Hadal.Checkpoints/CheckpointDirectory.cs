using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints;

/// <summary>Opens a directory with <c>config.json</c> and safetensors files.</summary>
internal static class CheckpointDirectory
{
    /// <summary>Opens the directory <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">What is wrong with it.</exception>
    public static Checkpoint Open(string path)
    {
        var config = ModelConfigReader.Read(path);
        var shard = SafetensorsFile.Open(Path.Combine(path, "model.safetensors"));
        try
        {
            var faults = new FaultList(path);
            var stored = SafetensorsTensors.Read([shard], faults);
            faults.ThrowIfAny();
            var warnings = new List<string>();
            var tensors = TensorBinder.Bind(path, config, WeightManifest.For(config), stored, warnings);
            return new Checkpoint(path, "safetensors", config, tensors, [shard.Map])
            {
                Warnings = warnings,
                GenerationConfig = new GenerationConfig { EosTokenId = config.EosTokenId, BosTokenId = config.BosTokenId },
            };
        }
        catch
        {
            shard.Dispose();
            throw;
        }
    }
}
