using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Adapters;

/// <summary>A saved adapter on a model that is measured: its updates, biases and head.</summary>
internal sealed class AppliedAdapter : IDisposable
{
    private readonly List<LowRankUpdate> _updates = [];

    /// <summary>Puts it on a model; the model's biases and head become the adapter's where it brings some.</summary>
    /// <param name="model">The model, with a head for the adapter's labels where it has some.</param>
    /// <param name="adapter">The adapter, opened for the model's config.</param>
    /// <exception cref="CheckpointException">It adapts what training does not compute.</exception>
    public AppliedAdapter(CausalModel model, LoraAdapter adapter)
    {
        using var noGradient = no_grad();
        var matrices = model.Adaptable.ToDictionary(named => named.Name, named => named.Matrix, StringComparer.Ordinal);
        foreach (var module in adapter.Modules)
        {
            if (!matrices.TryGetValue(module.Name, out var matrix)) throw new CheckpointException($"{adapter.Path}: adapts {module.Name}, which is not computed here; work it into the model with hadal merge");
            if (module.Table is { } table && matrix is not Projection { Codes: not null } && !IsNear(table, matrix.IsEmbedding ? matrix.Dense().transpose(0, 1) : matrix.Dense()))
                throw module.OtherTable(adapter.Path);
            var update = new LowRankUpdate(matrix, module.Rank, module.Scale, dropout: 0, module.Magnitude is not null);
            _updates.Add(update);
            Copy(module.A, update.A);
            Copy(module.B, update.B);
            if (module.Magnitude is { } magnitude) Copy(magnitude, update.Magnitude!);
            if (module.Bias is { } bias) Copy(bias, matrix.Bias ?? throw new CheckpointException($"{adapter.Path}: {module.Name} has a trained bias, and the model has none to put it in"));
            matrix.Update = update;
        }

        if (adapter.Score is not { } score) return;
        Copy(score.Weight, model.Score!.Weight);
        if (score.Bias is { } scoreBias) Copy(scoreBias, model.Score.Bias!);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var update in _updates) update.Dispose();
    }

    /// <summary>Whether two tables are the same but for rounding.</summary>
    private static bool IsNear(Checkpoints.Weights.WeightTensor stored, Tensor own)
    {
        using var values = TensorBytes.Read(stored);
        return values.allclose(own, LoraModule.TableRelative, LoraModule.TableAbsolute);
    }

    private static void Copy(Checkpoints.Weights.WeightTensor stored, Tensor target)
    {
        using var values = TensorBytes.Read(stored);
        target.copy_(values);
    }
}
