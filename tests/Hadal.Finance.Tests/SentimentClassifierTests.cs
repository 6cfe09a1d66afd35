using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Finance.Data;
using Hadal.Finance.Sentiment;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Finance.Tests;

/// <summary>The classifier that tests share.</summary>
[CollectionDefinition(nameof(SentimentClassifierTests.Trained))]
public sealed class SharedClassifier : ICollectionFixture<SentimentClassifierTests.Trained>;

/// <summary>From made-up news to a classifier on <c>hadal-mini</c>, trained once for all tests: few steps, so that the network has hardly learnt.</summary>
[Collection(nameof(Trained))]
public sealed class SentimentClassifierTests(SentimentClassifierTests.Trained trained)
{
    private const string Good = "Corda 's operating profit rose to EUR 31.5 mn from EUR 12.1 mn a year earlier", Bad = "远山科技股东拟减持不超12%股份", Neutral = "Belmar makes valves and pumps for ships";

    [Fact]
    public async Task News_in_both_languages_are_labelled()
    {
        using var classifier = trained.Open();
        var results = await classifier.ClassifyAsync([Good, Bad, Neutral], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([2, 0, 1], results.Select(result => result.Label));
        Assert.Equal(["positive", "negative", "neutral"], results.Select(result => result.Name));
        Assert.All(results, result =>
        {
            Assert.Equal(1, result.Probabilities.Sum(), 1e-9);
            Assert.Equal(result.Probabilities.Max(), result.Confidence);
            Assert.Empty(result.Words);
        });
    }

    [Fact]
    public async Task The_words_that_moved_a_decision_are_shown()
    {
        using var classifier = trained.Open();
        var result = (await classifier.ClassifyAsync([Good], explain: true, TestContext.Current.CancellationToken))[0];
        Assert.All(result.Words, word => Assert.Equal(word.Text, Good.Substring(word.Begin, word.Text.Length)));
        Assert.Equal(result.Words.OrderByDescending(word => Math.Abs(word.Weight)), result.Words);
        Assert.Contains("rose", result.Words.Take(4).Select(word => word.Text));

        // Without the word the decision is as much weaker as its weight says.
        var strongest = result.Words[0];
        var without = (await classifier.ClassifyAsync([Good.Remove(strongest.Begin, strongest.Text.Length)], cancellation: TestContext.Current.CancellationToken))[0];
        Assert.Equal(strongest.Weight, LogOdds(result) - Math.Log(without.Probabilities[result.Label] / (1 - without.Probabilities[result.Label])), 1e-6);
        Assert.True(strongest.Weight > 0.1);

        static double LogOdds(Sentiment.Sentiment result) => Math.Log(result.Confidence / (1 - result.Confidence));
    }

    [Fact]
    public async Task Calls_from_several_threads_give_what_one_gives()
    {
        using var classifier = trained.Open();
        var alone = await classifier.ClassifyAsync([Good, Bad], cancellation: TestContext.Current.CancellationToken);
        var together = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => classifier.ClassifyAsync([Good, Bad])));
        Assert.All(together, results => Assert.Equal(alone.Select(result => result.Confidence), results.Select(result => result.Confidence)));
    }

    [Fact]
    public async Task Calls_end_when_the_classifier_is_disposed_of_meanwhile()
    {
        var classifier = trained.Open();
        var running = Enumerable.Range(0, 3).Select(_ => classifier.ClassifyAsync(Enumerable.Repeat(Good, 2000))).ToList();
        classifier.Dispose();
        foreach (var call in running) await Assert.ThrowsAsync<ObjectDisposedException>(() => call);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => classifier.ClassifyAsync([Good], cancellation: TestContext.Current.CancellationToken));
        classifier.Dispose();
    }

    [Fact]
    public void The_network_is_a_peft_adapter_of_few_weights()
    {
        using var checkpoint = Checkpoint.Open(Trained.Model);
        using var adapter = LoraAdapter.Open(Path.Combine(trained.Folder, "adapter"), checkpoint.Config);
        Assert.Equal(SentimentLabels.Names, adapter.Labels);
        Assert.True(adapter.ParameterCount < 0.03 * checkpoint.Tensors.Values.Sum(tensor => tensor.ElementCount));
        Assert.Equal(["adapter", "sentiment.json", "words.tsv.gz"], new DirectoryInfo(trained.Folder).GetFileSystemInfos().Select(entry => entry.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Figures_are_those_of_the_texts_kept_back()
    {
        Assert.InRange(trained.Figures.Texts, 4, 12);
        Assert.True(trained.Figures.Accuracy > 0.7, trained.Figures.ToString());
        using var classifier = trained.Open();
        var again = SentimentFigures.Of(classifier, SampleNews.Make(60, 2));
        Assert.Equal(60, again.Texts);
        Assert.True(again.Accuracy > 0.8, again.ToString());
    }

    [Fact]
    public async Task A_result_is_the_network_and_the_words_in_their_calibrated_shares()
    {
        using var classifier = trained.Open();
        using var network = new Network(trained.Folder);
        var words = WordModel.Open(Path.Combine(trained.Folder, "words.tsv.gz"));

        // The last one is longer than what the network reads.
        foreach (var text in (string[])[Good, Bad, Neutral, string.Join(' ', Enumerable.Repeat(Good, 20))])
        {
            var result = (await classifier.ClassifyAsync([text], cancellation: TestContext.Current.CancellationToken))[0];
            Assert.Equal(classifier.Calibration.Probabilities(network.Scores(text), words.Scores(text)), result.Probabilities);
            Assert.Equal(network.Scores(text), classifier.Scores(text).Network);
            Assert.True(network.Scores(text).Distinct().Count() > 1);
        }
    }

    [Fact]
    public void The_calibration_and_the_figures_are_those_of_a_tenth_without_near_repeats_that_nothing_was_learnt_from()
    {
        // What training did, done again with the adapter it made.
        var folds = Folds.Of([.. Trained.Texts.Select(text => text.Text)], 10, seed: 1);
        var (kept, learnt) = (Trained.Texts.Where((_, index) => folds[index] == 0).ToList(), Trained.Texts.Where((_, index) => folds[index] != 0).ToList());
        var words = WordModel.Train(learnt, SentimentLabels.Names.Count);
        using var network = new Network(trained.Folder);
        List<(float[], float[], int)> scored = [.. kept.Select(text => (network.Scores(text.Text), words.Scores(text.Text), text.Label))];
        var calibration = Calibration.Fit(scored);
        var settings = SentimentSettings.Read(Path.Combine(trained.Folder, "sentiment.json"));
        Assert.Equal(calibration, settings.Calibration);
        Assert.Equal(SentimentFigures.Of(calibration, scored), trained.Figures);
        Assert.Equal(trained.Figures, settings.Measured);
        Assert.Equal((Trained.Model, 64), (settings.Model, settings.SequenceLength));
        using var classifier = trained.Open();
        Assert.Equal(calibration, classifier.Calibration);
    }

    [Fact]
    public void The_words_that_are_deployed_have_learnt_from_all_texts()
    {
        var deployed = WordModel.Open(Path.Combine(trained.Folder, "words.tsv.gz"));
        var all = WordModel.Train(Trained.Texts, SentimentLabels.Names.Count);
        Assert.All(Trained.Texts, text => Assert.Equal(all.Scores(text.Text), deployed.Scores(text.Text)));
    }

    [Fact]
    public async Task What_is_no_text_or_no_classifier_is_said()
    {
        using var classifier = trained.Open();
        Assert.StartsWith("texts[1]: is empty", (await Assert.ThrowsAsync<ArgumentException>(() => classifier.ClassifyAsync(["a", " "], cancellation: TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
        var folder = Directory.CreateTempSubdirectory("hadal-none-");
        try
        {
            var path = Path.Combine(folder.FullName, "sentiment.json");
            Assert.StartsWith($"{path}: cannot be read", Assert.Throws<InvalidDataException>(() => SentimentClassifier.Open(folder.FullName)).Message, StringComparison.Ordinal);
            File.WriteAllText(path, """{"model": "m", "sequence_length": 96, "calibration": {"network_share": 2, "temperature": 1}}""");
            Assert.StartsWith($"{path}: expected model, sequence_length and calibration", Assert.Throws<InvalidDataException>(() => SentimentClassifier.Open(folder.FullName)).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        Assert.StartsWith("texts: there are none", Assert.Throws<ArgumentException>(() => SentimentFigures.Of(classifier, [])).Message, StringComparison.Ordinal);
        Assert.StartsWith("texts: expected at least 20", Assert.Throws<ArgumentException>(() => SentimentTraining.Run(SampleNews.Make(9, 1), new SentimentTrainingOptions { Model = Trained.Model, Output = folder.FullName })).Message, StringComparison.Ordinal);
        var same = Enumerable.Range(0, 24).Select(index => new LabelledText($"Sales rose by {index} % to EUR {index} mn", index % 3)).ToList();
        var repeats = Assert.Throws<ArgumentException>(() => SentimentTraining.Run(same, new SentimentTrainingOptions { Model = Trained.Model, Output = folder.FullName })).Message;
        Assert.StartsWith("texts: 24 of 24 are kept to calibrate on, because near repeats stay together", repeats, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.FullName));
    }

    /// <summary>The adapter of a classifier by itself.</summary>
    private sealed class Network : IDisposable
    {
        private readonly Checkpoint _checkpoint = Checkpoint.Open(Trained.Model);
        private readonly Tokenizer _tokenizer;
        private readonly LabelModel _model;

        public Network(string folder)
        {
            using var adapter = LoraAdapter.Open(Path.Combine(folder, "adapter"), _checkpoint.Config);
            (_tokenizer, _model) = (_checkpoint.LoadTokenizer(), LabelModel.Open(_checkpoint, adapter, new EngineOptions { ThreadCount = 1, MaxContext = 64 }));
        }

        public float[] Scores(string text) => _model.Scores(_tokenizer.Encode(text).Take(64).ToArray());

        public void Dispose()
        {
            _model.Dispose();
            _checkpoint.Dispose();
        }
    }

    /// <summary>A classifier of made-up news, 12 steps of the network.</summary>
    public sealed class Trained : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-sentiment-");

        public Trained() => Figures = SentimentTraining.Run(Texts, new SentimentTrainingOptions { Model = Model, Output = Folder, Steps = 12, SequenceLength = 64, ThreadCount = 1 });

        public static IReadOnlyList<LabelledText> Texts { get; } = SampleNews.Make(90, 1);

        public static string Model { get; } = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");

        public string Folder => _folder.FullName;

        public SentimentFigures Figures { get; }

        public SentimentClassifier Open() => SentimentClassifier.Open(Folder, threads: 1);

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
