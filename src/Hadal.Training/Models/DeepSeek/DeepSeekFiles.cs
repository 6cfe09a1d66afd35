using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Writes a model as a checkpoint directory in the published layout, and reads one.</summary>
public static class DeepSeekFiles
{
    /// <summary>Reads the weights of an open checkpoint into a new model.</summary>
    /// <param name="checkpoint">A DeepSeek-family checkpoint with F32, BF16 or F16 weights.</param>
    /// <param name="computeType">Dtype of activations.</param>
    /// <param name="device">Where the model shall live; the CPU when null.</param>
    /// <exception cref="CheckpointException">It is of another family.</exception>
    /// <exception cref="NotSupportedException">Weights are quantised.</exception>
    public static DeepSeekModel Load(Checkpoint checkpoint, ScalarType computeType = ScalarType.Float32, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (checkpoint.Config is not DeepSeekConfig config)
            throw new CheckpointException($"{checkpoint.Path}: model_type is '{checkpoint.Config.ModelType}', training computes the DeepSeek families");
        var model = new DeepSeekModel(config, computeType, device);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var (spec, tensor) in model.PublishedWeights())
        {
            if (checkpoint.Tensors.TryGetValue(spec.Name, out var stored)) tensor.copy_(TensorBytes.Read(stored));
            else if (!spec.Optional) throw new CheckpointException($"{checkpoint.Path}: {spec.Name}: missing");
        }

        return model;
    }

    /// <summary>Writes <c>config.json</c> and the weights into <paramref name="directory"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="directory">Created where it does not exist; files of an earlier save are replaced.</param>
    /// <param name="dtype">F32 or BF16; the router's correction bias stays F32, as published.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Save(DeepSeekModel model, string directory, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(model);
        Directory.CreateDirectory(directory);
        using var scope = NewDisposeScope();
        SafetensorsWriter.WriteModel(directory, model.PublishedWeights().Select(weight =>
            TensorBytes.Describe(weight.Spec.Name, weight.Tensor, weight.Spec.Role == WeightRole.RouterBias ? DType.F32 : dtype)));
        var config = model.Config with { TorchDtype = dtype == DType.BF16 ? "bfloat16" : "float32" };
        AtomicFile.Write(Path.Combine(directory, "config.json"), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(config.ToJson())));
    }
}
