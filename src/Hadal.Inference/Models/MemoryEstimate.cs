using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Integer;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Models.GroupedQuery;

namespace Hadal.Inference.Models;

/// <summary>What a decoder will need, in bytes, computed from config and limits before anything is loaded.</summary>
/// <param name="WeightBytes">Weights in their stored formats; they are mapped, not copied. With <see cref="Arithmetic.Integer"/> tiles take the place of
/// quantised matrices: while a model opens, the pages of one matrix at a time are in memory beside its tiles. Experts that stay in the file do not count.</param>
/// <param name="CacheBytes">Caches of all sequences at full context.</param>
/// <param name="ScratchBytes">Activations of one pass and the tables of rotary angles.</param>
public readonly record struct MemoryEstimate(long WeightBytes, long CacheBytes, long ScratchBytes)
{
    /// <summary>All three together.</summary>
    public long TotalBytes => WeightBytes + CacheBytes + ScratchBytes;

    /// <summary>The estimate for an open checkpoint.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static MemoryEstimate For(Checkpoints.Checkpoint checkpoint, EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return For(checkpoint.Config, checkpoint.Tensors.Values.Sum(tensor => options.KeepsExpertsInFile && WeightBinder.IsExpert(tensor.Name) ? 0 : BytesOf(tensor, options)), options);
    }

    /// <summary>The estimate for a config.</summary>
    /// <param name="config">Sizes of the model.</param>
    /// <param name="weightBytes">Bytes of all tensors.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static MemoryEstimate For(ModelConfig config, long weightBytes, EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        var (layout, floats, rotaryDim) = config switch
        {
            GroupedQueryConfig grouped => (GroupedQueryModel.CacheLayoutOf(grouped, options.CacheFormat), GroupedQueryState.FloatCount(grouped, options), grouped.HeadSize),
            DeepSeekConfig deepSeek => (DeepSeekModel.CacheLayoutOf(deepSeek, options.CacheFormat), DeepSeekState.FloatCount(deepSeek, options), deepSeek.QkRopeHeadDim),
            _ => throw new ArgumentException($"no forward pass for model_type {config.ModelType}", nameof(config)),
        };
        var cache = checked(PagedDecoder.PoolBlocks(config, options) * layout.BlockBytes);
        var scratch = (PagedDecoder.ScratchFloats(config, options) + floats) * sizeof(float);
        if (config is DeepSeekConfig { IndexTopk: { } topk })
            scratch += (long)options.MaxBatchTokens * Math.Min(topk, options.ContextFor(config.MaxPositionEmbeddings)) * sizeof(int);
        if (options.Arithmetic == Arithmetic.Integer) scratch += QuantizedRows.FloatsOf(options.MaxBatchTokens, WidestInput(config)) * sizeof(float);
        return new MemoryEstimate(weightBytes, cache, scratch + RopeTable.Bytes(rotaryDim, options.ContextFor(config.MaxPositionEmbeddings)));
    }

    /// <summary>Columns of the widest matrix whose activations are rounded in the room of the crew.</summary>
    private static int WidestInput(ModelConfig config) => config switch
    {
        GroupedQueryConfig grouped => Math.Max(grouped.HiddenSize, grouped.NumAttentionHeads * grouped.HeadSize),
        DeepSeekConfig deepSeek => Math.Max(2 * deepSeek.HiddenSize, deepSeek.NumAttentionHeads * deepSeek.VHeadDim),
        _ => config.HiddenSize,
    };

    private static long BytesOf(WeightTensor tensor, EngineOptions options) =>
        options.Arithmetic == Arithmetic.Integer && TileStore.Takes(tensor) ? TileStore.BytesOf(tensor) :
        tensor.ByteLength + (tensor.Scale?.ByteLength ?? 0) + (tensor.AwqZeros?.ByteLength ?? 0) + (tensor.AwqScales?.ByteLength ?? 0);
}
