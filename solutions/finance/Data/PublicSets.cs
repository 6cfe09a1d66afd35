using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hadal.Finance.Data;

/// <summary>Financial PhraseBank (Malo et al. 2014): lines <c>sentence@label</c> in ISO-8859-1, a file for each level on which readers agreed.</summary>
public static class PhraseBank
{
    private static readonly (string Name, double Weight)[] Levels = [("Sentences_66Agree.txt", 0.8), ("Sentences_75Agree.txt", 0.9), ("Sentences_AllAgree.txt", 1)];

    /// <summary>Reads a file; a sentence that stands there more than once is taken once.</summary>
    /// <param name="path">For example <c>Sentences_50Agree.txt</c>. Where the files of higher agreement are beside it, sentences count by their level.</param>
    /// <exception cref="InvalidDataException">A line has no label.</exception>
    public static IReadOnlyList<LabelledText> Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var weights = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var (name, weight) in Levels)
        {
            var level = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);
            if (!File.Exists(level)) continue;
            foreach (var text in Sentences(level)) weights[text.Text] = weight;
        }

        return [.. Sentences(path).DistinctBy(text => text.Text).Select(text => text with { Weight = weights.GetValueOrDefault(text.Text, 0.65) })];
    }

    private static IEnumerable<LabelledText> Sentences(string path)
    {
        var number = 0;
        foreach (var line in File.ReadLines(path, Encoding.Latin1))
        {
            number++;
            var at = line.LastIndexOf('@');
            if (at <= 0) throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{path}:{number}: expected sentence@label"));
            yield return new LabelledText(line[..at].Trim(), SentimentLabels.IndexOf(line[(at + 1)..].Trim(), string.Create(CultureInfo.InvariantCulture, $"{path}:{number}")));
        }
    }
}

/// <summary>Chinese stock headlines with a date, 1 positive and 0 negative (wwwxmu/Dataset-of-financial-news-sentiment-classification).</summary>
public static class ChineseHeadlines
{
    /// <summary>Reads <c>news_seed.csv</c> or <c>test_data.csv</c>.</summary>
    /// <exception cref="Training.TrainingException">The file, or a record of it, cannot be read, or a column is missing.</exception>
    public static IReadOnlyList<(DateOnly Date, string Company, LabelledText Text)> Read(string path)
    {
        var headlines = NewsFiles.Records(path).Select(record => (
            DateOnly.ParseExact(record["日期"], "yyyy年M月d日", CultureInfo.InvariantCulture), record["公司"], new LabelledText(record["标题"], (record.Find("正/负面") ?? record["正负面"]) == "1" ? 2 : 0)));
        return [.. headlines];
    }

    /// <summary>Earlier and later headlines; what stands in both goes to neither's other side: later ones whose text occurred before are left out.</summary>
    /// <param name="headlines">Headlines in any order.</param>
    /// <param name="share">Share of the earlier ones.</param>
    public static (IReadOnlyList<(DateOnly Date, string Company, LabelledText Text)> Before, IReadOnlyList<(DateOnly Date, string Company, LabelledText Text)> After) SplitByDate(
        IReadOnlyList<(DateOnly Date, string Company, LabelledText Text)> headlines, double share)
    {
        ArgumentNullException.ThrowIfNull(headlines);
        var sorted = headlines.OrderBy(headline => headline.Date).ToList();
        var border = sorted[(int)(sorted.Count * share)].Date;
        var before = sorted.Where(headline => headline.Date < border).DistinctBy(headline => headline.Text.Text).ToList();
        var known = before.Select(headline => headline.Text.Text).ToHashSet(StringComparer.Ordinal);
        return (before, [.. sorted.Where(headline => headline.Date >= border && !known.Contains(headline.Text.Text)).DistinctBy(headline => headline.Text.Text)]);
    }
}

/// <summary>FinFE of CFLEB (Lu et al. 2023): forum posts in Chinese as <c>[text, label]</c>, label 0, 1 or 2.</summary>
public static class FinFe
{
    /// <summary>Reads a list.</summary>
    /// <exception cref="InvalidDataException">It is no list of pairs.</exception>
    public static IReadOnlyList<LabelledText> Read(string path)
    {
        using var reader = NewsFiles.Open(path);
        try
        {
            using var document = JsonDocument.Parse(reader.ReadToEnd());
            return [.. document.RootElement.EnumerateArray().Select(pair => new LabelledText(pair[0].GetString()!, SentimentLabels.IndexOf(pair[1].ToString(), path)))];
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or IndexOutOfRangeException or DecoderFallbackException)
        {
            throw new InvalidDataException($"{path}: expected a list of [text, label]: {fault.Message}", fault);
        }
    }
}
