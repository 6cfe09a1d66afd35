using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hadal.Checkpoints.Config;

/// <summary>What every decoder family states in its <c>config.json</c>. Each property is the published key in PascalCase.</summary>
/// <remarks>Safe to share between threads as long as nobody writes. Properties with a default have a setter because the JSON source generator
/// erases the defaults of init-only ones. Unknown keys are kept in <see cref="OtherKeys"/> and written back.</remarks>
public abstract record ModelConfig
{
    /// <summary>The family: <c>llama</c>, <c>qwen2</c>, <c>qwen3</c>, <c>deepseek_v2</c>, <c>deepseek_v3</c>, <c>deepseek_v32</c> or <c>hadal</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>Class names of the published implementation, for tools that read them.</summary>
    public IReadOnlyList<string>? Architectures { get; init; }

    /// <summary>Number of rows of the embedding, including padding rows that no token uses.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the dense feed-forward layers.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers, without multi-token-prediction layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Number of key and value heads; absent means one per query head.</summary>
    public int? NumKeyValueHeads { get; init; }

    /// <summary>Epsilon of the root-mean-square norms.</summary>
    public required double RmsNormEps { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; set; } = 10000;

    /// <summary>Scaling of the rotary frequencies, or null for none.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Whether rotary pairs are (2i, 2i+1); otherwise (i, i+d/2). Null: what the family publishes.</summary>
    public bool? RopeInterleave { get; init; }

    /// <summary>Longest position the model was made for, in tokens.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>Whether the output head is the embedding.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Activation of the feed-forward layers; only <c>silu</c> is computed.</summary>
    public string HiddenAct { get; set; } = "silu";

    /// <summary>First token of a sequence.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Tokens that end a sequence; a single number or a list in the file.</summary>
    [JsonConverter(typeof(TokenIdsConverter))]
    public IReadOnlyList<int> EosTokenId { get; set; } = [];

    /// <summary>Padding token.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Dtype the weights were published in, for example <c>bfloat16</c>.</summary>
    public string? TorchDtype { get; init; }

    /// <summary>How weights are quantised, or null.</summary>
    public QuantizationConfig? QuantizationConfig { get; init; }

    /// <summary>Names of labels by their number as text, where the head scores labels.</summary>
    [JsonPropertyName("id2label")]
    public IReadOnlyDictionary<string, string>? Id2label { get; init; }

    /// <summary>Numbers of labels by their name.</summary>
    [JsonPropertyName("label2id")]
    public IReadOnlyDictionary<string, int>? Label2id { get; init; }

    /// <summary><c>single_label_classification</c> or <c>regression</c>; null where nobody said.</summary>
    public string? ProblemType { get; init; }

    /// <summary>What the head says of a text.</summary>
    [JsonIgnore]
    public ModelHead Head =>
        Architectures?.Any(name => name.EndsWith("ForSequenceClassification", StringComparison.Ordinal)) == true ? ModelHead.Sequence :
        Architectures?.Any(name => name.EndsWith("ForTokenClassification", StringComparison.Ordinal)) == true ? ModelHead.Token :
        ModelHead.Language;

    /// <summary>Names of labels in order; empty where there are none.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Labels => [.. Enumerable.Range(0, Id2label?.Count ?? 0).Select(id => Id2label![id.ToString(CultureInfo.InvariantCulture)])];

    /// <summary>Keys this program has no property for, as they were read.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? OtherKeys { get; set; }

    /// <summary>Whether rotary pairs of this model are interleaved: the stated value, else the family's.</summary>
    [JsonIgnore]
    public bool UsesInterleavedRope => RopeInterleave ?? this is DeepSeekConfig;

    /// <summary>The text of <c>config.json</c>, unknown keys included.</summary>
    public string ToJson() => this switch
    {
        GroupedQueryConfig config => JsonSerializer.Serialize(config, ConfigJson.Default.GroupedQueryConfig),
        DeepSeekConfig config => JsonSerializer.Serialize(config, ConfigJson.Default.DeepSeekConfig),
        _ => throw new NotSupportedException($"{GetType().Name} has no JSON form"),
    };
}

/// <summary>Families with grouped-query attention and a dense SwiGLU feed-forward: <c>llama</c>, <c>qwen2</c>, <c>qwen3</c>.</summary>
public sealed record GroupedQueryConfig : ModelConfig
{
    /// <summary>Width of one head; absent means <c>hidden_size / num_attention_heads</c>.</summary>
    public int? HeadDim { get; init; }

    /// <summary>Whether q, k, v (and, for llama, o) have biases. Null: what the family publishes (qwen2 has them on q, k, v).</summary>
    public bool? AttentionBias { get; init; }

    /// <summary>Whether feed-forward projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether attention is limited to a window; must be false.</summary>
    public bool UseSlidingWindow { get; init; }

    /// <summary>Width of one head.</summary>
    [JsonIgnore]
    public int HeadSize => HeadDim ?? HiddenSize / NumAttentionHeads;

    /// <summary>Number of key and value heads.</summary>
    [JsonIgnore]
    public int KeyValueHeadCount => NumKeyValueHeads ?? NumAttentionHeads;

    /// <summary>Whether q, k and v carry a bias.</summary>
    [JsonIgnore]
    public bool HasQkvBias => AttentionBias ?? ModelType == "qwen2";

    /// <summary>Whether o carries a bias (llama and qwen3 with <c>attention_bias</c>).</summary>
    [JsonIgnore]
    public bool HasOutputBias => ModelType is "llama" or "qwen3" && AttentionBias == true;

    /// <summary>Whether q and k are normalised per head before the rotation (qwen3).</summary>
    [JsonIgnore]
    public bool HasQkNorm => ModelType == "qwen3";
}

/// <summary>DeepSeek families: <c>deepseek_v2</c>, <c>deepseek_v3</c>, <c>deepseek_v32</c> and <c>hadal</c>, whose decoder keys are V3.2's.</summary>
public sealed record DeepSeekConfig : ModelConfig
{
    /// <summary>Rank of the query latent, or null for a full query projection.</summary>
    public int? QLoraRank { get; init; }

    /// <summary>Rank of the key-value latent.</summary>
    public required int KvLoraRank { get; init; }

    /// <summary>Width per head of the query and key part without position.</summary>
    public required int QkNopeHeadDim { get; init; }

    /// <summary>Width of the query and key part that is rotated; the key part is shared by all heads.</summary>
    public required int QkRopeHeadDim { get; init; }

    /// <summary>Width of one value head.</summary>
    public required int VHeadDim { get; init; }

    /// <summary>Whether attention projections have biases; must be false.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Width of one expert; absent in dense models.</summary>
    public int? MoeIntermediateSize { get; init; }

    /// <summary>Number of routed experts; absent in dense models.</summary>
    public int? NRoutedExperts { get; init; }

    /// <summary>Number of shared experts, stored as one wide feed-forward; absent means none.</summary>
    public int? NSharedExperts { get; init; }

    /// <summary>Number of routed experts per token.</summary>
    public int? NumExpertsPerTok { get; init; }

    /// <summary>Number of leading layers with a dense feed-forward.</summary>
    public int FirstKDenseReplace { get; init; }

    /// <summary>Every how many layers a layer is sparse; only 1 is computed.</summary>
    public int MoeLayerFreq { get; set; } = 1;

    /// <summary>Number of expert groups of the group-limited routers.</summary>
    public int? NGroup { get; init; }

    /// <summary>Number of groups a token may choose from.</summary>
    public int? TopkGroup { get; init; }

    /// <summary>Router: <c>greedy</c>, <c>group_limited_greedy</c> or <c>noaux_tc</c>.</summary>
    public string TopkMethod { get; set; } = "greedy";

    /// <summary>Router scores: <c>softmax</c> or <c>sigmoid</c>.</summary>
    public string ScoringFunc { get; set; } = "softmax";

    /// <summary>Whether the chosen scores are divided by their sum.</summary>
    public bool NormTopkProb { get; init; }

    /// <summary>Factor on the routed output.</summary>
    public double RoutedScalingFactor { get; set; } = 1.0;

    /// <summary>Number of multi-token-prediction layers stored after the last layer.</summary>
    public int NumNextnPredictLayers { get; init; }

    /// <summary>Number of heads of the lightning indexer; absent means dense attention.</summary>
    public int? IndexNHeads { get; init; }

    /// <summary>Width of an indexer head.</summary>
    public int? IndexHeadDim { get; init; }

    /// <summary>Number of positions the indexer selects per query.</summary>
    public int? IndexTopk { get; init; }

    /// <summary>Standard deviation of the initial weights.</summary>
    public double InitializerRange { get; set; } = 0.02;

    /// <summary>Weight of the sequence balance loss in training.</summary>
    public double? AuxLossAlpha { get; init; }

    /// <summary>Width of one query or key head: position-free and rotated part together.</summary>
    [JsonIgnore]
    public int QkHeadDim => QkNopeHeadDim + QkRopeHeadDim;

    /// <summary>Whether attention reads only the positions that the indexer selects.</summary>
    [JsonIgnore]
    public bool HasIndexer => IndexTopk is not null;

    /// <summary>Whether layer <paramref name="layerIndex"/> has experts; layers from <c>num_hidden_layers</c> on are prediction layers.</summary>
    public bool IsSparseLayer(int layerIndex) => NRoutedExperts is not null && layerIndex >= FirstKDenseReplace;
}

/// <summary>The <c>rope_scaling</c> object.</summary>
public sealed record RopeScaling
{
    /// <summary><c>yarn</c>, <c>llama3</c> or <c>linear</c>; older files call the key <c>type</c>.</summary>
    public string? RopeType { get; init; }

    /// <summary>The older spelling of <see cref="RopeType"/>.</summary>
    public string? Type { get; init; }

    /// <summary>By how much the context is stretched.</summary>
    public double Factor { get; set; } = 1.0;

    /// <summary>Context the frequencies were trained for, in tokens.</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>YaRN: rotations over the original context above which a frequency is kept.</summary>
    public double BetaFast { get; set; } = 32;

    /// <summary>YaRN: rotations over the original context below which a frequency is divided by the factor.</summary>
    public double BetaSlow { get; set; } = 1;

    /// <summary>YaRN: weight of the logarithmic multiplier of cosine and sine.</summary>
    public double? Mscale { get; init; }

    /// <summary>YaRN: weight of the logarithmic multiplier of the attention scale.</summary>
    public double? MscaleAllDim { get; init; }

    /// <summary>llama3: wavelengths above <c>original / low_freq_factor</c> are scaled.</summary>
    public double? LowFreqFactor { get; init; }

    /// <summary>llama3: wavelengths below <c>original / high_freq_factor</c> are kept.</summary>
    public double? HighFreqFactor { get; init; }

    /// <summary>Keys this program has no property for, as they were read.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? OtherKeys { get; set; }

    /// <summary>The kind under either spelling of the key.</summary>
    [JsonIgnore]
    public string? Kind => RopeType ?? Type;
}

/// <summary>The <c>quantization_config</c> object of FP8, AWQ and compressed-tensors checkpoints.</summary>
public sealed record QuantizationConfig
{
    /// <summary><c>fp8</c>, <c>awq</c> or <c>compressed-tensors</c>.</summary>
    public required string QuantMethod { get; init; }

    /// <summary>FP8: number format, <c>e4m3</c>.</summary>
    public string? Fmt { get; init; }

    /// <summary>FP8: <c>dynamic</c>.</summary>
    public string? ActivationScheme { get; init; }

    /// <summary>FP8: rows and columns that share a scale, [128, 128].</summary>
    public IReadOnlyList<int>? WeightBlockSize { get; init; }

    /// <summary>FP8: <c>ue8m0</c> where scales are powers of two.</summary>
    public string? ScaleFmt { get; init; }

    /// <summary>AWQ: bits per weight.</summary>
    public int? Bits { get; init; }

    /// <summary>AWQ: input columns that share a scale.</summary>
    public int? GroupSize { get; init; }

    /// <summary>AWQ: whether codes have a zero point.</summary>
    public bool? ZeroPoint { get; init; }

    /// <summary>AWQ: layout, <c>gemm</c>.</summary>
    public string? Version { get; init; }

    /// <summary>compressed-tensors: how codes are stored, <c>int-quantized</c>.</summary>
    public string? Format { get; init; }

    /// <summary>compressed-tensors: modules that stay unquantised.</summary>
    public IReadOnlyList<string>? Ignore { get; init; }

    /// <summary>AWQ: modules that stay unquantised.</summary>
    public IReadOnlyList<string>? ModulesToNotConvert { get; init; }

    /// <summary>Keys this program has no property for, as they were read.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? OtherKeys { get; set; }
}
