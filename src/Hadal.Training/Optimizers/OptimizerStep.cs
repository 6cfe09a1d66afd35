using Hadal.Training.Torch;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Optimizers;

/// <summary>One update of all parameters of a run from their gradients.</summary>
/// <param name="options">Which optimiser, and its settings.</param>
internal sealed class OptimizerStep(RunOptions options)
{
    private readonly AdamW _adam = new(options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay);
    private readonly Muon? _muon = options.Optimizer == "muon" ? new Muon(options.Momentum, options.WeightDecay, options.ComputeScalar) : null;

    /// <summary>Updates what has a gradient: hidden matrices with Muon where the run asks for it, everything else (indexers always) with AdamW.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="learningRate">Of this step.</param>
    /// <param name="updateCount">Number of the update, from 1, of a parameter.</param>
    public void Apply(IReadOnlyList<TrainedParameter> parameters, double learningRate, Func<TrainedParameter, long> updateCount)
    {
        using var noGradient = no_grad();
        foreach (var parameter in parameters)
        {
            using var scope = NewDisposeScope();
            if (_muon is not null && parameter.IsHiddenMatrix && !parameter.IsIndexer) _muon.Step(parameter, learningRate);
            else _adam.Step(parameter, learningRate, updateCount(parameter));
        }
    }

    /// <summary>Scales all gradients down together where they are longer than <paramref name="limit"/>.</summary>
    /// <returns>Their length before.</returns>
    internal static double Clip(IReadOnlyList<TrainedParameter> parameters, double limit)
    {
        using var scope = NewDisposeScope();
        var gradients = parameters.Select(parameter => parameter.Parameter.grad).OfType<Tensor>().ToList();
        var norm = gradients.Count == 0 ? 0 : stack(gradients.Select(gradient => gradient.pow(Number.Of(2)).sum())).sum().sqrt().item<float>();
        if (norm > limit) foreach (var gradient in gradients) gradient.mul_(Number.Of(limit / norm));
        return norm;
    }
}
