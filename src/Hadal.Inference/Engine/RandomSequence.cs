namespace Hadal.Inference.Engine;

/// <summary>Random numbers by seed and index: no state, the same on every machine.</summary>
/// <remarks>SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", the finaliser of Stafford's variant 13): number
/// n of a seed is <c>mix(mix(seed) + (n + 1)·γ)</c> with γ = 0x9E3779B97F4A7C15. The seed is mixed first, so that neighbouring seeds do not give
/// shifted sequences. Because a number depends on its index only, an answer that is computed again draws the same numbers.</remarks>
internal static class RandomSequence
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>Number <paramref name="index"/> of the sequence of a seed: 64 random bits.</summary>
    public static ulong At(ulong seed, int index) => Mix(Mix(seed) + ((ulong)(index + 1) * Gamma));

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
