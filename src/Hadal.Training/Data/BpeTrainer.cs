using System.Runtime.InteropServices;
using System.Text;
using Hadal.Checkpoints.Text;

namespace Hadal.Training.Data;

/// <summary>What <see cref="BpeTrainer"/> learns and reserves.</summary>
public sealed record BpeTrainerOptions
{
    /// <summary>Number of tokens to end with: special tokens, the 256 bytes, and merges.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Special tokens in id order from 0; the first two are the start and the end of a text.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"];

    /// <summary>A pair seen fewer times than this is not merged. Default 2: a pair seen once is no pattern.</summary>
    public int MinPairCount { get; init; } = 2;

    /// <summary>Longest token, in bytes. Default 64, so that a ruled line of dashes does not become one token after another.</summary>
    public int MaxTokenBytes { get; init; } = 64;
}

/// <summary>A learnt byte-level BPE vocabulary.</summary>
/// <param name="SpecialTokens">Special tokens, ids from 0.</param>
/// <param name="Tokens">Bytes of the other tokens, ids after the special ones: the 256 bytes in order, then merges in the order learnt.</param>
/// <param name="Merges">Pairs of token ids, in the order learnt.</param>
public sealed record BpeVocabulary(
    IReadOnlyList<string> SpecialTokens, IReadOnlyList<byte[]> Tokens, IReadOnlyList<(int Left, int Right)> Merges)
{
    /// <summary>Number of tokens with the special ones.</summary>
    public int Size => SpecialTokens.Count + Tokens.Count;
}

/// <summary>Learns byte-level byte-pair encoding: starting from bytes, the most frequent neighbouring pair becomes a token, again and again.</summary>
/// <remarks>Sennrich, Haddow and Birch 2016, arXiv:1508.07909, over bytes. Pairs never cross the border of a pre-token. Equal counts go to the
/// pair with the lower ids, so the result depends only on the counts of pre-tokens, not on their order in the text.</remarks>
public static class BpeTrainer
{
    /// <summary>Counts the pre-tokens of DeepSeek-V3 and learns the vocabulary that <see cref="TokenizerFiles"/> writes.</summary>
    /// <param name="texts">The training text in pieces of any size; no pre-token crosses from one to the next.</param>
    /// <param name="options">Size and special tokens.</param>
    /// <exception cref="ArgumentException">The vocabulary has no room for the bytes, or a special token stands twice.</exception>
    public static BpeVocabulary Train(IEnumerable<string> texts, BpeTrainerOptions options) => Train(texts, PreTokenization.DeepSeekV3, options);

    /// <summary>Counts pre-tokens and learns the vocabulary.</summary>
    /// <param name="texts">The training text in pieces of any size; no pre-token crosses from one to the next.</param>
    /// <param name="preTokenize">Splits a text into pre-tokens, as the tokenizer will.</param>
    /// <param name="options">Size and special tokens.</param>
    /// <param name="cancellation">Looked at between texts and between merges.</param>
    /// <exception cref="ArgumentException">The vocabulary has no room for the bytes, or a special token stands twice.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static BpeVocabulary Train(
        IEnumerable<string> texts, Func<string, IEnumerable<string>> preTokenize, BpeTrainerOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(preTokenize);
        ArgumentNullException.ThrowIfNull(options);
        var mergeCount = options.VocabSize - options.SpecialTokens.Count - 256;
        if (mergeCount < 0)
            throw new ArgumentException($"vocab_size: expected at least {options.SpecialTokens.Count + 256} (special tokens and bytes), got {options.VocabSize}");
        if (options.SpecialTokens.Distinct().Count() != options.SpecialTokens.Count)
            throw new ArgumentException("special_tokens: expected different tokens, one stands twice");

        Dictionary<string, long> counts = [];
        foreach (var text in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var piece in preTokenize(text)) CollectionsMarshal.GetValueRefOrAddDefault(counts, piece, out _)++;
        }

        return new Learner(counts, options).Learn(mergeCount, cancellation);
    }

    /// <summary>The state of one training: words as token ids, pair counts, and where each pair occurs.</summary>
    private sealed class Learner
    {
        private readonly BpeTrainerOptions _options;
        private readonly int _firstId;
        private readonly List<byte[]> _tokens = [];
        private readonly List<(int Left, int Right)> _merges = [];
        private readonly List<List<int>> _words = [];
        private readonly List<long> _wordCounts = [];
        private readonly Dictionary<(int Left, int Right), long> _pairCounts = [];
        private readonly Dictionary<(int Left, int Right), HashSet<int>> _pairWords = [];

        // Highest count first, then lowest ids. Entries go stale when a count changes; they are checked when they come up.
        private readonly PriorityQueue<(int Left, int Right), (long NegativeCount, int Left, int Right)> _queue = new();

        public Learner(Dictionary<string, long> counts, BpeTrainerOptions options)
        {
            _options = options;
            _firstId = options.SpecialTokens.Count;
            for (var value = 0; value < 256; value++) _tokens.Add([(byte)value]);
            foreach (var (word, count) in counts)
            {
                List<int> ids = [];
                foreach (var value in Encoding.UTF8.GetBytes(word)) ids.Add(_firstId + value);
                if (ids.Count < 2) continue;
                var index = _words.Count;
                _words.Add(ids);
                _wordCounts.Add(count);
                for (var i = 0; i + 1 < ids.Count; i++) Count((ids[i], ids[i + 1]), count, index);
            }

            foreach (var pair in _pairCounts.Keys) Enqueue(pair);
        }

        public BpeVocabulary Learn(int mergeCount, CancellationToken cancellation)
        {
            while (_merges.Count < mergeCount && _queue.TryDequeue(out var pair, out var priority))
            {
                cancellation.ThrowIfCancellationRequested();
                var count = _pairCounts.GetValueOrDefault(pair);
                if (count != -priority.NegativeCount)
                {
                    if (count > 0) Enqueue(pair);
                    continue;
                }

                if (count < _options.MinPairCount) break;
                byte[] bytes = [.. Bytes(pair.Left), .. Bytes(pair.Right)];
                if (bytes.Length > _options.MaxTokenBytes) continue;

                var id = _firstId + _tokens.Count;
                _tokens.Add(bytes);
                _merges.Add(pair);
                Merge(pair, id);
            }

            return new BpeVocabulary(_options.SpecialTokens, _tokens, _merges);
        }

        private byte[] Bytes(int id) => _tokens[id - _firstId];

        private void Merge((int Left, int Right) pair, int id)
        {
            HashSet<(int Left, int Right)> touched = [];
            foreach (var wordIndex in _pairWords[pair])
            {
                var word = _words[wordIndex];
                var count = _wordCounts[wordIndex];
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] != pair.Left || word[i + 1] != pair.Right) continue;
                    if (i > 0) Replace((word[i - 1], pair.Left), (word[i - 1], id));
                    if (i + 2 < word.Count) Replace((pair.Right, word[i + 2]), (id, word[i + 2]));
                    word[i] = id;
                    word.RemoveAt(i + 1);
                }

                void Replace((int Left, int Right) old, (int Left, int Right) created)
                {
                    if (old != pair)
                    {
                        _pairCounts[old] -= count;
                        touched.Add(old);
                    }

                    Count(created, count, wordIndex);
                    touched.Add(created);
                }
            }

            _pairCounts.Remove(pair);
            _pairWords.Remove(pair);
            foreach (var changed in touched)
            {
                if (changed == pair) continue;
                if (_pairCounts[changed] > 0) Enqueue(changed);
                else _pairCounts.Remove(changed);
            }
        }

        private void Count((int Left, int Right) pair, long count, int wordIndex)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_pairCounts, pair, out _) += count;
            ref var words = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairWords, pair, out _);
            (words ??= []).Add(wordIndex);
        }

        private void Enqueue((int Left, int Right) pair) => _queue.Enqueue(pair, (-_pairCounts[pair], pair.Left, pair.Right));
    }
}
