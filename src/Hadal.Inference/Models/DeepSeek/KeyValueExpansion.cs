using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>What leads from the latent to the keys and values of a head, from <c>kv_b_proj</c> or from the k_b and v_b parts of newer GGUF files.</summary>
/// <remarks>An adapter of kv_b_proj, <c>W' = f ⊙ (W + s B A)</c>, is added to each of the three products; it is never merged, so that sequences with others share a pass.
/// kv_b_proj: [heads · (nope + v), latent], per head key rows before value rows. k_b: per head [latent, nope], v_b: per head [v, latent].</remarks>
internal sealed unsafe class KeyValueExpansion
{
    private readonly WeightMatrix? _kvB;
    private readonly WeightMatrix[] _kB = [];
    private readonly WeightMatrix[] _vB = [];
    private readonly int _nope;
    private readonly int _value;

    public KeyValueExpansion(DeepSeekConfig config, WeightBinder weights, string prefix)
    {
        (_nope, _value) = (config.QkNopeHeadDim, config.VHeadDim);
        if (weights.Has(prefix + "kv_b_proj.weight"))
        {
            _kvB = weights.Matrix(prefix + "kv_b_proj.weight");
            Site = weights.Site(prefix + "kv_b_proj");
            return;
        }

        _kB = weights.Stack(prefix + "k_b_proj.weight");
        _vB = weights.Stack(prefix + "v_b_proj.weight");
    }

    /// <summary>Number of kv_b_proj for adapters; −1 where it is stored in parts, which none is trained on.</summary>
    public int Site { get; } = -1;

    /// <summary><c>qc = W_UKᵀ qn</c>: [tokenCount, nope] to [tokenCount, latent]. With trained lengths <paramref name="x"/> is scaled by them.</summary>
    public void AbsorbQuery(int head, float* x, int xStride, int tokenCount, float* y, int yStride, LoraWeights? adapter)
    {
        var begin = head * (_nope + _value);
        adapter?.ScaleByLengths(x, xStride, tokenCount, begin, begin + _nope);
        if (_kvB is null) _kB[head].Multiply(x, xStride, tokenCount, y, yStride, 0, _kB[head].Rows);
        else _kvB.MultiplyTransposed(x, xStride, tokenCount, y, yStride, begin, begin + _nope);
        adapter?.ApplyTransposed(x, xStride, tokenCount, y, yStride, begin, begin + _nope);
    }

    /// <summary><c>kn = W_UK c</c>: [tokenCount, latent] to [tokenCount, nope].</summary>
    public void Keys(int head, float* x, int xStride, int tokenCount, float* y, int yStride, LoraWeights? adapter)
    {
        var begin = head * (_nope + _value);
        if (_kvB is null) _kB[head].MultiplyTransposed(x, xStride, tokenCount, y, yStride, 0, _kB[head].Rows);
        else _kvB.Multiply(x, xStride, tokenCount, y - begin, yStride, begin, begin + _nope);
        adapter?.Apply(x, xStride, tokenCount, y - begin, yStride, begin, begin + _nope);
    }

    /// <summary><c>v = W_UV c</c>: [tokenCount, latent] to [tokenCount, v].</summary>
    public void Values(int head, float* x, int xStride, int tokenCount, float* y, int yStride, LoraWeights? adapter)
    {
        var begin = (head * (_nope + _value)) + _nope;
        if (_kvB is null) _vB[head].Multiply(x, xStride, tokenCount, y, yStride, 0, _value);
        else _kvB.Multiply(x, xStride, tokenCount, y - begin, yStride, begin, begin + _value);
        adapter?.Apply(x, xStride, tokenCount, y - begin, yStride, begin, begin + _value);
    }
}
