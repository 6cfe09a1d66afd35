using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Inference.Tests.Engine;

/// <summary>What was computed of a prompt serves others that begin alike, to the last bit, and only those with the same salt.</summary>
public sealed class PrefixReuseTests
{
    [Theory]
    [InlineData("qwen3")]
    [InlineData("deepseek_v32")]
    [InlineData("deepseek_v2")]
    public async Task Prefix_reuse_gives_the_same_answer(string family)
    {
        var prompt = TinyEngine.Prompt(150, 1);
        await using var engine = new TinyEngine(TinyEngine.Weights(family));
        var first = await ReadAsync(engine, prompt, 40);
        var second = await ReadAsync(engine, prompt, 40);
        Assert.Equal((0, 149), (first.Cached, second.Cached));
        Assert.Equal(first.LogProbs, second.LogProbs);

        // A conversation goes on behind its own answer; another one has only the beginning in common.
        int[] longer = [.. prompt, .. first.Tokens, 5, 6];
        Assert.Equal(189, (await ReadAsync(engine, longer, 1)).Cached);
        int[] other = [.. prompt[..100], .. TinyEngine.Prompt(60, 2)];
        var branched = await ReadAsync(engine, other, 20);
        Assert.Equal(100, branched.Cached);
        await using var fresh = new TinyEngine(TinyEngine.Weights(family));
        Assert.Equal((await ReadAsync(fresh, other, 20)).LogProbs, branched.LogProbs);
    }

    [Fact]
    public async Task What_was_generated_is_reused_and_the_last_token_is_always_computed()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var answer = await ReadAsync(engine, TinyEngine.Prompt(60, 1), 70);
        int[] whole = [.. TinyEngine.Prompt(60, 1), .. answer.Tokens];
        foreach (var length in new[] { 130, 129, 128, 65, 64, 2, 1 }) Assert.Equal(Math.Min(length, 130) - 1, (await ReadAsync(engine, whole[..length], 1)).Cached);
    }

    [Theory]
    [InlineData("qwen3", CacheFormat.F32)]
    [InlineData("qwen3", CacheFormat.BF16)]
    [InlineData("qwen3", CacheFormat.I8)]
    [InlineData("deepseek_v32", CacheFormat.F32)]
    [InlineData("deepseek_v32", CacheFormat.BF16)]
    [InlineData("deepseek_v32", CacheFormat.I8)]
    [InlineData("deepseek_v2", CacheFormat.BF16)]
    [InlineData("deepseek_v2", CacheFormat.I8)]
    public async Task A_prefix_that_ends_inside_a_block_gives_the_same_answer_and_leaves_the_block_as_it_was(string family, CacheFormat format)
    {
        var options = new EngineOptions { ThreadCount = 2, MaxContext = 256, MaxSequences = 4, CacheFormat = format };
        var prompt = TinyEngine.Prompt(150, 1);
        await using var engine = new TinyEngine(TinyEngine.Weights(family), engineOptions: options);
        await using var fresh = new TinyEngine(TinyEngine.Weights(family), engineOptions: options);
        var first = await ReadAsync(engine, prompt, 30);
        for (var length = 1; length < 150; length += 37)
        {
            // One token further, the text is another one, whatever the random one would be.
            int[] other = [.. prompt[..length], (prompt[length] + 1) % TinyEngine.VocabSize, .. TinyEngine.Prompt(40, 2)];
            var (expected, branched) = (await ReadAsync(fresh, other, 20, salt: $"{length}"), await ReadAsync(engine, other, 20));
            Assert.Equal((0, length), (expected.Cached, branched.Cached));
            Assert.Equal(expected.LogProbs, branched.LogProbs);
        }

        var again = await ReadAsync(engine, prompt, 30);
        Assert.Equal(149, again.Cached);
        Assert.Equal(first.LogProbs, again.LogProbs);
    }

    [Fact]
    public async Task A_copy_takes_the_place_of_what_it_was_made_from_where_room_is_short()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights(), engineOptions: new EngineOptions { ThreadCount = 2, MaxContext = 192, MaxSequences = 1 });
        var prompt = TinyEngine.Prompt(128, 1);
        var first = await ReadAsync(engine, prompt, 5);
        for (var i = 0; i < 4; i++)
        {
            var again = await ReadAsync(engine, prompt, 5);
            Assert.Equal((127, first.LogProbs), (again.Cached, again.LogProbs));
        }
    }

    [Fact]
    public async Task An_answer_that_ended_in_broken_numbers_leaves_nothing_to_others()
    {
        const int poison = 300;
        using var weights = TinyEngine.Poisoned("qwen3", poison);
        await using var engine = new TinyEngine(weights);
        int[] prompt = [.. Enumerable.Repeat(7, 99)];
        await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([.. prompt, poison], TinyEngine.Greedy(1)));
        Assert.Equal(0, (await ReadAsync(engine, prompt, 1)).Cached);
        Assert.Equal(98, (await ReadAsync(engine, prompt, 1)).Cached);
    }

    [Fact]
    public async Task Only_requests_with_one_salt_share()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var prompt = TinyEngine.Prompt(100, 1);
        foreach (var salt in new[] { null, "a", "b" })
        {
            Assert.Equal(0, (await ReadAsync(engine, prompt, 3, salt)).Cached);
            Assert.Equal(99, (await ReadAsync(engine, prompt, 3, salt)).Cached);
        }
    }

    [Fact]
    public void Adapters_and_salts_make_other_roots()
    {
        var adapter = Guid.NewGuid();
        BlockHash[] roots = [BlockHash.Root(null, Guid.Empty), BlockHash.Root("a", Guid.Empty), BlockHash.Root(null, adapter), BlockHash.Root("a", adapter), BlockHash.Root(null, Guid.NewGuid())];
        Assert.Equal(roots.Length, roots.Distinct().Count());
        var tokens = Enumerable.Range(0, BlockPool.BlockTokens).ToArray();
        Assert.Equal(roots.Length, roots.Select(root => BlockHash.Next(root, tokens)).Distinct().Count());
    }

    [Fact]
    public async Task Room_that_is_needed_is_taken_from_what_was_not_used_for_longest()
    {
        // Room for one context of four blocks.
        var options = new TextGeneratorOptions { MaxConcurrent = 3 };
        await using var engine = new TinyEngine(TinyEngine.Weights(), options, new EngineOptions { ThreadCount = 2, MaxContext = 256, MaxSequences = 1 });
        var prompts = Enumerable.Range(0, 6).Select(seed => TinyEngine.Prompt(140, seed)).ToList();
        var expected = new List<Answered>();
        foreach (var prompt in prompts) expected.Add(await ReadAsync(engine, prompt, 20));
        Assert.Equal(139, (await ReadAsync(engine, prompts[^1], 20)).Cached);
        Assert.Equal(0, (await ReadAsync(engine, prompts[0], 20)).Cached);
        var together = await Task.WhenAll(prompts.Concat(prompts).Select(prompt => ReadAsync(engine, prompt, 20)));
        for (var i = 0; i < together.Length; i++) Assert.Equal(expected[i % 6].LogProbs, together[i].LogProbs);
    }

    [Fact]
    public async Task A_cache_that_shares_can_be_emptied_but_not_cut()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        using var model = TinyEngine.Weights().Open(new EngineOptions { ThreadCount = 1, MaxContext = 256 });
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(TinyEngine.VocabSize);
        cache.Reuse(BlockHash.Root(null, Guid.Empty), TinyEngine.Prompt(70, 1));
        batch.Add(cache, TinyEngine.Prompt(70, 1));
        model.Forward(batch);
        cache.Share(TinyEngine.Prompt(70, 1), isEnd: false);
        Assert.Throws<InvalidOperationException>(() => cache.Truncate(3));
        cache.Truncate(0);
        cache.Reuse(BlockHash.Root(null, Guid.Empty), TinyEngine.Prompt(70, 1));
        Assert.Equal(64, cache.Length);
    }

    private sealed record Answered(int Cached, IReadOnlyList<int> Tokens, string LogProbs);

    private static async Task<Answered> ReadAsync(TinyEngine engine, int[] prompt, int maxTokens, string? salt = null)
    {
        var (tokens, text, cached) = (new List<int>(), new List<string>(), -1);
        await foreach (var chunk in engine.Generator.GenerateAsync(prompt, TinyEngine.Greedy(maxTokens) with { CacheSalt = salt, TopLogProbs = 2 }))
        {
            tokens.Add(chunk.TokenId!.Value);
            text.Add($"{chunk.TokenId}:{BitConverter.SingleToInt32Bits(chunk.LogProb!.Value):X}:{BitConverter.SingleToInt32Bits(chunk.TopLogProbs![1].LogProb):X}");
            cached = chunk.Usage?.CachedTokens ?? cached;
        }

        return new Answered(cached, tokens, string.Join(' ', text));
    }
}
