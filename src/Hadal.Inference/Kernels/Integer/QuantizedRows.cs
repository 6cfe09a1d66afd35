using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Activations of some tokens in 8 bits: every 32 columns have one float32 scale, <c>x ≈ code · scale</c> with codes from −127 to 127.</summary>
/// <remarks>A group of 32 columns takes 48 bytes: codes, scale, scale times sum of the codes, and sums of codes in pairs of 16 bits (columns
/// 0 and 1 of every four; columns 2 and 3), of all 32 and of the first 16. A view; the memory is the caller's.</remarks>
internal readonly unsafe struct QuantizedRows
{
    /// <summary>Columns that share a scale.</summary>
    public const int GroupSize = 32;

    /// <summary>Bytes of a group.</summary>
    public const int GroupBytes = 48;

    /// <summary>Where in a group its scale stands.</summary>
    public const int ScaleOffset = 32;

    /// <summary>Where in a group the product of its scale and the sum of its codes stands.</summary>
    public const int ScaledSumOffset = 36;

    /// <summary>Where in a group its two sums stand.</summary>
    public const int SumsOffset = 40;

    /// <summary>Where in a group the two sums of its first 16 columns stand.</summary>
    public const int FirstSumsOffset = 44;

    /// <summary>Groups whose largest magnitude is smaller count as zero, so that the inverse of a scale is finite.</summary>
    private const float Smallest = 1e-30f;

    /// <summary>A view of rows without gaps.</summary>
    /// <param name="data">[rows, columns / 32] groups.</param>
    /// <param name="columns">Row length; a multiple of 32.</param>
    public QuantizedRows(byte* data, int columns)
        : this(data, BytesOf(1, columns))
    {
    }

    private QuantizedRows(byte* data, long rowBytes)
    {
        Data = data;
        RowBytes = rowBytes;
    }

    /// <summary>First group of the first row; null where there is nothing.</summary>
    public byte* Data { get; }

    /// <summary>Distance of rows in bytes.</summary>
    public long RowBytes { get; }

    /// <summary>Bytes of rows without gaps.</summary>
    public static long BytesOf(long rowCount, int columns) => rowCount * (columns / GroupSize) * GroupBytes;

    /// <summary>Floats that so many bytes take, and a rest for row lengths that are no multiple of 32.</summary>
    public static long FloatsOf(long rowCount, int columns) => rowCount * ((columns + GroupSize - 1) / GroupSize) * (GroupBytes / sizeof(float));

    /// <summary>The rows from <paramref name="row"/> on.</summary>
    public QuantizedRows From(int row) => new(Data + (row * RowBytes), RowBytes);

    /// <summary>Quantises columns of one row. The bits do not depend on the vector width.</summary>
    /// <param name="row">Row index.</param>
    /// <param name="begin">First column; a multiple of 32.</param>
    /// <param name="x">[count] values of the columns.</param>
    /// <param name="count">Number of columns; a multiple of 32.</param>
    public void Quantize(int row, int begin, float* x, int count)
    {
        var group = Data + (row * RowBytes) + ((long)begin / GroupSize * GroupBytes);
        for (var end = x + count; x < end; x += GroupSize, group += GroupBytes)
        {
            if (Vector128.IsHardwareAccelerated) Group(x, group);
            else Scalar(x, group);
        }
    }

    /// <summary>The definition: one group, one element after another.</summary>
    internal static void Scalar(float* x, byte* group)
    {
        var largest = 0f;
        for (var i = 0; i < GroupSize; i++) largest = MathF.Max(largest, MathF.Abs(x[i]));
        var inverse = largest < Smallest ? 0f : 127f / largest;
        var sums = stackalloc int[4];
        for (var i = 0; i < GroupSize; i++)
        {
            // What is not finite has a scale that is not finite; its codes do not matter, but must be the same everywhere.
            var rounded = MathF.Round(x[i] * inverse);
            var code = MathF.Abs(rounded) <= 127 ? (sbyte)rounded : (sbyte)0;
            ((sbyte*)group)[i] = code;
            sums[(i / 16 * 2) + (i % 4 / 2)] += code;
        }

        WriteSums(group, largest < Smallest ? 0f : largest / 127f, sums[0], sums[1], sums[2], sums[3]);
    }

    /// <summary>One group with vectors of 128 bits, which every machine has.</summary>
    private static void Group(float* x, byte* group)
    {
        var largest4 = Vector128.Abs(Vector128.Load(x));
        for (var i = 4; i < GroupSize; i += 4) largest4 = Vector128.Max(largest4, Vector128.Abs(Vector128.Load(x + i)));
        var largest = MathF.Max(MathF.Max(largest4[0], largest4[1]), MathF.Max(largest4[2], largest4[3]));
        var inverse = Vector128.Create(largest < Smallest ? 0f : 127f / largest);
        var first = Sixteen(x, inverse, (sbyte*)group);
        var second = Sixteen(x + 16, inverse, (sbyte*)group + 16);
        WriteSums(group, largest < Smallest ? 0f : largest / 127f, first[0] + first[1], first[2] + first[3], second[0] + second[1], second[2] + second[3]);
    }

    /// <summary>Codes of 16 columns, and their sums per column of every four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Sixteen(float* x, Vector128<float> inverse, sbyte* codes)
    {
        Vector128<int> a = Four(x, inverse), b = Four(x + 4, inverse), c = Four(x + 8, inverse), d = Four(x + 12, inverse);
        Vector128.Narrow(Vector128.Narrow(a, b), Vector128.Narrow(c, d)).Store(codes);
        return a + b + (c + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Four(float* x, Vector128<float> inverse)
    {
        var rounded = Vector128.Round(Vector128.Load(x) * inverse);
        var isCode = Vector128.LessThanOrEqual(Vector128.Abs(rounded), Vector128.Create(127f));
        return Vector128.ConvertToInt32Native(rounded) & isCode.AsInt32();
    }

    private static void WriteSums(byte* group, float scale, int a, int b, int nextA, int nextB)
    {
        *(float*)(group + ScaleOffset) = scale;
        *(float*)(group + ScaledSumOffset) = scale * (a + b + nextA + nextB);
        *(int*)(group + SumsOffset) = Pair(a + nextA, b + nextB);
        *(int*)(group + FirstSumsOffset) = Pair(a, b);

        static int Pair(int low, int high) => (low & 0xFFFF) | (high << 16);
    }
}
