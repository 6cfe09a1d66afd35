using System.Buffers.Binary;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Quantization;

/// <summary>Reads a checkpoint directory and writes the same model with its projections in few bits.</summary>
/// <remarks>One matrix is in memory at a time, besides the scales and zero points of the file that is being written. The bytes written do not depend on the
/// number of threads.</remarks>
public sealed unsafe class CheckpointQuantizer
{
    /// <summary>Bounds what is kept of a file: scales and zero points, written behind all codes, take at most a seventh of it.</summary>
    private const long ShardBytes = 2_000_000_000;

    private const string Head = "lm_head.weight";

    private readonly Checkpoint _checkpoint;
    private readonly WeightQuantization _quantization;
    private readonly Dictionary<string, WeightSpec> _specs;
    private readonly Dictionary<string, WeightTensor> _tensors;

    /// <summary>Plans the work.</summary>
    /// <param name="checkpoint">A directory with float weights (F32, F16, BF16, FP8); kept open by the caller.</param>
    /// <param name="quantization">What to make.</param>
    /// <exception cref="CheckpointException">It is a GGUF file, or quantised already.</exception>
    public CheckpointQuantizer(Checkpoint checkpoint, WeightQuantization quantization)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(quantization);
        if (checkpoint.Format != "safetensors")
            throw new CheckpointException($"{checkpoint.Path}: is a GGUF file, expected a directory with safetensors: its tokenizer and template could not be carried over");
        if (checkpoint.Tensors.Values.FirstOrDefault(tensor => tensor.DType is not (DType.F32 or DType.F16 or DType.BF16 or DType.F8E4M3)) is { } coded)
            throw new CheckpointException($"{checkpoint.Path}: {coded.Name} is stored as {coded.DType}, expected floats; quantise the checkpoint that this one was made from");
        _checkpoint = checkpoint;
        _quantization = quantization;
        _specs = WeightManifest.For(checkpoint.Config).ToDictionary(spec => spec.Name, StringComparer.Ordinal);
        _tensors = new Dictionary<string, WeightTensor>(checkpoint.Tensors, StringComparer.Ordinal);
        if (UntiesHead) _tensors.Add(Head, Embedding.As(Head));
    }

    /// <summary>Number of weights, the unit of progress.</summary>
    public long WeightCount => _tensors.Values.Sum(tensor => tensor.ElementCount);

    /// <summary>Bytes that will be written, but for headers.</summary>
    public long BytesAfter => _tensors.Values.Sum(BytesAfterOf);

    private WeightTensor Embedding => _checkpoint.Tensors["model.embed_tokens.weight"];

    /// <summary>A head that is the table of embeddings becomes a matrix of its own, because the table stays as it is.</summary>
    private bool QuantizesHead => _quantization.IncludesHead && _specs.TryGetValue(Head, out var spec) && _quantization.Applies(spec);

    private bool UntiesHead => QuantizesHead && !_checkpoint.Tensors.ContainsKey(Head);

    /// <summary>Writes the directory, which appears when it is whole; tokenizer, templates and generation settings are copied.</summary>
    /// <param name="path">Directory to create.</param>
    /// <param name="threadCount">Threads that quantise.</param>
    /// <param name="progress">Told the number of weights done so far.</param>
    /// <param name="cancellation">Ends the work; nothing of it stays.</param>
    /// <exception cref="CheckpointException">The directory exists already, or a weight cannot be quantised.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public QuantizationReport Write(string path, int threadCount, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threadCount);
        var run = new Run(this, threadCount, progress, cancellation);
        AtomicDirectory.Write(path, directory =>
        {
            var config = _checkpoint.Config with
            {
                QuantizationConfig = _quantization.ConfigFor(_tensors.Keys.Select(name => _specs[name])), TieWordEmbeddings = _checkpoint.Config.TieWordEmbeddings && !QuantizesHead,
            };
            AtomicFile.Write(Path.Combine(directory, "config.json"), stream => stream.Write(Encoding.UTF8.GetBytes(config.ToJson())));
            CheckpointTexts.Copy(_checkpoint.Path, directory);
            SafetensorsWriter.WriteModel(directory, InOrder().SelectMany(run.Parts), ShardBytes);
            _checkpoint.EnsureUnchanged();
        });
        return run.Report();
    }

    private IEnumerable<WeightTensor> InOrder() => _specs.Keys.Where(_tensors.ContainsKey).Select(name => _tensors[name]);

    private long BytesAfterOf(WeightTensor tensor)
    {
        var spec = _specs[tensor.Name];
        if (!_quantization.Applies(spec)) return tensor.DType == DType.F8E4M3 ? tensor.ElementCount * 2 : tensor.ByteLength;
        return _quantization.Parts(spec).Sum(part => part.Shape.Aggregate((long)part.DType.BlockBytes(), (bytes, size) => bytes * size));
    }

    /// <summary>One run: what is done, and what is still to be written.</summary>
    private sealed class Run(CheckpointQuantizer owner, int threadCount, Action<long>? progress, CancellationToken cancellation)
    {
        private readonly MatrixQuantizer _quantizer = new(owner._quantization, threadCount, cancellation);
        private readonly Dictionary<string, (double SquaredError, double SquaredWeights)> _errors = new(StringComparer.Ordinal);
        private long _done;

        public IEnumerable<TensorToWrite> Parts(WeightTensor tensor)
        {
            var spec = owner._specs[tensor.Name];
            if (!owner._quantization.Applies(spec)) return [Kept(tensor)];
            var parts = owner._quantization.Parts(spec);
            // Files have 4-bit codes before their zero points and scales, which wait. Byte codes come behind their scales and are too many to wait:
            // they are made a second time.
            var waiting = new Dictionary<string, byte[]>(StringComparer.Ordinal);
            return parts.Select(part => new TensorToWrite(part.Name, part.DType, part.Shape, stream =>
            {
                if (waiting.Remove(part.Name, out var bytes))
                {
                    stream.Write(bytes);
                    return;
                }

                var (codes, zeros, scales, error, weights) = _quantizer.Quantize(tensor);
                _errors[tensor.Name] = (error, weights);
                if (part.Name != parts[0].Name)
                {
                    stream.Write(part.Name == parts[^1].Name ? scales : zeros);
                    return;
                }

                stream.Write(codes.Span);
                progress?.Invoke(_done += tensor.ElementCount);
                if (owner._quantization.Bits == 4) (waiting[parts[1].Name], waiting[parts[2].Name]) = (zeros, scales);
            }));
        }

        /// <summary>A tensor that stays as it is, but for FP8, which becomes BF16: one file does not say two kinds of quantisation.</summary>
        private TensorToWrite Kept(WeightTensor tensor)
        {
            var dtype = tensor.DType == DType.F8E4M3 ? DType.BF16 : tensor.DType;
            return new TensorToWrite(tensor.Name, dtype, tensor.Shape, stream =>
            {
                if (tensor.DType == DType.F8E4M3) WriteBFloat16(tensor, stream);
                else Copy(tensor, stream);
                progress?.Invoke(_done += tensor.ElementCount);
            });
        }

        private void Copy(WeightTensor tensor, Stream stream)
        {
            const int window = 1 << 24;
            for (var offset = 0L; offset < tensor.ByteLength; offset += window)
            {
                cancellation.ThrowIfCancellationRequested();
                stream.Write(new ReadOnlySpan<byte>(tensor.Data + offset, (int)Math.Min(window, tensor.ByteLength - offset)));
            }
        }

        private void WriteBFloat16(WeightTensor tensor, Stream stream)
        {
            var matrix = WeightMatrix.Create(tensor);
            var (row, bytes) = (new float[matrix.Columns], new byte[2 * matrix.Columns]);
            for (var r = 0; r < matrix.Rows; r++)
            {
                cancellation.ThrowIfCancellationRequested();
                fixed (float* weights = row) matrix.DequantizeRow(r, weights);
                for (var k = 0; k < row.Length; k++) BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * k), BFloat16.FromSingle(row[k]));
                stream.Write(bytes);
            }
        }

        public QuantizationReport Report()
        {
            var tensors = owner.InOrder().Select(Describe).ToList();
            var count = _errors.Keys.Sum(name => owner._specs[name].ElementCount);
            return new QuantizationReport(
                tensors.Sum(tensor => tensor.BytesBefore), tensors.Sum(tensor => tensor.BytesAfter), count == 0 ? 0 : _errors.Values.Sum(error => error.SquaredError) / count, tensors);
        }

        private QuantizedTensor Describe(WeightTensor tensor)
        {
            var before = owner._checkpoint.Tensors.ContainsKey(tensor.Name) ? tensor.ByteLength + (tensor.Scale?.ByteLength ?? 0) : 0;
            var after = owner.BytesAfterOf(tensor);
            if (!_errors.TryGetValue(tensor.Name, out var error)) return new QuantizedTensor(tensor.Name, tensor.DType == DType.F8E4M3 ? DType.BF16 : tensor.DType, before, after, null, null);
            var relative = error.SquaredWeights > 0 ? Math.Sqrt(error.SquaredError / error.SquaredWeights) : 0;
            return new QuantizedTensor(tensor.Name, owner._quantization.Bits == 4 ? DType.AwqInt4 : DType.I8, before, after, error.SquaredError / tensor.ElementCount, relative);
        }
    }
}
