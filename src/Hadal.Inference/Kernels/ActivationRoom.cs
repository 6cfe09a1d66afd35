using System.Runtime.InteropServices;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Kernels;

/// <summary>Memory for activations in 8 bits, which grows to the largest product asked for and is then used again and again.</summary>
internal sealed unsafe class ActivationRoom : IDisposable
{
    /// <summary>Fewest tokens that are rounded by several threads.</summary>
    private const int TokensPerDispatch = 8;

    private byte* _data;
    private long _byteCount;

    /// <summary>The activations of some tokens, rounded where they are to be.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="x">[tokenCount, columns] with rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens, in floats.</param>
    /// <param name="tokenCount">Number of tokens.</param>
    /// <param name="columns">Row length.</param>
    /// <param name="isQuantized">Whether any of the matrices reads 8 bits; the row length is then a multiple of 32.</param>
    /// <returns>Valid until the next call.</returns>
    public ProjectionInput Prepare(ThreadCrew crew, float* x, int xStride, int tokenCount, int columns, bool isQuantized)
    {
        if (!isQuantized) return new ProjectionInput(x, xStride, tokenCount, default);
        Reserve(QuantizedRows.BytesOf(tokenCount, columns));
        var rows = new QuantizedRows(_data, columns);
        var job = new QuantizeJob(x, xStride, tokenCount, columns, rows, tokenCount < TokensPerDispatch ? 1 : crew.ThreadCount);
        crew.Run(ref job, job.PartCount);
        return new ProjectionInput(x, xStride, tokenCount, rows);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
        _byteCount = 0;
    }

    private void Reserve(long byteCount)
    {
        if (byteCount <= _byteCount) return;
        NativeMemory.AlignedFree(_data);
        _data = null;
        _byteCount = 0;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)byteCount, 64);
        _byteCount = byteCount;
    }

    private readonly struct QuantizeJob(float* x, int xStride, int tokenCount, int columns, QuantizedRows rows, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            for (var t = (int)((long)tokenCount * partIndex / partCount); t < (int)((long)tokenCount * (partIndex + 1) / partCount); t++)
                rows.Quantize(t, 0, x + ((long)t * xStride), columns);
        }
    }
}
