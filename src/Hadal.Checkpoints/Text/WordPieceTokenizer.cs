using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>WordPiece of the uncased BERT family as GGUF files carry it: accents and case are dropped, text is split at white space,
/// punctuation and Chinese characters, and each word is covered from left to right by the longest tokens. Tokens that begin a word
/// are spelt with U+2581 in front.</summary>
internal sealed class WordPieceTokenizer : Tokenizer
{
    // As the published tokenizers do: what is longer is no word.
    private const int MaxWordCharacters = 100;

    private readonly AddedTokens _addedTokens;
    private readonly int _unknownId;

    public WordPieceTokenizer(Vocabulary vocabulary, IEnumerable<AddedToken> addedTokens, int unknownId, TokenizerFrame frame)
        : base(vocabulary, frame)
    {
        _addedTokens = new AddedTokens(addedTokens);
        _unknownId = unknownId;
    }

    private protected override void EncodeCore(TokenizerInput input, List<int> ids) =>
        _addedTokens.Split(input.Text, input.IsTrusted, (begin, end) => EncodeText(input.Text[begin..end], ids), token => ids.Add(token.Id));

    private void EncodeText(string text, List<int> ids)
    {
        var word = new StringBuilder();
        foreach (var rune in Normalization.Apply(text, NormalizationForm.FormD).EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
            {
                EncodeWord(word, ids);
                continue;
            }

            var category = Rune.GetUnicodeCategory(rune);
            if (category is UnicodeCategory.NonSpacingMark or UnicodeCategory.Control or UnicodeCategory.Format || rune == Rune.ReplacementChar) continue;
            if (IsPunctuation(rune, category) || IsChinese(rune.Value))
            {
                EncodeWord(word, ids);
                EncodeWord(word.Append(Rune.ToLowerInvariant(rune)), ids);
            }
            else
            {
                word.Append(Rune.ToLowerInvariant(rune));
            }
        }

        EncodeWord(word, ids);
    }

    private void EncodeWord(StringBuilder word, List<int> ids)
    {
        if (word.Length == 0) return;
        var text = Vocabulary.SpaceSign + word.ToString();
        word.Clear();
        var first = ids.Count;
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var begin = 0; begin < bytes.Length;)
        {
            var end = Math.Min(bytes.Length, begin + Vocabulary.Keys.MaxLength);
            var id = -1;
            for (; end > begin && (id = Vocabulary.Keys.IdOf(bytes.AsSpan(begin, end - begin))) < 0; end--) ;
            if (id < 0 || text.Length > 2 * MaxWordCharacters || text.EnumerateRunes().Count() > MaxWordCharacters + 1)
            {
                ids.RemoveRange(first, ids.Count - first);
                if (_unknownId >= 0) ids.Add(_unknownId);
                return;
            }

            ids.Add(id);
            begin = end;
        }
    }

    private static bool IsPunctuation(Rune rune, UnicodeCategory category) =>
        category is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation
        || (rune.IsAscii && category is >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol);

    private static bool IsChinese(int point) => point is >= 0x4E00 and <= 0x9FFF or >= 0x3400 and <= 0x4DBF or >= 0x20000 and <= 0x2A6DF
        or >= 0x2A700 and <= 0x2B73F or >= 0x2B740 and <= 0x2B81F or >= 0x2B820 and <= 0x2CEAF or >= 0xF900 and <= 0xFAFF or >= 0x2F800 and <= 0x2FA1F;
}
