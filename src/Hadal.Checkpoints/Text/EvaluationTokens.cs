using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Held-out text as the tokens whose probabilities are measured; training and engine measure the same because both read it here.</summary>
/// <remarks>The text is one document: a start token that is context only (token 0 where the model has none), then the text's tokens. Long texts are
/// encoded in pieces of at most <see cref="MaxPieceCharacters"/> UTF-16 units that end behind a line end where there is one.</remarks>
public sealed class EvaluationTokens
{
    /// <summary>UTF-16 units of a piece at most.</summary>
    public const int MaxPieceCharacters = 1 << 16;

    private readonly Tokenizer _tokenizer;
    private readonly TextReader _text;

    /// <summary>Prepares to read.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="text">The text; read to its end, left open.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public EvaluationTokens(Tokenizer tokenizer, TextReader text)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(text);
        _tokenizer = tokenizer;
        _text = text;
    }

    /// <summary>UTF-8 bytes of the text read so far.</summary>
    public long ByteCount { get; private set; }

    /// <summary>The start token, then the tokens of the text; can be read once.</summary>
    public IEnumerable<int> Read()
    {
        yield return _tokenizer.BosTokenId ?? 0;
        foreach (var piece in Pieces(_text))
        {
            ByteCount += Encoding.UTF8.GetByteCount(piece);
            foreach (var tokenId in _tokenizer.Encode(piece, addSpecial: false)) yield return tokenId;
        }
    }

    /// <summary>Cuts a text behind line ends, so that encoding works on pieces of bounded length.</summary>
    /// <param name="text">The text; read to its end.</param>
    /// <returns>Pieces that join to the text.</returns>
    public static IEnumerable<string> Pieces(TextReader text)
    {
        ArgumentNullException.ThrowIfNull(text);

        // One unit more than a piece tells whether the text goes on.
        var units = new char[MaxPieceCharacters + 1];
        var count = 0;
        while (true)
        {
            count += text.ReadBlock(units, count, units.Length - count);
            if (count <= MaxPieceCharacters) break;
            var cut = Array.LastIndexOf(units, '\n', MaxPieceCharacters - 1, MaxPieceCharacters) + 1;
            if (cut == 0) cut = MaxPieceCharacters - (char.IsHighSurrogate(units[MaxPieceCharacters - 1]) ? 1 : 0);
            yield return new string(units, 0, cut);
            count -= cut;
            Array.Copy(units, cut, units, 0, count);
        }

        yield return new string(units, 0, count);
    }
}
