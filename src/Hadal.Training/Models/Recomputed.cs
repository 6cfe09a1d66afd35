using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A part of a model whose activations are not kept for the backward pass but computed again (gradient checkpointing).</summary>
/// <remarks>Chen et al. 2016, arXiv:1604.06174. Memory falls from all activations of all layers to the inputs of the layers and the activations of one; the price
/// is one more forward pass. Random numbers are drawn anew from the same state of the generator, so dropout is the same both times.</remarks>
internal sealed class Recomputed : autograd.SingleTensorFunction<Recomputed>
{
    public override string Name => nameof(Recomputed);

    /// <param name="input">What the part reads; a leaf without gradient is given one, or nothing would flow back to the part's own weights.</param>
    /// <param name="part">The part. It is called twice.</param>
    public static Tensor Apply(Tensor input, Func<Tensor, Tensor> part) => apply(input.requires_grad ? input : input.detach().requires_grad_(), part);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (input, part) = ((Tensor)vars[0], (Func<Tensor, Tensor>)vars[1]);
        ctx.save_data("part", part);
        ctx.save_for_backward([input, random.get_rng_state()]);
        using var noGradient = no_grad();
        return part(input);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var part = (Func<Tensor, Tensor>)ctx.get_data("part");
        var saved = ctx.get_saved_variables();
        var later = random.get_rng_state();
        random.set_rng_state(saved[1]);
        using var gradient = enable_grad();
        var input = saved[0].detach().requires_grad_();
        part(input).backward([grad_output]);
        random.set_rng_state(later);
        return [input.grad!, null!];
    }
}
