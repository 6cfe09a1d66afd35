using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;

namespace Hadal.Inference.Kernels;

/// <summary>The angles of a rotary embedding: one frequency per pair, and the factors that context scaling brings.</summary>
/// <remarks>Frequencies and angles are formed in double precision. Su et al. 2021, arXiv:2104.09864; YaRN: Peng et al. 2023,
/// arXiv:2309.00071, in the form of DeepSeek-V3 <c>inference/model.py</c>; llama3: transformers <c>modeling_rope_utils.py</c>. Immutable.</remarks>
public sealed class RotaryFrequencies
{
    private readonly double[] _frequencies;

    private RotaryFrequencies(double[] frequencies, double multiplier, double attentionFactor)
    {
        _frequencies = frequencies;
        Multiplier = multiplier;
        AttentionFactor = attentionFactor;
    }

    /// <summary>Number of pairs, half of the rotated width.</summary>
    public int PairCount => _frequencies.Length;

    /// <summary>Radians per position of each pair, [PairCount].</summary>
    public ReadOnlySpan<double> Frequencies => _frequencies;

    /// <summary>Factor on cosine and sine; 1 without YaRN, and with the parameters DeepSeek publishes.</summary>
    public double Multiplier { get; }

    /// <summary>Factor on the softmax scale: <c>m(factor, mscale_all_dim)²</c> with YaRN, otherwise 1.</summary>
    public double AttentionFactor { get; }

    /// <summary>The frequencies of a model.</summary>
    /// <param name="rotaryDim">Rotated width: head_dim, or qk_rope_head_dim.</param>
    /// <param name="ropeTheta">Base.</param>
    /// <param name="scaling">The <c>rope_scaling</c> object, or null.</param>
    /// <param name="maxPositionEmbeddings">Stands in for original_max_position_embeddings where the object lacks it.</param>
    /// <exception cref="ArgumentException">The width is odd or not positive, or the base is not a positive number.</exception>
    /// <exception cref="CheckpointException">The kind of scaling is not computed, or a key it needs is missing.</exception>
    public static RotaryFrequencies Create(int rotaryDim, double ropeTheta, RopeScaling? scaling, int maxPositionEmbeddings)
    {
        var plain = Plain(rotaryDim, ropeTheta);
        switch (scaling?.Kind)
        {
            case null or "default":
                return new RotaryFrequencies(plain, 1, 1);
            case "linear":
                for (var i = 0; i < plain.Length; i++) plain[i] /= scaling.Factor;
                return new RotaryFrequencies(plain, 1, 1);
            case "llama3":
                ScaleLlama3(plain, scaling, scaling.OriginalMaxPositionEmbeddings ?? maxPositionEmbeddings);
                return new RotaryFrequencies(plain, 1, 1);
            case "yarn":
                return Yarn(plain, ropeTheta, scaling, scaling.OriginalMaxPositionEmbeddings ?? maxPositionEmbeddings);
            default:
                throw new CheckpointException($"rope_scaling: type \"{scaling.Kind}\" is not computed; supported: default, linear, llama3, yarn");
        }
    }

    /// <summary>Frequencies divided by stored factors, as <c>rope_freqs.weight</c> of a GGUF file gives them.</summary>
    /// <param name="rotaryDim">Rotated width.</param>
    /// <param name="ropeTheta">Base.</param>
    /// <param name="factors">[rotaryDim / 2].</param>
    /// <exception cref="ArgumentException">The number of factors is not half of the width, or the width or base is not usable.</exception>
    public static RotaryFrequencies CreateWithFactors(int rotaryDim, double ropeTheta, ReadOnlySpan<float> factors)
    {
        var plain = Plain(rotaryDim, ropeTheta);
        SpanCheck.Length(plain.Length, factors.Length, nameof(factors));
        for (var i = 0; i < plain.Length; i++) plain[i] /= factors[i];
        return new RotaryFrequencies(plain, 1, 1);
    }

    /// <summary>Writes cosine and sine of every pair at one position, times <see cref="Multiplier"/>.</summary>
    /// <param name="position">Position in the sequence, from 0.</param>
    /// <param name="cos">[PairCount].</param>
    /// <param name="sin">[PairCount].</param>
    /// <exception cref="ArgumentException">A length is not <see cref="PairCount"/>.</exception>
    public void Fill(int position, Span<float> cos, Span<float> sin)
    {
        SpanCheck.Length(PairCount, cos.Length, nameof(cos));
        SpanCheck.Length(PairCount, sin.Length, nameof(sin));
        for (var i = 0; i < _frequencies.Length; i++)
        {
            var (s, c) = Math.SinCos(position * _frequencies[i]);
            cos[i] = (float)(c * Multiplier);
            sin[i] = (float)(s * Multiplier);
        }
    }

    private static double[] Plain(int rotaryDim, double ropeTheta)
    {
        if (rotaryDim <= 0 || rotaryDim % 2 != 0) throw new ArgumentException($"expected a positive even width, found {rotaryDim}", nameof(rotaryDim));
        if (!(ropeTheta > 0) || double.IsInfinity(ropeTheta)) throw new ArgumentException($"expected a positive base, found {ropeTheta}", nameof(ropeTheta));
        var frequencies = new double[rotaryDim / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = Math.Pow(ropeTheta, -2.0 * i / rotaryDim);
        return frequencies;
    }

    private static void ScaleLlama3(double[] frequencies, RopeScaling scaling, int original)
    {
        var low = scaling.LowFreqFactor ?? throw new CheckpointException("rope_scaling: type \"llama3\" needs low_freq_factor");
        var high = scaling.HighFreqFactor ?? throw new CheckpointException("rope_scaling: type \"llama3\" needs high_freq_factor");
        for (var i = 0; i < frequencies.Length; i++)
        {
            var wavelength = 2 * Math.PI / frequencies[i];
            if (wavelength < original / high) continue;
            if (wavelength > original / low)
            {
                frequencies[i] /= scaling.Factor;
                continue;
            }

            var blend = ((original / wavelength) - low) / (high - low);
            frequencies[i] = ((1 - blend) * frequencies[i] / scaling.Factor) + (blend * frequencies[i]);
        }
    }

    private static RotaryFrequencies Yarn(double[] frequencies, double ropeTheta, RopeScaling scaling, int original)
    {
        var width = 2 * frequencies.Length;
        var low = Math.Max(Math.Floor(PairAt(scaling.BetaFast)), 0);
        var high = Math.Min(Math.Ceiling(PairAt(scaling.BetaSlow)), width - 1);
        var range = high == low ? 0.001 : high - low;
        for (var i = 0; i < frequencies.Length; i++)
        {
            var ramp = Math.Clamp((i - low) / range, 0, 1);
            frequencies[i] = (frequencies[i] * (1 - ramp)) + (frequencies[i] / scaling.Factor * ramp);
        }

        var multiplier = scaling is { Mscale: > 0 and var mscale, MscaleAllDim: > 0 and var allDim }
            ? Magnitude(mscale) / Magnitude(allDim)
            : Magnitude(1);
        var magnitude = scaling.MscaleAllDim is > 0 ? Magnitude(scaling.MscaleAllDim.Value) : 1;
        return new RotaryFrequencies(frequencies, multiplier, magnitude * magnitude);

        // The pair that turns so many times within the original context.
        double PairAt(double rotations) => width * Math.Log(original / (rotations * 2 * Math.PI)) / (2 * Math.Log(ropeTheta));

        double Magnitude(double mscale) => scaling.Factor <= 1 ? 1 : (0.1 * mscale * Math.Log(scaling.Factor)) + 1;
    }
}
