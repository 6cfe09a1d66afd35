using System.Runtime.InteropServices;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Models.GroupedQuery;

namespace Hadal.Inference.Tests.Models;

/// <summary>Weights in memory, drawn at random or given, for configs too small to be published.</summary>
internal sealed unsafe class TinyModel : IDisposable
{
    private readonly List<nint> _memory = [];
    private readonly Dictionary<string, WeightTensor> _tensors = [];

    public TinyModel(ModelConfig config, int seed)
    {
        Config = config;
        var random = new Random(seed);
        foreach (var spec in WeightManifest.For(config))
        {
            var spread = spec.Role is WeightRole.Norm or WeightRole.Bias or WeightRole.RouterBias ? 0.1f : 1.5f / MathF.Sqrt(spec.Shape[^1]);
            var centre = spec.Role == WeightRole.Norm ? 1f : 0f;
            Add(spec.Name, spec.Shape, [.. Enumerable.Range(0, checked((int)spec.ElementCount)).Select(_ => centre + (spread * ((2 * random.NextSingle()) - 1)))]);
        }
    }

    public TinyModel(ModelConfig config) => Config = config;

    public ModelConfig Config { get; }

    public IReadOnlyDictionary<string, WeightTensor> Tensors => _tensors;

    public WeightBinder Weights => new(_tensors);

    public static DeepSeekConfig DeepSeek => new()
    {
        ModelType = "deepseek_v32", VocabSize = 48, HiddenSize = 32, IntermediateSize = 40, NumHiddenLayers = 2, NumAttentionHeads = 3, RmsNormEps = 1e-5,
        MaxPositionEmbeddings = 256, QLoraRank = 12, KvLoraRank = 20, QkNopeHeadDim = 8, QkRopeHeadDim = 4, VHeadDim = 6,
        NRoutedExperts = 8, NumExpertsPerTok = 3, NSharedExperts = 1, MoeIntermediateSize = 24, FirstKDenseReplace = 1, NGroup = 4, TopkGroup = 2,
        TopkMethod = "noaux_tc", ScoringFunc = "sigmoid", NormTopkProb = true, RoutedScalingFactor = 2.5,
        IndexNHeads = 2, IndexHeadDim = 8, IndexTopk = 10,
    };

    public static GroupedQueryConfig GroupedQuery => new()
    {
        ModelType = "qwen3", VocabSize = 48, HiddenSize = 24, IntermediateSize = 40, NumHiddenLayers = 2, NumAttentionHeads = 6, NumKeyValueHeads = 2,
        HeadDim = 8, RmsNormEps = 1e-6, MaxPositionEmbeddings = 256,
    };

    public static int[] Tokens(int count, int seed, int vocabSize = 48)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabSize))];
    }

    public static float[] ValuesOf(WeightTensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.Bytes).ToArray();

    public TinyModel Add(string name, IReadOnlyList<int> shape, float[] values)
    {
        var memory = (float*)NativeMemory.AlignedAlloc((nuint)values.Length * sizeof(float), 64);
        values.CopyTo(new Span<float>(memory, values.Length));
        _memory.Add((nint)memory);
        _tensors[name] = new WeightTensor(name, DType.F32, shape, (byte*)memory, values.Length * sizeof(float));
        return this;
    }

    public TinyModel Add(string name, WeightTensor tensor)
    {
        _tensors[name] = tensor;
        return this;
    }

    public DecoderModel Open(EngineOptions options)
    {
        var weights = new WeightBinder(_tensors, options.Arithmetic, options.ThreadCount, options.DefersRepacking) { KeepsExpertsInFile = options.KeepsExpertsInFile };
        return Config is DeepSeekConfig config ? new DeepSeekModel(config, weights, options) : new GroupedQueryModel((GroupedQueryConfig)Config, weights, options);
    }

    public void Dispose()
    {
        foreach (var memory in _memory) NativeMemory.AlignedFree((void*)memory);
    }
}
