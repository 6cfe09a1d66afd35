using System.Buffers.Binary;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Models.Adapters;

/// <summary>Writes a model with an adapter worked into its weights: <c>W' = f ⊙ (W + s B A)</c>, trained biases in the place of the model's, and so a head for labels.</summary>
/// <remarks>Sums are taken in float64 and rounded once, to the format the weight is stored in; a model in few bits or FP8 is written in BF16. f is 1 without DoRA, otherwise
/// the trained lengths over the lengths of the rows, of the table of embeddings of its columns. Where a head is tied to the table and one of them is adapted, the head becomes a matrix of its own, so that the other stays as it was,
/// as it does where the adapter is applied. huggingface/peft <c>tuners/lora/layer.py</c>, <c>merge_and_unload</c>.</remarks>
public sealed unsafe class AdapterMerger
{
    private const int BlockRows = 256;
    private const string Head = LoraModule.HeadName + ".weight", Table = "model.embed_tokens.weight";

    private readonly Checkpoint _checkpoint;
    private readonly LoraAdapter _adapter;
    private readonly Dictionary<string, LoraModule> _modules;
    private readonly ModelConfig _config;
    private readonly bool _isCoded;
    private readonly WeightTensor? _untiedHead;

    /// <summary>Plans the work.</summary>
    /// <param name="checkpoint">The base model, a directory; kept open by the caller.</param>
    /// <param name="adapter">Opened for the model's config; kept open by the caller.</param>
    /// <exception cref="CheckpointException">The model is a GGUF file, or the adapter trained a bias that the model has no place for.</exception>
    public AdapterMerger(Checkpoint checkpoint, LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(adapter);
        if (checkpoint.Format != "safetensors")
            throw new CheckpointException($"{checkpoint.Path}: is a GGUF file, expected a directory with safetensors: its tokenizer and template could not be carried over");
        _modules = adapter.Modules.ToDictionary(module => module.Name, StringComparer.Ordinal);
        var missing = adapter.Modules.Where(module => !module.IsHead).Select(module => module.Name + ".weight").Where(name => !checkpoint.Tensors.ContainsKey(name)).ToList();
        if (missing.Count > 0) throw new CheckpointException($"{adapter.Path}: adapts {missing[0]}, which {checkpoint.Path} does not have");
        var biased = adapter.Modules.FirstOrDefault(module => module.Bias is not null && !checkpoint.Tensors.ContainsKey(module.Name + ".bias"));
        if (biased is not null) throw new CheckpointException($"{adapter.Path}: {biased.Name} has a trained bias, and the model has none to put it in; run it as an adapter instead");
        (_checkpoint, _adapter) = (checkpoint, adapter);
        _config = adapter.Score is null ? checkpoint.Config : LabelConfig.With(checkpoint.Config, adapter.Head, adapter.Labels, isValue: adapter.Labels.Count == 1);
        var isTied = !checkpoint.Tensors.ContainsKey(Head);
        foreach (var module in adapter.Modules) AdaptedTable.EnsureSame(adapter.Path, module, checkpoint.Tensors[module.IsHead && isTied ? Table : module.Name + ".weight"]);
        if (_config.Head == ModelHead.Language && adapter.Modules.Any(module => module.IsEmbedding || module.IsHead))
        {
            _config = _config with { TieWordEmbeddings = false };
            if (isTied) _untiedHead = checkpoint.Tensors[Table].As(Head);
        }

        _isCoded = checkpoint.Tensors.Values.Any(tensor => !IsFloat(tensor.DType));
    }

    /// <summary>Number of weights, the unit of progress.</summary>
    public long WeightCount => Written.Sum(tensor => tensor.ElementCount);

    /// <summary>Bytes that will be written, but for headers.</summary>
    public long BytesAfter => Written.Sum(tensor => tensor.ElementCount * FormatOf(tensor).BlockBytes());

    private IEnumerable<WeightTensor> Written => WeightManifest.For(_config).Select(spec => SourceOf(spec.Name)).OfType<WeightTensor>();

    /// <summary>Writes the directory, which appears when it is whole; tokenizer, templates and generation settings are copied, the adapter's chat template before the model's.</summary>
    /// <param name="path">Directory to create.</param>
    /// <param name="threadCount">Threads that merge; no byte depends on it.</param>
    /// <param name="progress">Told the number of weights done so far.</param>
    /// <param name="cancellation">Ends the work; nothing of it stays.</param>
    /// <exception cref="CheckpointException">The directory exists already, or a merged number does not fit the format of its weight; nothing is written.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Write(string path, int threadCount, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threadCount);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = threadCount, CancellationToken = cancellation };
        AtomicDirectory.Write(path, directory =>
        {
            var config = _isCoded ? _config with { QuantizationConfig = null, TorchDtype = "bfloat16" } : _config;
            AtomicFile.Write(Path.Combine(directory, "config.json"), stream => stream.Write(Encoding.UTF8.GetBytes(config.ToJson())));
            CheckpointTexts.Copy(_checkpoint.Path, directory);
            if (_adapter.ChatTemplate is { } template) AtomicFile.Write(Path.Combine(directory, "chat_template.jinja"), stream => stream.Write(Encoding.UTF8.GetBytes(template)));
            var done = 0L;
            SafetensorsWriter.WriteModel(directory, Written.Select(tensor => new TensorToWrite(NameOf(tensor), FormatOf(tensor), tensor.Shape, stream =>
            {
                Write(tensor, stream, parallel);
                progress?.Invoke(done += tensor.ElementCount);
            })));
            _checkpoint.EnsureUnchanged();
        });
    }

    /// <summary>The tensor that a weight is written from: the adapter's head, or the model's own; null where the model leaves it out.</summary>
    private WeightTensor? SourceOf(string name) => name switch
    {
        "score.weight" when _adapter.Score is { } score => score.Weight,
        "score.bias" when _adapter.Score is { } score => score.Bias,
        Head when _untiedHead is not null => _untiedHead,
        _ => _checkpoint.Tensors.GetValueOrDefault(name),
    };

    /// <summary>Tensors of the adapter's head have the prefix of its file.</summary>
    private static string NameOf(WeightTensor tensor) => tensor.Name[(tensor.Name.LastIndexOf("score.", StringComparison.Ordinal) is var place and > 0 ? place : 0)..];

    private static bool IsFloat(DType dtype) => dtype is DType.F32 or DType.F16 or DType.BF16;

    private DType FormatOf(WeightTensor tensor) => _isCoded && tensor.DType != DType.F32 ? DType.BF16 : tensor.DType;

    private void Write(WeightTensor tensor, Stream stream, ParallelOptions parallel)
    {
        var module = tensor.Name.EndsWith(".weight", StringComparison.Ordinal) ? _modules.GetValueOrDefault(tensor.Name[..^".weight".Length]) : null;
        var source = tensor.Name.EndsWith(".bias", StringComparison.Ordinal) && _modules.GetValueOrDefault(tensor.Name[..^".bias".Length])?.Bias is { } trained ? trained : tensor;
        int rows = tensor.Shape.Count == 2 ? tensor.Shape[0] : 1, columns = checked((int)(tensor.ElementCount / rows));
        var matrix = tensor.Shape.Count == 2 ? WeightMatrix.Create(source) : WeightMatrix.Create(source, 1, columns, byteOffset: 0);
        var update = module is null ? null : new Update(module, matrix);
        var isChanged = update is not null || source != tensor;
        var (format, size) = (FormatOf(tensor), FormatOf(tensor).BlockBytes());
        var bytes = new byte[(long)Math.Min(BlockRows, rows) * columns * size];
        for (var begin = 0; begin < rows; begin += BlockRows)
        {
            var count = Math.Min(BlockRows, rows - begin);
            var isSound = true;
            Parallel.For(0, count, parallel, () => new float[columns], (row, _, values) =>
            {
                fixed (float* pointer = values) matrix.DequantizeRow(begin + row, pointer);
                update?.Apply(values, begin + row);
                Store(values, format, bytes.AsSpan(row * columns * size, columns * size));
                if (isChanged && !AreFinite(values, format)) Volatile.Write(ref isSound, false);
                return values;
            }, _ => { });
            if (!isSound) throw new CheckpointException($"{_adapter.Path}: {tensor.Name} with the adapter has a number that does not fit {format}; the adapter is not of this model, or ruined");
            stream.Write(bytes.AsSpan(0, count * columns * size));
        }
    }

    /// <summary>Whether what was stored are finite numbers, the rounding to their format included.</summary>
    private static bool AreFinite(ReadOnlySpan<float> values, DType format)
    {
        const int BFloat16Exponent = 0x7F80;
        foreach (var value in values)
            if (format == DType.F32 ? !float.IsFinite(value) : format == DType.F16 ? !Half.IsFinite((Half)value) : (BFloat16.FromSingle(value) & BFloat16Exponent) == BFloat16Exponent) return false;
        return true;
    }

    private static void Store(ReadOnlySpan<float> values, DType format, Span<byte> bytes)
    {
        for (var index = 0; index < values.Length; index++)
        {
            if (format == DType.F32) BinaryPrimitives.WriteSingleLittleEndian(bytes[(4 * index)..], values[index]);
            else if (format == DType.F16) BinaryPrimitives.WriteHalfLittleEndian(bytes[(2 * index)..], (Half)values[index]);
            else BinaryPrimitives.WriteUInt16LittleEndian(bytes[(2 * index)..], BFloat16.FromSingle(values[index]));
        }
    }

    /// <summary>What an adapter adds to the rows of one matrix.</summary>
    private sealed class Update
    {
        private readonly LoraModule _module;
        private readonly float[] _a;
        private readonly float[] _b;
        private readonly float[]? _magnitude;
        private readonly double[]? _factors;

        public Update(LoraModule module, WeightMatrix matrix)
        {
            (_module, _a, _b, _magnitude) = (module, Values(module.A), Values(module.B), module.Magnitude is { } magnitude ? Values(magnitude) : null);
            if (_magnitude is not null && module.IsEmbedding) _factors = ColumnFactors(matrix);
        }

        /// <summary>Changes a row of the model's matrix to the merged one.</summary>
        public void Apply(float[] values, int row)
        {
            var sums = Merged(values, row);
            var length = 1.0;
            if (_magnitude is not null && _factors is null)
            {
                var squares = 0.0;
                foreach (var sum in sums) squares += sum * sum;
                length = Factor(_magnitude[row], squares);
            }

            for (var column = 0; column < values.Length; column++) values[column] = (float)(sums[column] * (_factors?[column] ?? length));
        }

        /// <summary>A row of <c>W + s B A</c>; of the table of embeddings, which stands on its side, of <c>W + s (B A)ᵀ</c>.</summary>
        private double[] Merged(float[] values, int row)
        {
            int rank = _module.Rank, columns = values.Length, tokens = _module.InputCount;
            var sums = Array.ConvertAll(values, value => (double)value);
            for (var j = 0; j < rank; j++)
            {
                if (_module.IsEmbedding)
                {
                    var factor = _module.Scale * _a[((long)j * tokens) + row];
                    for (var column = 0; column < columns; column++) sums[column] += factor * _b[((long)column * rank) + j];
                }
                else
                {
                    var factor = _module.Scale * _b[((long)row * rank) + j];
                    var a = _a.AsSpan(j * columns, columns);
                    for (var column = 0; column < columns; column++) sums[column] += factor * a[column];
                }
            }

            return sums;
        }

        private double[] ColumnFactors(WeightMatrix table)
        {
            var (row, squares) = (new float[_module.OutputCount], new double[_module.OutputCount]);
            for (var token = 0; token < _module.InputCount; token++)
            {
                fixed (float* values = row) table.DequantizeRow(token, values);
                var sums = Merged(row, token);
                for (var column = 0; column < sums.Length; column++) squares[column] += sums[column] * sums[column];
            }

            return [.. squares.Select((square, column) => Factor(_magnitude![column], square))];
        }

        /// <summary>f of a row; one of zeros stays zero whatever it is multiplied by, and counts as of length one.</summary>
        private static double Factor(float magnitude, double squares) => squares == 0 ? magnitude : magnitude / Math.Sqrt(squares);

        private static float[] Values(WeightTensor tensor)
        {
            var values = new float[tensor.ElementCount];
            fixed (float* target = values) WeightMatrix.Create(tensor, 1, values.Length, byteOffset: 0).DequantizeRow(0, target);
            return values;
        }
    }
}
