using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>What changes during a pass, besides caches and the residual stream; one for all layers.</summary>
internal sealed unsafe class DeepSeekState
{
    /// <summary>Queries of an item of attention: heads of a row, or rows of a head.</summary>
    public const int MaxQueries = 32;

    public DeepSeekState(DeepSeekConfig config, EngineOptions options, float* memory)
    {
        Options = options;
        Absorbed = Plain = null!;
        var context = options.ContextFor(config.MaxPositionEmbeddings);
        var frequencies = RotaryFrequencies.Create(config.QkRopeHeadDim, config.RopeTheta, config.RopeScaling, config.MaxPositionEmbeddings);
        Rope = new RopeTable(frequencies, context);
        SoftmaxScale = (float)(frequencies.AttentionFactor / Math.Sqrt(config.QkHeadDim));
        var cursor = new ScratchCursor(memory);
        Place(ref cursor, config, options);
        Tasks = new FeedForwardTask[(config.NRoutedExperts ?? 0) + 1];
        var routed = options.MaxBatchTokens * (config.NumExpertsPerTok ?? 0);
        ExpertOfSlot = new int[routed];
        RowsByExpert = new int[routed];
        PlaceOfSlot = new int[routed];
        WeightOfSlot = new float[routed];
        ExpertEnds = new int[(config.NRoutedExperts ?? 0) + 1];
        Selected = new int[config.HasIndexer ? checked(options.MaxBatchTokens * Math.Min(config.IndexTopk!.Value, context)) : 0];
    }

    private DeepSeekState()
    {
        Options = null!;
        Absorbed = Plain = null!;
        Rope = null!;
        Tasks = null!;
        ExpertOfSlot = RowsByExpert = PlaceOfSlot = ExpertEnds = Selected = null!;
        WeightOfSlot = null!;
    }

    public EngineOptions Options { get; }

    public RopeTable Rope { get; }

    /// <summary><c>(qk_nope_head_dim + qk_rope_head_dim)^−½ · m²</c>.</summary>
    public float SoftmaxScale { get; }

    /// <summary>[n_routed_experts + 1].</summary>
    public FeedForwardTask[] Tasks { get; }

    /// <summary>[rows · num_experts_per_tok] expert of each slot; slots are row-major, in falling order of choice.</summary>
    public int[] ExpertOfSlot { get; }

    /// <summary>[rows · num_experts_per_tok] weight of each slot.</summary>
    public float[] WeightOfSlot { get; }

    /// <summary>[rows · num_experts_per_tok] where a slot stands when slots are ordered by expert.</summary>
    public int[] PlaceOfSlot { get; }

    /// <summary>[rows · num_experts_per_tok] rows, ordered by expert.</summary>
    public int[] RowsByExpert { get; }

    /// <summary>[n_routed_experts + 1] running counts.</summary>
    public int[] ExpertEnds { get; }

    /// <summary>[rows, index_topk] positions in rising order, for rows that see more than index_topk positions.</summary>
    public int[] Selected { get; }

    /// <summary>The context: distance of two heads in <see cref="Expanded"/>.</summary>
    public int ScoreStride { get; private set; }

    /// <summary>[rows, q_lora_rank].</summary>
    public float* QueryLatent { get; private set; }

    /// <summary>[rows, heads · (nope + rope)].</summary>
    public float* Queries { get; private set; }

    /// <summary>[rows, heads, kv_lora_rank + rope]: absorbed queries.</summary>
    public float* LatentQueries { get; private set; }

    /// <summary>[rows, kv_lora_rank + rope].</summary>
    public float* KeyValueLatent { get; private set; }

    /// <summary>[rows, heads, kv_lora_rank]: attended latents.</summary>
    public float* AttendedLatents { get; private set; }

    /// <summary>[rows, heads · v_head_dim].</summary>
    public float* Heads { get; private set; }

    /// <summary>[threads, <see cref="LightningIndexer.RowsTogether"/>, context in whole blocks]: scores of the indexer.</summary>
    public float* Scores { get; private set; }

    /// <summary>The scores of one of the rows that a thread scores together.</summary>
    public float* ScoresOf(int partIndex, int row) => Scores + (((partIndex * (long)LightningIndexer.RowsTogether) + row) * IndexScoreStride);

    private long IndexScoreStride => (ScoreStride + BlockPool.BlockTokens - 1L) / BlockPool.BlockTokens * BlockPool.BlockTokens;

    /// <summary>Scratch of the absorbed form.</summary>
    public AttentionRoom Absorbed { get; private set; }

    /// <summary>Scratch of the plain form.</summary>
    public AttentionRoom Plain { get; private set; }

    /// <summary>[threads, context, nope + rope + v_head_dim]: keys and values of one head in the plain form.</summary>
    public float* Expanded { get; private set; }

    /// <summary>[rows, index_n_heads · index_head_dim].</summary>
    public float* IndexQueries { get; private set; }

    /// <summary>[rows, index_head_dim].</summary>
    public float* IndexKeys { get; private set; }

    /// <summary>[rows, index_n_heads].</summary>
    public float* IndexWeights { get; private set; }

    /// <summary>[rows, n_routed_experts].</summary>
    public float* RouterLogits { get; private set; }

    /// <summary>[n_routed_experts + n_group].</summary>
    public float* RouterRoom { get; private set; }

    /// <summary>[rows · num_experts_per_tok, hidden_size], ordered by expert.</summary>
    public float* ExpertInput { get; private set; }

    /// <summary>[rows · num_experts_per_tok, hidden_size], ordered by expert.</summary>
    public float* ExpertOutput { get; private set; }

    /// <summary>[rows · num_experts_per_tok, moe_intermediate_size], ordered by expert.</summary>
    public float* ExpertGate { get; private set; }

    /// <summary>[rows · num_experts_per_tok, moe_intermediate_size], ordered by expert.</summary>
    public float* ExpertUp { get; private set; }

    /// <summary>[rows, intermediate_size or width of the shared experts].</summary>
    public float* Gate { get; private set; }

    /// <summary>[rows, intermediate_size or width of the shared experts].</summary>
    public float* Up { get; private set; }

    /// <summary>[rows, as <see cref="Gate"/>] in 8 bits.</summary>
    public byte* QuantizedActivation { get; private set; }

    /// <summary>[rows · num_experts_per_tok, hidden_size] in 8 bits, ordered by expert.</summary>
    public byte* QuantizedExpertInput { get; private set; }

    /// <summary>[rows · num_experts_per_tok, moe_intermediate_size] in 8 bits, ordered by expert.</summary>
    public byte* QuantizedExpertActivation { get; private set; }

    /// <summary>Floats that <see cref="Place"/> takes.</summary>
    public static long FloatCount(DeepSeekConfig config, EngineOptions options)
    {
        var cursor = new ScratchCursor(null);
        new DeepSeekState().Place(ref cursor, config, options);
        return cursor.Length;
    }

    private void Place(ref ScratchCursor cursor, DeepSeekConfig config, EngineOptions options)
    {
        long rows = options.MaxBatchTokens, threads = options.ThreadCount, heads = config.NumAttentionHeads;
        long cacheWidth = config.KvLoraRank + config.QkRopeHeadDim;
        ScoreStride = options.ContextFor(config.MaxPositionEmbeddings);
        QueryLatent = cursor.Take(rows * (config.QLoraRank ?? 0));
        Queries = cursor.Take(rows * heads * config.QkHeadDim);
        LatentQueries = cursor.Take(rows * heads * cacheWidth);
        KeyValueLatent = cursor.Take(rows * cacheWidth);
        AttendedLatents = cursor.Take(rows * heads * config.KvLoraRank);
        Heads = cursor.Take(rows * heads * config.VHeadDim);
        Absorbed = AttentionRoom.Place(
            ref cursor, options, ScoreStride, MaxQueries, (int)cacheWidth, config.KvLoraRank, BlockPool.BlockTokens * cacheWidth, valueRoom: 0);
        var plainTokens = options.MlaForm == MlaForm.Absorbed ? 0 : MaxQueries;
        Plain = AttentionRoom.Place(
            ref cursor, options, BlockPool.BlockTokens, plainTokens, config.QkHeadDim, config.VHeadDim, 2 * plainTokens * (long)config.QkHeadDim, 2 * plainTokens * (long)config.VHeadDim);
        Expanded = cursor.Take(options.MlaForm == MlaForm.Absorbed ? 0 : threads * ScoreStride * (config.QkHeadDim + config.VHeadDim));
        if (config is { HasIndexer: true, IndexNHeads: { } indexHeads, IndexHeadDim: { } indexWidth })
        {
            Scores = cursor.Take(threads * LightningIndexer.RowsTogether * IndexScoreStride);
            IndexQueries = cursor.Take(rows * indexHeads * indexWidth);
            IndexKeys = cursor.Take(rows * indexWidth);
            IndexWeights = cursor.Take(rows * indexHeads);
        }

        long experts = config.NRoutedExperts ?? 0, slots = rows * (config.NumExpertsPerTok ?? 0), width = config.MoeIntermediateSize ?? 0;
        RouterLogits = cursor.Take(rows * experts);
        RouterRoom = cursor.Take(experts + (config.NGroup ?? 1));
        ExpertInput = cursor.Take(slots * config.HiddenSize);
        ExpertOutput = cursor.Take(slots * config.HiddenSize);
        ExpertGate = cursor.Take(slots * width);
        ExpertUp = cursor.Take(slots * width);
        var dense = Math.Max(config.IntermediateSize, (config.NSharedExperts ?? 0) * width);
        Gate = cursor.Take(rows * dense);
        Up = cursor.Take(rows * dense);
        if (options.Arithmetic == Arithmetic.Exact) return;
        QuantizedActivation = (byte*)cursor.Take(QuantizedRows.FloatsOf(rows, (int)dense));
        QuantizedExpertInput = (byte*)cursor.Take(QuantizedRows.FloatsOf(slots, config.HiddenSize));
        QuantizedExpertActivation = (byte*)cursor.Take(QuantizedRows.FloatsOf(slots, (int)width));
    }
}
