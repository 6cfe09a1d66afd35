using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>Learns to label texts (<c>text</c>, <c>label</c>), or to give them a value (<c>text</c>, <c>value</c>), read at their last token.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="sequenceLength">Tokens of a text at most; what is longer is cut off at the end.</param>
/// <param name="labels">Names of the labels; null: texts have a value.</param>
internal sealed class LabelTask(Tokenizer tokenizer, int sequenceLength, LabelNames? labels) : ILearningTask
{
    /// <inheritdoc/>
    public string Identity => $"label|{sequenceLength}|{string.Join('\n', labels?.Names ?? [])}";

    /// <inheritdoc/>
    public int GroupSize => 1;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingExample> Make(DataRecord record)
    {
        var text = record.Text("text");
        if (string.IsNullOrWhiteSpace(text)) throw new BadRecordException("text: is empty; there is nothing to label");
        var ids = tokenizer.Encode(text);
        return [new TrainingExample([.. ids.Take(sequenceLength)], [], labels is null ? ValueOf(record) : LabelOf(record, labels)) { IsCut = ids.Count > sequenceLength }];
    }

    /// <inheritdoc/>
    public double WeightOf(TrainingExample example) => 1;

    /// <inheritdoc/>
    public Tensor Loss(CausalModel model, ExampleBatch batch) => Loss(Scores(model, batch), batch, model.Device);

    /// <inheritdoc/>
    public SortedDictionary<string, double> Measure(CausalModel model, IEnumerable<ExampleBatch> batches)
    {
        var loss = 0.0;
        List<double> expected = [], found = [];
        foreach (var batch in batches)
        {
            using var scope = NewDisposeScope();
            var scores = Scores(model, batch);
            var values = batch.Examples.Select(placed => placed.Example.Value).ToList();
            loss += Loss(scores, batch, model.Device).item<float>() * values.Count;
            expected.AddRange(values);
            found.AddRange(labels is null ? scores.select(1, 0).to(ScalarType.Float64).data<double>() : scores.argmax(1).to(ScalarType.Float64).data<double>());
        }

        var measured = new SortedDictionary<string, double>(StringComparer.Ordinal) { ["loss"] = Math.Round(loss / expected.Count, 5) };
        if (labels is null)
        {
            var mean = expected.Average();
            measured["r2"] = Math.Round(1 - (expected.Zip(found).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / Math.Max(1e-12, expected.Sum(value => Math.Pow(value - mean, 2)))), 5);
            return measured;
        }

        measured["accuracy"] = Math.Round(expected.Zip(found).Average(pair => pair.First.Equals(pair.Second) ? 1.0 : 0), 5);
        measured["macro_f1"] = Math.Round(LabelFigures.MacroF1([.. expected.Select(id => (int)id)], [.. found.Select(id => (int)id)], labels.Names.Count), 5);
        return measured;
    }

    /// <inheritdoc/>
    public double ScoreOf(IReadOnlyDictionary<string, double> measured) => labels is null ? -measured["loss"] : measured["macro_f1"];

    /// <summary>[examples, labels], float32.</summary>
    private static Tensor Scores(CausalModel model, ExampleBatch batch)
    {
        var last = batch.Examples.Select(placed => placed.Begin + placed.Example.Ids.Length - 1).ToArray();
        return model.Scores(model.Hidden(batch.Ids(model.Device), documents: batch.Documents(model.Device)).flatten(0, 1).index_select(0, tensor(last, device: model.Device)));
    }

    private Tensor Loss(Tensor scores, ExampleBatch batch, Device device)
    {
        var values = batch.Examples.Select(placed => placed.Example.Value);
        return labels is null
            ? (scores.select(1, 0) - tensor(values.Select(value => (float)value).ToArray(), device: device)).pow(Number.Of(2)).mean()
            : nn.functional.cross_entropy(scores, tensor(values.Select(value => (long)value).ToArray(), device: device));
    }

    private static double LabelOf(DataRecord record, LabelNames labels) => record.TryGet("label", out var label) ? labels.IdOf(label, "label") : throw record.Missing("label");

    private static double ValueOf(DataRecord record)
    {
        if (!record.TryGet("value", out var value)) throw record.Missing("value");
        var isNumber = value.ValueKind != System.Text.Json.JsonValueKind.String
            ? DataRecord.TryNumber(value, out var number)
            : double.TryParse(record.Text("value"), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out number);
        return isNumber && Math.Abs(number) <= float.MaxValue ? number : throw new BadRecordException($"value: expected a number in the range of float32, found {DataRecord.Excerpt(value)}");
    }
}
