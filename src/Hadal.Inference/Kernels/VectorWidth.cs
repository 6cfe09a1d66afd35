using System.Runtime.Intrinsics;

namespace Hadal.Inference.Kernels;

/// <summary>The vector width that every kernel of this process runs at.</summary>
/// <remarks>Decided by the run time: <c>DOTNET_EnableAVX512=0</c> gives 256, <c>DOTNET_EnableAVX2=0</c> 128, <c>DOTNET_EnableHWIntrinsic=0</c> scalar.</remarks>
public static class VectorWidth
{
    /// <summary>Width in bits: 512, 256 or 128; 0 where only scalar code runs.</summary>
    public static int Bits =>
        Vector512.IsHardwareAccelerated ? 512 :
        Vector256.IsHardwareAccelerated ? 256 :
        Vector128.IsHardwareAccelerated ? 128 : 0;
}
