using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;

namespace Hadal.Inference.Models.Adapters;

/// <summary>A low-rank adapter, ready on a decoder: a slice of a batch that names it is computed with it, beside others with others or none.</summary>
/// <remarks>Made by <see cref="DecoderModel.AddAdapter"/> while the model computes or not; the file may be closed afterwards. Safe to use from many threads.
/// Disposing waits for nobody: memory is freed when the last request that uses it has ended.</remarks>
public sealed unsafe class DecoderAdapter : IDisposable
{
    private const int MaxRank = 1024;

    private readonly Scratch _memory;
    private readonly LoraWeights?[] _weights;
    private readonly Lock _lock = new();
    private int _users;
    private int _holders;
    private bool _isDisposed;
    private bool _isFreed;

    private DecoderAdapter(DecoderModel model, Scratch memory, LoraWeights?[] weights, LabelHead? head)
    {
        Model = model;
        Head = head;
        _memory = memory;
        _weights = weights;
    }

    /// <summary>The head for labels it brings, or null.</summary>
    public LabelHead? Head { get; }

    /// <summary>Whether its memory is there: until it was disposed of and the last request that uses it has ended.</summary>
    public bool IsLoaded
    {
        get
        {
            lock (_lock) return !_isFreed;
        }
    }

    /// <summary>The model it was made for.</summary>
    internal DecoderModel Model { get; }

    /// <summary>Tells what is computed with it from what is computed with others.</summary>
    internal Guid Id { get; } = Guid.NewGuid();

    /// <summary>Keeps it usable, also by generations that begin after it was disposed of, until what is returned is disposed of; null if it was disposed of before.</summary>
    public IDisposable? TryHold()
    {
        lock (_lock)
        {
            if (_isDisposed) return null;
            _holders++;
            return new Held(this);
        }
    }

    /// <summary>Counts a user in; false if it was disposed of and nobody holds it.</summary>
    internal bool TryEnter()
    {
        lock (_lock)
        {
            if (_isDisposed && _holders == 0) return false;
            _users++;
            return true;
        }
    }

    /// <summary>Counts a user out.</summary>
    internal void Leave()
    {
        lock (_lock)
        {
            _users--;
            FreeIfUnused();
        }
    }

    /// <summary>What it adds to a projection, or null.</summary>
    /// <param name="site">Number of the projection, from <see cref="WeightBinder.Site"/>; −1 for one that is never adapted. Those that were bound later than the adapter are not.</param>
    internal LoraWeights? At(int site) => (uint)site < (uint)_weights.Length ? _weights[site] : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            FreeIfUnused();
        }
    }

    /// <summary>Reads an adapter for a model.</summary>
    /// <param name="adapter">Open, and checked against the model's config.</param>
    /// <param name="model">The model.</param>
    /// <param name="weights">Its weights.</param>
    /// <exception cref="CheckpointException">It adapts what is not computed with adapters, all of which is named, or its trained lengths do not fit the model's rows.</exception>
    internal static DecoderAdapter Create(LoraAdapter adapter, DecoderModel model, WeightBinder weights)
    {
        var sites = weights.Sites;
        var faults = adapter.Modules.Where(module => !sites.ContainsKey(module.Name)).Select(module => module.Name).ToList();
        if (faults.Count > 0)
        {
            throw new CheckpointException(
                $"{adapter.Path}: adapts {string.Join(", ", faults.Take(4))}{(faults.Count > 4 ? $" and {faults.Count - 4} more" : "")}, "
                + "which is not computed with adapters (indexers, prediction layers, and kv_b_proj of files that store it in parts); merge it into the weights instead");
        }

        if (adapter.Modules.FirstOrDefault(module => module.Bias is not null && module.Name.EndsWith(".kv_b_proj", StringComparison.Ordinal)) is { } biased)
            throw new CheckpointException($"{adapter.Path}: {biased.Name} has a trained bias, which the model has no place for");

        if (adapter.Modules.FirstOrDefault(module => module.Rank > MaxRank) is { } wide)
            throw new CheckpointException($"{adapter.Path}: {wide.Name} has rank {wide.Rank}, expected at most {MaxRank}; merge it into the weights instead");
        var memory = new Scratch(adapter.Modules.Sum(LoraWeights.FloatCount));
        try
        {
            var cursor = new ScratchCursor(memory.Memory);
            var found = new LoraWeights?[sites.Count];
            foreach (var module in adapter.Modules)
            {
                var name = module.IsHead ? weights.HeadTensor : module.Name + ".weight";
                AdaptedTable.EnsureSame(adapter.Path, module, weights.Tensor(name));
                var ready = new LoraWeights(module, weights.Matrix(name), weights.VectorOrNull(module.Name + ".bias"), cursor.Take(LoraWeights.FloatCount(module)));
                found[sites[module.Name]] = ready.HasFiniteLengths ? ready
                    : throw new CheckpointException($"{adapter.Path}: {module.Name} has trained lengths (lora_magnitude_vector) that are too large for this model's rows; train it beside this model");
            }

            return new DecoderAdapter(model, memory, found, LabelHead.Of(adapter));
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private void FreeIfUnused()
    {
        if (!_isDisposed || _users > 0 || _holders > 0 || _isFreed) return;
        _isFreed = true;
        _memory.Dispose();
    }

    private sealed class Held(DecoderAdapter adapter) : IDisposable
    {
        private int _isReleased;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReleased, 1) != 0) return;
            lock (adapter._lock)
            {
                adapter._holders--;
                adapter.FreeIfUnused();
            }
        }
    }
}
