using Hadal.Finance.Data;
using Hadal.Finance.Sentiment;

namespace Hadal.Finance.Tests;

/// <summary>A new classifier takes the place of an old one as a whole, and of nothing else.</summary>
public sealed class ClassifierFolderTests : IDisposable
{
    private static readonly string[] Names = ["sentiment.json", "words.tsv.gz", "adapter"];
    private static readonly WordModel Words = WordModel.Train(SampleNews.Make(30, 1), 3);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-folder-");

    private string Output => In("news");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_published_replaces_what_was_there_and_leaves_what_else_is_beside_it()
    {
        Publish(1);
        File.WriteAllText(In("news", "notes.txt"), "mine");
        Publish(2);
        Assert.Equal(2, Version());
        Assert.Equal(["adapter", "notes.txt", "sentiment.json", "words.tsv.gz"], Entries(Output));
        Assert.Equal(["adapter_config.json"], Entries(In("news", "adapter")));
    }

    [Theory]
    [InlineData(".training/thesis.txt")]
    [InlineData("adapter/thesis.txt")]
    [InlineData("words.tsv.gz")]
    [InlineData("sentiment.json")]
    public void What_is_of_somebody_else_is_refused_before_anything_is_done(string name)
    {
        var path = Write("mine", "news", name);
        Assert.StartsWith(In("news"), RefusedBy(() => ClassifierFolder.Claim(Output)), StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(path));
        Assert.Contains(
            "use another output",
            RefusedBy(() => SentimentTraining.Run(SampleNews.Make(60, 1), new SentimentTrainingOptions { Model = SentimentClassifierTests.Trained.Model, Output = Output })),
            StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_is_no_folder()
    {
        var path = Write("mine", "news");
        Assert.StartsWith($"{path}: is a file, expected a folder", RefusedBy(() => ClassifierFolder.Claim(path)), StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_of_somebody_else_beside_the_adapter_of_a_classifier_is_refused_by_name()
    {
        Publish(1);
        var path = Write("mine", "news", "adapter", "thesis.txt");
        Assert.StartsWith($"{path}: is nothing that a training made", RefusedBy(() => ClassifierFolder.Claim(Output)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_somebody_puts_beside_the_adapter_while_a_training_runs_stays()
    {
        Publish(1);
        using var folder = ClassifierFolder.Claim(Output);
        var path = Write("mine", "news", "adapter", "thesis.txt");
        RefusedBy(() => folder.Publish(Adapter(2), Words, Settings(2)));
        Assert.Equal(1, Version());
        folder.Dispose();
        RefusedBy(() => ClassifierFolder.Claim(Output));
        Assert.Equal("mine", File.ReadAllText(path));
        File.Delete(path);
        ClassifierFolder.Claim(Output).Dispose();
        Assert.Equal(2, Version());
    }

    [Fact]
    public void What_cannot_be_written_leaves_the_old_classifier()
    {
        Publish(1);
        using var folder = ClassifierFolder.Claim(Output);
        Assert.Throws<DirectoryNotFoundException>(() => folder.Publish(In("none"), Words, Settings(2)));
        Assert.Equal(1, Version());

        // The adapter cannot be moved away, after the settings and the words were: they come back.
        Write("", "news", ".training", "old", "adapter", "in-the-way");
        Assert.ThrowsAny<IOException>(() => folder.Publish(Adapter(2), Words, Settings(2)));
        Assert.Equal(1, Version());

        // When that is mended, the next training finds it whole and puts it in its place.
        folder.Dispose();
        Directory.Delete(In("news", ".training", "old"), recursive: true);
        ClassifierFolder.Claim(Output).Dispose();
        Assert.Equal(2, Version());
    }

    [Fact]
    public void A_replacing_that_was_cut_short_anywhere_is_finished_by_the_next_training()
    {
        // The moves in their order: settings, words and adapter away, then adapter, words and settings to their places.
        for (var done = 0; done <= 6; done++)
        {
            if (Directory.Exists(Output)) Directory.Delete(Output, recursive: true);
            Publish(1);
            ClassifierFolder.Claim(Output).Dispose();
            Directory.CreateDirectory(In("news", ".training", "old"));
            Directory.CreateDirectory(In("news", ".training", "new"));
            Directory.Move(Adapter(2), In("news", ".training", "new", "adapter"));
            Words.Save(In("news", ".training", "new", "words.tsv.gz"));
            Settings(2).Write(In("news", ".training", "new", "sentiment.json"));
            foreach (var name in Names.Take(done)) Directory.Move(In("news", name), In("news", ".training", "old", name));
            foreach (var name in Names.Reverse().Take(done - 3)) Directory.Move(In("news", ".training", "new", name), In("news", name));
            ClassifierFolder.Claim(Output).Dispose();
            Assert.Equal(2, Version());
            Assert.Equal(["lock"], Entries(In("news", ".training")));
        }
    }

    [Fact]
    public void Two_trainings_are_not_at_work_in_one_folder()
    {
        Publish(1);
        using (ClassifierFolder.Claim(Output)) Assert.Throws<IOException>(() => ClassifierFolder.Claim(Output));
        Publish(2);
        Assert.Equal(2, Version());
    }

    private static IEnumerable<string> Entries(string folder) => new DirectoryInfo(folder).GetFileSystemInfos().Select(entry => entry.Name).Order(StringComparer.Ordinal);

    private static string RefusedBy(Action act) => Assert.Throws<InvalidDataException>(act).Message;

    private static SentimentSettings Settings(int version) => new("model", 96, new Calibration(0.5, 1), new SentimentFigures(version, 0, 0, 0, 0));

    private string In(params string[] names) => Path.Combine([_folder.FullName, .. names]);

    private string Write(string content, params string[] names)
    {
        var path = In([.. names.SelectMany(name => name.Split('/'))]);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    private string Adapter(int version) => Path.GetDirectoryName(Write($"{version}", $"adapter-{version}", "adapter_config.json"))!;

    private void Publish(int version)
    {
        using var folder = ClassifierFolder.Claim(Output);
        folder.Publish(Adapter(version), Words, Settings(version));
    }

    /// <summary>Which classifier is there; all parts of it are.</summary>
    private int Version()
    {
        Assert.Equal(3, WordModel.Open(In("news", "words.tsv.gz")).LabelCount);
        var version = SentimentSettings.Read(In("news", "sentiment.json")).Measured.Texts;
        Assert.Equal($"{version}", File.ReadAllText(In("news", "adapter", "adapter_config.json")));
        return version;
    }
}
