namespace Hadal.Checkpoints.Weights;

/// <summary>How the elements of a tensor are stored. Block formats are ggml's; see <see cref="DTypes"/> for sizes.</summary>
public enum DType
{
    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>IEEE half precision.</summary>
    F16,

    /// <summary>The upper half of a single-precision number.</summary>
    BF16,

    /// <summary>8-bit float e4m3fn with one float32 scale per 128 × 128 block, stored as a tensor of its own.</summary>
    F8E4M3,

    /// <summary>Signed byte.</summary>
    I8,

    /// <summary>Unsigned byte.</summary>
    U8,

    /// <summary>32-bit integer; a container of packed codes in AWQ checkpoints.</summary>
    I32,

    /// <summary>64-bit integer.</summary>
    I64,

    /// <summary>32 elements in 18 bytes.</summary>
    Q4_0,

    /// <summary>32 elements in 20 bytes.</summary>
    Q4_1,

    /// <summary>32 elements in 22 bytes.</summary>
    Q5_0,

    /// <summary>32 elements in 24 bytes.</summary>
    Q5_1,

    /// <summary>32 elements in 34 bytes.</summary>
    Q8_0,

    /// <summary>256 elements in 144 bytes.</summary>
    Q4_K,

    /// <summary>256 elements in 176 bytes.</summary>
    Q5_K,

    /// <summary>256 elements in 210 bytes.</summary>
    Q6_K,

    /// <summary>4-bit codes of an AWQ <c>gemm</c> checkpoint: qweight, qzeros and scales together.</summary>
    AwqInt4,
}

/// <summary>Sizes of the storage formats.</summary>
public static class DTypes
{
    /// <summary>Number of elements that are stored together; 1 for plain numbers.</summary>
    public static int BlockSize(this DType dtype) => dtype switch
    {
        DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1 or DType.Q8_0 => 32,
        DType.Q4_K or DType.Q5_K or DType.Q6_K => 256,
        _ => 1,
    };

    /// <summary>Number of bytes of one block.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The format is a group of tensors (<see cref="DType.AwqInt4"/>).</exception>
    public static int BlockBytes(this DType dtype) => dtype switch
    {
        DType.F8E4M3 or DType.I8 or DType.U8 => 1,
        DType.F16 or DType.BF16 => 2,
        DType.F32 or DType.I32 => 4,
        DType.I64 => 8,
        DType.Q4_0 => 18,
        DType.Q4_1 => 20,
        DType.Q5_0 => 22,
        DType.Q5_1 => 24,
        DType.Q8_0 => 34,
        DType.Q4_K => 144,
        DType.Q5_K => 176,
        DType.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a format of single tensors"),
    };
}
