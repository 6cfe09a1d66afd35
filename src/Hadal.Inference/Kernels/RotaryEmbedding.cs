using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Rotation of pairs: <c>(a, b) → (a·cos − b·sin, a·sin + b·cos)</c>.</summary>
/// <remarks>Angles come from <see cref="RotaryFrequencies"/>. Which pairing a model uses is part of its weights. Su et al. 2021, arXiv:2104.09864.</remarks>
public static unsafe class RotaryEmbedding
{
    /// <summary>Rotates the pairs (2i, 2i + 1) in place: MLA of DeepSeek, llama in GGUF files.</summary>
    /// <param name="x">[2 · pairs], one head.</param>
    /// <param name="cos">[pairs].</param>
    /// <param name="sin">[pairs].</param>
    /// <exception cref="ArgumentException">Lengths do not fit together.</exception>
    public static void ApplyInterleaved(Span<float> x, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        Check(x, cos, sin);
        fixed (float* px = x, pc = cos, ps = sin)
        {
            if (Vector512.IsHardwareAccelerated) Interleaved<Lanes512, Vector512<float>>(px, pc, ps, cos.Length);
            else if (Vector256.IsHardwareAccelerated) Interleaved<Lanes256, Vector256<float>>(px, pc, ps, cos.Length);
            else if (Vector128.IsHardwareAccelerated) Interleaved<Lanes128, Vector128<float>>(px, pc, ps, cos.Length);
            else ScalarInterleaved(x, cos, sin);
        }
    }

    /// <summary>Rotates the pairs (i, i + d/2) in place: Qwen and llama in the Hugging Face layout, the indexer of DeepSeek-V3.2.</summary>
    /// <param name="x">[2 · pairs], one head.</param>
    /// <param name="cos">[pairs].</param>
    /// <param name="sin">[pairs].</param>
    /// <exception cref="ArgumentException">Lengths do not fit together.</exception>
    public static void ApplyHalfSplit(Span<float> x, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        Check(x, cos, sin);
        fixed (float* px = x, pc = cos, ps = sin)
        {
            if (Vector512.IsHardwareAccelerated) HalfSplit<Lanes512, Vector512<float>>(px, pc, ps, cos.Length);
            else if (Vector256.IsHardwareAccelerated) HalfSplit<Lanes256, Vector256<float>>(px, pc, ps, cos.Length);
            else if (Vector128.IsHardwareAccelerated) HalfSplit<Lanes128, Vector128<float>>(px, pc, ps, cos.Length);
            else ScalarHalfSplit(x, cos, sin);
        }
    }

    /// <summary>The definition for pairs (2i, 2i + 1).</summary>
    internal static void ScalarInterleaved(Span<float> x, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        for (var i = 0; i < cos.Length; i++)
        {
            float a = x[2 * i], b = x[(2 * i) + 1];
            x[2 * i] = (a * cos[i]) - (b * sin[i]);
            x[(2 * i) + 1] = (a * sin[i]) + (b * cos[i]);
        }
    }

    /// <summary>The definition for pairs (i, i + d/2).</summary>
    internal static void ScalarHalfSplit(Span<float> x, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        var half = cos.Length;
        for (var i = 0; i < half; i++)
        {
            float a = x[i], b = x[i + half];
            x[i] = (a * cos[i]) - (b * sin[i]);
            x[i + half] = (a * sin[i]) + (b * cos[i]);
        }
    }

    private static void Interleaved<TLanes, TVector>(float* x, float* cos, float* sin, int pairs)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= pairs - (TLanes.Count / 2); i += TLanes.Count / 2)
        {
            var v = TLanes.Load(x + (2 * i));
            var turned = TLanes.Multiply(TLanes.TurnPairs(v), TLanes.LoadTwice(sin + i));
            TLanes.Store(x + (2 * i), TLanes.Add(TLanes.Multiply(v, TLanes.LoadTwice(cos + i)), turned));
        }

        var rest = pairs - i;
        ScalarInterleaved(new Span<float>(x + (2 * i), 2 * rest), new ReadOnlySpan<float>(cos + i, rest), new ReadOnlySpan<float>(sin + i, rest));
    }

    private static void HalfSplit<TLanes, TVector>(float* x, float* cos, float* sin, int half)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= half - TLanes.Count; i += TLanes.Count)
        {
            TVector a = TLanes.Load(x + i), b = TLanes.Load(x + half + i), c = TLanes.Load(cos + i), s = TLanes.Load(sin + i);
            TLanes.Store(x + i, TLanes.Subtract(TLanes.Multiply(a, c), TLanes.Multiply(b, s)));
            TLanes.Store(x + half + i, TLanes.Add(TLanes.Multiply(a, s), TLanes.Multiply(b, c)));
        }

        for (; i < half; i++)
        {
            float a = x[i], b = x[half + i];
            x[i] = (a * cos[i]) - (b * sin[i]);
            x[half + i] = (a * sin[i]) + (b * cos[i]);
        }
    }

    private static void Check(ReadOnlySpan<float> x, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        SpanCheck.Length(cos.Length, sin.Length, nameof(sin));
        SpanCheck.Length(2 * cos.Length, x.Length, nameof(x));
    }
}
