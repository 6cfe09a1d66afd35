using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Finance.Data;
using Hadal.Training.Trainers;
using Hadal.Training.Trainers.Tasks;

namespace Hadal.Finance.Sentiment;

/// <summary>How a classifier is made.</summary>
public sealed record SentimentTrainingOptions
{
    /// <summary>The language model to adapt: a checkpoint directory.</summary>
    public required string Model { get; init; }

    /// <summary>Folder of the classifier.</summary>
    public required string Output { get; init; }

    /// <summary>How often the network learns each text.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Optimiser steps of the network; 0: as many as the epochs take.</summary>
    public int Steps { get; init; }

    /// <summary>Tokens of a text that the network reads at most.</summary>
    public int SequenceLength { get; init; } = 96;

    /// <summary>Threads; 0 for all processors.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Seed of the division of texts, of the adapter and of every order.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>How the word model is trained.</summary>
    public WordModelOptions Words { get; init; } = new();
}

/// <summary>Figures on texts.</summary>
/// <param name="Texts">Their number.</param>
/// <param name="Accuracy">Share that is right.</param>
/// <param name="MacroF1">Mean of F1 over labels.</param>
/// <param name="CalibrationError">See <see cref="Calibration.ExpectedError"/>.</param>
/// <param name="UncalibratedError">The same with scores as they are learnt, temperature 1.</param>
public sealed record SentimentFigures(int Texts, double Accuracy, double MacroF1, double CalibrationError, double UncalibratedError)
{
    /// <summary>Figures of a classifier.</summary>
    /// <exception cref="ArgumentException">There are no texts.</exception>
    public static SentimentFigures Of(SentimentClassifier classifier, IReadOnlyList<LabelledText> texts)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0) throw new ArgumentException("texts: there are none, expected some to measure on", nameof(texts));
        return Of(classifier.Calibration, [.. texts.Select(text => (classifier.Scores(text.Text), text.Label)).Select(scored => (scored.Item1.Network, scored.Item1.Words, scored.Label))]);
    }

    internal static SentimentFigures Of(Calibration calibration, IReadOnlyList<(float[] Network, float[] Words, int Label)> scored)
    {
        List<(double[], int)> With(Calibration scale) => [.. scored.Select(text => (scale.Probabilities(text.Network, text.Words), text.Label))];
        var given = With(calibration);
        var found = given.Select(text => Array.IndexOf(text.Item1, text.Item1.Max())).ToList();
        var expected = scored.Select(text => text.Label).ToList();
        return new SentimentFigures(
            scored.Count, expected.Zip(found).Average(pair => pair.First == pair.Second ? 1.0 : 0), LabelFigures.MacroF1(expected, found, SentimentLabels.Names.Count), Calibration.ExpectedError(given),
            Calibration.ExpectedError(With(calibration with { Temperature = 1 })));
    }
}

/// <summary>From labelled texts to a classifier: an adapter, a word model, and what makes their scores probabilities.</summary>
public static class SentimentTraining
{
    /// <summary>A tenth of the texts is kept to choose by and to calibrate on.</summary>
    private const int Parts = 10;

    /// <summary>Texts a network learns from at once: rows of <see cref="SentimentTrainingOptions.SequenceLength"/> tokens, each of one or more texts.</summary>
    private const int RowsAtOnce = 5;

    /// <summary>Trains a classifier and writes it to <see cref="SentimentTrainingOptions.Output"/>, as a whole or not at all: a classifier that is there is in use until then.</summary>
    /// <param name="texts">Labelled texts, twenty or more with all labels among them.</param>
    /// <param name="options">How.</param>
    /// <param name="note">Told what is worth knowing, one sentence each; may be null.</param>
    /// <param name="cancellation">Ends the training; the same call goes on where it stood.</param>
    /// <returns>Figures on a tenth, before anything was learnt from it; the calibration was chosen on it, so its error is a little low. The words that are deployed have learnt from it too, so that nothing new can be measured on it.</returns>
    /// <exception cref="ArgumentException">There are too few texts, or too few that differ.</exception>
    /// <exception cref="InvalidDataException">The output has something that is not of a classifier where one would stand.</exception>
    /// <exception cref="Training.TrainingException">The network cannot be trained.</exception>
    public static SentimentFigures Run(IReadOnlyList<LabelledText> texts, SentimentTrainingOptions options, Action<string>? note = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        if (texts.Count < 2 * Parts || texts.Select(text => text.Label).Distinct().Count() < 2)
            throw new ArgumentException($"texts: expected at least {2 * Parts} with two labels or more, got {texts.Count} with {texts.Select(text => text.Label).Distinct().Count()}", nameof(texts));
        var folds = Folds.Of([.. texts.Select(text => text.Text)], Parts, options.Seed);
        var learnt = texts.Where((_, index) => folds[index] != 0).ToList();
        var kept = texts.Where((_, index) => folds[index] == 0).ToList();
        if (learnt.Select(text => text.Label).Distinct().Count() < 2)
            throw new ArgumentException($"texts: {kept.Count} of {texts.Count} are kept to calibrate on, because near repeats stay together (numbers and case do not count), and beside them stand no two labels to learn; give more different texts", nameof(texts));
        using var folder = ClassifierFolder.Claim(options.Output);

        // The network: an adapter of a few per cent of the weights, by the trainer that "hadal-train lora" runs.
        var adapter = FineTune.Run(Adaptation(folder.Work, learnt, kept, options), "lora", resume: true, progress: null, note, cancellation);

        // The words: seconds.
        WordModel Words(IReadOnlyList<LabelledText> from) => WordModel.Train(from, SentimentLabels.Names.Count, options.Words with { Seed = options.Seed });

        // How much each is heard, and how sure both may be.
        var settings = new SentimentSettings(Path.GetFullPath(options.Model), options.SequenceLength, new Calibration(0.5, 1), new SentimentFigures(0, 0, 0, 0, 0));
        List<(float[], float[], int)> scored;
        using (var classifier = SentimentClassifier.Open(adapter, Words(learnt), settings, options.ThreadCount > 0 ? options.ThreadCount : null))
            scored = [.. kept.Select(text => (Scores: classifier.Scores(text.Text), text.Label)).Select(text => (text.Scores.Network, text.Scores.Words, text.Label))];
        var calibration = Calibration.Fit(scored);
        var figures = SentimentFigures.Of(calibration, scored);

        // What is known of the kept tenth is no reason not to learn from it: the words that are deployed have read all texts.
        folder.Publish(adapter, Words(texts), settings with { Calibration = calibration, Measured = figures });
        return figures;
    }

    private static FineTuneOptions Adaptation(string run, IReadOnlyList<LabelledText> learnt, IReadOnlyList<LabelledText> kept, SentimentTrainingOptions options)
    {
        Write(ClassifierFolder.TrainFile, learnt);
        Write(ClassifierFolder.ValidFile, kept);
        var config = new JsonObject
        {
            ["output"] = ClassifierFolder.RunFolder, ["model"] = Path.GetFullPath(options.Model), ["preset"] = "hadal", ["task"] = "classification", ["labels"] = new JsonArray([.. SentimentLabels.Names.Select(name => (JsonNode)name)]),
            ["train"] = new JsonArray(new JsonObject { ["path"] = ClassifierFolder.TrainFile }), ["validation"] = new JsonArray(new JsonObject { ["path"] = ClassifierFolder.ValidFile }), ["epochs"] = options.Epochs, ["steps"] = options.Steps,
            ["sequence_length"] = options.SequenceLength, ["batch_sequences"] = RowsAtOnce, ["packing"] = true, ["seed"] = options.Seed,
            ["thread_count"] = options.ThreadCount,
        };
        var path = Path.Combine(run, ClassifierFolder.ConfigFile);
        File.WriteAllText(path, config.ToJsonString());
        return FineTuneOptions.Read(path, [], "lora");

        void Write(string name, IReadOnlyList<LabelledText> texts) =>
            File.WriteAllLines(Path.Combine(run, name), texts.Select(text => JsonSerializer.Serialize(new { text = text.Text, label = text.Label })));
    }
}
