using System.Globalization;
using System.Security.Cryptography;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Files damaged at random open, or are refused in one line with memory in proportion to their size; nothing else happens.</summary>
/// <remarks>The environment variable <c>HADAL_FUZZ_ITERATIONS</c> sets the number of damaged files per format, and <c>HADAL_FUZZ_SEED</c> where
/// to begin. A case that fails is left under <c>artifacts/fuzz</c>; put into <c>Corpus</c> it is replayed for ever.</remarks>
public sealed class FuzzTests(ITestOutputHelper output) : IDisposable
{
    private const int DefaultIterations = 500;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Formats => ["gguf", "safetensors", "index", "config", "generation", "tokenizer", "tokenizer-config"];

    private static string CorpusFolder => Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Corpus");

    [Theory]
    [MemberData(nameof(Formats))]
    public void Damaged_files_open_or_are_refused(string format)
    {
        var iterations = Number("HADAL_FUZZ_ITERATIONS", DefaultIterations);
        var first = Number("HADAL_FUZZ_SEED", 0);
        var seeds = Seeds(format);
        Assert.Null(Try(format, seeds[0].Bytes));
        var refused = 0;
        var messages = new Dictionary<string, byte[]>();
        for (var iteration = first; iteration < first + iterations; iteration++)
        {
            var (seed, headerLength) = seeds[iteration % seeds.Count];
            var bytes = new Mutator(iteration).Mutate(seed, headerLength, isText: format != "gguf");
            var message = Guarded(format, bytes, iteration);
            if (message is null) continue;
            refused++;
            if (bytes.Length < 6000) messages.TryAdd(Shape(message), bytes);
        }

        output.WriteLine($"{format}: {iterations} damaged files, {refused} refused in {messages.Count} ways, {iterations - refused} opened");
        Assert.InRange(refused, iterations / 10, iterations);
        if (Environment.GetEnvironmentVariable("HADAL_FUZZ_COLLECT") is { Length: > 0 } target) Collect(Path.Combine(target, format), messages.Values);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Cases_of_the_corpus_are_refused(string format)
    {
        var files = Directory.GetFiles(Path.Combine(CorpusFolder, format));
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.NotNull(Try(format, File.ReadAllBytes(file))));
    }

    public void Dispose() => _folder.Dispose();

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    /// <summary>Valid files of a format, each with the length of the part that is parsed.</summary>
    private static List<(byte[] Bytes, int HeaderLength)> Seeds(string format) => format switch
    {
        "gguf" => [Built(GgufBuilder.Llama(8)), Built(GgufBuilder.DeepSeek()), Built(GgufBuilder.Llama(8)), Built(GgufBuilder.DeepSeek()), Golden("qwen2/model-Q4_K.gguf", 26000), Golden("deepseek-v32-dsa/model-F16.gguf", 26000)],
        "safetensors" => [Small("model.safetensors")],
        "index" => [Small("model.safetensors.index.json", 1000)],
        "config" => [.. Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Configs")).Order(StringComparer.Ordinal).Select(Text)],
        "generation" => [("""{"do_sample":true,"temperature":0.6,"top_p":0.95,"top_k":20,"min_p":0.1,"eos_token_id":[1,3],"bos_token_id":0}"""u8.ToArray(), 120)],
        "tokenizer" => [Small("tokenizer.json"), Small("tokenizer.json"), Small("tokenizer.json"), Golden("llama3-rope/hf/tokenizer.json"), Golden("qwen3/hf/tokenizer.json")],
        _ => [Small("tokenizer_config.json"), Golden("qwen2/hf/tokenizer_config.json"), Golden("deepseek-v3/hf/tokenizer_config.json")],
    };

    private static (byte[] Bytes, int HeaderLength) Built(GgufBuilder builder) => (builder.Build(), builder.HeaderLength);

    private static (byte[] Bytes, int HeaderLength) Text(string path)
    {
        var bytes = File.ReadAllBytes(path);
        return (bytes, bytes.Length);
    }

    private static (byte[] Bytes, int HeaderLength) Golden(string path, int headerLength = int.MaxValue) => (File.ReadAllBytes(GoldenData.PathOf(path)), headerLength);

    private static (byte[] Bytes, int HeaderLength) Small(string name, int maxShardBytes = 1 << 20)
    {
        using var folder = new TemporaryFolder();
        SmallCheckpoint.Write(folder, maxShardBytes: maxShardBytes);
        var bytes = File.ReadAllBytes(folder.PathOf(name));
        return (bytes, name == "model.safetensors" ? 8 + (int)BitConverter.ToUInt64(bytes) : bytes.Length);
    }

    private string? Guarded(string format, byte[] bytes, int iteration)
    {
        try
        {
            return Try(format, bytes);
        }
        catch (Exception fault)
        {
            var path = Path.Combine(SharedData.RepositoryRoot, "artifacts", "fuzz", $"{format}-{iteration}");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
            throw new InvalidOperationException($"{format}, iteration {iteration}, left in {path}: {fault.Message}", fault);
        }
    }

    /// <summary>Opens a checkpoint in which the file of <paramref name="format"/> is <paramref name="bytes"/>.</summary>
    private string? Try(string format, byte[] bytes)
    {
        switch (format)
        {
            case "gguf":
                return Refusals.Open(_folder.Write("model.gguf", bytes));
            case "config":
                return Refusals.Run(() => ModelConfigReader.Parse(bytes, "config.json"), bytes.Length);
            case "tokenizer":
                return Refusals.Run(() => TokenizerJson.Read(bytes, default, "tokenizer.json"), bytes.Length);
        }

        if (!File.Exists(_folder.PathOf("config.json"))) SmallCheckpoint.Write(_folder, maxShardBytes: format == "index" ? 1000 : 1 << 20);
        _folder.Write(format switch { "safetensors" => "model.safetensors", "index" => "model.safetensors.index.json", "generation" => "generation_config.json", _ => "tokenizer_config.json" }, bytes);
        return Refusals.Open(_folder.Path);
    }

    /// <summary>A message without what differs from case to case: numbers and quoted names.</summary>
    private static string Shape(string message)
    {
        var text = message[(message.LastIndexOf('/') + 1)..];
        var words = text.Split(' ').Where(word => !word.Any(character => char.IsDigit(character) || character is '\'' or '"' or '\\' or '/' or '.' || character > 127));
        return string.Join(' ', words);
    }

    private static void Collect(string folder, IEnumerable<byte[]> cases)
    {
        Directory.CreateDirectory(folder);
        foreach (var bytes in cases) File.WriteAllBytes(Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(bytes))[..12]), bytes);
    }
}
