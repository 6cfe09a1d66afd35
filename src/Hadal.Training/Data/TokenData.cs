using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;

namespace Hadal.Training.Data;

/// <summary>Training text as token ids in files, and held-out text beside them.</summary>
/// <remarks>Each source is one file of 16-bit (32-bit above 65,536 tokens) little-endian ids: start token, document, end token, and so on.
/// <c>heldout-&lt;language&gt;.txt</c> is the text kept back, byte for byte what is measured. <c>data.json</c> is written last and says from
/// which text and tokenizer the files were made and what their hashes are; where it still fits, nothing is made again.</remarks>
public sealed class TokenData
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly ushort[][] _short;
    private readonly int[][] _wide;
    private readonly double[] _weights;

    private TokenData(string directory, ushort[][] shortIds, int[][] wideIds, double[] weights, IReadOnlyList<string> languages, string fingerprint)
    {
        Directory = directory;
        _short = shortIds;
        _wide = wideIds;
        _weights = weights;
        Languages = languages;
        Fingerprint = fingerprint;
    }

    /// <summary>Where the files are.</summary>
    public string Directory { get; }

    /// <summary>Names under which held-out text is measured.</summary>
    public IReadOnlyList<string> Languages { get; }

    /// <summary>Hash of sources, split and tokenizer; a resumed run must have the same.</summary>
    public string Fingerprint { get; }

    /// <summary>Number of training tokens of all sources, each counted once.</summary>
    public long TokenCount => _short.Sum(ids => (long)ids.Length) + _wide.Sum(ids => (long)ids.Length);

    /// <summary>Path of the held-out text of <paramref name="language"/>.</summary>
    public string HeldOutPath(string language) => Path.Combine(Directory, HeldOutName(language));

    /// <summary>Reads all training documents, for a tokenizer to learn from.</summary>
    /// <param name="sources">The texts.</param>
    /// <param name="folder">Where relative source paths start.</param>
    /// <param name="seed">Draws the held-out documents.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="TrainingException">A source cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<string> TrainingTexts(IReadOnlyList<TextSource> sources, string folder, long seed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        for (var index = 0; index < sources.Count; index++)
        {
            foreach (var document in sources[index].Split(sources[index].ReadDocuments(folder, cancellation), seed, index).Train)
            {
                foreach (var piece in EvaluationTokens.Pieces(new StringReader(document))) yield return piece;
            }
        }
    }

    /// <summary>Opens the token files in <paramref name="directory"/>, making them first where they are missing, damaged or made from something else.</summary>
    /// <param name="directory">Where the files belong.</param>
    /// <param name="sources">The texts.</param>
    /// <param name="folder">Where relative source paths start.</param>
    /// <param name="tokenizerDirectory">Folder of <c>tokenizer.json</c>.</param>
    /// <param name="seed">Draws the held-out documents.</param>
    /// <param name="cancellation">Ends the making.</param>
    /// <exception cref="TrainingException">A source cannot be read or the files cannot be written.</exception>
    /// <exception cref="CheckpointException">The tokenizer cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static TokenData Open(
        string directory, IReadOnlyList<TextSource> sources, string folder, string tokenizerDirectory, long seed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        var tokenizer = TokenizerLoader.FromDirectory(tokenizerDirectory);
        var fingerprint = FingerprintOf(sources, folder, tokenizerDirectory, seed, cancellation);
        var marker = Path.Combine(directory, "data.json");
        string[] languages = [.. sources.Where(source => source.HeldOut > 0).Select(source => source.Language).Distinct()];
        var files = ReadFiles(directory, sources.Count, languages, HashesOf(marker, fingerprint));
        if (files is null)
        {
            Make(directory, sources, folder, tokenizer, seed, fingerprint, marker, cancellation);
            files = ReadFiles(directory, sources.Count, languages, HashesOf(marker, fingerprint))
                ?? throw new TrainingException($"{directory}: its files are not what was just written there; look at the disk, or use another output");
        }

        var isWide = tokenizer.VocabSize > 65536;
        return new TokenData(
            directory,
            isWide ? [] : [.. files.Select(bytes => MemoryMarshal.Cast<byte, ushort>(bytes).ToArray())],
            isWide ? [.. files.Select(bytes => MemoryMarshal.Cast<byte, int>(bytes).ToArray())] : [],
            [.. sources.Select(source => source.Weight)],
            languages,
            fingerprint);
    }

    /// <summary>The order of one epoch: windows of <paramref name="windowLength"/> tokens, drawn and shuffled by seed and epoch only.</summary>
    /// <remarks>The first window of each source starts at a place drawn anew, so that no window border is the same in every epoch.</remarks>
    /// <exception cref="TrainingException">No source is as long as a window.</exception>
    internal (int Source, int Begin)[] EpochOrder(int windowLength, long seed, int epoch)
    {
        var order = new SeededOrder(seed, 1_000_003L + epoch);
        var windows = new List<(int, int)>();
        for (var source = 0; source < _weights.Length; source++)
        {
            var length = Length(source);
            if (length < windowLength) continue;
            var whole = (int)Math.Floor(_weights[source]);
            var rest = _weights[source] - whole;
            for (var copy = 0; copy <= whole; copy++)
            {
                var offset = order.Next(Math.Min(windowLength, length - windowLength + 1));
                for (var begin = offset; begin + windowLength <= length; begin += windowLength)
                {
                    if (copy < whole || order.NextDouble() < rest) windows.Add((source, begin));
                }
            }
        }

        if (windows.Count == 0) throw new TrainingException($"sources: none has a window of {windowLength} tokens; give more text or a smaller sequence_length");
        var shuffled = windows.ToArray();
        order.Shuffle(shuffled.AsSpan());
        return shuffled;
    }

    /// <summary>Copies the ids of one window.</summary>
    internal void CopyWindow(int source, int begin, Span<long> ids)
    {
        for (var i = 0; i < ids.Length; i++) ids[i] = _short.Length > 0 ? _short[source][begin + i] : _wide[source][begin + i];
    }

    private int Length(int source) => _short.Length > 0 ? _short[source].Length : _wide[source].Length;

    private static string IdsName(int source) => string.Create(CultureInfo.InvariantCulture, $"train-{source}.bin");

    private static string HeldOutName(string language) => $"heldout-{language}.txt";

    private static string FingerprintOf(IReadOnlyList<TextSource> sources, string folder, string tokenizerDirectory, long seed, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(File.ReadAllBytes(Path.Combine(tokenizerDirectory, "tokenizer.json")));
        AppendSources(hash, sources, folder, seed, cancellation);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Adds the texts and how they are split to <paramref name="hash"/>.</summary>
    /// <exception cref="TrainingException">A source does not exist or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static void AppendSources(IncrementalHash hash, IReadOnlyList<TextSource> sources, string folder, long seed, CancellationToken cancellation)
    {
        foreach (var source in sources)
        {
            var path = Path.GetFullPath(source.Path, folder);
            using var file = RegularFile.Open(path, $"sources: {path}");
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}|{source.Separator}|{source.Language}|{source.HeldOut}|")));
            hash.AppendData(HashOf(file, cancellation));
        }
    }

    internal static byte[] HashOf(FileStream file, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var block = new byte[1 << 20];
        for (int count; (count = file.Read(block)) > 0; hash.AppendData(block, 0, count)) cancellation.ThrowIfCancellationRequested();
        return hash.GetHashAndReset();
    }

    /// <summary>The hashes of the files by name, as <c>data.json</c> has them; null where it was made from something else, or says nothing that can be read.</summary>
    private static Dictionary<string, string>? HashesOf(string marker, string fingerprint)
    {
        if (!File.Exists(marker)) return null;
        try
        {
            var made = JsonSerializer.Deserialize<MadeData>(File.ReadAllBytes(marker), Json);
            return made?.Fingerprint == fingerprint ? made.Hashes : null;
        }
        catch (JsonException)
        {
            // Whatever happened to it, the files can be made again.
            return null;
        }
    }

    /// <summary>The token files, or null where a file is not the one that was written.</summary>
    private static List<byte[]>? ReadFiles(string directory, int sourceCount, IEnumerable<string> languages, Dictionary<string, string>? hashes)
    {
        if (hashes is null) return null;
        var ids = new List<byte[]>();
        foreach (var name in Enumerable.Range(0, sourceCount).Select(IdsName).Concat(languages.Select(HeldOutName)))
        {
            var path = Path.Combine(directory, name);
            if (!File.Exists(path)) return null;
            var bytes = File.ReadAllBytes(path);
            if (hashes.GetValueOrDefault(name) != Convert.ToHexStringLower(SHA256.HashData(bytes))) return null;
            if (ids.Count < sourceCount) ids.Add(bytes);
        }

        return ids;
    }

    private static void Make(
        string directory, IReadOnlyList<TextSource> sources, string folder, Tokenizer tokenizer, long seed, string fingerprint, string marker, CancellationToken cancellation)
    {
        System.IO.Directory.CreateDirectory(directory);
        File.Delete(marker);
        var heldOut = new Dictionary<string, StringBuilder>(StringComparer.Ordinal);
        var counts = new List<MadeSource>();
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < sources.Count; index++)
        {
            var source = sources[index];
            var (train, kept) = source.Split(source.ReadDocuments(folder, cancellation), seed, index);
            var ids = Encode(train, tokenizer, cancellation);
            Write(IdsName(index), IdBytes(ids, tokenizer.VocabSize > 65536));
            if (source.HeldOut > 0)
            {
                if (!heldOut.TryGetValue(source.Language, out var text)) heldOut.Add(source.Language, text = new StringBuilder());
                foreach (var document in kept) text.Append(document);
            }

            counts.Add(new MadeSource(source.Path, train.Count, train.Sum(document => (long)document.Length), ids.Count, kept.Count));
        }

        foreach (var (language, text) in heldOut) Write(HeldOutName(language), Encoding.UTF8.GetBytes(text.ToString()));
        AtomicFile.Write(marker, stream => JsonSerializer.Serialize(stream, new MadeData(fingerprint, hashes, counts), Json));

        void Write(string name, byte[] bytes)
        {
            hashes.Add(name, Convert.ToHexStringLower(SHA256.HashData(bytes)));
            AtomicFile.Write(Path.Combine(directory, name), stream => stream.Write(bytes));
        }
    }

    private static List<int> Encode(List<string> documents, Tokenizer tokenizer, CancellationToken cancellation)
    {
        // Documents are independent, so they are encoded in parallel and joined in order.
        var encoded = documents.AsParallel().AsOrdered().WithCancellation(cancellation).Select(document =>
        {
            var ids = new List<int>();
            if (tokenizer.BosTokenId is { } bos) ids.Add(bos);
            foreach (var piece in EvaluationTokens.Pieces(new StringReader(document)))
            {
                cancellation.ThrowIfCancellationRequested();
                ids.AddRange(tokenizer.Encode(piece, addSpecial: false));
            }

            if (tokenizer.EosTokenIds.Count > 0) ids.Add(tokenizer.EosTokenIds[0]);
            return ids;
        });
        var all = new List<int>();
        foreach (var ids in encoded) all.AddRange(ids);
        return all;
    }

    private static byte[] IdBytes(List<int> ids, bool isWide) => isWide
        ? MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ids)).ToArray()
        : MemoryMarshal.AsBytes<ushort>(ids.Select(id => checked((ushort)id)).ToArray()).ToArray();

    /// <summary>What <c>data.json</c> says.</summary>
    private sealed record MadeData(string? Fingerprint, Dictionary<string, string>? Hashes, IReadOnlyList<MadeSource>? Sources);

    private sealed record MadeSource(string Path, int Documents, long Characters, int Tokens, int HeldOutDocuments);
}
