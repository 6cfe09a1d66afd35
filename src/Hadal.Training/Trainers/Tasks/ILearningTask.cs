using Hadal.Training.Data.Examples;
using Hadal.Training.Models;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>What an adaptation learns: how records become examples, what is minimised, and what is measured.</summary>
internal interface ILearningTask : IExampleMaker
{
    /// <summary>Examples that are learnt together, one behind the other: 1, or 2 for pairs.</summary>
    int GroupSize { get; }

    /// <summary>Looks at examples with the model as it is before the first step.</summary>
    /// <param name="model">The model.</param>
    /// <param name="examples">The examples, whose values it may set.</param>
    /// <param name="batches">Makes batches of units.</param>
    void Prepare(CausalModel model, ExampleFile examples, Func<IReadOnlyList<int[]>, IEnumerable<ExampleBatch>> batches)
    {
    }

    /// <summary>What the mean loss is a mean over, of one example: its answer's tokens, or itself.</summary>
    double WeightOf(TrainingExample example);

    /// <summary>The loss of a batch, mean over its weight.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">The examples.</param>
    Tensor Loss(CausalModel model, ExampleBatch batch);

    /// <summary>Measures a model on held-out examples.</summary>
    /// <param name="model">The model; no gradient is recorded.</param>
    /// <param name="batches">The examples.</param>
    /// <returns>Figures by name, <c>loss</c> among them.</returns>
    SortedDictionary<string, double> Measure(CausalModel model, IEnumerable<ExampleBatch> batches);

    /// <summary>The figure that decides which weights are the best; higher is better.</summary>
    double ScoreOf(IReadOnlyDictionary<string, double> measured);
}
