using System.Diagnostics;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary>What <c>bench</c> times: a prompt and single tokens, each on its own, behind <paramref name="Depth"/> tokens.</summary>
internal readonly record struct BenchPlan(int Prompt, int Generate, int Depth, int Repeat)
{
    /// <summary>Tokens of the longest sequence.</summary>
    public long Context => (long)Depth + Math.Max(Prompt, Generate);

    /// <summary>Steps of progress in a round: prompts and single tokens.</summary>
    public double StepsOfRound => (Prompt > 0 ? 1 : 0) + Generate;
}

/// <summary>Rounds over one cache of random tokens, which is filled to the plan's depth when the first begins; progress is told in steps that are done.</summary>
internal sealed class BenchRun(DecoderModel decoder, BenchPlan plan, Action<double> progress) : IDisposable
{
    private readonly ScheduledBatch _batch = new(decoder.Config.VocabSize);
    private readonly KvCache _cache = decoder.CreateCache();
    private readonly int[] _ids = RandomIds(decoder.Config.VocabSize, (int)plan.Context);
    private int _steps;

    public BenchRates Round()
    {
        if (_cache.Length == 0 && plan.Depth > 0) Forward(0, plan.Depth, logitCount: 0);
        return new BenchRates(plan.Prompt > 0 ? Prefill() : null, plan.Generate > 0 ? Decode() : null);
    }

    private double Prefill()
    {
        _cache.Truncate(plan.Depth);
        var start = Stopwatch.GetTimestamp();
        Forward(plan.Depth, plan.Prompt, logitCount: 1);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        progress(++_steps);
        return plan.Prompt / seconds;
    }

    private double Decode()
    {
        _cache.Truncate(plan.Depth);
        var seconds = 0.0;
        for (var i = 0; i < plan.Generate; i++)
        {
            var start = Stopwatch.GetTimestamp();
            Forward(plan.Depth + i, 1, logitCount: 1);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            progress(++_steps);
        }

        return plan.Generate / seconds;
    }

    private void Forward(int start, int count, int logitCount)
    {
        _batch.Clear();
        _batch.Add(_cache, _ids.AsMemory(start, count), logitCount);
        decoder.Forward(_batch);
    }

    private static int[] RandomIds(int vocabSize, int count)
    {
        var random = new Random(1);
        var ids = new int[count];
        for (var i = 0; i < count; i++) ids[i] = random.Next(vocabSize);
        return ids;
    }

    public void Dispose() => _cache.Dispose();
}

/// <summary>Tokens per second of a round; null where nothing was measured. What <c>bench --turns</c> prints for each line it reads.</summary>
internal sealed record BenchRates(double? PrefillTokensPerSecond, double? DecodeTokensPerSecond);
