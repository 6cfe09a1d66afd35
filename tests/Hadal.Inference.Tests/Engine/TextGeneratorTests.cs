using Hadal.Inference.Engine;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

/// <summary>What a caller of the engine sees: streams, ends, refusals.</summary>
public sealed class TextGeneratorTests
{
    [Fact]
    public async Task A_stream_joins_to_the_text_of_its_tokens_and_ends_with_counts()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var prompt = TinyEngine.Prompt(20, 1);
        var chunks = new List<GeneratedChunk>();
        await foreach (var chunk in engine.Generator.GenerateAsync(prompt, TinyEngine.Greedy(60))) chunks.Add(chunk);

        Assert.Equal(60, chunks.Count);
        Assert.All(chunks[..^1], chunk => Assert.Null(chunk.FinishReason));
        Assert.Equal(TinyEngine.Tokenizer.Decode(chunks.Select(chunk => chunk.TokenId!.Value)), string.Concat(chunks.Select(chunk => chunk.Text)));
        Assert.Equal(FinishReason.Length, chunks[^1].FinishReason);
        Assert.Equal((20, 60), (chunks[^1].Usage!.PromptTokens, chunks[^1].Usage!.CompletionTokens));
        Assert.True(chunks[^1].Usage!.TimeToFirstToken > TimeSpan.Zero);
        Assert.True(chunks[^1].Usage!.TotalTime >= chunks[^1].Usage!.TimeToFirstToken);
    }

    [Fact]
    public async Task The_model_s_end_token_ends_the_answer_without_text_unless_it_is_ignored()
    {
        var prompt = TinyEngine.Prompt(5, 2);
        int[] free;
        await using (var engine = new TinyEngine(TinyEngine.Weights())) free = [.. (await engine.CompleteAsync(prompt, TinyEngine.Greedy(12))).TokenIds];
        var end = free[4];
        var before = free.TakeWhile(id => id != end).ToArray();

        await using var ending = new TinyEngine(TinyEngine.Weights(), endTokenIds: [end]);
        var result = await ending.CompleteAsync(prompt, TinyEngine.Greedy(12) with { SkipSpecial = false });
        Assert.Equal(FinishReason.Stop, result.FinishReason);
        Assert.Equal([.. before, end], result.TokenIds);
        Assert.Equal(TinyEngine.Tokenizer.Decode(before, skipSpecial: false), result.Text);
        Assert.Equal(before.Length + 1, result.Usage.CompletionTokens);
        Assert.Equal(free, (await ending.CompleteAsync(prompt, TinyEngine.Greedy(12) with { IgnoreEos = true })).TokenIds);
        Assert.Equal(result.TokenIds, (await ending.CompleteAsync(prompt, TinyEngine.Greedy(12) with { IgnoreEos = true, StopTokenIds = [end] })).TokenIds);
    }

    [Fact]
    public async Task A_full_context_ends_the_answer_with_length()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var result = await engine.CompleteAsync(TinyEngine.Prompt(250, 3), new GenerationOptions { Sampling = SamplingOptions.Greedy });
        Assert.Equal(FinishReason.Length, result.FinishReason);
        Assert.Equal(6, result.TokenIds.Count);
    }

    [Fact]
    public async Task A_prompt_that_leaves_no_room_is_refused_with_numbers()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var fault = Assert.Throws<GenerationException>(() => engine.Generator.GenerateAsync(TinyEngine.Prompt(256, 4), TinyEngine.Greedy(1)));
        Assert.Equal(GenerationFault.PromptTooLong, fault.Fault);
        Assert.Contains("256 tokens", fault.Message, StringComparison.Ordinal);
        Assert.Contains("at most 255", fault.Message, StringComparison.Ordinal);
        Assert.Single((await engine.CompleteAsync(TinyEngine.Prompt(255, 4), new GenerationOptions())).TokenIds);
    }

    [Fact]
    public async Task All_faults_of_a_request_are_told_at_once()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var options = new GenerationOptions { MaxTokens = 0, TopLogProbs = 21, Sampling = new SamplingOptions { TopP = 2 } };
        var fault = Assert.Throws<ArgumentException>(() => engine.Generator.GenerateAsync([1, 512], options));
        foreach (var part in new[] { "max_tokens", "top_logprobs", "top_p", "prompt[1]" }) Assert.Contains(part, fault.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => engine.Generator.GenerateAsync([], TinyEngine.Greedy(1)));
    }

    [Fact]
    public async Task A_full_queue_says_so_at_once_and_room_comes_back()
    {
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 1 }, gate: gate);
        var first = engine.CompleteAsync([1], TinyEngine.Greedy(3));
        var second = engine.CompleteAsync([2], TinyEngine.Greedy(3));
        await gate.ArrivedAsync();
        var third = await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([3], TinyEngine.Greedy(3)));
        Assert.Equal(GenerationFault.QueueFull, third.Fault);
        gate.Open();
        await first;
        await engine.CompleteAsync([3], TinyEngine.Greedy(3));
        await second;
    }

    [Fact]
    public async Task Cancelling_ends_the_stream_with_a_chunk_that_says_so()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        using var cancellation = new CancellationTokenSource();
        var chunks = new List<GeneratedChunk>();
        await foreach (var chunk in engine.Generator.GenerateAsync([1, 2, 3], TinyEngine.Greedy(250), cancellation.Token))
        {
            chunks.Add(chunk);
            if (chunks.Count == 4) await cancellation.CancelAsync();
        }

        Assert.Equal(FinishReason.Cancelled, chunks[^1].FinishReason);
        Assert.Null(chunks[^1].TokenId);
        Assert.Equal(chunks.Count - 1, chunks[^1].Usage!.CompletionTokens);

        // Half a character at the end is left out.
        var text = string.Concat(chunks.Select(chunk => chunk.Text));
        Assert.Contains(TinyEngine.Tokenizer.Decode(chunks.SkipLast(1).Select(chunk => chunk.TokenId!.Value)), new[] { text, text + "\uFFFD" });

        var result = await engine.Generator.CompleteAsync([1], TinyEngine.Greedy(3), cancellation.Token);
        Assert.Equal((FinishReason.Cancelled, 1, 0), (result.FinishReason, result.Usage.PromptTokens, result.Usage.CompletionTokens));
    }

    [Fact]
    public async Task Leaving_a_stream_early_makes_room_for_the_next()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1, MaxUnreadChunks = 2 });
        for (var i = 0; i < 3; i++)
        {
            // Read slowly, each of these would hold the only place for ever.
            await foreach (var chunk in engine.Generator.GenerateAsync([1, 2, 3], TinyEngine.Greedy(250))) break;
        }

        Assert.Equal(3, (await engine.CompleteAsync([4], TinyEngine.Greedy(3))).TokenIds.Count);
    }

    [Fact]
    public async Task Closing_ends_running_and_waiting_requests_and_refuses_new_ones()
    {
        using var gate = new Gate();
        var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1 }, gate: gate);
        Task[] requests = [engine.CompleteAsync([1], TinyEngine.Greedy(200)), engine.CompleteAsync([2], TinyEngine.Greedy(200))];
        await gate.ArrivedAsync();
        await engine.DisposeAsync();
        foreach (var request in requests)
            Assert.Equal(GenerationFault.Closed, (await Assert.ThrowsAsync<GenerationException>(() => request)).Fault);
        Assert.Equal(GenerationFault.Closed, (await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([1], TinyEngine.Greedy(1)))).Fault);
    }

    [Fact]
    public async Task A_reader_that_stops_reading_pauses_only_its_own_sequence()
    {
        var passes = 0;
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxUnreadChunks = 3, Speculation = Speculation.Off }, beforeForward: () => Interlocked.Increment(ref passes));
        var prompt = TinyEngine.Prompt(10, 5);
        await using var slow = engine.Generator.GenerateAsync(prompt, TinyEngine.Greedy(50)).GetAsyncEnumerator();
        Assert.True(await slow.MoveNextAsync());
        var ids = new List<int> { slow.Current.TokenId!.Value };

        // The other answer is whole although nobody reads the first, of which one chunk was read and three lie unread.
        Assert.Equal(100, (await engine.CompleteAsync([7], TinyEngine.Greedy(100))).TokenIds.Count);
        Assert.InRange(Volatile.Read(ref passes), 100, 104);
        while (await slow.MoveNextAsync()) ids.Add(slow.Current.TokenId!.Value);
        Assert.Equal((await engine.CompleteAsync(prompt, TinyEngine.Greedy(50))).TokenIds, ids);
    }

    [Fact]
    public async Task A_running_answer_gains_a_token_in_every_pass_while_a_long_prompt_is_read_slowly()
    {
        using var gate = new Gate();
        var clock = new SteppedClock { Step = TimeSpan.FromMilliseconds(100) };
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxBatchTokens = 16 }, gate: gate, clock: clock);
        await using var running = engine.Generator.GenerateAsync([1], TinyEngine.Greedy(100)).GetAsyncEnumerator();
        await PassAsync();

        // 14 passes of 15 rows beside the one of the running answer; the engine may already stand before a pass that does not know of it.
        var late = engine.CompleteAsync(TinyEngine.Prompt(200, 6), TinyEngine.Greedy(1));
        for (var pass = 0; pass < 14; pass++)
        {
            Assert.False(late.IsCompleted);
            await PassAsync();
        }

        await PassAsync();
        gate.Open();
        Assert.Single((await late).TokenIds);

        async Task PassAsync()
        {
            var next = running.MoveNextAsync();
            await gate.ArrivedAsync();
            gate.Open(1);
            Assert.True(await next);
        }
    }

    [Fact]
    public async Task Prompts_that_are_read_fast_come_before_the_tokens_of_running_answers()
    {
        var passes = 0;
        using var gate = new Gate();
        void Pass()
        {
            passes++;
            gate.Pass();
        }

        var options = new TextGeneratorOptions { MaxBatchTokens = 16, Speculation = Speculation.Off };
        await using var engine = new TinyEngine(TinyEngine.Weights(), options, beforeForward: Pass, clock: new SteppedClock());
        await using var running = engine.Generator.GenerateAsync([1], TinyEngine.Greedy(200)).GetAsyncEnumerator();
        var first = running.MoveNextAsync();
        await gate.ArrivedAsync();
        gate.Open(1);
        Assert.True(await first);
        await gate.ArrivedAsync();

        // No time passes: 4 prompts of 100 tokens take 25 whole passes in which the running answer gains nothing.
        var prompts = Enumerable.Range(0, 4).Select(seed => engine.CompleteAsync(TinyEngine.Prompt(100, seed), TinyEngine.Greedy(1))).ToArray();
        gate.Open();
        await Task.WhenAll(prompts);
        var count = 1;
        while (await running.MoveNextAsync()) count++;
        Assert.Equal(200, count);
        Assert.Equal(200 + 25, passes);
    }

    /// <summary>Time that passes in steps: each look at the clock is one.</summary>
    private sealed class SteppedClock : TimeProvider
    {
        private long _looks;

        public TimeSpan Step { get; init; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Step.Ticks * Interlocked.Increment(ref _looks);
    }
}
