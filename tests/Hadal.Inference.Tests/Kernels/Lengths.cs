namespace Hadal.Inference.Tests.Kernels;

/// <summary>Lengths every kernel is tried at: 0 to 257 and those of models.</summary>
internal static class Lengths
{
    public static IEnumerable<int> All => Enumerable.Range(0, 258).Concat([512, 576, 1536, 2048, 7168]);

    /// <summary>A float32 number's unit roundoff, 2^-24.</summary>
    public const double Epsilon = 1.0 / (1 << 24);

    public static float[] Random(int count, int seed, double scale = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (var i = 0; i < count; i++) values[i] = (float)((random.NextDouble() - 0.5) * 2 * scale);
        return values;
    }
}
