using System.Runtime.InteropServices;

namespace Hadal.Inference.Models;

/// <summary>Hands out pieces of one stretch of memory; over a null address it only adds up what is asked for.</summary>
internal unsafe ref struct ScratchCursor(float* memory)
{
    /// <summary>Floats handed out so far.</summary>
    public long Length { get; private set; }

    /// <summary>Floats on their own cache lines.</summary>
    public float* Take(long count)
    {
        var piece = memory + Length;
        Length += (count + 15) & ~15L;
        return piece;
    }
}

/// <summary>Aligned memory outside the managed heap, made once and released once.</summary>
internal sealed unsafe class Scratch : IDisposable
{
    public Scratch(long floatCount) => Memory = (float*)NativeMemory.AlignedAlloc(checked((nuint)(Math.Max(floatCount, 1) * sizeof(float))), 64);

    public float* Memory { get; private set; }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Memory);
        Memory = null;
    }
}
