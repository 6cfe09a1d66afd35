using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>What a token is for, with the numbers of GGUF's <c>tokenizer.ggml.token_type</c>.</summary>
internal enum TokenKind
{
    /// <summary>No token has this id.</summary>
    None = 0,

    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for what the vocabulary cannot spell.</summary>
    Unknown = 2,

    /// <summary>Steers the model; recognised in trusted text only.</summary>
    Control = 3,

    /// <summary>Matched in any text before it is split.</summary>
    UserDefined = 4,

    /// <summary>A filler that is never produced and decodes to nothing.</summary>
    Unused = 5,

    /// <summary>One byte, written <c>&lt;0x0A&gt;</c>.</summary>
    Byte = 6,
}

/// <summary>One id of a vocabulary file.</summary>
/// <param name="Text">The token as the file spells it.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="IsInModel">False for a token that only matching in the text can produce.</param>
internal readonly record struct VocabularyEntry(string Text, TokenKind Kind, bool IsInModel = true);

/// <summary>How a vocabulary file spells bytes and spaces.</summary>
internal enum VocabularySpelling
{
    /// <summary>Every byte is a character of <see cref="ByteAlphabet"/>.</summary>
    ByteLevel,

    /// <summary>Plain text with U+2581 for a space.</summary>
    SpaceSign,
}

/// <summary>The tokens of a model: text, bytes and kind by id, id by text. Immutable.</summary>
internal sealed class Vocabulary
{
    /// <summary>Bytes allowed in a token: looking one up takes time by its length. The longest published ones have about a thousand.</summary>
    private const int TokenByteLimit = 4096;

    /// <summary>Stands for a space in <see cref="VocabularySpelling.SpaceSign"/>.</summary>
    public const char SpaceSign = '\u2581';

    private readonly VocabularySpelling _spelling;
    private readonly TokenTable _bytes;
    private readonly TokenKind[] _kinds;
    private readonly Dictionary<int, string> _texts = [];
    private readonly Dictionary<string, int> _ids = [];

    /// <summary>Builds the vocabulary.</summary>
    /// <param name="entries">By id; an entry of kind <see cref="TokenKind.None"/> is a hole.</param>
    /// <param name="spelling">How the file spells its normal tokens.</param>
    public Vocabulary(IReadOnlyList<VocabularyEntry> entries, VocabularySpelling spelling)
    {
        _spelling = spelling;
        _kinds = [.. entries.Select(entry => entry.Kind)];
        var keys = new byte[]?[entries.Count];
        var bytes = new byte[]?[entries.Count];
        for (var id = 0; id < entries.Count; id++)
        {
            var (text, kind, isInModel) = entries[id];
            if (kind == TokenKind.None) continue;
            var key = spelling == VocabularySpelling.ByteLevel ? ByteAlphabet.Unspell(text) : Encoding.UTF8.GetBytes(text);
            if (key.Length > TokenByteLimit) throw new CheckpointException($"token {id} has {key.Length} bytes, allowed are {TokenByteLimit}");
            if (isInModel && kind is TokenKind.Normal or TokenKind.UserDefined or TokenKind.Byte) keys[id] = key;
            bytes[id] = kind switch
            {
                TokenKind.Unused => [],
                TokenKind.Byte when TryParseByte(text, out var value) => [value],
                TokenKind.Normal or TokenKind.Byte when spelling == VocabularySpelling.ByteLevel => key,
                TokenKind.Control or TokenKind.Unknown => Encoding.UTF8.GetBytes(text),
                _ when spelling == VocabularySpelling.SpaceSign => Encoding.UTF8.GetBytes(text.Replace(SpaceSign, ' ')),
                _ => Encoding.UTF8.GetBytes(text),
            };
            if (keys[id] is null || KeyText(key) != text)
            {
                _texts.Add(id, text);
                _ids.TryAdd(text, id);
            }
        }

        Keys = new TokenTable(keys);
        _bytes = new TokenTable(bytes);
    }

    /// <summary>Number of ids.</summary>
    public int Count => _kinds.Length;

    /// <summary>The byte strings that merging works on, of the tokens it may produce.</summary>
    public TokenTable Keys { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int MaxTokenBytes => _bytes.MaxLength;

    /// <summary>What a token is for; <see cref="TokenKind.None"/> for an id outside the vocabulary.</summary>
    public TokenKind KindOf(int id) => (uint)id < (uint)_kinds.Length ? _kinds[id] : TokenKind.None;

    /// <summary>True for tokens that are no text.</summary>
    public bool IsControl(int id) => KindOf(id) is TokenKind.Control or TokenKind.Unknown;

    /// <summary>The bytes a token stands for.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => _bytes[id];

    /// <summary>A token as its file spells it.</summary>
    public string TextOf(int id) => _texts.TryGetValue(id, out var text) ? text : KeyText(Keys[id]);

    /// <summary>Finds a token by its spelling.</summary>
    public bool TryGetId(string text, out int id)
    {
        if (_ids.TryGetValue(text, out id)) return true;
        id = Keys.IdOf(_spelling == VocabularySpelling.ByteLevel ? ByteAlphabet.Unspell(text) : Encoding.UTF8.GetBytes(text));
        return id >= 0 && TextOf(id) == text;
    }

    /// <summary>Id of the token for each byte, or -1: of one byte in a byte-level vocabulary, otherwise <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
    public int[] ByteIds()
    {
        var ids = new int[256];
        for (var value = 0; value < 256; value++)
        {
            ids[value] = _spelling == VocabularySpelling.ByteLevel ? Keys.IdOf([(byte)value])
                : TryGetId(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"), out var id) ? id : -1;
        }

        return ids;
    }

    /// <summary>Reads <c>&lt;0x0A&gt;</c>.</summary>
    public static bool TryParseByte(string text, out byte value)
    {
        value = 0;
        return text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
            && byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    private string KeyText(ReadOnlySpan<byte> key) => _spelling == VocabularySpelling.ByteLevel ? ByteAlphabet.Spell(key) : Encoding.UTF8.GetString(key);
}
