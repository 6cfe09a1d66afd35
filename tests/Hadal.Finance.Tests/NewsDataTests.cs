using System.Text;
using Hadal.Finance.Data;
using Hadal.Training;

namespace Hadal.Finance.Tests;

/// <summary>Files of news, and how texts are divided.</summary>
public sealed class NewsDataTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-news-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Json_lines_and_csv_give_the_same_texts()
    {
        LabelledText[] expected = [new("Sales rose, \"much\"", 2), new("利润下降", 0)];
        Assert.Equal(expected, NewsFiles.Read(Write("a.jsonl", "{\"text\":\"Sales rose, \\\"much\\\"\",\"label\":\"positive\"}\n\n{\"text\":\"利润下降\",\"label\":0}\n")));
        Assert.Equal(expected, NewsFiles.Read(Write("a.csv", "id,label,text\r\n1,2,\"Sales rose, \"\"much\"\"\"\r\n2,negative,利润下降\r\n\r\n")));
    }

    [Theory]
    [InlineData("a.jsonl", "{\"text\":\"a\",\"label\":3}", "a.jsonl:1: expected a label of negative, neutral, positive, or 0 to 2, found '3'")]
    [InlineData("a.jsonl", "\n\n{\"text\":\"a\",\"label\":3}", "a.jsonl:3: expected a label")]
    [InlineData("a.csv", "text,label\n,0", "a.csv:2: text is empty")]
    [InlineData("a.csv", "text,label\n", "a.csv: has no records, expected some")]
    [InlineData("a.jsonl", "\n", "a.jsonl: has no records, expected some")]
    public void What_cannot_be_learnt_from_is_said(string name, string content, string fault) =>
        Assert.StartsWith(Path.Combine(_folder.FullName, fault), Assert.Throws<InvalidDataException>(() => NewsFiles.Read(Write(name, content))).Message, StringComparison.Ordinal);

    [Fact]
    public void Sentences_count_by_how_many_readers_agreed()
    {
        Write("Sentences_AllAgree.txt", "Sales rose .@positive\n", Encoding.Latin1);
        Write("Sentences_66Agree.txt", "Sales rose .@positive\nVärtsilä has an office @ Oulu .@neutral\n", Encoding.Latin1);
        var texts = PhraseBank.Read(Write("Sentences_50Agree.txt", "Sales rose .@positive\nSales rose .@positive\nVärtsilä has an office @ Oulu .@neutral\nIt rains .@negative\n", Encoding.Latin1));
        Assert.Equal([new("Sales rose .", 2, 1), new("Värtsilä has an office @ Oulu .", 1, 0.8), new("It rains .", 0, 0.65)], texts);
    }

    [Fact]
    public void Headlines_are_split_by_date_and_repeats_stay_before()
    {
        var lines = Enumerable.Range(1, 10).Select(day => $"2018年3月{day}日,甲,600000,{day % 2},标题{(day == 9 ? 2 : day)}");
        var headlines = ChineseHeadlines.Read(Write("news_seed.csv", "日期,公司,代码,正/负面,标题\n" + string.Join('\n', lines.Reverse())));
        var (before, after) = ChineseHeadlines.SplitByDate(headlines, 0.8);
        Assert.Equal(8, before.Count);
        Assert.Equal(["标题10"], after.Select(headline => headline.Text.Text));
        Assert.Equal([0, 2, 0], headlines.Take(3).Select(headline => headline.Text.Label));
    }

    [Fact]
    public void Near_repeats_share_a_fold_and_folds_are_even()
    {
        var texts = Enumerable.Range(0, 50).Select(index => $"{(char)('a' + (index % 25))}alpha {(char)('b' + (index % 25))}beta {(char)('c' + (index % 25))}gamma rose to {index} mn in {index + 2}").ToList();
        var folds = Folds.Of(texts, 5, seed: 3);
        Assert.All(Enumerable.Range(0, 25), index => Assert.Equal(folds[index], folds[index + 25]));
        Assert.All(folds.CountBy(fold => fold), fold => Assert.Equal(10, fold.Value));
        Assert.NotEqual(folds, Folds.Of(texts, 5, seed: 4));
    }

    [Fact]
    public void Made_up_news_have_all_labels_in_both_languages()
    {
        var texts = SampleNews.Make(60, 1);
        Assert.All(Enumerable.Range(0, 3), label => Assert.Equal(20, texts.Count(text => text.Label == label)));
        Assert.Equal(30, texts.Count(text => text.Text.Any(letter => letter >= '\u4E00')));
    }

    [Theory]
    [InlineData("a.jsonl", "{\"text\":\"a\"}", "a.jsonl:1: label: missing; the record has text")]
    [InlineData("a.csv", "text,sentiment\na,0", "a.csv:2: label: missing; the record has text, sentiment")]
    [InlineData("a.csv", "text,label\n\"a,0", "a.csv:2: a quotation mark is never closed")]
    [InlineData("a.csv", "text,label\n\"a \"b\" c,0\n", "a.csv:2: text follows a closing quotation mark")]
    [InlineData("a.doc", "a", "a.doc: expected a name that ends in .jsonl")]
    public void What_no_trainer_could_read_is_said_in_its_words(string name, string content, string fault) =>
        Assert.StartsWith(Path.Combine(_folder.FullName, fault), Assert.Throws<TrainingException>(() => NewsFiles.Read(Write(name, content))).Message, StringComparison.Ordinal);

    private string Write(string name, string content, Encoding? encoding = null)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, content, encoding ?? new UTF8Encoding(false));
        return path;
    }
}
