using Hadal.Checkpoints.Config;
using Hadal.Inference.Models;

namespace Hadal.Inference.Tests.Models;

/// <summary>What the engine relies on: batches, caches, limits and repeatable bits.</summary>
public sealed class DecoderModelTests
{
    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 128, MaxBatchTokens = 32, MaxSequences = 4 };

    public static TheoryData<string> Families => ["qwen3", "deepseek_v32", "deepseek_v2"];

    [Theory]
    [MemberData(nameof(Families))]
    public void Batch_mates_change_no_bit(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 1);
        using var model = weights.Open(Options);
        int[] first = TinyModel.Tokens(50, 1), second = TinyModel.Tokens(21, 2), third = TinyModel.Tokens(1, 3);
        var alone = new[] { first, second, third }.SelectMany(tokenIds => Generation.AllLogits(model, tokenIds)).ToArray();

        using KvCache a = model.CreateCache(), b = model.CreateCache(), c = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(a, first, first.Length);
        batch.Add(b, second, second.Length);
        batch.Add(c, third, third.Length);
        model.Forward(batch);
        Assert.Equal(alone, batch.Logits.ToArray());
        Assert.Equal(50, a.Length);
        Assert.Equal(21, b.Length);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Rows_whose_logits_nobody_wants_are_left_out_without_a_trace(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 4);
        int[] first = TinyModel.Tokens(50, 1), second = TinyModel.Tokens(21, 2), third = TinyModel.Tokens(9, 3), next = TinyModel.Tokens(1, 4);
        foreach (var batchTokens in new[] { 128, 16 })
        {
            using var model = weights.Open(Options with { MaxBatchTokens = batchTokens });
            float[] All(int[] tokenIds) => Generation.AllLogits(model, tokenIds);
            var expected = new[] { All(first)[(49 * 48)..], All(third)[(6 * 48)..], All([.. second, .. next])[(21 * 48)..] }.SelectMany(rows => rows).ToArray();

            using KvCache a = model.CreateCache(), b = model.CreateCache(), c = model.CreateCache();
            var batch = new ScheduledBatch(48);
            batch.Add(a, first, 1);
            batch.Add(b, second, 0);
            batch.Add(c, third, 3);
            model.Forward(batch);
            Assert.Equal((50, 21, 9), (a.Length, b.Length, c.Length));
            var actual = batch.Logits.ToArray().ToList();
            batch.Clear();
            batch.Add(b, next, 1);
            model.Forward(batch);
            actual.AddRange(batch.Logits);
            Assert.Equal(expected, actual);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Thread_counts_and_cuts_change_no_bit(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 2);
        var tokenIds = TinyModel.Tokens(100, 5);
        float[]? expected = null;
        foreach (var (threads, batchTokens, sliceLength) in new[] { (1, 128, 100), (2, 128, 100), (3, 16, 100), (5, 7, 11), (2, 128, 1) })
        {
            using var model = weights.Open(Options with { ThreadCount = threads, MaxBatchTokens = batchTokens });
            var logits = Generation.AllLogits(model, tokenIds, sliceLength);
            expected ??= logits;
            Assert.Equal(expected, logits);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_cache_that_is_split_over_threads_gives_the_same_bits(string family)
    {
        var config = ConfigOf(family) switch
        {
            GroupedQueryConfig grouped => (ModelConfig)(grouped with { MaxPositionEmbeddings = 2048 }),
            var other => ((DeepSeekConfig)other) with { MaxPositionEmbeddings = 2048 },
        };
        using var weights = new TinyModel(config, seed: 8);
        var tokenIds = TinyModel.Tokens(1200, 9);
        float[]? expected = null;
        foreach (var threads in new[] { 1, 3, 8 })
        {
            using var model = weights.Open(new EngineOptions { ThreadCount = threads, MaxContext = 1280, MaxBatchTokens = 200, MaxSequences = 2 });
            using var cache = model.CreateCache();
            var batch = new ScheduledBatch(48);
            batch.Add(cache, tokenIds.AsMemory(0, 1190));
            model.Forward(batch);
            var logits = new List<float>();
            for (var i = 1190; i < 1200; i++)
            {
                batch.Clear();
                batch.Add(cache, tokenIds.AsMemory(i, 1), 1);
                model.Forward(batch);
                logits.AddRange(batch.Logits);
            }

            expected ??= [.. logits];
            Assert.Equal(expected, logits.ToArray());
            Assert.Equal(expected, Generation.AllLogits(model, tokenIds)[(1190 * 48)..]);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Rounded_caches_change_logits_a_little_and_still_no_bit_with_cuts_and_threads(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 9);
        var tokenIds = TinyModel.Tokens(100, 10);
        using var exact = weights.Open(Options);
        var expected = Generation.AllLogits(exact, tokenIds);
        foreach (var format in new[] { CacheFormat.BF16, CacheFormat.I8 })
        {
            using var model = weights.Open(Options with { CacheFormat = format });
            var logits = Generation.AllLogits(model, tokenIds);
            // On the average, because a rounded score may choose another expert or key.
            Assert.InRange(expected.Zip(logits, (a, b) => MathF.Abs(a - b)).Average(), 1e-7f, 0.05f);
            using var other = weights.Open(Options with { CacheFormat = format, ThreadCount = 1, MaxBatchTokens = 7 });
            Assert.Equal(logits, Generation.AllLogits(other, tokenIds, sliceLength: 11));
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_truncated_cache_continues_as_if_the_rest_had_never_been(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 3);
        using var model = weights.Open(Options);
        var tokenIds = TinyModel.Tokens(90, 6);
        var expected = Generation.AllLogits(model, tokenIds)[(70 * 48)..];
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(cache, tokenIds[..70].Concat(TinyModel.Tokens(58, 7)).ToArray());
        model.Forward(batch);
        cache.Truncate(70);
        batch.Clear();
        batch.Add(cache, tokenIds.AsMemory(70), 20);
        model.Forward(batch);
        Assert.Equal(expected, batch.Logits.ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(91));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_step_allocates_nothing_on_the_heap(string family)
    {
        using var weights = new TinyModel(ConfigOf(family), seed: 4);
        using var model = weights.Open(Options);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(48);
        var token = new int[1];
        Steps(40);
        Assert.Equal(0, Allocations.Of(() => Steps(10)));

        void Steps(int count)
        {
            for (var i = 0; i < count; i++)
            {
                batch.Clear();
                batch.Add(cache, token, 1);
                model.Forward(batch);
                token[0] = (token[0] + 7) % 48;
            }
        }
    }

    [Fact]
    public void Bad_batches_are_refused_before_anything_changes()
    {
        using var weights = new TinyModel(TinyModel.GroupedQuery, seed: 5);
        using var model = weights.Open(Options);
        using var other = weights.Open(Options);
        using KvCache good = model.CreateCache(), foreign = other.CreateCache();
        var closed = model.CreateCache();
        closed.Dispose();
        var batch = new ScheduledBatch(48);
        foreach (var (cache, tokenIds) in new (KvCache, int[])[] { (good, [48]), (good, [-1]), (good, new int[129]), (foreign, [1]), (closed, [1]) })
        {
            batch.Clear();
            batch.Add(cache, tokenIds);
            Assert.Throws<ArgumentException>(() => model.Forward(batch));
            Assert.Equal(0, cache.Length);
        }

        batch.Clear();
        batch.Add(good, new[] { 1 });
        batch.Add(good, new[] { 2 });
        Assert.Throws<ArgumentException>(() => model.Forward(batch));
        Assert.Throws<ArgumentException>(() => model.Forward(new ScheduledBatch(47)));
    }

    [Fact]
    public void A_full_cache_is_a_condition_of_its_own_and_room_comes_back()
    {
        using var weights = new TinyModel(TinyModel.GroupedQuery, seed: 6);
        using var model = weights.Open(Options with { MaxSequences = 1 });
        using KvCache first = model.CreateCache(), second = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(first, TinyModel.Tokens(65, 1));
        model.Forward(batch);
        batch.Clear();
        batch.Add(second, TinyModel.Tokens(1, 1), 1);
        Assert.Throws<KvCacheFullException>(() => model.Forward(batch));
        Assert.Equal(0, second.Length);
        first.Truncate(64);
        model.Forward(batch);
        Assert.Equal(1, second.Length);
        first.Dispose();
        second.Dispose();
        Assert.Equal(128, Generation.AllLogits(model, TinyModel.Tokens(128, 2)).Length / 48);
    }

    [Fact]
    public void The_estimate_counts_the_published_cache_of_v2_lite()
    {
        var config = TinyModel.DeepSeek with
        {
            NumHiddenLayers = 27,
            HiddenSize = 2048,
            NumAttentionHeads = 16,
            KvLoraRank = 512,
            QkNopeHeadDim = 128,
            QkRopeHeadDim = 64,
            VHeadDim = 128,
            IndexTopk = null,
            MaxPositionEmbeddings = 163840,
        };
        var estimate = MemoryEstimate.For(config, weightBytes: 1000, new EngineOptions { MaxContext = 4096, MaxSequences = 2 });
        Assert.Equal(27L * 576 * 4 * 4096 * 2, estimate.CacheBytes);
        Assert.Equal(1000 + estimate.CacheBytes + estimate.ScratchBytes, estimate.TotalBytes);
    }

    internal static ModelConfig ConfigOf(string family) => family switch
    {
        "qwen3" => TinyModel.GroupedQuery,
        "deepseek_v32" => TinyModel.DeepSeek,
        _ => TinyModel.DeepSeek with
        {
            ModelType = "deepseek_v2",
            QLoraRank = null,
            IndexTopk = null,
            IndexNHeads = null,
            IndexHeadDim = null,
            TopkMethod = "group_limited_greedy",
            ScoringFunc = "softmax",
            NormTopkProb = false,
            NSharedExperts = null,
        },
    };
}
