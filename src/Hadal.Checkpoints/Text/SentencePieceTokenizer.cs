using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>SentencePiece byte-pair models as GGUF files carry them: spaces become U+2581, one is put before each stretch of text, and
/// neighbours are merged while their joined text is a token, highest score first. What is no token in the end becomes bytes.</summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private readonly AddedTokens _addedTokens;
    private readonly float[] _scores;
    private readonly int[] _byteIds;
    private readonly bool _addsSpace;
    private readonly int _unknownId;

    public SentencePieceTokenizer(
        Vocabulary vocabulary, float[] scores, IEnumerable<AddedToken> addedTokens, bool addsSpace, int unknownId, TokenizerFrame frame)
        : base(vocabulary, frame)
    {
        _addedTokens = new AddedTokens(addedTokens);
        _scores = scores;
        _byteIds = vocabulary.ByteIds();
        _addsSpace = addsSpace;
        _unknownId = unknownId;
    }

    private protected override void EncodeCore(TokenizerInput input, List<int> ids) =>
        _addedTokens.Split(input.Text, input.IsTrusted, (begin, end) => EncodeText(input.Text.AsSpan(begin, end - begin), ids), token => ids.Add(token.Id));

    private void EncodeText(ReadOnlySpan<char> text, List<int> ids)
    {
        var spelled = (_addsSpace ? " " : "") + text.ToString();
        var bytes = Encoding.UTF8.GetBytes(spelled.Replace(' ', Vocabulary.SpaceSign));
        var symbols = Merge(bytes);
        for (var begin = 0; begin < bytes.Length; begin = symbols[begin].End) Emit(bytes.AsSpan(begin, symbols[begin].End - begin), ids);
    }

    private void Emit(ReadOnlySpan<byte> symbol, List<int> ids)
    {
        if (Vocabulary.Keys.IdOf(symbol) is var id and >= 0)
        {
            ids.Add(id);
            return;
        }

        foreach (var value in symbol)
            if (_byteIds[value] >= 0 || _unknownId >= 0) ids.Add(_byteIds[value] >= 0 ? _byteIds[value] : _unknownId);
    }

    /// <summary>Merges the characters of a text. A symbol is found under the offset of its first byte.</summary>
    private Symbol[] Merge(ReadOnlySpan<byte> bytes)
    {
        var symbols = new Symbol[bytes.Length];
        var queue = new PriorityQueue<(int Begin, int Length), ulong>();
        for (int begin = 0, previous = -1; begin < bytes.Length;)
        {
            Rune.DecodeFromUtf8(bytes[begin..], out _, out var length);
            symbols[begin] = new Symbol(previous, begin + length);
            if (previous >= 0) Enqueue(queue, bytes, previous, begin + length);
            previous = begin;
            begin += length;
        }

        while (queue.TryDequeue(out var candidate, out _))
        {
            var (begin, length) = candidate;
            var middle = symbols[begin].End;
            // A symbol that was merged away ends where it begins; one that has grown since makes another length.
            if (middle == begin || middle >= bytes.Length || symbols[middle].End - begin != length) continue;
            var end = symbols[middle].End;
            symbols[begin] = symbols[begin] with { End = end };
            symbols[middle] = new Symbol(begin, middle);
            if (end < bytes.Length)
            {
                symbols[end] = symbols[end] with { Previous = begin };
                Enqueue(queue, bytes, begin, symbols[end].End);
            }

            if (symbols[begin].Previous >= 0) Enqueue(queue, bytes, symbols[begin].Previous, end);
        }

        return symbols;
    }

    private void Enqueue(PriorityQueue<(int Begin, int Length), ulong> queue, ReadOnlySpan<byte> bytes, int begin, int end)
    {
        var id = Vocabulary.Keys.IdOf(bytes[begin..end]);
        if (id >= 0) queue.Enqueue((begin, end - begin), ((ulong)DescendingOrder(_scores[id]) << 32) | (uint)begin);
    }

    /// <summary>A number that is smaller for a higher score.</summary>
    private static uint DescendingOrder(float score)
    {
        var bits = BitConverter.SingleToInt32Bits(score + 0f);
        return bits < 0 ? (uint)bits : (uint)(int.MaxValue - bits);
    }

    private readonly record struct Symbol(int Previous, int End);
}
