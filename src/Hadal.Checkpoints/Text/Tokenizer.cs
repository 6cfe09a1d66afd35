using System.Buffers;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Turns text into the token ids of one model and back.</summary>
/// <remarks>
/// <para>Two kinds of tokens are matched in the text before it is split: user-defined ones (<c>&lt;think&gt;</c>), which are recognised
/// everywhere, and control tokens (<c>&lt;|im_start|&gt;</c>, the DeepSeek role markers), which are recognised in trusted text only. A token
/// whose text has the shape of a marker (<c>&lt;|…|&gt;</c>, or the same with U+FF5C bars) counts as a control token even where its file does
/// not say so: published distillations of DeepSeek-R1 list their role markers as ordinary additions.</para>
/// <para>A lone surrogate in the text stands for U+FFFD. Instances are immutable after loading and may be used by any number of threads.</para>
/// </remarks>
public abstract class Tokenizer
{
    private readonly TokenizerFrame _frame;

    private protected Tokenizer(Vocabulary vocabulary, TokenizerFrame frame)
    {
        Vocabulary = vocabulary;
        _frame = frame;
    }

    /// <summary>Number of token ids: highest known id + 1. A model may have more embedding rows; those ids decode to nothing.</summary>
    public int VocabSize => Vocabulary.Count;

    /// <summary>Id of the token that starts a text, or null where the model has none.</summary>
    public int? BosTokenId => _frame.BosTokenId;

    /// <summary>Ids that end a text, as the tokenizer's files name them; <c>generation_config.json</c> may add more.</summary>
    public IReadOnlyList<int> EosTokenIds => _frame.EosTokenIds;

    /// <summary>True if encoding with <c>addSpecial</c> puts <see cref="BosTokenId"/> in front.</summary>
    public bool AddsBos => BosTokenId is { } bos && _frame.Prefix.Contains(bos);

    /// <summary>The tokens.</summary>
    private protected Vocabulary Vocabulary { get; }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecial">Adds the start and end tokens that the model's family adds, also where the text already begins with one.</param>
    /// <param name="parseSpecial">Recognises control tokens in the text; when false they are plain text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public IReadOnlyList<int> Encode(string text, bool addSpecial = true, bool parseSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encode([new TextSegment(text, parseSpecial)], addSpecial);
    }

    /// <summary>Encodes a prompt made of trusted and untrusted segments. Control tokens are recognised only where they lie wholly within
    /// trusted text; otherwise the ids are those of the joined text, borders between segments leave no trace.</summary>
    /// <param name="segments">The segments in order.</param>
    /// <param name="addSpecial">As for a single text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="segments"/> or a text in it is null.</exception>
    public IReadOnlyList<int> Encode(IReadOnlyList<TextSegment> segments, bool addSpecial)
    {
        var input = TokenizerInput.Join(segments);
        var ids = new List<int>(input.Text.Length / 4 + 4);
        if (addSpecial) ids.AddRange(_frame.Prefix);
        EncodeCore(input, ids);
        if (addSpecial) ids.AddRange(_frame.Suffix);
        return ids;
    }

    /// <summary>A number of tokens that no encoding of the text is below, found without encoding it: its bytes over those of the longest
    /// token. A text that cannot fit is refused with it before it costs anything.</summary>
    /// <param name="text">The text; 0 comes back where the tokenizer may shorten texts first.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public int MinTokenCount(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return KeepsAllText ? (int)((Encoding.UTF8.GetByteCount(text) + (long)Vocabulary.MaxTokenBytes - 1) / Vocabulary.MaxTokenBytes) : 0;
    }

    /// <summary>Turns token ids into text. Bytes that are not UTF-8 become U+FFFD; ids without a token give nothing.</summary>
    /// <param name="tokenIds">Token ids.</param>
    /// <param name="skipSpecial">Leaves control tokens out; otherwise they give their literal text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tokenIds"/> is null.</exception>
    public string Decode(IEnumerable<int> tokenIds, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var tokenId in tokenIds)
            if (!skipSpecial || !IsControl(tokenId)) bytes.Write(TokenBytes(tokenId));
        return Encoding.UTF8.GetString(DecodedBytes(bytes.WrittenSpan));
    }

    /// <summary>The UTF-8 bytes a token stands for, possibly part of a character; of a control token its literal text; empty for an id
    /// without a token.</summary>
    /// <param name="tokenId">Token id.</param>
    public ReadOnlySpan<byte> TokenBytes(int tokenId) => Vocabulary.BytesOf(tokenId);

    /// <summary>True for tokens that steer the model and are no text: start, end, role markers, padding.</summary>
    /// <param name="tokenId">Token id.</param>
    public bool IsControl(int tokenId) => Vocabulary.IsControl(tokenId);

    /// <summary>Finds a token by its text as the vocabulary file spells it.</summary>
    /// <param name="content">Text, for example <c>&lt;think&gt;</c>.</param>
    /// <param name="tokenId">Its id.</param>
    public bool TryGetTokenId(string content, out int tokenId) => Vocabulary.TryGetId(content, out tokenId);

    /// <summary>A token as its vocabulary file spells it, or the empty string for an id without a token.</summary>
    /// <param name="tokenId">Token id.</param>
    public string TokenText(int tokenId) => Vocabulary.TextOf(tokenId);

    /// <summary>True if decoding drops one space at the very start, which encoding had put there.</summary>
    internal bool DropsLeadingSpace => _frame.DropsLeadingSpace;

    /// <summary>True if every byte of a text is part of the bytes of some token of its encoding.</summary>
    private protected virtual bool KeepsAllText => false;

    /// <summary>Appends the ids of the joined text, without start or end tokens.</summary>
    private protected abstract void EncodeCore(TokenizerInput input, List<int> ids);

    private ReadOnlySpan<byte> DecodedBytes(ReadOnlySpan<byte> bytes) =>
        DropsLeadingSpace && bytes.Length > 0 && bytes[0] == (byte)' ' ? bytes[1..] : bytes;
}

/// <summary>What surrounds an encoded text.</summary>
internal sealed record TokenizerFrame
{
    public int? BosTokenId { get; init; }

    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Ids put in front when special tokens are asked for.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids appended when special tokens are asked for.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];

    public bool DropsLeadingSpace { get; init; }
}
