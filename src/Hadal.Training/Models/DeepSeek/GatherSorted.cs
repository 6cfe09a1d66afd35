using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Rows in another order: <c>y[i] = x[order[i] / copies]</c>, with a backward pass that is a gather too.</summary>
/// <remarks>The general backward pass of a row selection adds row by row; here the inverse order is known, so the gradient of a row is the sum of
/// its <c>copies</c> gathered rows, which is faster and has one fixed order of summation.</remarks>
internal sealed class GatherSorted : autograd.SingleTensorFunction<GatherSorted>
{
    public override string Name => nameof(GatherSorted);

    /// <param name="x">[rows, size].</param>
    /// <param name="order">[rows · copies], a permutation.</param>
    /// <param name="place">Its inverse.</param>
    /// <param name="copies">How often each row appears.</param>
    public static Tensor Apply(Tensor x, Tensor order, Tensor place, long copies) => apply(x, order, place, copies);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (x, order, place, copies) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (long)vars[3]);
        ctx.save_for_backward([place]);
        ctx.save_data("copies", copies);
        return x.index_select(0, copies == 1 ? order : order.div(copies, RoundingMode.floor));
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var place = ctx.get_saved_variables()[0];
        var copies = (long)ctx.get_data("copies");
        var gathered = grad_output.index_select(0, place);
        return [copies == 1 ? gathered : gathered.view(-1, copies, gathered.shape[1]).sum(1), null!, null!, null!];
    }
}
