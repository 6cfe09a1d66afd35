using System.Globalization;
using System.IO.Compression;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Finance.Data;

namespace Hadal.Finance.Sentiment;

/// <summary>How a <see cref="WordModel"/> is trained.</summary>
public sealed record WordModelOptions
{
    /// <summary>Length of each group of <see cref="NewsFeatures.Groups"/> before training.</summary>
    public IReadOnlyList<double> GroupWeights { get; init; } = [1, 0.4, 1];

    /// <summary>Texts a feature must stand in.</summary>
    public int LeastTexts { get; init; } = 1;

    /// <summary>Weight decay, at each visit.</summary>
    public double Decay { get; init; } = 1e-4;

    /// <summary>Pace.</summary>
    public double Rate { get; init; } = 0.03;

    /// <summary>How often each text is learnt.</summary>
    public int Epochs { get; init; } = 20;

    /// <summary>Seed of the order.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>0: texts count alike; 1: labels do. Between them for a better mean of F1 over labels.</summary>
    public double Balance { get; init; } = 0.3;

    /// <summary>Share of the target that goes to the other labels.</summary>
    public double Smoothing { get; init; } = 0.05;
}

/// <summary>Scores of labels from weighted features: softmax regression over TF-IDF, each group of <see cref="NewsFeatures"/> a vector of its own length.</summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class WordModel
{
    private readonly Dictionary<string, int>[] _indexes;
    private readonly float[] _frequency;
    private readonly float[] _weight;
    private readonly float[] _bias;

    private WordModel(Dictionary<string, int>[] indexes, float[] frequency, float[] weight, float[] bias) => (_indexes, _frequency, _weight, _bias) = (indexes, frequency, weight, bias);

    /// <summary>Number of labels.</summary>
    public int LabelCount => _bias.Length;

    /// <summary>Trains a model.</summary>
    /// <param name="texts">Labelled texts.</param>
    /// <param name="labelCount">Number of labels.</param>
    /// <param name="options">How; null for the defaults.</param>
    public static WordModel Train(IReadOnlyList<LabelledText> texts, int labelCount, WordModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new WordModelOptions();
        var features = texts.Select(text => NewsFeatures.Of(text.Text)).ToList();
        var indexes = NewsFeatures.Groups.Select(_ => new Dictionary<string, int>(StringComparer.Ordinal)).ToArray();
        var frequency = new List<float>();
        for (var group = 0; group < indexes.Length; group++)
        {
            foreach (var (feature, count) in features.SelectMany(groups => groups[group].Distinct()).CountBy(feature => feature))
            {
                if (count < options.LeastTexts) continue;
                indexes[group].Add(feature, frequency.Count);

                // The length of the group is part of the weight of its features.
                frequency.Add((float)(options.GroupWeights[group] * (1 + Math.Log((1.0 + texts.Count) / (1 + count)))));
            }
        }

        var untrained = new WordModel(indexes, [.. frequency], [], new float[labelCount]) { GroupWeights = options.GroupWeights };
        var rows = features.Select(untrained.Row).ToList();
        var counts = Enumerable.Range(0, labelCount).Select(label => texts.Where(text => text.Label == label).Sum(text => text.Weight)).ToArray();
        var weights = texts.Select(text => text.Weight * Math.Pow(counts.Sum() / labelCount / counts[text.Label], options.Balance)).ToArray();
        var average = weights.Average();
        for (var index = 0; index < weights.Length; index++) weights[index] /= average;
        var (weight, bias) = SoftmaxRegression.Fit(rows, [.. texts.Select(text => text.Label)], weights, labelCount, frequency.Count, options);
        return new WordModel(indexes, [.. frequency], weight, bias) { GroupWeights = options.GroupWeights };
    }

    private IReadOnlyList<double> GroupWeights { get; init; } = [];

    /// <summary>Scores of a text.</summary>
    /// <returns>[labels], not normalised.</returns>
    public float[] Scores(string text)
    {
        var scores = (float[])_bias.Clone();
        foreach (var (feature, value) in Row(NewsFeatures.Of(text)))
            for (var label = 0; label < scores.Length; label++) scores[label] += value * _weight[(feature * scores.Length) + label];
        return scores;
    }

    /// <summary>Writes the model: a packed table with a line for each feature, <c>group, feature, idf, weight of each label</c>.</summary>
    public void Save(string path) => AtomicFile.Write(path, stream =>
    {
        using var writer = new StreamWriter(new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { NewLine = "\n" };
        writer.WriteLine(string.Join('\t', GroupWeights.Select(weight => weight.ToString("R", CultureInfo.InvariantCulture))));
        writer.WriteLine(string.Join('\t', _bias.Select(Text)));
        for (var group = 0; group < _indexes.Length; group++)
            foreach (var (feature, index) in _indexes[group])
                writer.WriteLine(string.Join('\t', [NewsFeatures.Groups[group], feature, Text(_frequency[index]), .. _weight.AsSpan(index * LabelCount, LabelCount).ToArray().Select(Text)]));
    });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is something else.</exception>
    public static WordModel Open(string path)
    {
        try
        {
            using var reader = NewsFiles.Open(path);
            var groupWeights = (reader.ReadLine() ?? "").Split('\t').Select(weight => double.Parse(weight, NumberStyles.Float, CultureInfo.InvariantCulture)).ToArray();
            if (groupWeights.Length != NewsFeatures.Groups.Count) throw new FormatException($"expected {NewsFeatures.Groups.Count} lengths of groups, found {groupWeights.Length}");
            var bias = Numbers(reader.ReadLine());
            var (indexes, frequency, weight) = (NewsFeatures.Groups.Select(_ => new Dictionary<string, int>(StringComparer.Ordinal)).ToArray(), new List<float>(), new List<float>());
            while (reader.ReadLine() is { } line)
            {
                var fields = line.Split('\t');
                if (fields.Length != 3 + bias.Length || NewsFeatures.Groups.ToList().IndexOf(fields[0]) is not (>= 0 and var group)) throw new FormatException($"expected a group, a feature and {1 + bias.Length} numbers, found '{line}'");
                indexes[group].Add(fields[1], frequency.Count);
                frequency.Add(Number(fields[2]));
                weight.AddRange(fields.Skip(3).Select(Number));
            }

            return new WordModel(indexes, [.. frequency], [.. weight], bias) { GroupWeights = groupWeights };
        }
        catch (Exception fault) when (fault is FormatException or InvalidDataException or ArgumentException)
        {
            throw new InvalidDataException($"{path}: is no word model, or damaged ({fault.Message}); train it again", fault);
        }
    }

    private static string Text(float value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static float Number(string text) => float.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static float[] Numbers(string? line) => [.. (line ?? throw new FormatException("it ends early")).Split('\t').Select(Number)];

    /// <summary>The features a model knows with their values: <c>(1 + ln count) · idf</c>, each group scaled to its length.</summary>
    private (int Feature, float Value)[] Row(IReadOnlyList<string>[] groups)
    {
        var row = new List<(int, float)>();
        for (var group = 0; group < groups.Length; group++)
        {
            var begin = row.Count;
            var squares = 0.0;
            foreach (var (feature, count) in groups[group].CountBy(feature => feature))
            {
                if (!_indexes[group].TryGetValue(feature, out var index)) continue;
                var value = (float)(1 + Math.Log(count)) * _frequency[index];
                squares += value * value;
                row.Add((index, value));
            }

            var scale = (float)(GroupWeights[group] / Math.Sqrt(Math.Max(1e-12, squares)));
            for (var index = begin; index < row.Count; index++) row[index] = (row[index].Item1, row[index].Item2 * scale);
        }

        return [.. row];
    }
}
