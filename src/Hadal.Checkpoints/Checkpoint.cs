using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints;

/// <summary>An open checkpoint: its config, its tensors as views into mapped files, and what it says about text generation.</summary>
/// <remarks>Immutable and safe to share between threads while it is open. Tensors die with it.</remarks>
public sealed class Checkpoint : IDisposable
{
    private readonly IReadOnlyList<MappedFile> _files;
    private readonly Func<Tokenizer> _loadTokenizer;
    private Task _readingAhead = Task.CompletedTask;
    private volatile bool _isClosing;

    internal Checkpoint(
        string path, string format, ModelConfig config, IReadOnlyDictionary<string, WeightTensor> tensors, IReadOnlyList<MappedFile> files, Func<Tokenizer> loadTokenizer)
    {
        Path = path;
        Format = format;
        Config = config;
        Tensors = tensors;
        _files = files;
        _loadTokenizer = loadTokenizer;
    }

    /// <summary>Full path of the directory or file.</summary>
    public string Path { get; }

    /// <summary><c>safetensors</c> or <c>gguf</c>.</summary>
    public string Format { get; }

    /// <summary>The validated config.</summary>
    public ModelConfig Config { get; }

    /// <summary>Tensors by published (Hugging Face) name, with the shapes of <see cref="WeightManifest"/>.</summary>
    /// <remarks>Two things of a GGUF file stay as they are there, because undoing them would copy the weights: rows of q and k of llama, which have
    /// the pairs of a head side by side (<see cref="ModelConfig.UsesInterleavedRope"/> is true then), and a <c>kv_b_proj</c> that is split into
    /// <c>k_b_proj</c> and <c>v_b_proj</c>. <c>rope_freqs.weight</c>, where present, divides the rotary frequencies.</remarks>
    public IReadOnlyDictionary<string, WeightTensor> Tensors { get; }

    /// <summary>What was ignored or looks doubtful, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; internal init; } = [];

    /// <summary>Source of the chat template, or null where the checkpoint has none.</summary>
    public string? ChatTemplate { get; internal init; }

    /// <summary>What the checkpoint recommends for sampling; never null.</summary>
    public GenerationConfig GenerationConfig { get; internal init; } = new();

    /// <summary>Opens a checkpoint and checks everything: config, names, shapes and sizes of all tensors. Weights are mapped, not read.</summary>
    /// <param name="path">A directory with <c>config.json</c> and safetensors files (plain, FP8 or AWQ), a <c>.gguf</c> file (the first of its parts, or
    /// any), or a directory with one GGUF model.</param>
    /// <exception cref="CheckpointException">What is wrong, all faults in one message.</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return CheckpointPath.Open(FullPath(path));
    }

    /// <summary>Checks that no file changed its length since it was opened. Reading pages that a shortened file no longer has would end
    /// the process, so long-running readers call this between steps; it costs one system call per file.</summary>
    /// <exception cref="CheckpointException">A file was rewritten.</exception>
    public void EnsureUnchanged()
    {
        foreach (var file in _files) file.EnsureUnchanged();
    }

    /// <summary>Reads the tokenizer: <c>tokenizer.json</c> with <c>tokenizer_config.json</c>, or the vocabulary of a GGUF file. The result outlives the
    /// checkpoint.</summary>
    /// <exception cref="CheckpointException">It is missing, malformed, or of a kind that is not supported.</exception>
    public Tokenizer LoadTokenizer() => _loadTokenizer();

    /// <summary>Begins to bring all weights into this process's memory, in the background and in the order of the file, but for embeddings, of which a prompt needs few rows.
    /// What the first step would wait for, page by page, then happens while other things are read. Not for models larger than the memory.</summary>
    /// <returns>Ends when all are there, or the checkpoint is closed, or a file was rewritten.</returns>
    public Task ReadAhead()
    {
        if (!_readingAhead.IsCompleted) return _readingAhead;
        var isTied = !Tensors.ContainsKey("lm_head.weight");
        var weights = Tensors.Values.Where(tensor => isTied || tensor.Name != "model.embed_tokens.weight").OrderBy(tensor => tensor.Address).ToList();
        return _readingAhead = Task.Run(() => ReadAhead(weights));
    }

    private void ReadAhead(List<WeightTensor> weights)
    {
        foreach (var tensor in weights)
        {
            // Who computes with a file that was rewritten will say so; here it is only left alone.
            if (_files.Any(file => !file.IsUnchanged)) return;
            for (var begin = 0L; begin < tensor.ByteLength; begin += WeightTensor.TouchedBytes)
            {
                if (_isClosing) return;
                tensor.Touch(begin);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isClosing = true;
        _readingAhead.Wait();
        foreach (var file in _files) file.Dispose();
    }

    private static string FullPath(string path) => path.Contains('\0', StringComparison.Ordinal)
        ? throw new CheckpointException($"{path}: is no path")
        : System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
}
