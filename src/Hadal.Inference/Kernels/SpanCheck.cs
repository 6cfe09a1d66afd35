using System.Runtime.CompilerServices;

namespace Hadal.Inference.Kernels;

/// <summary>Checks of spans at the public border of a kernel.</summary>
internal static class SpanCheck
{
    /// <summary>Throws unless the span has the expected length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Length(int expected, int found, string name)
    {
        if (expected != found) ThrowLength(expected, found, name);
    }

    /// <summary>Throws if the spans overlap without being the same memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SameOrApart(ReadOnlySpan<float> input, ReadOnlySpan<float> output, string name)
    {
        if (input.Overlaps(output, out var offset) && offset != 0) ThrowOverlap(name);
    }

    private static void ThrowLength(int expected, int found, string name) =>
        throw new ArgumentException($"expected {expected} elements, found {found}", name);

    private static void ThrowOverlap(string name) =>
        throw new ArgumentException("input and output overlap partly; they must be the same memory or lie apart", name);
}
