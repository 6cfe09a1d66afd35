using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Optimizers;

/// <summary>A named parameter and its optimiser state.</summary>
/// <param name="Name">Name in the model's state.</param>
/// <param name="Parameter">The weight, float32.</param>
/// <param name="IsHiddenMatrix">Whether it is a matrix (or a stack of them) between hidden layers: no embedding, head, router, norm or bias.</param>
public sealed record TrainedParameter(string Name, Parameter Parameter, bool IsHiddenMatrix)
{
    /// <summary>State tensors by name (<c>m</c>, <c>v</c>, <c>momentum</c>), made when first needed.</summary>
    public Dictionary<string, Tensor> State { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether weight decay applies: matrices decay, norms and biases do not.</summary>
    public bool Decays => Parameter.dim() > 1;

    /// <summary>Whether it belongs to a lightning indexer, which learns from a loss of its own.</summary>
    public bool IsIndexer => Name.Contains(".indexer.", StringComparison.Ordinal);

    /// <summary>The trained parameters of a model.</summary>
    public static IReadOnlyList<TrainedParameter> Of(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. model.named_parameters().Select(named => new TrainedParameter(named.name, named.parameter, IsHidden(named.name, named.parameter)))];
    }

    /// <summary>The state tensor <paramref name="name"/>, zeros at first.</summary>
    public Tensor StateOf(string name)
    {
        if (!State.TryGetValue(name, out var tensor)) State.Add(name, tensor = zeros_like(Parameter).DetachFromDisposeScope());
        return tensor;
    }

    private static bool IsHidden(string name, Parameter parameter) =>
        parameter.dim() >= 2
        && !name.Contains("embed_tokens", StringComparison.Ordinal)
        && !name.StartsWith("lm_head", StringComparison.Ordinal)
        && !name.StartsWith("score", StringComparison.Ordinal)
        && !name.EndsWith("mlp.gate.weight", StringComparison.Ordinal)
        && !name.Contains("indexer.weights_proj", StringComparison.Ordinal);
}
