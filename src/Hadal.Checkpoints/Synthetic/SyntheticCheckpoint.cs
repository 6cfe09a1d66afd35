using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Synthetic;

/// <summary>Writes checkpoints with random weights: their text is noise, their shapes, formats and speed are those of the real ones.</summary>
/// <remarks>Matrices are drawn around 0 with the standard deviation of an untrained model (<c>initializer_range</c>), norms are close to 1, so activations
/// stay of ordinary size through any number of layers and routers choose their experts evenly. The bytes follow from config, quantisation and seed,
/// whatever the number of threads.</remarks>
public sealed class SyntheticCheckpoint
{
    private const long ShardBytes = 5_000_000_000;

    /// <summary>Ones in BF16, 0x3F80, whose last two bits are random: 1 to 1.02.</summary>
    private const ulong NormStart = 0x3F803F803F803F80, NormMask = 0x0003000300030003;

    private readonly ModelConfig _config;
    private readonly IReadOnlyList<WeightSpec> _specs;
    private readonly WeightQuantization? _quantization;
    private readonly ulong _seed;
    private readonly double _deviation;
    private readonly ushort[] _normal;

    /// <summary>Plans a checkpoint.</summary>
    /// <param name="config">Shape; a <c>quantization_config</c> in it is replaced.</param>
    /// <param name="quantization">How projections are stored, or null for BF16.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <exception cref="CheckpointException">The vocabulary is too small for a tokenizer of bytes.</exception>
    public SyntheticCheckpoint(ModelConfig config, WeightQuantization? quantization, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        ByteTokenizerFiles.Check(config);
        _specs = [.. WeightManifest.For(config).Where(spec => !spec.Optional || spec.Name.Contains(".indexer.", StringComparison.Ordinal))];
        _quantization = quantization;
        _seed = seed;
        _deviation = Deviation(config);
        _normal = RandomWeights.NormalTable(_deviation);
        _config = config with { QuantizationConfig = quantization?.ConfigFor(_specs), TorchDtype = "bfloat16" };
    }

    /// <summary>The same shape with fewer layers, the first ones, and without multi-token prediction.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="layerCount"/> is below 1 or above what the shape has.</exception>
    public static ModelConfig WithLayers(ModelConfig config, int layerCount)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfLessThan(layerCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(layerCount, config.NumHiddenLayers);
        return config is DeepSeekConfig deepSeek
            ? deepSeek with { NumHiddenLayers = layerCount, FirstKDenseReplace = Math.Min(deepSeek.FirstKDenseReplace, layerCount), NumNextnPredictLayers = 0 }
            : config with { NumHiddenLayers = layerCount };
    }

    /// <summary>Bytes of all tensors.</summary>
    public long ByteLength => Tensors(fill: null).Sum(SafetensorsWriter.ByteLength);

    /// <summary>Writes the checkpoint directory, which appears when it is whole.</summary>
    /// <param name="path">Directory to create.</param>
    /// <param name="threadCount">Threads that compute weights.</param>
    /// <param name="progress">Told the bytes written so far.</param>
    /// <param name="cancellation">Ends the work; nothing of it stays.</param>
    /// <exception cref="CheckpointException">The directory exists already.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Write(string path, int threadCount, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        var done = 0L;
        var fill = new ParallelFill(threadCount, bytes => progress?.Invoke(done += bytes), cancellation);
        AtomicDirectory.Write(path, directory =>
        {
            AtomicFile.Write(Path.Combine(directory, "config.json"), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(_config.ToJson())));
            ByteTokenizerFiles.Write(directory, _config);
            SafetensorsWriter.WriteModel(directory, Tensors(fill), ShardBytes);
        });
    }

    private IEnumerable<TensorToWrite> Tensors(ParallelFill? fill)
    {
        foreach (var spec in _specs)
        {
            if (_quantization?.Applies(spec) == true)
            {
                foreach (var (name, dtype, shape) in _quantization.Parts(spec)) yield return Tensor(name, dtype, shape, Quantized(dtype, name), fill);
            }
            else
            {
                // Published files keep the router's correction in F32.
                var dtype = spec.Role == WeightRole.RouterBias ? DType.F32 : DType.BF16;
                yield return Tensor(spec.Name, dtype, spec.Shape, Plain(spec), fill);
            }
        }
    }

    private static TensorToWrite Tensor(string name, DType dtype, IReadOnlyList<int> shape, ParallelFill.FillPiece piece, ParallelFill? fill)
    {
        var length = SafetensorsWriter.ByteLength(new TensorToWrite(name, dtype, shape, ReadOnlyMemory<byte>.Empty));
        return new TensorToWrite(name, dtype, shape, stream => fill!.Write(stream, length, piece));
    }

    private ParallelFill.FillPiece Plain(WeightSpec spec)
    {
        var random = new RandomWeights(_seed, spec.Name);
        return spec.Role switch
        {
            WeightRole.Norm => (offset, piece) => random.Bits(NormMask, NormStart, offset, piece),
            WeightRole.RouterBias => (_, piece) => piece.Clear(),
            _ => (offset, piece) => random.Normal(_normal, offset, piece),
        };
    }

    /// <summary>Codes are evenly distributed; scales give them the standard deviation, with a few random bits at the end so that none is like its
    /// neighbours.</summary>
    private ParallelFill.FillPiece Quantized(DType dtype, string name)
    {
        const double fourBits = 4.637, eightBits = 73.9; // Standard deviations of a code of 0 to 15 minus 7 or 8, and of a signed byte.
        var random = new RandomWeights(_seed, name);
        if (dtype == DType.F16)
        {
            var half = BitConverter.HalfToUInt16Bits((Half)(_deviation / fourBits)) & 0xFFF0UL;
            return (offset, piece) => random.Bits(0x000F000F000F000F, half * 0x0001000100010001, offset, piece);
        }

        if (dtype == DType.F32)
        {
            var single = BitConverter.SingleToUInt32Bits((float)(_deviation / eightBits)) & 0xFFFE0000UL;
            return (offset, piece) => random.Bits(0x0001FFFF0001FFFF, single * 0x0000000100000001, offset, piece);
        }

        // Zero points are 7 or 8: one of them alone would shift every weight to one side.
        return name.EndsWith(".qzeros", StringComparison.Ordinal)
            ? (offset, piece) => random.Bits(0x1111111111111111, 0x7777777777777777, offset, piece)
            : (offset, piece) => random.Bits(ulong.MaxValue, 0, offset, piece);
    }

    private static double Deviation(ModelConfig config)
    {
        const double published = 0.02;
        if (config is DeepSeekConfig deepSeek) return deepSeek.InitializerRange;
        return config.OtherKeys?.TryGetValue("initializer_range", out var value) == true && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : published;
    }
}
