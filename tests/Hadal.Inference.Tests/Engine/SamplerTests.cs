using CsCheck;
using Hadal.Inference.Engine;

namespace Hadal.Inference.Tests.Engine;

/// <summary>The choice of a token: by hand, against a plain reference, and in distribution.</summary>
[Trait("Width", "all")]
public sealed class SamplerTests
{
    private static readonly float Ln2 = MathF.Log(2);

    [Fact]
    public void Greedy_takes_the_largest_and_the_lowest_id_of_equals()
    {
        Assert.Equal(2, Choose([1, 2, 5, 5, -3], SamplingOptions.Greedy));
        Assert.Equal(0, Choose([-0f, 0f], SamplingOptions.Greedy));
        Assert.Equal(1, Choose([1, 2, 1.5f], new SamplingOptions { Temperature = 9e-6 }));
        foreach (var length in new[] { 1, 7, 16, 33, 257, 1000 })
        {
            var logits = new float[length];
            logits[^1] = 1;
            Assert.Equal(length - 1, Choose(logits, SamplingOptions.Greedy));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Nothing_is_chosen_where_one_logit_is_not_finite(float bad)
    {
        foreach (var place in new[] { 0, 6, 39 })
        {
            var logits = Enumerable.Range(0, 40).Select(i => i % 7 * 0.5f).ToArray();
            Assert.Equal(6, Choose(logits, SamplingOptions.Greedy));
            logits[place] = bad;
            Assert.Equal(-1, Choose(logits, SamplingOptions.Greedy));
            Assert.Equal(-1, Choose(logits, new SamplingOptions { TopK = 2, TopP = 0.5, RepetitionPenalty = 0.01 }, 1, [place, 3], 1));
            var fault = Assert.Throws<GenerationException>(() => LogProbs.Measure(logits, 3, [], new SamplerScratch(40)));
            Assert.Equal(GenerationFault.InvalidLogits, fault.Fault);
            Assert.StartsWith("logits: expected finite numbers, 1 of 40 are NaN or infinite; the weights are damaged", fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Cuts_keep_what_they_keep_by_hand()
    {
        // Weights 8 : 4 : 2 : 1 : 1 of 16.
        float[] logits = [Ln2, 3 * Ln2, 0, 0, 2 * Ln2];
        AssertProbabilities(logits, new SamplingOptions(), [0.125, 0.5, 0.0625, 0.0625, 0.25]);
        AssertProbabilities(logits, new SamplingOptions { Temperature = 0.5 }, Over(86, [4, 64, 1, 1, 16]));
        AssertProbabilities(logits, new SamplingOptions { TopK = 2 }, Over(12, [0, 8, 0, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopK = 4 }, Over(15, [2, 8, 1, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopK = 100 }, Over(16, [2, 8, 1, 1, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopP = 0.74 }, Over(12, [0, 8, 0, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopP = 0.8 }, Over(14, [2, 8, 0, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopP = 0.9 }, Over(15, [2, 8, 1, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { TopP = 1e-300 }, [0, 1, 0, 0, 0]);
        AssertProbabilities(logits, new SamplingOptions { MinP = 0.2 }, Over(14, [2, 8, 0, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { MinP = 1 }, [0, 1, 0, 0, 0]);

        // Top-p counts what top-k or min-p has left: 8 of 14 reach 0.55, 8 of 16 do not.
        AssertProbabilities(logits, new SamplingOptions { TopK = 3, TopP = 0.55 }, [0, 1, 0, 0, 0]);
        AssertProbabilities(logits, new SamplingOptions { TopP = 0.55 }, Over(12, [0, 8, 0, 0, 4]));
        AssertProbabilities(logits, new SamplingOptions { MinP = 0.2, TopP = 0.55 }, [0, 1, 0, 0, 0]);
    }

    [Fact]
    public void Penalties_and_bias_change_what_they_change_by_hand()
    {
        // Prompt 0 1, answer 2 2 3.
        int[] tokenIds = [0, 1, 2, 2, 3];
        Assert.Equal([1, -4, 2, 0, 1], Adjusted([2, -2, 4, 0, 1], new SamplingOptions { RepetitionPenalty = 2 }));
        Assert.Equal([2, -2, 3, -0.5, 1], Adjusted([2, -2, 4, 0, 1], new SamplingOptions { FrequencyPenalty = 0.5 }));
        Assert.Equal([2, -2, 3.5, -0.5, 1], Adjusted([2, -2, 4, 0, 1], new SamplingOptions { PresencePenalty = 0.5 }));
        Assert.Equal([2, -2, 4, 0, -99], Adjusted([2, -2, 4, 0, 1], new SamplingOptions { LogitBias = new Dictionary<int, double> { [4] = -100 } }));

        // Bias first, then the penalties.
        var all = new SamplingOptions { LogitBias = new Dictionary<int, double> { [2] = 2 }, RepetitionPenalty = 2, FrequencyPenalty = 0.5, PresencePenalty = 1 };
        Assert.Equal([1, -4, 1, -1.5, 1], Adjusted([2, -2, 4, 0, 1], all));

        double[] Adjusted(float[] logits, SamplingOptions options)
        {
            // The differences of log-probabilities are those of the logits; token 4 is in neither prompt nor answer.
            var scratch = new SamplerScratch(logits.Length);
            new Sampler(options with { Temperature = 1 }, seed: 1).Next(logits, tokenIds, 2, scratch);
            Assert.All(scratch.Counts, count => Assert.Equal(0, count));
            return [.. scratch.Logits.Select(logit => (double)logit)];
        }
    }

    [Fact]
    public void Probabilities_are_those_of_a_plain_reference()
    {
        // Logits on a coarse grid, so that ties stand at the edges of cuts; some far apart, so that bins are crossed.
        var options = Gen.Select(
            Gen.Double[0.05, 5], Gen.Int[0, 12], Gen.OneOf(Gen.Const(1.0), Gen.Double[0.01, 1]), Gen.OneOf(Gen.Const(0.0), Gen.Double[0, 1]), Gen.Bool, Gen.Int[0, 3]);
        var shape = Gen.Select(Gen.Int[1, 70], Gen.Int, Gen.OneOf(Gen.Const(0.25f), Gen.Const(0.001f), Gen.Const(3f)));
        var comparedCount = 0;
        Gen.Select(options, shape).Sample((drawn, form) =>
        {
            var (temperature, topK, topP, minP, hasPenalties, biasCount) = drawn;
            var (length, seed, grid) = form;
            var random = new Random(seed);
            var logits = Enumerable.Range(0, length).Select(_ => random.Next(-9, 10) * grid).ToArray();
            var tokenIds = Enumerable.Range(0, 12).Select(_ => random.Next(length)).ToArray();
            var sampling = new SamplingOptions
            {
                Temperature = temperature, TopK = topK, TopP = topP, MinP = minP,
                RepetitionPenalty = hasPenalties ? 1.3 : 1, FrequencyPenalty = hasPenalties ? 0.4 : 0, PresencePenalty = hasPenalties ? -0.3 : 0,
                LogitBias = Enumerable.Range(0, biasCount).Select(_ => random.Next(length)).Distinct().ToDictionary(id => id, _ => random.NextDouble()),
            };
            var (expected, margin) = SamplerReference.Distribution(logits, tokenIds, 5, sampling);
            if (margin < 1e-4) return;
            var scratch = new SamplerScratch(length);
            var chosen = new Sampler(sampling, (ulong)seed).Next(logits, tokenIds, 5, scratch);
            for (var id = 0; id < length; id++) Assert.Equal(expected[id], scratch.Distribution.Probability(id), 2e-5);

            // The number drawn falls on the chosen token when the tokens lie side by side in order of id.
            var point = RandomSequence.At((ulong)seed, 7) / Math.Pow(2, 64);
            Assert.InRange(point, expected.Take(chosen).Sum() - 1e-4, expected.Take(chosen + 1).Sum() + 1e-4);
            Assert.Equal(
                ArgMaxOf(SamplerReference.Adjusted(logits, tokenIds, 5, sampling)),
                new Sampler(sampling with { Temperature = 0 }, 1).Next(logits, tokenIds, 5, scratch));
            Interlocked.Increment(ref comparedCount);
        }, iter: 3000);
        Assert.True(comparedCount > 2000, $"only {comparedCount} of 3000 draws were far enough from an edge");
    }

    [Fact]
    public void A_large_vocabulary_is_cut_as_a_plain_reference_cuts_it()
    {
        var random = new Random(5);
        var logits = Enumerable.Range(0, 129_280).Select(_ => 6 * (float)(random.NextDouble() + random.NextDouble() + random.NextDouble())).ToArray();
        foreach (var options in new SamplingOptions[] { new() { TopK = 40 }, new() { TopK = 5000, TopP = 0.9 }, new() { TopP = 0.3, Temperature = 2 }, new() { MinP = 0.5 } })
        {
            var (expected, _) = SamplerReference.Distribution(logits, [], 0, options);
            var scratch = new SamplerScratch(logits.Length);
            new Sampler(options, 3).Next(logits, [], 0, scratch);
            var kept = Enumerable.Range(0, logits.Length).Count(id => scratch.Distribution.Probability(id) > 0);
            Assert.InRange(kept, expected.Count(p => p > 0) - 1, expected.Count(p => p > 0) + 1);
            Assert.Equal(1, Enumerable.Range(0, logits.Length).Sum(scratch.Distribution.Probability), 1e-9);
        }
    }

    [Fact]
    public void Draws_follow_the_distribution_over_seeds_and_over_steps()
    {
        var logits = Enumerable.Range(0, 12).Select(i => MathF.Sin(i) * 2).ToArray();
        var options = new SamplingOptions { Temperature = 1.3, TopK = 10 };
        var (expected, _) = SamplerReference.Distribution(logits, [], 0, options);
        var scratch = new SamplerScratch(logits.Length);
        const int draws = 40_000;
        int[] overSeeds = new int[12], overSteps = new int[12];
        var answer = new int[draws];
        var one = new Sampler(options, 1234);
        for (var i = 0; i < draws; i++)
        {
            overSeeds[new Sampler(options, (ulong)i).Next(logits, [], 0, scratch)]++;
            overSteps[one.Next(logits, answer.AsSpan(0, i), 0, scratch)]++;
        }

        // 9 degrees of freedom: 27.9 is passed once in a thousand.
        foreach (var counts in new[] { overSeeds, overSteps })
        {
            var chi2 = Enumerable.Range(0, 12).Where(id => expected[id] > 0).Sum(id => Math.Pow(counts[id] - (expected[id] * draws), 2) / (expected[id] * draws));
            Assert.True(chi2 < 27.9, $"chi-square {chi2}");
            Assert.Equal(0, Enumerable.Range(0, 12).Where(id => expected[id] == 0).Sum(id => counts[id]));
        }
    }

    [Fact]
    public void The_random_sequence_is_SplitMix64()
    {
        // The first outputs of SplitMix64 from state 0, as in the reference implementation's test vectors.
        ulong[] expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B];
        Assert.Equal(expected, Enumerable.Range(0, 5).Select(i => RandomSequence.At(0, i)));
        Assert.Equal(20_000, Enumerable.Range(0, 200).SelectMany(seed => Enumerable.Range(0, 100).Select(i => RandomSequence.At((ulong)seed, i))).Distinct().Count());
    }

    [Fact]
    public void Seeds_give_the_same_tokens_at_every_width_and_on_every_machine()
    {
        var logits = Enumerable.Range(0, 1000).Select(i => (float)((i * 7919 % 1000) - 500) / 64).ToArray();
        int[] Draw(SamplingOptions options) => [.. Enumerable.Range(0, 8).Select(i => Choose(logits, options, 42, new int[i]))];

        // Computed by hand-written double precision elsewhere; no draw comes nearer than 2e-4 to the border of its token.
        Assert.Equal([605, 173, 174, 62, 976, 247, 284, 173], Draw(new SamplingOptions()));
        Assert.Equal([605, 210, 210, 99, 988, 272, 284, 210], Draw(new SamplingOptions { Temperature = 0.7, TopK = 50, TopP = 0.9, MinP = 0.01 }));
    }

    [Fact]
    public void Log_probabilities_are_those_of_the_model_s_own_distribution()
    {
        var random = new Random(9);
        var logits = Enumerable.Range(0, 300).Select(_ => (float)(random.NextDouble() * 12)).ToArray();
        logits[3] = logits[150] = 13;
        var logSum = Math.Log(logits.Sum(logit => Math.Exp(logit)));
        var top = new TokenLogProb[4];
        var own = LogProbs.Measure(logits, 77, top, new SamplerScratch(300));
        Assert.Equal(logits[77] - logSum, own, 2e-6);
        Assert.Equal([3, 150], top[..2].Select(entry => entry.TokenId));
        foreach (var (id, logProb) in top) Assert.Equal(logits[id] - logSum, logProb, 2e-6);
        Assert.True(top[2].LogProb >= top[3].LogProb);
    }

    [Fact]
    public void Choosing_allocates_nothing()
    {
        var random = new Random(2);
        var logits = Enumerable.Range(0, 5000).Select(_ => (float)(random.NextDouble() * 8)).ToArray();
        var scratch = new SamplerScratch(logits.Length);
        var options = new SamplingOptions
        {
            Temperature = 0.8, TopK = 300, TopP = 0.9, MinP = 0.01, RepetitionPenalty = 1.1, FrequencyPenalty = 0.1, LogitBias = new Dictionary<int, double> { [5] = 1 },
        };
        var sampler = new Sampler(options, 1);
        var top = new TokenLogProb[20];
        int[] tokenIds = [1, 2, 3, 4, 5];
        Run();
        Assert.Equal(0, Allocations.Of(Run));

        void Run()
        {
            for (var i = 0; i < 40; i++) LogProbs.Measure(logits, sampler.Next(logits, tokenIds, 2, scratch), top, scratch);
        }
    }

    private static int Choose(float[] logits, SamplingOptions options, ulong seed = 1, int[]? tokenIds = null, int promptLength = 0) =>
        new Sampler(options, seed).Next(logits, tokenIds ?? [], promptLength, new SamplerScratch(logits.Length));

    private static void AssertProbabilities(float[] logits, SamplingOptions options, double[] expected)
    {
        var scratch = new SamplerScratch(logits.Length);
        new Sampler(options, 1).Next(logits, [], 0, scratch);
        for (var id = 0; id < expected.Length; id++) Assert.Equal(expected[id], scratch.Distribution.Probability(id), 1e-6);
    }

    private static double[] Over(double sum, double[] parts) => [.. parts.Select(part => part / sum)];

    private static int ArgMaxOf(double[] values) => Array.IndexOf(values, values.Max());
}
