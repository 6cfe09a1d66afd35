using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>What a low-rank adapter does to one matrix: <c>y = f ⊙ (W x + s · B (A x̃)) + b</c>, x̃ being x after dropout.</summary>
/// <remarks>Of an embedding x is 1 at the token's place and 0 elsewhere, so that A x is a column of A, and there is no dropout. f is 1, or with DoRA the trained magnitudes over the lengths of the rows of <c>W + s B A</c>, which count as constants in the gradient. Where dropout is
/// on, DoRA's factor acts on W x̃ and leaves W x itself as it was: huggingface/peft <c>tuners/lora/layer.py</c>, <c>dora.py</c>. Hu et al. 2021, arXiv:2106.09685;
/// Liu et al. 2024, arXiv:2402.09353.</remarks>
public sealed class LowRankUpdate : IDisposable
{
    /// <summary>Creates an update that changes nothing yet: A uniform within ±1/√in, B zero, magnitudes the lengths of the rows of W. Of an embedding A is zero and B uniform within
    /// ±1/√out: peft draws B from a normal distribution, with which tokens would move some thirty times as far in a step.</summary>
    /// <param name="projection">The matrix it is for.</param>
    /// <param name="rank">r.</param>
    /// <param name="scale">s.</param>
    /// <param name="dropout">Share of inputs that are left out while training.</param>
    /// <param name="hasMagnitude">Whether row lengths are trained (DoRA).</param>
    public LowRankUpdate(IAdaptable projection, int rank, double scale, double dropout, bool hasMagnitude)
    {
        ArgumentNullException.ThrowIfNull(projection);
        using var noGradient = no_grad();
        long outputs = projection.OutputSize, inputs = projection.InputSize;
        var device = projection.Device;
        A = nn.Parameter(projection.IsEmbedding ? zeros([rank, inputs], device: device) : Drawn([rank, inputs], inputs));
        B = nn.Parameter(projection.IsEmbedding ? Drawn([outputs, rank], outputs) : zeros([outputs, rank], device: device));
        if (hasMagnitude) Magnitude = nn.Parameter(projection.Dense().norm(1));
        (Scale, Dropout) = (scale, projection.IsEmbedding ? 0 : dropout);

        Tensor Drawn(long[] shape, long size) => rand(shape, device: device).sub_(Number.Of(0.5)).mul_(Number.Of(2 / Math.Sqrt(size)));
    }

    /// <summary>[r, in], float32.</summary>
    public Parameter A { get; }

    /// <summary>[out, r], float32.</summary>
    public Parameter B { get; }

    /// <summary>[out], float32; null without DoRA.</summary>
    public Parameter? Magnitude { get; }

    /// <summary>s.</summary>
    public double Scale { get; }

    /// <summary>Share of inputs that are left out while training.</summary>
    public double Dropout { get; }

    /// <summary>Whether dropout is on.</summary>
    public bool IsTraining { get; set; }

    /// <summary>The adapted product.</summary>
    /// <param name="projection">The matrix.</param>
    /// <param name="input">[…, in]; of an embedding token ids, […].</param>
    /// <returns>[…, out] in the dtype of <paramref name="input"/>; of an embedding float32.</returns>
    public Tensor Apply(IAdaptable projection, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(projection);
        ArgumentNullException.ThrowIfNull(input);
        var type = projection.IsEmbedding ? ScalarType.Float32 : input.dtype;
        var isDropping = IsTraining && Dropout > 0;
        var dropped = isDropping ? nn.functional.dropout(input, Dropout, training: true) : input;
        var plain = projection.Product(input);
        var inner = projection.IsEmbedding ? A.transpose(0, 1).index_select(0, input.flatten()).reshape([.. input.shape, A.shape[0]]) : nn.functional.linear(dropped, A.to(type));
        var update = nn.functional.linear(inner, B.to(type)) * Number.Of(Scale);
        Tensor output;
        if (Magnitude is null)
        {
            output = plain.add(update, Number.One);
        }
        else
        {
            var factor = (Magnitude / RowLengths(projection)).to(type);
            output = isDropping ? plain.add(projection.Product(dropped) * (factor - Number.One), Number.One).add(update * factor, Number.One) : plain.add(update, Number.One) * factor;
        }

        return projection.Bias is { } bias ? output.add(bias.to(type), Number.One) : output;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
        Magnitude?.Dispose();
    }

    /// <summary>Lengths of the rows of <c>W + s B A</c>; a row of zeros, which has none, counts as of length one.</summary>
    private Tensor RowLengths(IAdaptable projection)
    {
        using var noGradient = no_grad();
        var lengths = projection.Dense().add(matmul(B, A) * Number.Of(Scale), Number.One).norm(1);
        return lengths.masked_fill_(lengths.eq(Number.Of(0)), Number.One);
    }
}
