namespace Hadal.Cli.Tests.Hub;

/// <summary>A hub, a cache and the command between them.</summary>
public abstract class PullTests : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hadal-hub-").FullName;

    private protected TestHub Hub { get; } = new();

    private protected QuickClock Clock { get; } = new();

    private protected string Cache => Path.Combine(_root, "hub");

    private protected string Repository => Path.Combine(Cache, "models--own--tiny");

    private protected string Snapshot => Path.Combine(Repository, "snapshots", Hub.Head);

    /// <summary>Bytes that no two places have in common.</summary>
    private protected static byte[] Content(int length, int seed = 1)
    {
        var content = new byte[length];
        new Random(seed).NextBytes(content);
        return content;
    }

    public async ValueTask DisposeAsync()
    {
        await Hub.DisposeAsync();
        Directory.Delete(_root, recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected Outcome Run(string[] arguments, params (string Name, string Value)[] variables) => Shell(isTerminal: false, keys: [], variables).Run(arguments);

    private protected Outcome Pull(params string[] arguments) => Run(["pull", "own/tiny", .. arguments]);

    private protected TestShell Shell(bool isTerminal, IEnumerable<ConsoleKeyInfo> keys, params (string Name, string Value)[] variables)
    {
        var all = new Dictionary<string, string>
        {
            ["HF_ENDPOINT"] = Hub.Url,
            ["HF_HUB_CACHE"] = Cache,
            ["HF_HUB_DOWNLOAD_TIMEOUT"] = QuickClock.PatienceSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        foreach (var (name, value) in variables) all[name] = value;
        return new TestShell { Variables = all, CurrentDirectory = _root, Clock = Clock, IsTerminal = isTerminal, Keys = keys };
    }

    /// <summary>A small model of the tests as the hub's.</summary>
    private protected void GiveModel()
    {
        foreach (var path in Directory.GetFiles(Hadal.Tests.GoldenData.PathOf("deepseek-v3/hf"))) Hub.Files[Path.GetFileName(path)] = File.ReadAllBytes(path);
    }

    /// <summary>A file of weights that is no model, beside a config.</summary>
    private protected byte[] GiveWeights(int length)
    {
        Hub.Files["config.json"] = "{}"u8.ToArray();
        return Hub.Files["model.safetensors"] = Content(length);
    }

    /// <summary>The pulled file of weights is the hub's.</summary>
    private protected void AssertPulled() => Assert.True(File.ReadAllBytes(Path.Combine(Snapshot, "model.safetensors")).AsSpan().SequenceEqual(Hub.Files["model.safetensors"]));

    /// <summary>Bytes of the only unfinished download that are counted behind its content of a known length.</summary>
    private protected long Counted(int length)
    {
        if (Partials() is not [var partial]) return 0;
        using var file = new FileStream(partial, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length <= length) return 0;
        var counts = new byte[file.Length - length];
        file.Position = length;
        file.ReadExactly(counts);
        return Enumerable.Range(0, counts.Length / 8).Sum(index => BitConverter.ToInt64(counts, index * 8));
    }

    /// <summary>What a download left unfinished.</summary>
    private protected string[] Partials() => Directory.Exists(Path.Combine(Repository, "blobs")) ? Directory.GetFiles(Path.Combine(Repository, "blobs"), "*.incomplete") : [];
}
