using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>An element-wise operation <c>y[i] = f(a[i], b[i])</c>, written once for all widths.</summary>
internal interface IBinaryOperation
{
    /// <summary>The definition for one element.</summary>
    float Scalar(float a, float b);

    /// <summary>The same for one vector.</summary>
    TVector Apply<TLanes, TVector>(TVector a, TVector b)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;
}

/// <summary>The traversal of element-wise operations. Elements behind the last whole vector go through the same vector operation, so
/// that a value never depends on where in a span it stands.</summary>
internal static unsafe class ElementWise
{
    public static void Apply<TOperation>(TOperation operation, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)
        where TOperation : struct, IBinaryOperation
    {
        fixed (float* pa = a, pb = b, py = y)
        {
            if (Vector512.IsHardwareAccelerated) Apply<TOperation, Lanes512, Vector512<float>>(operation, pa, pb, py, y.Length);
            else if (Vector256.IsHardwareAccelerated) Apply<TOperation, Lanes256, Vector256<float>>(operation, pa, pb, py, y.Length);
            else if (Vector128.IsHardwareAccelerated) Apply<TOperation, Lanes128, Vector128<float>>(operation, pa, pb, py, y.Length);
            else Scalar(operation, a, b, y);
        }
    }

    /// <summary>The definition: one element after another.</summary>
    public static void Scalar<TOperation>(TOperation operation, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)
        where TOperation : struct, IBinaryOperation
    {
        for (var i = 0; i < y.Length; i++) y[i] = operation.Scalar(a[i], b[i]);
    }

    [SkipLocalsInit]
    private static void Apply<TOperation, TLanes, TVector>(TOperation operation, float* a, float* b, float* y, int count)
        where TOperation : struct, IBinaryOperation
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var i = 0;
        for (; i <= count - n; i += n) TLanes.Store(y + i, operation.Apply<TLanes, TVector>(TLanes.Load(a + i), TLanes.Load(b + i)));
        if (i == count) return;

        var room = stackalloc float[n];
        var left = Partial.Load<TLanes, TVector>(a + i, count - i, room);
        var right = Partial.Load<TLanes, TVector>(b + i, count - i, room);
        Partial.Store<TLanes, TVector>(y + i, count - i, operation.Apply<TLanes, TVector>(left, right), room);
    }
}
