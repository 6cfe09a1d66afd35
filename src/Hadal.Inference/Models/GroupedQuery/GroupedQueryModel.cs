using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Models.GroupedQuery;

/// <summary>Dense decoders with grouped-query attention: llama, qwen2, qwen3.</summary>
/// <remarks>Per layer: <c>x += attention(input_layernorm x); x += mlp(post_attention_layernorm x)</c>. Forms of transformers
/// <c>modeling_llama.py</c>, <c>modeling_qwen2.py</c>, <c>modeling_qwen3.py</c>.</remarks>
internal sealed unsafe class GroupedQueryModel : PagedDecoder
{
    private readonly GroupedQueryConfig _config;
    private readonly GroupedQueryState _state;
    private readonly Layer[] _layers;

    public GroupedQueryModel(GroupedQueryConfig config, WeightBinder weights, EngineOptions options)
        : this(config, weights, options, BindLayers(config, weights), RopeOf(config, weights, options))
    {
    }

    // Layers are bound before the base makes threads and memory, so that a refused tensor leaves nothing behind.
    private GroupedQueryModel(GroupedQueryConfig config, WeightBinder weights, EngineOptions options, Layer[] layers, RopeTable rope)
        : base(config, weights, options, CacheLayoutOf(config, options.CacheFormat), RowsTogether(config), GroupedQueryState.FloatCount(config, options))
    {
        _config = config;
        _state = new GroupedQueryState(config, options, DerivedScratch, rope);
        _layers = layers;
    }

    /// <inheritdoc/>
    public override ModelConfig Config => _config;

    /// <summary>Keys and values of all heads.</summary>
    public static CacheLayout CacheLayoutOf(GroupedQueryConfig config, CacheFormat format) =>
        new(config.NumHiddenLayers, new CacheRows(config.KeyValueHeadCount, config.HeadSize, format, true), new CacheRows(config.KeyValueHeadCount, config.HeadSize, format, false));

    /// <summary>Rows whose queries make an item of attention.</summary>
    public static int RowsTogether(GroupedQueryConfig config) => Math.Max(1, GroupedQueryState.MaxQueries / (config.NumAttentionHeads / config.KeyValueHeadCount));

    /// <inheritdoc/>
    protected override void RunLayers(Pass pass)
    {
        var (width, eps) = (_config.HiddenSize, (float)_config.RmsNormEps);
        ShowStream(-1, pass);
        for (var i = 0; i < _layers.Length; i++)
        {
            var layer = _layers[i];
            RowJobs.Norm(Crew, Hidden, width, layer.InputNorm, eps, pass.RowCount, Normed, width);
            layer.Attention.Forward(Crew, pass, i, Normed, BlockOutput, _state);
            RowJobs.Add(Hidden, BlockOutput, pass.RowCount, width);
            if (i == _layers.Length - 1) KeepLogitRows(pass);
            if (pass.RowCount > 0) FeedForward(layer, pass);
            ShowStream(i, pass);
        }
    }

    private void FeedForward(Layer layer, Pass pass)
    {
        var (rows, width) = (pass.RowCount, _config.HiddenSize);
        RowJobs.Norm(Crew, Hidden, width, layer.PostAttentionNorm, (float)_config.RmsNormEps, rows, Normed, width);
        var task = new FeedForwardTask
        {
            Weights = layer.FeedForward, Adapted = pass.HasAdapters ? pass : null, X = Normed, TokenCount = rows, Gate = _state.Gate, Up = _state.Up, QuantizedActivation = _state.QuantizedActivation, Y = BlockOutput,
        };
        FeedForwardJob.Run(Crew, _state.Tasks, task, width);
        RowJobs.Add(Hidden, BlockOutput, rows, width);
    }

    private static Layer[] BindLayers(GroupedQueryConfig config, WeightBinder weights)
    {
        var layers = new Layer[config.NumHiddenLayers];
        for (var i = 0; i < layers.Length; i++) layers[i] = new Layer(config, weights, i);
        return layers;
    }

    private static RopeTable RopeOf(GroupedQueryConfig config, WeightBinder weights, EngineOptions options)
    {
        var frequencies = weights.VectorOrNull("rope_freqs.weight") is { } factors
            ? RotaryFrequencies.CreateWithFactors(config.HeadSize, config.RopeTheta, factors)
            : RotaryFrequencies.Create(config.HeadSize, config.RopeTheta, config.RopeScaling, config.MaxPositionEmbeddings);
        return new RopeTable(frequencies, options.ContextFor(config.MaxPositionEmbeddings));
    }

    private sealed class Layer
    {
        public Layer(GroupedQueryConfig config, WeightBinder weights, int index)
        {
            var prefix = string.Create(CultureInfo.InvariantCulture, $"model.layers.{index}.");
            InputNorm = weights.Vector(prefix + "input_layernorm.weight");
            Attention = new GroupedQueryAttention(config, weights, prefix + "self_attn.");
            PostAttentionNorm = weights.Vector(prefix + "post_attention_layernorm.weight");
            FeedForward = new FeedForward(weights, prefix + "mlp.");
        }

        public float[] InputNorm { get; }

        public GroupedQueryAttention Attention { get; }

        public float[] PostAttentionNorm { get; }

        public FeedForward FeedForward { get; }
    }
}

/// <summary>What changes during a pass, besides caches and the residual stream; one for all layers.</summary>
internal sealed unsafe class GroupedQueryState
{
    /// <summary>Queries of an item of attention, unless a group of heads has more.</summary>
    public const int MaxQueries = 64;

    public GroupedQueryState(GroupedQueryConfig config, EngineOptions options, float* memory, RopeTable rope)
    {
        Rope = rope;
        Attention = null!;
        var cursor = new ScratchCursor(memory);
        Place(ref cursor, config, options);
    }

    private GroupedQueryState()
    {
        Rope = null!;
        Attention = null!;
    }

    public RopeTable Rope { get; }

    public FeedForwardTask[] Tasks { get; } = new FeedForwardTask[1];

    /// <summary>[rows, heads · head_dim].</summary>
    public float* Queries { get; private set; }

    /// <summary>[rows, kv heads · head_dim].</summary>
    public float* Keys { get; private set; }

    /// <summary>[rows, kv heads · head_dim].</summary>
    public float* Values { get; private set; }

    /// <summary>[rows, heads · head_dim] output of the heads.</summary>
    public float* Heads { get; private set; }

    /// <summary>Scratch of attention.</summary>
    public AttentionRoom Attention { get; private set; }

    /// <summary>[rows, intermediate_size].</summary>
    public float* Gate { get; private set; }

    /// <summary>[rows, intermediate_size].</summary>
    public float* Up { get; private set; }

    /// <summary>[rows, intermediate_size] in 8 bits.</summary>
    public byte* QuantizedActivation { get; private set; }

    /// <summary>Floats that <see cref="Place"/> takes.</summary>
    public static long FloatCount(GroupedQueryConfig config, EngineOptions options)
    {
        var cursor = new ScratchCursor(null);
        new GroupedQueryState().Place(ref cursor, config, options);
        return cursor.Length;
    }

    private void Place(ref ScratchCursor cursor, GroupedQueryConfig config, EngineOptions options)
    {
        long rows = options.MaxBatchTokens;
        Queries = cursor.Take(rows * config.NumAttentionHeads * config.HeadSize);
        Keys = cursor.Take(rows * config.KeyValueHeadCount * config.HeadSize);
        Values = cursor.Take(rows * config.KeyValueHeadCount * config.HeadSize);
        Heads = cursor.Take(rows * config.NumAttentionHeads * config.HeadSize);
        var (group, layout) = (config.NumAttentionHeads / config.KeyValueHeadCount, GroupedQueryModel.CacheLayoutOf(config, options.CacheFormat));
        Attention = AttentionRoom.Place(
            ref cursor, options, options.ContextFor(config.MaxPositionEmbeddings), Math.Max(group, MaxQueries), config.HeadSize, config.HeadSize, layout.First.RoomFloats, layout.Second.RoomFloats);
        Gate = cursor.Take(rows * config.IntermediateSize);
        Up = cursor.Take(rows * config.IntermediateSize);
        if (options.Arithmetic == Arithmetic.Integer) QuantizedActivation = (byte*)cursor.Take(QuantizedRows.FloatsOf(rows, config.IntermediateSize));
    }
}
