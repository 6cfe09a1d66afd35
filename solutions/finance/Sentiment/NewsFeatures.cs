using System.Globalization;

namespace Hadal.Finance.Sentiment;

/// <summary>What the word model sees of a text, in three groups: runs of words, runs of letters, and what moved which way.</summary>
public static class NewsFeatures
{
    /// <summary>Names of the groups.</summary>
    public static IReadOnlyList<string> Groups { get; } = ["words", "letters", "moves"];

    private const int LongestWords = 3, ShortestLetters = 3, LongestLetters = 5, LongestSigns = 3;

    /// <summary>Features by group; a feature may occur more than once.</summary>
    /// <param name="text">English, Chinese or both.</param>
    public static IReadOnlyList<string>[] Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = NewsWord.Split(text);
        return [WordRuns(words), LetterRuns(words), Moves.Of(words)];
    }

    /// <summary>A plain measure of tone: words of praise against words of blame, −1 to 1.</summary>
    public static double ToneOf(string text)
    {
        var found = Tone.Of(NewsWord.Split(text)).ToList();
        int good = found.Count(feature => feature.StartsWith("praise", StringComparison.Ordinal)), bad = found.Count(feature => feature.StartsWith("blame", StringComparison.Ordinal));
        return good + bad == 0 ? 0 : (double)(good - bad) / (good + bad);
    }

    private static List<string> WordRuns(IReadOnlyList<NewsWord> words)
    {
        var found = new List<string>();
        var shapes = words.Select(word => word.Shape).Prepend("^").Append("$").ToList();
        for (var begin = 0; begin < shapes.Count; begin++)
            for (var length = 1; length <= LongestWords && begin + length <= shapes.Count; length++) found.Add(string.Join(' ', shapes.GetRange(begin, length)));

        // Pairs with one word between: "sales (net) rose".
        for (var begin = 0; begin + 2 < shapes.Count; begin++) found.Add(shapes[begin] + " _ " + shapes[begin + 2]);
        return found;
    }

    private static List<string> LetterRuns(IReadOnlyList<NewsWord> words)
    {
        var found = new List<string>();
        for (var index = 0; index < words.Count; index++)
        {
            if (words[index].Number is not null) continue;
            if (words[index].IsSign)
            {
                var run = "";
                for (var end = index; end < words.Count && end < index + LongestSigns && words[end].IsSign; end++) found.Add(run += words[end].Shape);
                continue;
            }

            var padded = "<" + words[index].Shape + ">";
            for (var begin = 0; begin < padded.Length; begin++)
                for (var length = ShortestLetters; length <= LongestLetters && begin + length <= padded.Length; length++) found.Add(padded.Substring(begin, length));
        }

        return found;
    }
}

/// <summary>A word of a text: letters, a number, a Chinese character, or a mark. A character of two UTF-16 units is one word; half of such a pair has the shape of the replacement character, as files would have it.</summary>
/// <param name="Text">Its characters, without spaces inside a number.</param>
/// <param name="Begin">Where it begins, in UTF-16 units.</param>
/// <param name="Length">How long it is where it stands, in UTF-16 units.</param>
/// <param name="Shape">In lower case; digits as 0.</param>
/// <param name="Number">Its value where it is a number; null elsewhere.</param>
public sealed record NewsWord(string Text, int Begin, int Length, string Shape, double? Number)
{
    private const char FirstSign = '\u2E80';
    private const string Replacement = "\uFFFD";

    /// <summary>Whether it is a Chinese character.</summary>
    public bool IsSign => Text[0] >= FirstSign;

    /// <summary>The words of a text in order.</summary>
    public static IReadOnlyList<NewsWord> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = new List<NewsWord>();
        for (var begin = 0; begin < text.Length;)
        {
            var end = begin + 1;
            if (char.IsWhiteSpace(text[begin]))
            {
                begin = end;
                continue;
            }

            if (char.IsSurrogatePair(text, begin)) end++;
            else if (char.IsDigit(text[begin])) end = EndOfNumber(text, end);
            else if (IsLetter(text[begin])) while (end < text.Length && (IsLetter(text[end]) || (text[end] is '-' or '\'' && end + 1 < text.Length && IsLetter(text[end + 1])))) end++;
            var word = text[begin..end].Replace(" ", "", StringComparison.Ordinal);
            words.Add(char.IsDigit(word[0]) ? new NewsWord(word, begin, end - begin, Digits(word), Value(word)) : new NewsWord(word, begin, end - begin, IsHalf(word) ? Replacement : word.ToLowerInvariant(), null));
            begin = end;
        }

        return words;
    }

    /// <summary>Numbers go on behind a point or comma, also where news write "13 .1".</summary>
    private static int EndOfNumber(string text, int end)
    {
        while (end < text.Length)
        {
            if (char.IsDigit(text[end])) end++;
            else if (text[end] is '.' or ',' && end + 1 < text.Length && char.IsDigit(text[end + 1])) end += 2;
            else if (text[end] == ' ' && end + 2 < text.Length && text[end + 1] == '.' && char.IsDigit(text[end + 2])) end += 3;
            else break;
        }

        return end;
    }

    private static bool IsHalf(string word) => word.Length == 1 && char.IsSurrogate(word[0]);

    private static bool IsLetter(char letter) => char.IsLetter(letter) && letter < FirstSign;

    /// <summary>Years stay apart from amounts; of amounts only the form counts.</summary>
    private static string Digits(string word) => word.Length == 4 && word.All(char.IsAsciiDigit) && word[0] is '1' or '2' && word[1] is '9' or '0' ? "year" : new string([.. word.Select(letter => char.IsDigit(letter) ? '0' : letter)]);

    private static double? Value(string word) => double.TryParse(word.Replace(",", "", StringComparison.Ordinal), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null;
}
