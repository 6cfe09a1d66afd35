using Hadal.Training.Torch;
namespace Hadal.Training.Optimizers;

/// <summary>Adam with decoupled weight decay: <c>w −= lr·λ·w + lr · m̂ / (√v̂ + ε)</c>.</summary>
/// <remarks>Loshchilov and Hutter 2019, arXiv:1711.05101. Written out so that its whole state is in <see cref="TrainedParameter.State"/>.</remarks>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">ε.</param>
/// <param name="WeightDecay">λ, on matrices only.</param>
public sealed record AdamW(double Beta1, double Beta2, double Epsilon, double WeightDecay)
{
    /// <summary>Updates one parameter from its gradient; one without gradient stays as it is.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="learningRate">lr of this step.</param>
    /// <param name="step">Number of this update, from 1.</param>
    public void Step(TrainedParameter parameter, double learningRate, long step)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (parameter.Parameter.grad is not { } gradient) return;
        var (m, v) = (parameter.StateOf("m"), parameter.StateOf("v"));
        m.mul_(Number.Of(Beta1)).add_(gradient, Number.Of(1 - Beta1));
        v.mul_(Number.Of(Beta2)).addcmul_(gradient, gradient, Number.Of(1 - Beta2));
        var denominator = v.sqrt().mul_(Number.Of(1 / Math.Sqrt(1 - Math.Pow(Beta2, step)))).add_(Number.Of(Epsilon), Number.One);
        if (parameter.Decays) parameter.Parameter.mul_(Number.Of(1 - (learningRate * WeightDecay)));
        parameter.Parameter.addcdiv_(m, denominator, Number.Of(-learningRate / (1 - Math.Pow(Beta1, step))));
    }
}
