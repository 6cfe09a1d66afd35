using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>Work that each row of a pass needs for itself.</summary>
internal static unsafe class RowJobs
{
    /// <summary>Fewest rows worth waking the crew for.</summary>
    private const int RowsPerDispatch = 8;

    /// <summary>Normalises rows as wide as the weight; <paramref name="y"/> may be <paramref name="x"/>.</summary>
    public static void Norm(ThreadCrew crew, float* x, int xStride, float[] weight, float eps, int rowCount, float* y, int yStride)
    {
        var job = new NormJob(x, xStride, weight, eps, rowCount, y, yStride, Parts(crew, rowCount));
        crew.Run(ref job, job.PartCount);
    }

    /// <summary><c>x += y</c> over rows without gaps.</summary>
    public static void Add(float* x, float* y, int rowCount, int width)
    {
        var one = 1f;
        for (long offset = 0, length = (long)rowCount * width; offset < length; offset += width)
            Attention.WeightedSum(&one, y + offset, width, 1, width, x + offset);
    }

    /// <summary>Adds one bias to every row; null adds nothing.</summary>
    public static void AddBias(float* x, float[]? bias, int rowCount)
    {
        if (bias is null) return;
        var one = 1f;
        fixed (float* b = bias)
        {
            for (var row = 0; row < rowCount; row++)
                Attention.WeightedSum(&one, b, bias.Length, 1, bias.Length, x + ((long)row * bias.Length));
        }
    }

    /// <summary>Parts for work over so many rows: one where waking others costs more than it saves.</summary>
    public static int Parts(ThreadCrew crew, int rowCount) => rowCount < RowsPerDispatch ? 1 : crew.ThreadCount;

    private readonly struct NormJob(float* x, int xStride, float[] weight, float eps, int rowCount, float* y, int yStride, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            var width = weight.Length;
            for (var row = partIndex; row < rowCount; row += partCount)
                RmsNorm.Apply(new ReadOnlySpan<float>(x + ((long)row * xStride), width), weight, eps, new Span<float>(y + ((long)row * yStride), width));
        }
    }
}
