using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Models;

/// <summary>Finds the tensors of a checkpoint by their published names, and owns the tiles that some are repacked to.</summary>
/// <param name="tensors">Tensors by name.</param>
/// <param name="arithmetic">With <see cref="Arithmetic.Integer"/>, projections in formats with integer tiles are repacked.</param>
/// <param name="threadCount">Threads that repack.</param>
/// <param name="defersRepacking">Leaves repacking to <see cref="Repack"/>.</param>
internal sealed unsafe class WeightBinder(
    IReadOnlyDictionary<string, WeightTensor> tensors, Arithmetic arithmetic = Arithmetic.Exact, int threadCount = 1, bool defersRepacking = false) : IDisposable
{
    private readonly TileStore _tiles = new();
    private readonly Dictionary<string, WeightMatrix> _projections = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _sites = new(StringComparer.Ordinal);
    private ThreadCrew? _crew;

    /// <summary>Whether routed experts stay in the file.</summary>
    public bool KeepsExpertsInFile { get; init; }

    /// <summary>Whether a name is that of a weight of a routed expert.</summary>
    public static bool IsExpert(string name) => name.Contains(".mlp.experts.", StringComparison.Ordinal);

    /// <summary>Whether the checkpoint has the tensor.</summary>
    public bool Has(string name) => tensors.ContainsKey(name);

    /// <summary>The output head, or the table of embeddings where the checkpoint has none of its own: they are tied.</summary>
    public string HeadTensor => Has("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";

    /// <summary>The tensor as it is stored.</summary>
    /// <exception cref="CheckpointException">It is missing.</exception>
    public WeightTensor Tensor(string name) =>
        tensors.TryGetValue(name, out var tensor) ? tensor : throw new CheckpointException($"{name}: expected this tensor, the checkpoint does not have it");

    /// <summary>A matrix [out, in] in its stored format, whose products are exact.</summary>
    public WeightMatrix Matrix(string name) => WeightMatrix.Create(Tensor(name));

    /// <summary>A projection [out, in]: tiles for integers where that is asked for and the format has them, otherwise as it is stored.</summary>
    public WeightMatrix Projection(string name)
    {
        if (_projections.TryGetValue(name, out var known)) return known;
        var tensor = Tensor(name);
        // What is wrong with the tensor is found before anything is repacked.
        var matrix = WeightMatrix.Create(tensor);
        if (arithmetic == Arithmetic.Integer && TileStore.Takes(tensor))
        {
            matrix = _tiles.Add(tensor, isRepacked: !(KeepsExpertsInFile && IsExpert(name)));
            if (!defersRepacking) _tiles.Repack(_crew ??= new ThreadCrew(threadCount));
        }

        _projections.Add(name, matrix);
        return matrix;
    }

    /// <summary>Repacks some of what was deferred.</summary>
    /// <param name="crew">Threads; they must be idle, and nobody multiplies meanwhile.</param>
    /// <param name="byteCount">Bytes after which it is enough for now.</param>
    /// <exception cref="OutOfMemoryException">There is no memory for more; what is left is computed from the file.</exception>
    public void Repack(ThreadCrew crew, long byteCount) => _tiles.Repack(crew, byteCount);

    /// <summary>Whether nothing is left to repack.</summary>
    public bool IsRepacked => _tiles.IsRepacked;

    /// <summary>Numbers of the projections that adapters can change, by module path.</summary>
    public IReadOnlyDictionary<string, int> Sites
    {
        get
        {
            // Adapters are made beside the engine's thread, which may bind further weights meanwhile.
            lock (_sites) return new Dictionary<string, int>(_sites);
        }
    }

    /// <summary>Gives a projection a number, by which adapters find it.</summary>
    /// <param name="module">For example <c>model.layers.0.self_attn.q_proj</c>.</param>
    public int Site(string module)
    {
        lock (_sites)
        {
            if (!_sites.TryGetValue(module, out var site)) _sites.Add(module, site = _sites.Count);
            return site;
        }
    }

    /// <summary>One matrix per leading index of a stacked tensor [count, rows, columns].</summary>
    public WeightMatrix[] Stack(string name)
    {
        var tensor = Tensor(name);
        var matrices = new WeightMatrix[tensor.Shape[0]];
        var bytes = tensor.ByteLength / matrices.Length;
        for (var i = 0; i < matrices.Length; i++) matrices[i] = WeightMatrix.Create(tensor, tensor.Shape[1], tensor.Shape[2], i * bytes);
        return matrices;
    }

    /// <summary>A norm weight or bias as floats.</summary>
    public float[] Vector(string name)
    {
        var tensor = Tensor(name);
        var values = new float[tensor.ElementCount];
        fixed (float* y = values) WeightMatrix.Create(tensor, 1, values.Length, byteOffset: 0).DequantizeRow(0, y);
        return values;
    }

    /// <summary>A norm weight or bias as floats, or null where the checkpoint has none.</summary>
    public float[]? VectorOrNull(string name) => Has(name) ? Vector(name) : null;

    /// <summary>Ends the threads that repacked; more are started when they are needed again.</summary>
    public void ReleaseThreads()
    {
        _crew?.Dispose();
        _crew = null;
    }

    /// <summary>Frees the tiles; matrices that were made of them may not be used any more.</summary>
    public void Dispose()
    {
        ReleaseThreads();
        _tiles.Dispose();
    }
}
