using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Text;

namespace Hadal.Inference.Grammars;

/// <summary>The tokens of a vocabulary by their bytes, arranged for the computation of masks: built once, then shared by all grammars, immutable.</summary>
/// <remarks>Control tokens have no place in it, and neither have ids without a token: no grammar allows them. Tokens that end the text are
/// allowed where a text is complete.</remarks>
public sealed class TokenTrie
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenTrie> Built = [];

    private readonly byte[][] _tokens;

    /// <summary>Arranges tokens given by their bytes.</summary>
    /// <param name="tokens">Bytes of every token id; empty for ids that no grammar allows.</param>
    /// <param name="endTokenIds">Ids that end a text.</param>
    /// <exception cref="ArgumentOutOfRangeException">An end token lies outside of the vocabulary.</exception>
    public TokenTrie(IReadOnlyList<byte[]> tokens, IReadOnlyList<int> endTokenIds)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(endTokenIds);
        foreach (var id in endTokenIds)
            if ((uint)id >= (uint)tokens.Count) throw new ArgumentOutOfRangeException(nameof(endTokenIds), $"end token {id} is not within the vocabulary of {tokens.Count} tokens");
        _tokens = [.. tokens];
        EndTokenIds = [.. endTokenIds];
        foreach (var id in endTokenIds) _tokens[id] = [];
        var ids = Enumerable.Range(0, _tokens.Length).Where(id => _tokens[id].Length > 0).ToArray();
        Whole = TrieNodes.Build(ids, id => _tokens[id]);
        MaxTokenBytes = ids.Length == 0 ? 0 : ids.Max(id => _tokens[id].Length);
        Plain = new PlainTokens(_tokens, ids, MaskLength);
    }

    /// <summary>Number of token ids.</summary>
    public int VocabSize => _tokens.Length;

    /// <summary>Words of 64 bits in a mask; bit <c>i &amp; 63</c> of word <c>i / 64</c> belongs to token <c>i</c>.</summary>
    public int MaskLength => (_tokens.Length + 63) / 64;

    /// <summary>Length of the longest token in bytes.</summary>
    public int MaxTokenBytes { get; }

    /// <summary>Ids that end a text.</summary>
    public IReadOnlyList<int> EndTokenIds { get; }

    /// <summary>The tokenizer the tokens came from, or null.</summary>
    internal Tokenizer? Tokenizer { get; private init; }

    /// <summary>All tokens.</summary>
    internal TrieNodes Whole { get; }

    /// <summary>What is known of tokens that are plain text.</summary>
    internal PlainTokens Plain { get; }

    /// <summary>The tokens of a tokenizer; built at the first call for it and these end tokens.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="endTokenIds">Ids that end a text; those its files name where null. Ids outside of the vocabulary count for nothing.</param>
    public static TokenTrie Of(Tokenizer tokenizer, IReadOnlyList<int>? endTokenIds = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        int[] ends = [.. (endTokenIds ?? tokenizer.EosTokenIds).Where(id => (uint)id < (uint)tokenizer.VocabSize)];
        if (Built.TryGetValue(tokenizer, out var built) && built.EndTokenIds.SequenceEqual(ends)) return built;
        built = new TokenTrie([.. Enumerable.Range(0, tokenizer.VocabSize).Select(id => tokenizer.IsControl(id) ? [] : tokenizer.TokenBytes(id).ToArray())], ends)
        {
            Tokenizer = tokenizer,
        };
        Built.AddOrUpdate(tokenizer, built);
        return built;
    }

    /// <summary>Bytes of a token; empty for control tokens, end tokens and ids without a token.</summary>
    /// <param name="tokenId">Token id.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokenId"/> is outside of the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int tokenId)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokenId);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(tokenId, _tokens.Length);
        return _tokens[tokenId];
    }

    /// <summary>True if the token ends a text.</summary>
    /// <param name="tokenId">Token id.</param>
    public bool IsEnd(int tokenId) => EndTokenIds.Contains(tokenId);
}
