namespace Hadal.Inference.Grammars;

/// <summary>Tokens seen as plain text followed by something else. Plain are the characters that stand for themselves in a string of JSON and in most
/// quoted text: U+0020 to U+007E without the quotation mark and the backslash, and all from U+0080 on but those of <see cref="Utf8Lead"/>.</summary>
/// <remarks>Where a lexeme takes any plain character and stays as it is, all plain tokens are allowed, and a token of plain text and a rest is
/// allowed if its rest is. There are few different rests, so that a mask costs a copy and a short walk instead of a walk over all tokens.</remarks>
internal sealed class PlainTokens
{
    /// <summary>More leading plain characters than this are counted as none; the token is then walked as a whole.</summary>
    public const int MaxCharacters = 160;

    private readonly ulong[][] _wholeUpTo;
    private readonly ulong[]?[] _wholeFrom = new ulong[256][];
    private readonly TrieNodes?[] _restsAfter;
    private readonly ulong[][] _longerThan;

    public PlainTokens(byte[][] tokens, int[] ids, int maskLength)
    {
        FirstBytes = new byte[tokens.Length];
        var prefixes = new (int Characters, int Bytes)[tokens.Length];
        Prefixes = prefixes;
        foreach (var id in ids)
        {
            FirstBytes[id] = tokens[id][0];
            prefixes[id] = Prefix(tokens[id]);
            if (prefixes[id].Characters > MaxCharacters) prefixes[id] = default;
            MaxPrefix = Math.Max(MaxPrefix, prefixes[id].Characters);
        }
        _wholeUpTo = WholeMasks(tokens, ids, prefixes, maskLength);

        var rests = ids.Where(id => prefixes[id].Bytes < tokens[id].Length).ToArray();
        WithRest = [.. rests.OrderByDescending(id => tokens[id].Length)];
        _longerThan = LongerMasks(tokens, ids, maskLength);
        _restsAfter = new TrieNodes?[MaxPrefix + 1];
        foreach (var group in rests.GroupBy(id => prefixes[id].Characters))
            _restsAfter[group.Key] = TrieNodes.Build([.. group], id => tokens[id].AsMemory(prefixes[id].Bytes));
        RestsAfterAny = TrieNodes.Build([.. rests], id => tokens[id].AsMemory(prefixes[id].Bytes));
        RestsAfterSome = TrieNodes.Build([.. rests.Where(id => prefixes[id].Characters > 0)], id => tokens[id].AsMemory(prefixes[id].Bytes));
    }

    /// <summary>First byte of every token.</summary>
    public byte[] FirstBytes { get; }

    /// <summary>Number of plain characters every token begins with, and of their bytes.</summary>
    public (int Characters, int Bytes)[] Prefixes { get; }

    /// <summary>Tokens that are not plain characters only, the longest first.</summary>
    public int[] WithRest { get; }

    /// <summary>Most plain characters a token begins with.</summary>
    public int MaxPrefix { get; }

    /// <summary>The rests of tokens that begin with any number of plain characters.</summary>
    public TrieNodes RestsAfterAny { get; }

    /// <summary>The rests of tokens that begin with at least one plain character.</summary>
    public TrieNodes RestsAfterSome { get; }

    /// <summary>True for the plain characters of one byte.</summary>
    public static bool IsPlainAscii(byte value) => value is >= 0x20 and <= 0x7E and not (byte)'"' and not (byte)'\\';

    /// <summary>Tokens of plain characters only, at most so many.</summary>
    public ReadOnlySpan<ulong> WholeUpTo(int characters) => _wholeUpTo[Math.Min(characters, MaxPrefix)];

    /// <summary>Tokens of more than so many bytes; empty where there are none.</summary>
    public ReadOnlySpan<ulong> LongerThan(int bytes) => bytes < _longerThan.Length ? _longerThan[bytes] : [];

    /// <summary>Tokens of plain characters only that begin with a byte; empty where there are none.</summary>
    public ReadOnlySpan<ulong> WholeFrom(byte first) => _wholeFrom[first];

    /// <summary>The rests of tokens that begin with so many plain characters, or null where there are none.</summary>
    public TrieNodes? RestsAfter(int characters) => characters <= MaxPrefix ? _restsAfter[characters] : null;

    private ulong[][] WholeMasks(byte[][] tokens, int[] ids, (int Characters, int Bytes)[] prefixes, int maskLength)
    {
        var masks = new ulong[MaxPrefix + 1][];
        for (var characters = 0; characters <= MaxPrefix; characters++) masks[characters] = new ulong[maskLength];
        foreach (var id in ids)
        {
            if (prefixes[id].Bytes != tokens[id].Length) continue;
            masks[prefixes[id].Characters][id >> 6] |= 1UL << id;
            (_wholeFrom[FirstBytes[id]] ??= new ulong[maskLength])[id >> 6] |= 1UL << id;
        }
        for (var characters = 1; characters <= MaxPrefix; characters++)
            TokenMask.Or(masks[characters], masks[characters - 1]);
        return masks;
    }

    private static ulong[][] LongerMasks(byte[][] tokens, int[] ids, int maskLength)
    {
        var masks = new ulong[Math.Min(ids.Length == 0 ? 0 : ids.Max(id => tokens[id].Length), MaxCharacters)][];
        for (var bytes = 0; bytes < masks.Length; bytes++) masks[bytes] = new ulong[maskLength];
        foreach (var id in ids)
            for (var bytes = 0; bytes < Math.Min(tokens[id].Length, masks.Length); bytes++) masks[bytes][id >> 6] |= 1UL << id;
        return masks;
    }

    /// <summary>Number of whole plain characters a token begins with, and their bytes.</summary>
    private static (int Characters, int Bytes) Prefix(byte[] token)
    {
        var (characters, index) = (0, 0);
        while (index < token.Length)
        {
            if (IsPlainAscii(token[index])) index++;
            else if (Utf8Lead.TryGet(token[index], out var length, out var low, out var high) && IsCharacter(token.AsSpan(index), length, low, high)) index += length;
            else break;
            characters++;
        }
        return (characters, index);
    }

    private static bool IsCharacter(ReadOnlySpan<byte> bytes, int length, byte low, byte high)
    {
        if (bytes.Length < length || bytes[1] < low || bytes[1] > high) return false;
        for (var index = 2; index < length; index++)
            if ((bytes[index] & 0xC0) != 0x80) return false;
        return true;
    }
}
