using System.Text.RegularExpressions;

namespace Hadal.Training.Data.Instructions;

/// <summary>Words of the texts that the model was pretrained on, so that what is done to words is learnt for all of them and not for a list.</summary>
internal sealed partial class Vocabulary
{
    private const int OftenEnough = 12;

    private readonly List<string> _words, _wordsZh;

    /// <summary>Takes the words that these texts have often enough.</summary>
    public Vocabulary(IEnumerable<string> english, IEnumerable<string> chinese)
    {
        _words = Often(english.SelectMany(text => Word().Matches(text)).Select(match => match.Value));
        _wordsZh = Often(chinese.SelectMany(text => Pair().Matches(text)).Select(match => match.Value));
        if (_words.Count == 0) _words = [.. Words.Pairs.Select(pair => pair.En)];
        if (_wordsZh.Count == 0) _wordsZh = [.. Words.Pairs.Select(pair => pair.Zh)];
    }

    /// <summary>A word: half of them of the lists that other tasks use, too.</summary>
    public string Any(Draw draw, bool isChinese) => draw.Next(6) switch
    {
        0 => isChinese ? draw.Of(Words.Pairs).Zh : draw.Of(Words.Pairs).En,
        1 => isChinese ? draw.Of(Words.Nouns).Zh : draw.Of(Words.Nouns).En,
        2 => isChinese ? draw.Of(Words.NamesZh) : draw.Of(Words.Names),
        _ => draw.From(isChinese ? _wordsZh : _words),
    };

    /// <summary>So many different words.</summary>
    public string[] Several(Draw draw, bool isChinese, int count)
    {
        var words = new List<string>();
        while (words.Count < count)
            if (Any(draw, isChinese) is var word && !words.Contains(word)) words.Add(word);

        return [.. words];
    }

    private static List<string> Often(IEnumerable<string> words) =>
        [.. words.CountBy(word => word, StringComparer.Ordinal).Where(pair => pair.Value >= OftenEnough).Select(pair => pair.Key).Order(StringComparer.Ordinal)];

    [GeneratedRegex(@"(?<![A-Za-z'])[a-z]{3,10}(?![A-Za-z'])")]
    private static partial Regex Word();

    // Two signs between marks or the ends of a line, which are words more often than others are.
    [GeneratedRegex(@"(?<![一-鿿])[一-鿿]{2}(?![一-鿿])|(?<=[，。、：；\n])[一-鿿]{2}")]
    private static partial Regex Pair();
}
