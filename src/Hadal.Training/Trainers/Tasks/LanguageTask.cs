using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>Learns what to write: mean cross-entropy over the tokens of answers.</summary>
internal sealed class LanguageTask(Tokenizer tokenizer, string? chatTemplate, int sequenceLength) : ILearningTask
{
    private readonly LanguageExamples _examples = new(tokenizer, chatTemplate, sequenceLength);

    /// <inheritdoc/>
    public string Identity => _examples.Identity;

    /// <inheritdoc/>
    public string? Note => _examples.Note;

    /// <inheritdoc/>
    public int GroupSize => 1;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingExample> Make(DataRecord record) => _examples.Make(record);

    /// <inheritdoc/>
    public double WeightOf(TrainingExample example) => example.LabelCount;

    /// <inheritdoc/>
    public Tensor Loss(CausalModel model, ExampleBatch batch)
    {
        var (positions, targets) = batch.Labels(shift: 1);
        var hidden = model.Hidden(batch.Ids(model.Device), documents: batch.Documents(model.Device));

        // The head is computed where something is learnt, and nowhere else.
        return model.Loss(hidden.flatten(0, 1).index_select(0, tensor(positions, device: model.Device)), tensor(targets, device: model.Device));
    }

    /// <inheritdoc/>
    public SortedDictionary<string, double> Measure(CausalModel model, IEnumerable<ExampleBatch> batches)
    {
        double loss = 0, weight = 0;
        foreach (var batch in batches)
        {
            using var scope = NewDisposeScope();
            var count = batch.Examples.Sum(placed => WeightOf(placed.Example));
            loss += Loss(model, batch).item<float>() * count;
            weight += count;
        }

        return new SortedDictionary<string, double>(StringComparer.Ordinal) { ["loss"] = Math.Round(loss / weight, 5) };
    }

    /// <inheritdoc/>
    public double ScoreOf(IReadOnlyDictionary<string, double> measured) => -measured["loss"];
}
