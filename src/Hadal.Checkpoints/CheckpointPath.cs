namespace Hadal.Checkpoints;

/// <summary>Decides from a path how a checkpoint is opened, and says what is wrong where it cannot be.</summary>
internal static class CheckpointPath
{
    private const string Supported = "supported are a directory with config.json and safetensors files, and .gguf files of versions 2 and 3";

    /// <summary>Opens what stands at <paramref name="path"/>.</summary>
    /// <param name="path">A full path.</param>
    /// <exception cref="CheckpointException">Nothing is there, it is of another kind, or it is faulty.</exception>
    public static Checkpoint Open(string path)
    {
        if (Directory.Exists(path)) return OpenDirectory(new CheckpointFolder(path));
        if (!File.Exists(path)) throw new CheckpointException($"{path}: does not exist; {Supported}");
        return BeginsWith(path, "GGUF"u8) ? GgufCheckpoint.Open(path) : throw Refused(path);
    }

    private static Checkpoint OpenDirectory(CheckpointFolder folder)
    {
        var hasWeights = folder.Names("*.safetensors").Count > 0 || folder.Names("*.safetensors.index.json").Count > 0;
        if (hasWeights && folder.Find("config.json") is not null) return CheckpointDirectory.Open(folder);
        var models = folder.Names("*.gguf").Where(name => !Weights.GgufParts.IsLaterPart(name)).ToList();
        if (models.Count == 1 && !hasWeights) return GgufCheckpoint.Open(folder.Find(models[0])!);
        if (models.Count > 1 && !hasWeights)
            throw new CheckpointException($"{folder.Path}: has {models.Count} .gguf files; name one of them: {string.Join(", ", models.Take(8))}");
        if (hasWeights) throw new CheckpointException($"{folder.Path}: has safetensors files, but no config.json; {Supported}");
        var other = folder.Names("*").Select(name => (Name: name, Kind: KindOf(name))).FirstOrDefault(file => file.Kind is not null);
        var found = other.Kind is null ? "found no weights" : $"found {other.Name}, {other.Kind}";
        throw new CheckpointException($"{folder.Path}: looked for *.safetensors with config.json and for *.gguf, {found}; {Supported}");
    }

    private static CheckpointException Refused(string path)
    {
        var name = Path.GetFileName(path);
        if (name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) || name is "config.json" || name.EndsWith(".index.json", StringComparison.Ordinal))
            return new CheckpointException($"{path}: is one file of a checkpoint; name its directory, {Path.GetDirectoryName(path)}");
        if (name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) return new CheckpointException($"{path}: does not begin with 'GGUF'; the file is damaged or incomplete");
        return new CheckpointException($"{path}: is {KindOfContents(path) ?? KindOf(name) ?? KindOfArchive(path) ?? "no model file that is known"}; {Supported}");
    }

    /// <summary>What a file name of another format says, or null.</summary>
    private static string? KindOf(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        ".pt" or ".pth" or ".ckpt" or ".pkl" or ".pickle" or ".joblib" => "a pickle, which can run code and is never read",
        ".bin" when name.Contains("model", StringComparison.OrdinalIgnoreCase) => "a PyTorch pickle, which can run code and is never read",
        ".npz" or ".npy" => "a NumPy archive",
        ".onnx" => "an ONNX graph",
        ".h5" or ".hdf5" or ".keras" => "a Keras model",
        ".msgpack" => "a Flax model",
        ".tflite" => "a TensorFlow Lite model",
        ".ggml" => "a GGML file from before GGUF",
        _ => null,
    };

    /// <summary>What the contents of a file say whatever its name, or null.</summary>
    private static string? KindOfContents(string path)
    {
        if (new FileInfo(path).Length == 0) return "empty, or no regular file";
        return BeginsWith(path, "lmgg"u8) || BeginsWith(path, "fmgg"u8) || BeginsWith(path, "tjgg"u8) ? "a GGML file from before GGUF" : null;
    }

    private static string? KindOfArchive(string path) =>
        BeginsWith(path, "PK"u8) || BeginsWith(path, [0x80, 2]) || BeginsWith(path, [0x80, 3]) || BeginsWith(path, [0x80, 4])
            ? "a zip archive or pickle, which can run code and is never read"
            : null;

    private static bool BeginsWith(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            // Pipes and devices have no length; opening one could wait for ever.
            if (new FileInfo(path).Length < bytes.Length) return false;
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            Span<byte> start = stackalloc byte[8];
            return stream.ReadAtLeast(start[..bytes.Length], bytes.Length, throwOnEndOfStream: false) == bytes.Length && start[..bytes.Length].SequenceEqual(bytes);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException($"{path}: cannot be read: {fault.Message}", fault);
        }
    }
}
