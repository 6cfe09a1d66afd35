using System.IO.Compression;
using System.Text;
using Hadal.Finance.Data;
using Hadal.Finance.Sentiment;

namespace Hadal.Finance.Tests;

/// <summary>Features, the word model and its file.</summary>
public sealed class WordModelTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-words-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("Operating profit fell to EUR 2 mn", "bad")]
    [InlineData("Operating profit rose to EUR 2 mn", "good")]
    [InlineData("Costs fell", "good")]
    [InlineData("Sales did not rise", "not-up sales")]
    [InlineData("Net sales of EUR 2.5 bn , compared to EUR 1,900 mn", "compared good")]
    [InlineData("The net loss was EUR 0.4 mn , compared with a loss of EUR 1.1 mn", "compared good")]
    [InlineData("A loss of EUR 0.4 mn against a profit of EUR 0.1 mn", "compared bad")]
    [InlineData("A profit of EUR 0.1 mn against a loss of EUR 0.4 mn", "compared good")]
    [InlineData("The result was EUR 13 .1 mn , down from EUR 13 .6 mn", "compared bad")]
    [InlineData("Sales rose from EUR 2 mn in 2008 to EUR 3 mn", "compared good")]
    [InlineData("Profit went from EUR 3 mn to EUR 2 mn", "compared bad")]
    [InlineData("The board is pleased with a strong quarter", "praise 2")]
    [InlineData("某公司股东拟减持股份，被立案调查", "blame 3")]
    public void A_text_says_what_moved_which_way(string text, string feature) => Assert.Contains(feature, NewsFeatures.Of(text)[2]);

    [Theory]
    [InlineData("Sales were EUR 2 mn and EUR 3 mn in cash was paid")]
    [InlineData("From 2009 to 2010 the company was in Oulu")]
    public void What_is_not_compared_is_no_comparison(string text) => Assert.DoesNotContain(NewsFeatures.Of(text)[2], feature => feature.StartsWith("compared", StringComparison.Ordinal));

    [Theory]
    [InlineData("A strong quarter, and the board is pleased", 1)]
    [InlineData("A strong quarter, but a dispute", 0)]
    [InlineData("股东减持", -1)]
    [InlineData("It rains", 0)]
    public void Praise_and_blame_are_weighed(string text, double tone) => Assert.Equal(tone, NewsFeatures.ToneOf(text));

    [Fact]
    public void Words_know_where_they_stand_and_chinese_characters_are_words()
    {
        const string Text = "Profit: 13 .1 mn 利润";
        var words = NewsWord.Split(Text);
        Assert.Equal(["Profit", ":", "13.1", "mn", "利", "润"], words.Select(word => word.Text));
        Assert.Equal(13.1, words[2].Number);
        Assert.Equal("13 .1", Text.Substring(words[2].Begin, words[2].Length));
        Assert.Contains("利润", NewsFeatures.Of(Text)[1]);
    }

    [Fact]
    public void Made_up_news_are_learnt_and_the_file_gives_the_same_scores()
    {
        var model = WordModel.Train(SampleNews.Make(240, 1), 3);
        var test = SampleNews.Make(120, 2);
        Assert.True(test.Average(text => Best(model.Scores(text.Text)) == text.Label ? 1.0 : 0) > 0.9);
        var path = Path.Combine(_folder.FullName, "words.tsv.gz");
        model.Save(path);
        var read = WordModel.Open(path);
        Assert.All(test, text => Assert.Equal(model.Scores(text.Text), read.Scores(text.Text)));
    }

    [Fact]
    public void A_character_of_two_units_is_one_word_and_is_read_again_as_it_was_learnt()
    {
        // A rocket, a rare Chinese character, and the two halves of pairs that a text was cut in.
        const string Text = "Corda \U0001F680\U0001F4C8 rose \U00020BB7\uD83D a \uDE80";
        Assert.Equal(["corda", "\U0001F680", "\U0001F4C8", "rose", "\U00020BB7", "\uFFFD", "a", "\uFFFD"], NewsWord.Split(Text).Select(word => word.Shape));
        Assert.All(NewsWord.Split(Text), word => Assert.Equal(word.Text, Text.Substring(word.Begin, word.Length)));
        Assert.Contains("\U0001F680\U0001F4C8", NewsFeatures.Of(Text)[1]);
        var model = WordModel.Train([.. SampleNews.Make(30, 1), new LabelledText(Text, 2)], 3);
        var path = Path.Combine(_folder.FullName, "words.tsv.gz");
        model.Save(path);
        Assert.Equal(model.Scores(Text), WordModel.Open(path).Scores(Text));
        Assert.NotEqual(model.Scores(Text), model.Scores(Text.Replace("\U0001F680", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_seed_decides_everything()
    {
        var (texts, headline) = (SampleNews.Make(60, 1), SampleNews.Make(1, 9)[0].Text);
        Assert.Equal(WordModel.Train(texts, 3).Scores(headline), WordModel.Train(texts, 3).Scores(headline));
        Assert.NotEqual(WordModel.Train(texts, 3).Scores(headline), WordModel.Train(texts, 3, new WordModelOptions { Seed = 2 }).Scores(headline));
    }

    [Theory]
    [InlineData("1\t1\t1\n0\t0\t0\nwords\ta\t1\tx\t0\t0")]
    [InlineData("1\t1\t1\n0\t0\t0\nnouns\ta\t1\t0\t0\t0")]
    [InlineData("1\t1\t1\n0\t0\t0\nwords\ta\t1\t0\t0\t0\nwords\ta\t1\t0\t0\t0")]
    [InlineData("1\t1\t1")]
    [InlineData("")]
    public void A_damaged_file_is_refused_in_a_line(string content)
    {
        var path = Path.Combine(_folder.FullName, "bad.tsv.gz");
        using (var packed = new GZipStream(File.Create(path), CompressionLevel.Fastest)) packed.Write(Encoding.UTF8.GetBytes(content));
        var message = Assert.Throws<InvalidDataException>(() => WordModel.Open(path)).Message;
        Assert.StartsWith($"{path}: is no word model, or damaged", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message.ReplaceLineEndings("\n").TrimEnd('\n'));
    }

    private static int Best(float[] scores) => Array.IndexOf(scores, scores.Max());
}
