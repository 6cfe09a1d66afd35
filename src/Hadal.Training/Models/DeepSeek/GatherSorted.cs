using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Rows in another order: <c>y[i] = x[order[i] / copies]</c>, with a backward pass that is a gather too.</summary>
/// <remarks>The general backward pass of a row selection adds row by row; here the inverse order is known, so the gradient of a row is the sum of
/// its <c>copies</c> gathered rows, which is faster and has one fixed order of summation.</remarks>
internal sealed class GatherSorted : autograd.SingleTensorFunction<GatherSorted>
{
    public override string Name => nameof(GatherSorted);

    /// <param name="x">[rows, size].</param>
    /// <param name="order">[any], for each row of the result the row of x, times <paramref name="copies"/>.</param>
    /// <param name="place">[rows · copies], where in the result each copy of a row is read again.</param>
    /// <param name="copies">How often each row counts.</param>
    /// <param name="unread">Rows of x that the result does not have and whose gradient is zero, or null for none.</param>
    public static Tensor Apply(Tensor x, Tensor order, Tensor place, long copies, Tensor? unread = null) => apply(x, order, place, copies, unread!);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (x, order, place, copies) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (long)vars[3]);
        ctx.save_for_backward(vars[4] is Tensor unread ? [place, unread] : [place]);
        ctx.save_data("copies", copies);
        return x.index_select(0, copies == 1 ? order : order.div(Number.Of(copies), RoundingMode.floor));
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var saved = ctx.get_saved_variables();
        var copies = (long)ctx.get_data("copies");
        var gathered = grad_output.index_select(0, saved[0]);
        if (saved.Count > 1) gathered.index_fill_(0, saved[1], Number.Of(0));
        return [copies == 1 ? gathered : gathered.view(-1, copies, gathered.shape[1]).sum(1), null!, null!, null!, null!];
    }
}
