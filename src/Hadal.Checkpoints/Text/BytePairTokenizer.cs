using System.Buffers;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Byte-pair encoding: added tokens, normalisation, pre-tokenisation, then merging within each piece. The symbols that merging
/// starts from are bytes (GPT-2, DeepSeek, Qwen, Llama 3) or characters with byte tokens for the rest (Llama 2).</summary>
internal sealed class BytePairTokenizer : Tokenizer
{
    private const int MaxCachedBytes = 64, CacheSize = 1 << 14, StackBytes = 256;

    private readonly BytePairMerges _merges;
    private readonly BytePairRules _rules;
    private readonly AddedTokens _given;
    private readonly AddedTokens _normalized;
    private readonly int[] _byteIds;
    private readonly CachedPiece?[] _cache = new CachedPiece?[CacheSize];

    public BytePairTokenizer(
        Vocabulary vocabulary, BytePairMerges merges, IReadOnlyCollection<AddedToken> addedTokens, BytePairRules rules, TokenizerFrame frame)
        : base(vocabulary, frame)
    {
        _merges = merges;
        _rules = rules;
        // Control tokens are matched in the text as given, where it is known who wrote it.
        _given = new AddedTokens(addedTokens.Where(token => token.IsControl || !token.IsNormalized));
        _normalized = new AddedTokens(addedTokens.Where(token => token is { IsControl: false, IsNormalized: true })
            .Select(token => token with { Content = rules.Normalizer.Apply(token.Content) }).Where(token => token.Content.Length > 0));
        _byteIds = vocabulary.ByteIds();
        KeepsAllText = rules.Normalizer.IsNone && rules.StartsFromBytes && _byteIds.All(id => id >= 0)
            && rules.PreTokenizer.Stages.All(stage => stage.Behavior != SplitBehavior.Removed) && addedTokens.All(token => !token.StripsLeft && !token.StripsRight);
    }

    private protected override bool KeepsAllText { get; }

    private protected override void EncodeCore(TokenizerInput input, List<int> ids) => _given.Split(
        input.Text, input.IsTrusted, (begin, end) => EncodeNormalized(_rules.Normalizer.Apply(input.Text[begin..end]), begin == 0, ids), token => ids.Add(token.Id));

    private void EncodeNormalized(string text, bool isFirst, List<int> ids)
    {
        if (_normalized.IsEmpty) EncodeText(text, isFirst, ids);
        else _normalized.Split(text, static (_, _) => false, (begin, end) => EncodeText(text[begin..end], isFirst && begin == 0, ids), token => ids.Add(token.Id));
    }

    private void EncodeText(string text, bool isFirst, List<int> ids)
    {
        var split = _rules.PreTokenizer.Split(text, isFirst);
        foreach (var (begin, end) in split.Pieces) EncodePiece(split.Text.AsSpan(begin, end - begin), split.IsSpelled, ids);
    }

    private void EncodePiece(ReadOnlySpan<char> piece, bool isSpelled, List<int> ids)
    {
        var rented = piece.Length * 3 > StackBytes ? ArrayPool<byte>.Shared.Rent(piece.Length * 3) : null;
        var buffer = rented ?? stackalloc byte[StackBytes];
        var bytes = buffer[..(isSpelled ? Unspell(piece, buffer) : Encoding.UTF8.GetBytes(piece, buffer))];

        var slot = TokenTable.Hash(bytes) >> 18;
        if (bytes.Length <= MaxCachedBytes && Volatile.Read(ref _cache[slot]) is { } cached && bytes.SequenceEqual(cached.Bytes))
        {
            ids.AddRange(cached.Ids);
        }
        else
        {
            var first = ids.Count;
            Merge(bytes, ids);
            if (bytes.Length <= MaxCachedBytes) Volatile.Write(ref _cache[slot], new CachedPiece(bytes.ToArray(), [.. ids[first..]]));
        }

        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    private void Merge(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        if (_rules.IgnoresMerges && Vocabulary.Keys.IdOf(bytes) is var whole and >= 0)
        {
            ids.Add(whole);
            return;
        }

        var rented = ArrayPool<int>.Shared.Rent(bytes.Length);
        var symbols = rented.AsSpan(0, _rules.StartsFromBytes ? BytesToSymbols(bytes, rented) : CharactersToSymbols(bytes, rented));
        ids.AddRange(symbols[.._merges.Apply(symbols)]);
        ArrayPool<int>.Shared.Return(rented);
    }

    /// <summary>One symbol per byte. A byte without a token becomes the unknown token, or nothing where there is none, as the vocabularies
    /// that lack control characters (Falcon) are used everywhere.</summary>
    private int BytesToSymbols(ReadOnlySpan<byte> bytes, Span<int> symbols)
    {
        var count = 0;
        foreach (var value in bytes)
            if (_byteIds[value] >= 0 || _rules.UnknownId >= 0) symbols[count++] = _byteIds[value] >= 0 ? _byteIds[value] : _rules.UnknownId;
        return count;
    }

    /// <summary>One symbol per character; a character without a token becomes its bytes' tokens if they all exist, else the unknown token.</summary>
    private int CharactersToSymbols(ReadOnlySpan<byte> bytes, Span<int> symbols)
    {
        var count = 0;
        for (var wasUnknown = false; bytes.Length > 0;)
        {
            Rune.DecodeFromUtf8(bytes, out _, out var length);
            var character = bytes[..length];
            bytes = bytes[length..];
            if (Vocabulary.Keys.IdOf(character) is var id and >= 0)
            {
                symbols[count++] = id;
            }
            else if (_rules.FallsBackToBytes && HasAllByteTokens(character))
            {
                foreach (var value in character) symbols[count++] = _byteIds[value];
            }
            else
            {
                if (_rules.UnknownId >= 0 && !(wasUnknown && _rules.FusesUnknown)) symbols[count++] = _rules.UnknownId;
                wasUnknown = true;
                continue;
            }

            wasUnknown = false;
        }

        return count;
    }

    private bool HasAllByteTokens(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            if (_byteIds[value] < 0) return false;
        return true;
    }

    private static int Unspell(ReadOnlySpan<char> piece, Span<byte> bytes)
    {
        for (var i = 0; i < piece.Length; i++) ByteAlphabet.TryGetByte(piece[i], out bytes[i]);
        return piece.Length;
    }

    private sealed record CachedPiece(byte[] Bytes, int[] Ids);
}

/// <summary>What distinguishes one byte-pair tokenizer from another, besides its tokens.</summary>
internal sealed record BytePairRules
{
    public TextNormalizer Normalizer { get; init; } = TextNormalizer.None;

    public required PreTokenizer PreTokenizer { get; init; }

    /// <summary>True for byte-level vocabularies, false where merging starts from characters.</summary>
    public bool StartsFromBytes { get; init; } = true;

    /// <summary>A piece that is a token as a whole is taken without merging.</summary>
    public bool IgnoresMerges { get; init; }

    public bool FallsBackToBytes { get; init; }

    /// <summary>Several unknown characters in a row give one unknown token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Id for what cannot be spelt, or -1 to leave it out.</summary>
    public int UnknownId { get; init; } = -1;
}
