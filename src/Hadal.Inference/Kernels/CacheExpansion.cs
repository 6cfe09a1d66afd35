using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Stored cache rows to floats. Every width gives the same bits: conversions are exact, and a scale is one product.</summary>
internal static unsafe class CacheExpansion
{
    private const int Codes = 16;

    /// <summary>[count] bfloat16 to floats.</summary>
    public static void BFloat16(ushort* source, int count, float* target)
    {
        if (Vector512.IsHardwareAccelerated) BFloat16<Lanes512, Vector512<float>>(source, count, target);
        else if (Vector256.IsHardwareAccelerated) BFloat16<Lanes256, Vector256<float>>(source, count, target);
        else if (Vector128.IsHardwareAccelerated) BFloat16<Lanes128, Vector128<float>>(source, count, target);
        else Formats.BFloat16.Scalar((byte*)source, count, target);
    }

    /// <summary>[rowCount, width] codes with one scale per row.</summary>
    public static void Int8(sbyte* source, float* scales, int rowCount, int width, float* target)
    {
        for (var row = 0; row < rowCount; row++)
        {
            sbyte* codes = source + (row * width);
            var y = target + (row * width);
            if (Vector512.IsHardwareAccelerated) Int8<Lanes512, Vector512<float>>(codes, scales[row], width, y);
            else if (Vector256.IsHardwareAccelerated) Int8<Lanes256, Vector256<float>>(codes, scales[row], width, y);
            else if (Vector128.IsHardwareAccelerated) Int8<Lanes128, Vector128<float>>(codes, scales[row], width, y);
            else ScalarInt8(codes, scales[row], 0, width, y);
        }
    }

    /// <summary>[width, 64] codes with one scale per column.</summary>
    public static void Int8Transposed(sbyte* source, float* scales, int width, float* target)
    {
        if (Vector512.IsHardwareAccelerated) Int8Transposed<Lanes512, Vector512<float>>(source, scales, width, target);
        else if (Vector256.IsHardwareAccelerated) Int8Transposed<Lanes256, Vector256<float>>(source, scales, width, target);
        else if (Vector128.IsHardwareAccelerated) Int8Transposed<Lanes128, Vector128<float>>(source, scales, width, target);
        else ScalarInt8Transposed(source, scales, width, target);
    }

    internal static void ScalarInt8(sbyte* source, float scale, int begin, int count, float* target)
    {
        for (var i = begin; i < count; i++) target[i] = source[i] * scale;
    }

    internal static void ScalarInt8Transposed(sbyte* source, float* scales, int width, float* target)
    {
        for (var i = 0; i < width * BlockedAttention.BlockTokens; i++) target[i] = source[i] * scales[i % BlockedAttention.BlockTokens];
    }

    private static void BFloat16<TLanes, TVector>(ushort* source, int count, float* target)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= count - TLanes.Count; i += TLanes.Count) TLanes.Store(target + i, TLanes.LoadBFloat16(source + i));
        Formats.BFloat16.Scalar((byte*)(source + i), count - i, target + i);
    }

    private static void Int8<TLanes, TVector>(sbyte* source, float scale, int count, float* target)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var factor = TLanes.Broadcast(scale);
        var i = 0;
        for (; i <= count - Codes; i += Codes)
        {
            var codes = Vector128.Load(source + i);
            for (var part = 0; part < Codes / TLanes.Count; part++)
                TLanes.Store(target + i + (part * TLanes.Count), TLanes.Multiply(TLanes.FromSBytes(codes, part), factor));
        }

        ScalarInt8(source, scale, i, count, target);
    }

    private static void Int8Transposed<TLanes, TVector>(sbyte* source, float* scales, int width, float* target)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var i = 0; i < width * BlockedAttention.BlockTokens; i += Codes)
        {
            var codes = Vector128.Load(source + i);
            var factors = scales + (i % BlockedAttention.BlockTokens);
            for (var part = 0; part < Codes / TLanes.Count; part++)
            {
                var lane = part * TLanes.Count;
                TLanes.Store(target + i + lane, TLanes.Multiply(TLanes.FromSBytes(codes, part), TLanes.Load(factors + lane)));
            }
        }
    }
}
