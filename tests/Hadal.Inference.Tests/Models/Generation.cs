using Hadal.Inference.Models;

namespace Hadal.Inference.Tests.Models;

/// <summary>Short ways to run a model in tests.</summary>
internal static class Generation
{
    /// <summary>Logits of all tokens, given in slices of at most <paramref name="sliceLength"/>.</summary>
    public static float[] AllLogits(DecoderModel model, int[] tokenIds, int sliceLength = int.MaxValue)
    {
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        var logits = new List<float>();
        for (var begin = 0; begin < tokenIds.Length;)
        {
            var count = Math.Min(sliceLength, tokenIds.Length - begin);
            batch.Clear();
            batch.Add(cache, tokenIds.AsMemory(begin, count), count);
            model.Forward(batch);
            logits.AddRange(batch.Logits);
            begin += count;
        }

        return [.. logits];
    }

    /// <summary>The most likely next tokens, one after another.</summary>
    public static int[] Greedy(DecoderModel model, int[] prompt, int count)
    {
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        var continuation = new List<int>();
        var next = prompt;
        while (continuation.Count < count)
        {
            batch.Clear();
            batch.Add(cache, next, 1);
            model.Forward(batch);
            continuation.Add(ArgMax(batch.LogitsOf(0)));
            next = [continuation[^1]];
        }

        return [.. continuation];
    }

    /// <summary>Largest absolute difference; NaN where one is NaN.</summary>
    public static float MaxDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(a.Length, b.Length);
        var largest = 0f;
        for (var i = 0; i < a.Length; i++) largest = MathF.Max(largest, MathF.Abs(a[i] - b[i]));
        return largest;
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++) best = logits[i] > logits[best] ? i : best;
        return best;
    }
}
