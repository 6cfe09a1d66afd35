using System.Numerics;
using System.Runtime.InteropServices;

namespace Hadal.Inference.Quantization;

/// <summary>Codes of a group of weights by rounding to the nearest: no calibration, no search.</summary>
/// <remarks>Ties round to even, as AutoAWQ <c>awq/quantize/quantizer.py</c> does. Sums of errors run in an order that depends on lengths only.</remarks>
internal static class RoundToNearest
{
    /// <summary>Smallest range of a group of 4-bit codes, as in AutoAWQ: below it half scales lose their digits.</summary>
    private const float LeastRange = 1e-5f;

    /// <summary>4-bit codes with a zero point: <c>s = (max − min) / 15</c> in half precision, <c>z = −round(min / s)</c>, <c>q = round(w / s) + z</c>, with the
    /// range widened to contain 0.</summary>
    /// <param name="weights">[group], finite, below 480,000 in magnitude.</param>
    /// <param name="codes">[group]: 0 to 15.</param>
    /// <param name="zero">The zero point, 0 to 15.</param>
    /// <param name="scale">The scale.</param>
    /// <returns>Sum of the squared errors.</returns>
    public static double FourBits(ReadOnlySpan<float> weights, Span<byte> codes, out byte zero, out Half scale)
    {
        var (min, max) = Range(weights);
        (min, max) = (Math.Min(min, 0), Math.Max(max, 0));
        var step = Math.Max(max - min, LeastRange) / 15;
        zero = (byte)Math.Clamp(-Round(min / step), 0, 15);
        scale = (Half)step;
        return Codes(weights, (float)scale, zero, 0, 15, codes);
    }

    /// <summary>Signed bytes: <c>s = max|w| / 127</c>, <c>q = round(w / s)</c>.</summary>
    /// <param name="weights">[group], finite.</param>
    /// <param name="codes">[group]: −127 to 127 as bytes.</param>
    /// <param name="scale">The scale; 1 for a group of zeros.</param>
    /// <returns>Sum of the squared errors.</returns>
    public static double EightBits(ReadOnlySpan<float> weights, Span<byte> codes, out float scale)
    {
        var (min, max) = Range(weights);
        scale = Math.Max(-min, max) / 127;
        // A scale below the normal numbers would lose the digits of its codes.
        if (!float.IsNormal(scale)) scale = 1;
        return Codes(weights, scale, 0, -127, 127, codes);
    }

    private static (float Min, float Max) Range(ReadOnlySpan<float> weights)
    {
        float min = weights[0], max = min;
        var i = 0;
        if (weights.Length >= Vector<float>.Count)
        {
            var vectors = MemoryMarshal.Cast<float, Vector<float>>(weights);
            Vector<float> low = vectors[0], high = low;
            foreach (var vector in vectors) (low, high) = (Vector.Min(low, vector), Vector.Max(high, vector));
            for (var lane = 0; lane < Vector<float>.Count; lane++) (min, max) = (Math.Min(min, low[lane]), Math.Max(max, high[lane]));
            i = vectors.Length * Vector<float>.Count;
        }

        for (; i < weights.Length; i++) (min, max) = (Math.Min(min, weights[i]), Math.Max(max, weights[i]));
        return (min, max);
    }

    private static double Codes(ReadOnlySpan<float> weights, float scale, int zero, int least, int most, Span<byte> codes)
    {
        var error = 0.0;
        for (var i = 0; i < weights.Length; i++)
        {
            var code = Math.Clamp(Round(weights[i] / scale) + zero, least, most);
            codes[i] = (byte)(int)code;
            var difference = weights[i] - ((code - zero) * scale);
            error += (double)difference * difference;
        }

        return error;
    }

    private static float Round(float value) => MathF.Round(value, MidpointRounding.ToEven);
}
