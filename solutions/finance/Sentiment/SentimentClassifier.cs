using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Finance.Data;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Finance.Sentiment;

/// <summary>What a text says of its subject.</summary>
/// <param name="Label">0 negative, 1 neutral, 2 positive.</param>
/// <param name="Confidence">Probability of the label: of texts with 0.8, about four of five are right.</param>
/// <param name="Probabilities">[3], of every label.</param>
/// <param name="Words">What moved the decision, strongest first; empty unless asked for.</param>
public sealed record Sentiment(int Label, double Confidence, IReadOnlyList<double> Probabilities, IReadOnlyList<MovingWord> Words)
{
    /// <summary>The label's name.</summary>
    public string Name => SentimentLabels.Names[Label];
}

/// <summary>A word and what it does.</summary>
/// <param name="Text">As it stands in the text.</param>
/// <param name="Begin">Where it begins, in UTF-16 units.</param>
/// <param name="Weight">How much lower the log-odds of the decision, <c>ln p / (1 − p)</c>, are without the word; negative where it speaks against the decision.</param>
public sealed record MovingWord(string Text, int Begin, double Weight);

/// <summary>News sentiment by a language model with an adapter and a word model beside it.</summary>
/// <remarks>May be called from several threads; texts are computed one after the other. It may be disposed of while calls run: they end with <see cref="ObjectDisposedException"/>.</remarks>
public sealed class SentimentClassifier : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly LabelModel _model;
    private readonly Tokenizer _tokenizer;

    /// <summary>Never disposed of: calls that wait still get their turn, to be told that there is nothing left to compute with.</summary>
    private readonly SemaphoreSlim _turn = new(1);
    private volatile bool _isDisposed;

    private SentimentClassifier(Checkpoint checkpoint, LabelModel model, WordModel words, SentimentSettings settings)
    {
        (_checkpoint, _model, Words, Calibration, SequenceLength) = (checkpoint, model, words, settings.Calibration, settings.SequenceLength);
        _tokenizer = checkpoint.LoadTokenizer();
    }

    /// <summary>How scores become probabilities.</summary>
    public Calibration Calibration { get; }

    private WordModel Words { get; }

    private int SequenceLength { get; }

    /// <summary>Opens what <see cref="SentimentTraining"/> made.</summary>
    /// <param name="directory">Its folder: the adapter, the word model and the calibration.</param>
    /// <param name="model">The language model that the adapter stands on; null for the one it was trained on.</param>
    /// <param name="threads">Threads to compute with; null for all processors.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="CheckpointException">The model or the adapter cannot be used.</exception>
    public static SentimentClassifier Open(string directory, string? model = null, int? threads = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var settings = SentimentSettings.Read(Path.Combine(directory, ClassifierFolder.SettingsFile));
        var words = WordModel.Open(Path.Combine(directory, ClassifierFolder.WordsFile));
        if (words.LabelCount != SentimentLabels.Names.Count) throw new InvalidDataException($"{directory}: the word model knows {words.LabelCount} labels, expected {SentimentLabels.Names.Count}; train it again");
        return Open(Path.Combine(directory, ClassifierFolder.AdapterFolder), words, model is null ? settings : settings with { Model = model }, threads);
    }

    /// <summary>Puts a classifier together from its parts.</summary>
    internal static SentimentClassifier Open(string adapterFolder, WordModel words, SentimentSettings settings, int? threads)
    {
        var checkpoint = Checkpoint.Open(settings.Model);
        LabelModel? labels = null;
        try
        {
            using var adapter = LoraAdapter.Open(adapterFolder, checkpoint.Config);
            var options = new EngineOptions { MaxContext = settings.SequenceLength };
            labels = LabelModel.Open(checkpoint, adapter, threads is null ? options : options with { ThreadCount = threads.Value });
            return labels.Labels.SequenceEqual(SentimentLabels.Names)
                ? new SentimentClassifier(checkpoint, labels, words, settings)
                : throw new InvalidDataException($"{adapterFolder}: scores {string.Join(", ", labels.Labels)}, expected {string.Join(", ", SentimentLabels.Names)}");
        }
        catch
        {
            labels?.Dispose();
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Classifies texts.</summary>
    /// <param name="texts">English or Chinese; what is longer than the model was trained for is cut for the network, not for the word model.</param>
    /// <param name="explain">Whether to find the words that moved each decision, which computes a text once for each of its words (occlusion).</param>
    /// <param name="cancellation">Looked at between texts and words.</param>
    /// <returns>One result for each text, in order.</returns>
    /// <exception cref="ObjectDisposedException">It was disposed of, before or meanwhile.</exception>
    public async Task<IReadOnlyList<Sentiment>> ClassifyAsync(IEnumerable<string> texts, bool explain = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        string[] all = [.. texts];
        if (Array.FindIndex(all, string.IsNullOrWhiteSpace) is >= 0 and var empty) throw new ArgumentException($"texts[{empty}]: is empty, expected something to label", nameof(texts));
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => (IReadOnlyList<Sentiment>)[.. all.Select(text => Classify(text, explain, cancellation))], cancellation).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Waits for the text that is being computed, and for no other.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _model.Dispose();
        _checkpoint.Dispose();
    }

    /// <summary>Scores of network and words, before they are mixed.</summary>
    internal (float[] Network, float[] Words) Scores(string text)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return (_model.Scores(_tokenizer.Encode(text).Take(SequenceLength).ToArray()), Words.Scores(text));
    }

    private double[] Probabilities(string text)
    {
        var (network, words) = Scores(text);
        return Calibration.Probabilities(network, words);
    }

    private Sentiment Classify(string text, bool explain, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var probabilities = Probabilities(text);
        var label = Array.IndexOf(probabilities, probabilities.Max());
        var words = explain ? Occlusion(text, label, LogOdds(probabilities, label), cancellation) : [];
        return new Sentiment(label, probabilities[label], probabilities, words);
    }

    /// <summary>Takes each word out in turn: what the decision loses is the word's part in it.</summary>
    private List<MovingWord> Occlusion(string text, int label, double logOdds, CancellationToken cancellation)
    {
        var moved = new List<MovingWord>();
        foreach (var word in NewsWord.Split(text).Where(word => char.IsLetterOrDigit(word.Text, 0)))
        {
            cancellation.ThrowIfCancellationRequested();
            var without = text.Remove(word.Begin, word.Length);
            if (string.IsNullOrWhiteSpace(without)) continue;
            moved.Add(new MovingWord(text.Substring(word.Begin, word.Length), word.Begin, logOdds - LogOdds(Probabilities(without), label)));
        }

        return [.. moved.OrderByDescending(word => Math.Abs(word.Weight)).ThenBy(word => word.Begin)];
    }

    /// <summary>From the other labels' sum, which keeps its digits where <c>p</c> is nearly 1.</summary>
    private static double LogOdds(double[] probabilities, int label) => Math.Log(probabilities[label]) - Math.Log(probabilities.Where((_, other) => other != label).Sum());
}

/// <summary>What stands in <c>sentiment.json</c>.</summary>
/// <param name="Model">Full path of the language model.</param>
/// <param name="SequenceLength">Tokens of a text that the network reads at most.</param>
/// <param name="Calibration">How scores become probabilities.</param>
/// <param name="Measured">What training found on texts that nothing was learnt from.</param>
internal sealed record SentimentSettings(string Model, int SequenceLength, Calibration Calibration, SentimentFigures Measured)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public static SentimentSettings Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<SentimentSettings>(File.ReadAllText(path), Options) is { Calibration.Temperature: > 0, Calibration.NetworkShare: >= 0 and <= 1, SequenceLength: >= 8 and <= 4096, Model.Length: > 0 } settings
                ? settings
                : throw new InvalidDataException($"{path}: expected model, sequence_length and calibration; train it again");
        }
        catch (JsonException fault)
        {
            throw new InvalidDataException($"{path}: is no such JSON ({fault.Message}); train it again", fault);
        }
        catch (IOException fault)
        {
            throw new InvalidDataException($"{path}: cannot be read: {fault.Message}", fault);
        }
    }

    public void Write(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, Options));
}
