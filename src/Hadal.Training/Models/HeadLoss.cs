using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Output head and cross-entropy in one: <c>mean_t −log softmax(h_t Wᵀ)[target_t]</c>.</summary>
/// <remarks>Logits exist for <see cref="RowBlock"/> rows at a time and their gradient is made while they do, so memory and memory traffic do not grow
/// with tokens × vocab_size. Products are in the dtype of <c>h</c>, softmax and sums in that of the weight.</remarks>
internal sealed class HeadLoss : autograd.SingleTensorFunction<HeadLoss>
{
    private const long RowBlock = 512;

    public override string Name => nameof(HeadLoss);

    /// <param name="hidden">[rows, hidden_size], normalised.</param>
    /// <param name="weight">[vocab_size, hidden_size], float32 (or wider).</param>
    /// <param name="targets">[rows], int64.</param>
    /// <returns>Mean over the rows, a scalar in the dtype of the weight.</returns>
    /// <remarks>A frozen weight gets no gradient, and none is computed for it.</remarks>
    public static Tensor Apply(Tensor hidden, Tensor weight, Tensor targets) => apply(hidden, weight, targets, weight.requires_grad);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (hidden, weight, targets) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
        var rows = hidden.shape[0];
        var w = weight.to(hidden.dtype);
        var hiddenGradient = empty_like(hidden);
        var weightGradient = (bool)vars[3] ? zeros_like(weight) : null;
        var loss = zeros(1, weight.dtype, hidden.device);
        for (var begin = 0L; begin < rows; begin += RowBlock)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(RowBlock, rows - begin);
            var h = hidden.narrow(0, begin, count);
            var target = targets.narrow(0, begin, count).unsqueeze(1);
            var logProbabilities = matmul(h, w.t()).to(weight.dtype).log_softmax(-1);
            loss.add_(logProbabilities.gather(1, target).sum(), Number.Of(-1));
            var gradient = logProbabilities.exp_();
            gradient.scatter_add_(1, target, full([count, 1], Number.Of(-1.0), weight.dtype, hidden.device));
            var g = gradient.to(hidden.dtype);
            hiddenGradient.narrow(0, begin, count).copy_(matmul(g, w));
            weightGradient?.add_(matmul(g.t(), h), Number.One);
        }

        ctx.save_data("rows", rows);
        ctx.save_for_backward(weightGradient is null ? [hiddenGradient] : [hiddenGradient, weightGradient]);
        return loss.squeeze(0) / Number.Of(rows);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var saved = ctx.get_saved_variables();
        var each = grad_output / Number.Of((long)ctx.get_data("rows"));
        return [saved[0] * each, saved.Count > 1 ? saved[1] * each : null!, null!, null!];
    }
}
