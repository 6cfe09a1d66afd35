using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Writes a model as a checkpoint directory in the published layout, and reads one.</summary>
public static class ModelFiles
{
    /// <summary>Reads the weights of an open checkpoint into a new model of its family.</summary>
    /// <param name="checkpoint">Weights in F32, BF16 or F16; AWQ INT4, INT8 and FP8 stay in few bits, frozen.</param>
    /// <param name="computeType">Dtype of activations.</param>
    /// <param name="device">Where the model shall live; the CPU when null.</param>
    /// <param name="config">The checkpoint's config with another head, which stays as it is drawn unless the checkpoint has a head for the same labels; null for the checkpoint's own.</param>
    /// <exception cref="CheckpointException">A weight is missing, or rotary factors are stored as a tensor.</exception>
    /// <exception cref="NotSupportedException">Weights are in a GGUF block format.</exception>
    public static CausalModel Load(Checkpoint checkpoint, ScalarType computeType = ScalarType.Float32, Device? device = null, ModelConfig? config = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (checkpoint.Tensors.ContainsKey("rope_freqs.weight"))
            throw new CheckpointException($"{checkpoint.Path}: has rope_freqs.weight, which config.json cannot say; train on the safetensors directory the file was made from");
        var keepsHead = config is null || HasHeadOf(checkpoint, config);
        var isInterleaved = checkpoint.Config is GroupedQueryConfig { UsesInterleavedRope: true };
        CausalModel model = WithHeadOf(checkpoint, WithLayersOf(checkpoint, config ?? checkpoint.Config)) switch
        {
            DeepSeekConfig deepSeek => new DeepSeekModel(deepSeek, computeType, device, draws: false),
            GroupedQueryConfig groupedQuery => new GroupedQueryModel(groupedQuery with { RopeInterleave = null }, computeType, device, draws: false),
            var other => throw new CheckpointException($"{checkpoint.Path}: model_type is '{other.ModelType}', which training does not compute"),
        };
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var (spec, tensor) in model.PublishedWeights())
        {
            var isStored = checkpoint.Tensors.TryGetValue(spec.Name, out var stored) && (keepsHead || !spec.Name.StartsWith("score.", StringComparison.Ordinal));
            if (isStored && QuantizedWeight.TryRead(stored!) is { } codes)
                Place(model, spec.Name, codes);
            else if (isStored)
                tensor.copy_(isInterleaved && IsRotated(spec.Name) ? Halves(TensorBytes.Read(stored!), ((GroupedQueryConfig)model.Config).HeadSize) : TensorBytes.Read(stored!));
            else if (!spec.Optional && (config is null || !spec.Name.StartsWith("score.", StringComparison.Ordinal)))
                throw new CheckpointException($"{checkpoint.Path}: {spec.Name}: missing");
            else if (spec.Optional)
                tensor.zero_();
        }

        return model;
    }

    /// <summary>Whether a checkpoint scores the labels of a config, in their order and for the same kind of problem.</summary>
    /// <remarks>A checkpoint that does not say its kind of problem has that of the config.</remarks>
    internal static bool HasHeadOf(Checkpoint checkpoint, ModelConfig config) => checkpoint.Config.Head == config.Head
        && checkpoint.Config.Labels.SequenceEqual(config.Labels, StringComparer.Ordinal)
        && (checkpoint.Config.ProblemType is not { } kind || kind == config.ProblemType);

    /// <summary>Many conversions leave out the prediction layers that their config promises.</summary>
    private static ModelConfig WithLayersOf(Checkpoint checkpoint, ModelConfig config) =>
        config is DeepSeekConfig { NumNextnPredictLayers: > 0 } deepSeek && !checkpoint.Tensors.ContainsKey(FormattableString.Invariant($"model.layers.{deepSeek.NumHiddenLayers}.eh_proj.weight"))
            ? deepSeek with { NumNextnPredictLayers = 0 }
            : config;

    /// <summary>Some conversions store a head that their config calls tied. What is stored is what answers, so one that is not the table is a matrix of its own here too.</summary>
    private static ModelConfig WithHeadOf(Checkpoint checkpoint, ModelConfig config) =>
        config is { TieWordEmbeddings: true, Head: ModelHead.Language } && checkpoint.Tensors.TryGetValue(LoraModule.HeadName + ".weight", out var head) && !AreSame(head, checkpoint.Tensors["model.embed_tokens.weight"])
            ? config with { TieWordEmbeddings = false }
            : config;

    private static unsafe bool AreSame(WeightTensor one, WeightTensor other)
    {
        if (one.DType != other.DType || one.ByteLength != other.ByteLength) return false;
        const int PieceBytes = 1 << 24;
        for (var begin = 0L; begin < one.ByteLength; begin += PieceBytes)
        {
            var count = (int)Math.Min(PieceBytes, one.ByteLength - begin);
            if (!new ReadOnlySpan<byte>(one.Data + begin, count).SequenceEqual(new ReadOnlySpan<byte>(other.Data + begin, count))) return false;
        }

        return true;
    }

    /// <summary>Gives a matrix in few bits to the part of the model that computes with it.</summary>
    private static void Place(CausalModel model, string name, QuantizedWeight codes)
    {
        model.IsQuantized = true;
        var path = name[..^".weight".Length];
        if ((path == LoraModule.HeadName ? model.Head : model.Projections.FirstOrDefault(named => named.Name == path).Projection) is { } projection)
        {
            projection.Codes = codes;
            return;
        }

        // model.layers.3.mlp.experts.5.up_proj
        var parts = path.Split('.');
        ((DeepSeekModel)model).Layers[int.Parse(parts[2], CultureInfo.InvariantCulture)].Experts!.Experts.Codes[(int.Parse(parts[5], CultureInfo.InvariantCulture), parts[6])] = codes;
    }

    /// <summary>Writes <c>config.json</c> and the weights into <paramref name="directory"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="directory">Created where it does not exist; files of an earlier save are replaced.</param>
    /// <param name="dtype">F32 or BF16; the router's correction bias stays F32, as published.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Save(CausalModel model, string directory, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.IsQuantized) throw new InvalidOperationException("a model in few bits is not trained, and saved by nobody but the quantiser");
        Directory.CreateDirectory(directory);
        using var scope = NewDisposeScope();
        SafetensorsWriter.WriteModel(directory, model.PublishedWeights().Select(weight =>
            TensorBytes.Describe(weight.Spec.Name, weight.Tensor, weight.Spec.Role == WeightRole.RouterBias ? DType.F32 : dtype)));
        var config = model.Config with { TorchDtype = dtype == DType.BF16 ? "bfloat16" : "float32" };
        AtomicFile.Write(Path.Combine(directory, "config.json"), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(config.ToJson())));
    }

    private static bool IsRotated(string name) => name.Contains(".self_attn.q_proj.", StringComparison.Ordinal) || name.Contains(".self_attn.k_proj.", StringComparison.Ordinal);

    /// <summary>Rows of a GGUF file, pairs of a head side by side, in the published order: first members of all pairs, then second ones.</summary>
    private static Tensor Halves(Tensor stored, int headSize)
    {
        var rest = stored.shape[1..];
        return stored.reshape([-1, headSize / 2, 2, .. rest]).transpose(1, 2).reshape(stored.shape);
    }
}
