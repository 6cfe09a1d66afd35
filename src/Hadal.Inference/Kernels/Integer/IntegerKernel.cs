using System.Runtime.Intrinsics;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>The instruction sets that integer tiles are written for. All give the same bits.</summary>
internal enum IntegerKernel
{
    /// <summary>The definition: plain loops.</summary>
    Scalar,

    /// <summary>SSSE3.</summary>
    Bits128,

    /// <summary>NEON with SDOT.</summary>
    Dot128,

    /// <summary>AVX2.</summary>
    Bits256,

    /// <summary>AVX-VNNI.</summary>
    Dot256,

    /// <summary>AVX-512BW.</summary>
    Bits512,
}

/// <summary>Which of them this process uses.</summary>
internal static class IntegerKernels
{
    /// <summary>The fastest one here.</summary>
    public static IntegerKernel Best =>
        Bytes512.IsSupported ? IntegerKernel.Bits512 :
        Dot256.IsSupported ? IntegerKernel.Dot256 :
        Vector256.IsHardwareAccelerated && Bytes256.IsSupported ? IntegerKernel.Bits256 :
        Bytes128.IsSupported ? IntegerKernel.Bits128 :
        Dot128.IsSupported ? IntegerKernel.Dot128 : IntegerKernel.Scalar;

    /// <summary>Whether this process can run it.</summary>
    public static bool IsSupported(IntegerKernel kernel) => kernel switch
    {
        IntegerKernel.Bits512 => Bytes512.IsSupported,
        IntegerKernel.Dot256 => Dot256.IsSupported,
        IntegerKernel.Bits256 => Bytes256.IsSupported,
        IntegerKernel.Bits128 => Bytes128.IsSupported,
        IntegerKernel.Dot128 => Dot128.IsSupported,
        _ => true,
    };
}
