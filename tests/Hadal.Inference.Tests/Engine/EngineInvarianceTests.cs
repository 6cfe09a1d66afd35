using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;

namespace Hadal.Inference.Tests.Engine;

/// <summary>An answer is the same to the last bit whatever else the engine does, and nothing it held is lost.</summary>
public sealed class EngineInvarianceTests
{
    private static readonly (int[] Prompt, GenerationOptions Options)[] Requests = [.. Enumerable.Range(0, 9).Select(Request)];

    [Theory]
    [InlineData("qwen3")]
    [InlineData("deepseek_v32")]
    [InlineData("deepseek_v2")]
    public async Task Threads_cuts_company_evictions_and_slow_readers_change_no_bit(string family)
    {
        var weights = TinyEngine.Weights(family);
        var expected = new List<string>();
        await using (var engine = Engine(weights, threads: 1, new TextGeneratorOptions { MaxConcurrent = 1, MaxBatchTokens = 64 }, contexts: 1))
        {
            foreach (var (prompt, options) in Requests) expected.Add(await ReadAsync(engine, prompt, options));
        }

        var cases = new (int Threads, TextGeneratorOptions Options, int Contexts)[]
        {
            (1, new() { MaxConcurrent = 9, MaxBatchTokens = 64 }, 9),
            (2, new() { MaxConcurrent = 4, MaxBatchTokens = 7 }, 4),
            (3, new() { MaxConcurrent = 9, MaxBatchTokens = 16, MaxUnreadChunks = 1 }, 9),
            (5, new() { MaxConcurrent = 3, MaxBatchTokens = 1 }, 3),

            // Room for one full context only: sequences are evicted and computed again.
            (2, new() { MaxConcurrent = 9, MaxBatchTokens = 32, MaxUnreadChunks = 2 }, 1),
        };
        foreach (var (threads, options, contexts) in cases)
        {
            await using var engine = Engine(weights, threads, options, contexts);
            var company = Enumerable.Range(0, 3).Select(i => CancelAfterAsync(engine, TinyEngine.Prompt(30 + i, i), 2 + (5 * i))).ToArray();
            var answers = Requests.Select(request => ReadAsync(engine, request.Prompt, request.Options)).ToArray();
            for (var i = 0; i < answers.Length; i++) Assert.Equal(expected[i], await answers[i]);
            await Task.WhenAll(company);
        }
    }

    [Fact]
    public async Task Hundreds_of_requests_with_random_ends_leave_nothing_behind()
    {
        var weights = TinyEngine.Weights("qwen3");
        await using var engine = Engine(weights, threads: 2, new TextGeneratorOptions { MaxConcurrent = 5, MaxQueued = 400, MaxBatchTokens = 24, MaxUnreadChunks = 3 }, contexts: 2);
        var random = new Random(8);
        var requests = Enumerable.Range(0, 300).Select(i => random.Next(3) switch
        {
            0 => CancelAfterAsync(engine, TinyEngine.Prompt(random.Next(1, 60), i), random.Next(8)),
            1 => LeaveAfterAsync(engine, TinyEngine.Prompt(random.Next(1, 60), i), random.Next(1, 8)),
            _ => engine.CompleteAsync(TinyEngine.Prompt(random.Next(1, 60), i), TinyEngine.Greedy(random.Next(1, 12))),
        }).ToArray();
        await Task.WhenAll(requests);

        // Both contexts are there again for one sequence each.
        var full = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => engine.CompleteAsync(TinyEngine.Prompt(120, i), TinyEngine.Greedy(8))));
        Assert.All(full, result => Assert.Equal(8, result.TokenIds.Count));
    }

    [Fact]
    public async Task A_request_whose_logits_are_not_numbers_fails_alone()
    {
        const int poison = 300;
        using var weights = TinyEngine.Poisoned("deepseek_v32", poison);
        var options = TinyEngine.Greedy(40) with { Sampling = SamplingOptions.Greedy with { LogitBias = new Dictionary<int, double> { [poison] = -100 } } };

        GenerationResult expected;
        await using (var engine = Engine(weights, 2, new TextGeneratorOptions(), 8)) expected = await engine.CompleteAsync([1, 2, 3], options);
        await using var mixed = Engine(weights, 2, new TextGeneratorOptions(), 8);
        var healthy = mixed.CompleteAsync([1, 2, 3], options);
        var poisoned = Enumerable.Range(0, 4).Select(i => mixed.CompleteAsync([1, 5 + i, poison], options)).ToArray();
        foreach (var request in poisoned)
            Assert.Equal(GenerationFault.InvalidLogits, (await Assert.ThrowsAsync<GenerationException>(() => request)).Fault);
        Assert.Equal(expected.TokenIds, (await healthy).TokenIds);
    }

    [Theory]
    [InlineData("deepseek_v32")]
    [InlineData("qwen2")]
    public async Task One_damaged_row_of_the_head_ends_generation_with_an_error_that_says_what_to_do(string modelType)
    {
        using var weights = new TinyModel(TinyEngine.ConfigOf(modelType), seed: 1);
        var head = weights.Tensors["lm_head.weight"];
        var values = TinyModel.ValuesOf(head);
        values[7 * head.Shape[1]] = float.NaN;
        weights.Add(head.Name, head.Shape, values);
        await using var engine = Engine(weights, 2, new TextGeneratorOptions(), 8);
        var fault = await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([1, 2, 3], TinyEngine.Greedy(4)));
        Assert.Equal(GenerationFault.InvalidLogits, fault.Fault);
        Assert.Contains("1 of ", fault.Message, StringComparison.Ordinal);
        Assert.EndsWith("the weights are damaged: compare the files with their source, or fetch them again", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forward_pass_that_fails_once_is_tried_for_each_request_alone()
    {
        // The first pass waits until all have asked, so that the ninth computes several.
        using var allHaveAsked = new ManualResetEventSlim();
        var passes = 0;
        void FailNow()
        {
            allHaveAsked.Wait();
            if (++passes == 9) throw new InvalidOperationException("once");
        }

        var expected = new List<string>();
        await using (var engine = new TinyEngine(TinyEngine.Weights()))
            foreach (var (prompt, options) in Requests) expected.Add(await ReadAsync(engine, prompt, options));
        await using var failing = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 9 }, beforeForward: FailNow);
        var answers = Requests.Select(request => ReadAsync(failing, request.Prompt, request.Options)).ToArray();
        allHaveAsked.Set();
        for (var i = 0; i < answers.Length; i++) Assert.Equal(expected[i], await answers[i]);
        Assert.True(passes > 9);
    }

    [Fact]
    public async Task A_request_that_cannot_be_computed_fails_with_the_cause_and_the_engine_lives_on()
    {
        var isBroken = true;
        var cause = new InvalidOperationException("the weights are gone");
        await using var engine = new TinyEngine(TinyEngine.Weights(), beforeForward: () => { if (Volatile.Read(ref isBroken)) throw cause; });
        var requests = Enumerable.Range(1, 3).Select(i => engine.CompleteAsync([i], TinyEngine.Greedy(5))).ToArray();
        foreach (var request in requests)
        {
            var fault = await Assert.ThrowsAsync<GenerationException>(() => request);
            Assert.Equal(GenerationFault.Failed, fault.Fault);
            Assert.Same(cause, fault.InnerException);
            Assert.DoesNotContain("weights", fault.Message, StringComparison.Ordinal);
        }

        Volatile.Write(ref isBroken, false);
        Assert.Equal(5, (await engine.CompleteAsync([1], TinyEngine.Greedy(5))).TokenIds.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_decoded_token_allocates_nothing_on_the_engine_s_thread(bool samples)
    {
        // What the engine's thread has allocated before each forward pass, over one long answer beside two short ones.
        var allocated = new long[2000];
        var passes = 0;
        void Measure() => allocated[passes++] = GC.GetAllocatedBytesForCurrentThread();

        var sampling = samples ? new SamplingOptions { Seed = 3, TopP = 0.9, TopK = 100, RepetitionPenalty = 1.1, PresencePenalty = 0.5 } : SamplingOptions.Greedy;
        var options = new GenerationOptions { Sampling = sampling, MaxTokens = 240, StopStrings = ["never to be met"], TopLogProbs = samples ? 3 : null };
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxUnreadChunks = 4 }, beforeForward: Measure);
        await Task.WhenAll(
            engine.CompleteAsync([1, 2], options), engine.CompleteAsync([3], options with { MaxTokens = 60 }), engine.CompleteAsync([4], options with { MaxTokens = 70 }));

        // Queues grow at first and the thread pool's own queue may at any time; a token's share would show in every window.
        const int window = 16;
        var growth = Enumerable.Range(7, (passes / window) - 8).Select(w => allocated[(w + 1) * window] - allocated[w * window]).Order().ToArray();
        Assert.True(growth.Length > 5);
        Assert.Equal(0, growth[growth.Length / 2]);
    }

    private static TinyEngine Engine(TinyModel weights, int threads, TextGeneratorOptions options, int contexts) =>
        new(weights, options, new EngineOptions { ThreadCount = threads, MaxContext = 128, MaxSequences = contexts });

    private static (int[] Prompt, GenerationOptions Options) Request(int index)
    {
        var sampling = index % 3 == 0 ? SamplingOptions.Greedy : new SamplingOptions
        {
            Seed = (ulong)index, Temperature = 0.5 + (0.2 * index), TopP = index % 2 == 0 ? 0.9 : 1, TopK = index == 4 ? 30 : 0,
            RepetitionPenalty = index == 5 ? 1.2 : 1, FrequencyPenalty = index == 7 ? 0.5 : 0,
        };
        return (TinyEngine.Prompt(1 + (index * 9), 100 + index), new GenerationOptions
        {
            Sampling = sampling, MaxTokens = 40 - index, TopLogProbs = index % 4 == 1 ? 2 : null, StopStrings = index == 8 ? ["e", "th"] : [],
        });
    }

    /// <summary>All that a reader sees of an answer, with the bits of its numbers.</summary>
    internal static async Task<string> ReadAsync(TinyEngine engine, int[] prompt, GenerationOptions options)
    {
        var seen = new System.Text.StringBuilder();
        await foreach (var chunk in engine.Generator.GenerateAsync(prompt, options))
        {
            seen.Append(System.Globalization.CultureInfo.InvariantCulture, $"{chunk.TokenId}'{chunk.Text}'{chunk.FinishReason}");
            if (chunk.LogProb is { } logProb) seen.Append(System.Globalization.CultureInfo.InvariantCulture, $"{BitConverter.SingleToInt32Bits(logProb):x8}");
            foreach (var (tokenId, top) in chunk.TopLogProbs ?? []) seen.Append(System.Globalization.CultureInfo.InvariantCulture, $" {tokenId}:{BitConverter.SingleToInt32Bits(top):x8}");
            seen.Append('\n');

            // Some readers are slow.
            if (prompt.Length % 2 == 0) await Task.Yield();
        }

        return seen.ToString();
    }

    private static async Task CancelAfterAsync(TinyEngine engine, int[] prompt, int chunkCount)
    {
        using var cancellation = new CancellationTokenSource();
        if (chunkCount == 0) await cancellation.CancelAsync();
        var count = 0;
        var reason = "";
        await foreach (var chunk in engine.Generator.GenerateAsync(prompt, TinyEngine.Greedy(60), cancellation.Token))
        {
            if (++count == chunkCount) await cancellation.CancelAsync();
            reason = chunk.FinishReason;
        }

        Assert.Contains(reason, new[] { FinishReason.Cancelled, FinishReason.Length });
    }

    private static async Task LeaveAfterAsync(TinyEngine engine, int[] prompt, int chunkCount)
    {
        await foreach (var chunk in engine.Generator.GenerateAsync(prompt, TinyEngine.Greedy(60)))
            if (--chunkCount == 0) break;
    }
}
