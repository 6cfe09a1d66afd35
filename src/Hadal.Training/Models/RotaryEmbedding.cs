using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Rotary position embedding: pair frequencies, YaRN included, and the two pairings.</summary>
/// <remarks>Su et al. 2021, arXiv:2104.09864; YaRN: Peng et al. 2023, arXiv:2309.00071, in the form of deepseek-ai/DeepSeek-V3 <c>inference/model.py</c>.</remarks>
public sealed class RotaryEmbedding : IDisposable
{
    private readonly double[] _frequencies;
    private readonly double _multiplier;
    private readonly Device _device;
    private Tensor? _cos;
    private Tensor? _sin;

    /// <summary>Prepares the tables of a model.</summary>
    /// <param name="config">Base and scaling.</param>
    /// <param name="size">Rotated width: head_dim, or qk_rope_head_dim.</param>
    /// <param name="device">Where they live.</param>
    /// <exception cref="NotSupportedException">The scaling is not none, default, linear, llama3 or yarn.</exception>
    public RotaryEmbedding(ModelConfig config, int size, Device device)
    {
        ArgumentNullException.ThrowIfNull(config);
        _device = device;
        _frequencies = Frequencies(config, size);
        var scaling = config.RopeScaling;
        _multiplier = scaling?.Kind != "yarn" ? 1
            : scaling.Mscale is { } mscale && scaling.MscaleAllDim is { } all ? Magnitude(scaling.Factor, mscale) / Magnitude(scaling.Factor, all)
            : Magnitude(scaling.Factor, 1);
    }

    /// <summary>Scale of attention scores: <c>qk_head_dim^-0.5 · m²</c> with YaRN's <c>m</c> from <c>mscale_all_dim</c>.</summary>
    public static double SoftmaxScale(DeepSeekConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var m = config.RopeScaling is { MscaleAllDim: { } all and not 0 } scaling ? Magnitude(scaling.Factor, all) : 1;
        return m * m / Math.Sqrt(config.QkHeadDim);
    }

    /// <summary>The <c>size / 2</c> angles per position.</summary>
    /// <exception cref="NotSupportedException">The scaling is not none, default, linear, llama3 or yarn.</exception>
    public static double[] Frequencies(ModelConfig config, int size)
    {
        ArgumentNullException.ThrowIfNull(config);
        var frequencies = new double[size / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = Math.Pow(config.RopeTheta, -2.0 * i / size);
        switch (config.RopeScaling?.Kind)
        {
            case null or "default":
                break;
            case "linear":
                for (var i = 0; i < frequencies.Length; i++) frequencies[i] /= config.RopeScaling.Factor;
                break;
            case "llama3":
                ScaleLlama3(frequencies, config);
                break;
            case "yarn":
                ScaleYarn(frequencies, config);
                break;
            default:
                throw new NotSupportedException($"rope_scaling.type '{config.RopeScaling.Kind}': training computes default, linear, llama3 and yarn");
        }

        return frequencies;
    }

    /// <summary>Rotates pairs (2i, 2i+1) of the last dimension; the result holds the first members, then the second.</summary>
    /// <remarks>That order is the same for queries and keys, so scores are those of the in-place form.</remarks>
    /// <param name="input">[batch, tokens, heads, size]; position = index along tokens.</param>
    public Tensor RotateInterleaved(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var pairs = input.unflatten(input.dim() - 1, [-1, 2]).unbind(-1);
        return Rotate(pairs[0], pairs[1]);
    }

    /// <summary>Rotates pairs (i, i + d/2) of the last dimension.</summary>
    /// <inheritdoc cref="RotateInterleaved"/>
    public Tensor RotateHalves(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var halves = input.chunk(2, -1);
        return Rotate(halves[0], halves[1]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cos?.Dispose();
        _sin?.Dispose();
    }

    /// <summary>Slow pairs turn slower by the factor, fast ones stay, those between are blended (Llama 3.1, <c>modeling_rope_utils.py</c>).</summary>
    private static void ScaleLlama3(double[] frequencies, ModelConfig config)
    {
        var scaling = config.RopeScaling!;
        double original = scaling.OriginalMaxPositionEmbeddings ?? config.MaxPositionEmbeddings, low = scaling.LowFreqFactor!.Value, high = scaling.HighFreqFactor!.Value;
        for (var i = 0; i < frequencies.Length; i++)
        {
            var smooth = Math.Clamp(((original * frequencies[i] / (2 * Math.PI)) - low) / (high - low), 0, 1);
            frequencies[i] = ((1 - smooth) * frequencies[i] / scaling.Factor) + (smooth * frequencies[i]);
        }
    }

    private static void ScaleYarn(double[] frequencies, ModelConfig config)
    {
        var (scaling, size) = (config.RopeScaling!, 2 * frequencies.Length);
        var original = scaling.OriginalMaxPositionEmbeddings ?? config.MaxPositionEmbeddings;
        double Correction(double rotations) => size * Math.Log(original / (2 * Math.PI * rotations)) / (2 * Math.Log(config.RopeTheta));
        var low = Math.Max(Math.Floor(Correction(scaling.BetaFast)), 0);
        var high = Math.Min(Math.Ceiling(Correction(scaling.BetaSlow)), size - 1);
        var width = high > low ? high - low : 0.001;
        for (var i = 0; i < frequencies.Length; i++)
        {
            var ramp = Math.Clamp((i - low) / width, 0, 1);
            frequencies[i] = (frequencies[i] * (1 - ramp)) + (frequencies[i] / scaling.Factor * ramp);
        }
    }

    private static double Magnitude(double factor, double weight) => factor <= 1 ? 1 : (0.1 * weight * Math.Log(factor)) + 1;

    private Tensor Rotate(Tensor first, Tensor second)
    {
        var tokenCount = first.shape[1];
        EnsureTables(tokenCount);
        var cos = _cos!.narrow(0, 0, tokenCount).unsqueeze(1).to(first.dtype);
        var sin = _sin!.narrow(0, 0, tokenCount).unsqueeze(1).to(first.dtype);
        return cat([(first * cos) - (second * sin), (first * sin).add(second * cos, Number.One)], -1);
    }

    private void EnsureTables(long tokenCount)
    {
        if (_cos is not null && _cos.shape[0] >= tokenCount) return;
        var cos = new float[tokenCount, _frequencies.Length];
        var sin = new float[tokenCount, _frequencies.Length];
        for (var position = 0; position < tokenCount; position++)
        {
            for (var i = 0; i < _frequencies.Length; i++)
            {
                cos[position, i] = (float)(Math.Cos(position * _frequencies[i]) * _multiplier);
                sin[position, i] = (float)(Math.Sin(position * _frequencies[i]) * _multiplier);
            }
        }

        Dispose();
        _cos = tensor(cos, device: _device).DetachFromDisposeScope();
        _sin = tensor(sin, device: _device).DetachFromDisposeScope();
    }
}
