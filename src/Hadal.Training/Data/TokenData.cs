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
/// which text and tokenizer the files were made; where it still fits, nothing is made again.</remarks>
public sealed class TokenData
{
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
    public string HeldOutPath(string language) => Path.Combine(Directory, $"heldout-{language}.txt");

    /// <summary>Reads all training documents, for a tokenizer to learn from.</summary>
    /// <exception cref="TrainingException">A source cannot be read.</exception>
    public static IEnumerable<string> TrainingTexts(IReadOnlyList<TextSource> sources, string folder, long seed)
    {
        ArgumentNullException.ThrowIfNull(sources);
        for (var index = 0; index < sources.Count; index++)
        {
            foreach (var document in sources[index].Split(sources[index].ReadDocuments(folder), seed, index).Train)
            {
                foreach (var piece in EvaluationTokens.Pieces(new StringReader(document))) yield return piece;
            }
        }
    }

    /// <summary>Opens the token files in <paramref name="directory"/>, making them first where they are missing or made from something else.</summary>
    /// <param name="directory">Where the files belong.</param>
    /// <param name="sources">The texts.</param>
    /// <param name="folder">Where relative source paths start.</param>
    /// <param name="tokenizerDirectory">Folder of <c>tokenizer.json</c>.</param>
    /// <param name="seed">Draws the held-out documents.</param>
    /// <exception cref="TrainingException">A source cannot be read or the files cannot be written.</exception>
    /// <exception cref="CheckpointException">The tokenizer cannot be read.</exception>
    public static TokenData Open(string directory, IReadOnlyList<TextSource> sources, string folder, string tokenizerDirectory, long seed)
    {
        ArgumentNullException.ThrowIfNull(sources);
        var tokenizer = TokenizerLoader.FromDirectory(tokenizerDirectory);
        var fingerprint = FingerprintOf(sources, folder, tokenizerDirectory, seed);
        var marker = Path.Combine(directory, "data.json");
        if (!IsMadeFrom(marker, fingerprint)) Make(directory, sources, folder, tokenizer, seed, fingerprint, marker);

        var isWide = tokenizer.VocabSize > 65536;
        var files = Enumerable.Range(0, sources.Count).Select(index => File.ReadAllBytes(IdsPath(directory, index))).ToList();
        return new TokenData(
            directory,
            isWide ? [] : [.. files.Select(bytes => MemoryMarshal.Cast<byte, ushort>(bytes).ToArray())],
            isWide ? [.. files.Select(bytes => MemoryMarshal.Cast<byte, int>(bytes).ToArray())] : [],
            [.. sources.Select(source => source.Weight)],
            [.. sources.Where(source => source.HeldOut > 0).Select(source => source.Language).Distinct()],
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

    private static string IdsPath(string directory, int source) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"train-{source}.bin"));

    private static string FingerprintOf(IReadOnlyList<TextSource> sources, string folder, string tokenizerDirectory, long seed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(File.ReadAllBytes(Path.Combine(tokenizerDirectory, "tokenizer.json")));
        AppendSources(hash, sources, folder, seed);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Adds the texts and how they are split to <paramref name="hash"/>.</summary>
    /// <exception cref="TrainingException">A source does not exist or cannot be read.</exception>
    internal static void AppendSources(IncrementalHash hash, IReadOnlyList<TextSource> sources, string folder, long seed)
    {
        foreach (var source in sources)
        {
            var path = Path.GetFullPath(source.Path, folder);
            if (!File.Exists(path)) throw new TrainingException($"sources: {path}: no such file");
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}|{source.Separator}|{source.Language}|{source.HeldOut}|")));
            hash.AppendData(SHA256.HashData(File.ReadAllBytes(path)));
        }
    }

    private static bool IsMadeFrom(string marker, string fingerprint)
    {
        if (!File.Exists(marker)) return false;
        using var document = JsonDocument.Parse(File.ReadAllBytes(marker));
        return document.RootElement.GetProperty("fingerprint").GetString() == fingerprint;
    }

    private static void Make(
        string directory, IReadOnlyList<TextSource> sources, string folder, Tokenizer tokenizer, long seed, string fingerprint, string marker)
    {
        System.IO.Directory.CreateDirectory(directory);
        File.Delete(marker);
        var heldOut = new Dictionary<string, StringBuilder>(StringComparer.Ordinal);
        var counts = new List<object>();
        for (var index = 0; index < sources.Count; index++)
        {
            var source = sources[index];
            var (train, kept) = source.Split(source.ReadDocuments(folder), seed, index);
            var ids = Encode(train, tokenizer);
            AtomicFile.Write(IdsPath(directory, index), stream => WriteIds(stream, ids, tokenizer.VocabSize > 65536));
            if (source.HeldOut > 0)
            {
                if (!heldOut.TryGetValue(source.Language, out var text)) heldOut.Add(source.Language, text = new StringBuilder());
                foreach (var document in kept) text.Append(document);
            }

            counts.Add(new { path = source.Path, documents = train.Count, characters = train.Sum(document => (long)document.Length), tokens = ids.Count, held_out_documents = kept.Count });
        }

        foreach (var (language, text) in heldOut) AtomicFile.Write(Path.Combine(directory, $"heldout-{language}.txt"), stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
        AtomicFile.Write(marker, stream => JsonSerializer.Serialize(stream, new { fingerprint, sources = counts }));
    }

    private static List<int> Encode(List<string> documents, Tokenizer tokenizer)
    {
        // Documents are independent, so they are encoded in parallel and joined in order.
        var encoded = documents.AsParallel().AsOrdered().Select(document =>
        {
            var ids = new List<int>();
            if (tokenizer.BosTokenId is { } bos) ids.Add(bos);
            foreach (var piece in EvaluationTokens.Pieces(new StringReader(document))) ids.AddRange(tokenizer.Encode(piece, addSpecial: false));
            if (tokenizer.EosTokenIds.Count > 0) ids.Add(tokenizer.EosTokenIds[0]);
            return ids;
        });
        var all = new List<int>();
        foreach (var ids in encoded) all.AddRange(ids);
        return all;
    }

    private static void WriteIds(Stream stream, List<int> ids, bool isWide)
    {
        if (isWide) stream.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ids)));
        else stream.Write(MemoryMarshal.AsBytes<ushort>(ids.Select(id => checked((ushort)id)).ToArray()));
    }
}
