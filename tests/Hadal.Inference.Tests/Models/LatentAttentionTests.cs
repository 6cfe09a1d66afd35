using System.Text.Json;
using CsCheck;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>Latent attention in both forms, and the indexer.</summary>
public sealed unsafe class LatentAttentionTests
{
    // The norm of a latent of one number is its sign: near zero it makes anything of a rounding. Three are rarely all near zero.
    private static readonly Gen<DeepSeekConfig> Configs =
        from heads in Gen.Int[1, 9]
        from rank in Gen.OneOf(Gen.Const(0), Gen.Int[3, 9])
        from latent in Gen.Int[3, 40]
        from nope in Gen.Int[1, 17]
        from rope in Gen.Int[1, 4]
        from value in Gen.Int[1, 17]
        from experts in Gen.Int[0, 4]
        from shared in Gen.Int[0, 2]
        from topk in Gen.Int[0, 40]
        select TinyModel.DeepSeek with
        {
            NumAttentionHeads = heads,
            QLoraRank = rank == 0 ? null : rank,
            KvLoraRank = latent,
            QkNopeHeadDim = nope,
            QkRopeHeadDim = 2 * rope,
            VHeadDim = value,
            NRoutedExperts = experts == 0 ? null : 2 * experts,
            NumExpertsPerTok = Math.Min(2, 2 * experts),
            NSharedExperts = shared,
            NGroup = 1,
            TopkGroup = 1,
            TopkMethod = "greedy",
            ScoringFunc = "softmax",
            IndexTopk = topk == 0 ? null : topk,
        };

    [Theory]
    [Trait("Width", "all")]
    [InlineData(MlaForm.Absorbed)]
    [InlineData(MlaForm.Plain)]
    public void Both_forms_give_the_numbers_of_the_example(MlaForm form)
    {
        using var fixture = Fixture.Open("mla_attention.json", "Models");
        var example = fixture.RootElement;
        var config = TinyModel.DeepSeek with
        {
            HiddenSize = 8,
            NumAttentionHeads = 2,
            QkNopeHeadDim = 4,
            QkRopeHeadDim = 4,
            VHeadDim = 3,
            KvLoraRank = 5,
            QLoraRank = null,
            IndexTopk = null,
            RmsNormEps = 0.5,

            // So long a context leaves the frequencies as they are and brings the factor m² alone.
            RopeScaling = new RopeScaling { Type = "yarn", Factor = 40, OriginalMaxPositionEmbeddings = 4_000_000, Mscale = 0.707, MscaleAllDim = 0.707 },
        };
        using var weights = new TinyModel(config)
            .Add("q_proj.weight", [16, 8], example.Matrix("q_proj")).Add("kv_a_proj_with_mqa.weight", [9, 8], example.Matrix("kv_a_proj_with_mqa"))
            .Add("kv_a_layernorm.weight", [5], example.Floats("kv_a_layernorm")).Add("kv_b_proj.weight", [14, 5], example.Matrix("kv_b_proj"))
            .Add("o_proj.weight", [8, 6], example.Matrix("o_proj"));
        using var layer = new LayerRoom(config, new EngineOptions { ThreadCount = 2, MaxBatchTokens = 4, MaxContext = 64, MlaForm = form }, tokens: 4);
        Assert.Equal(example.GetProperty("softmax_scale").GetDouble(), layer.State.SoftmaxScale, 1e-6);
        float[] x = example.Matrix("x"), y = new float[32];
        fixed (float* px = x, py = y)
            new MultiHeadLatentAttention(config, weights.Weights, "").Forward(layer.Crew, layer.Pass, 0, px, py, layer.State);
        Assert.True(Generation.MaxDifference(example.Matrix("output"), y) < 1e-5f);
        float[] latents = example.Matrix("cache_latent_after_norm"), keys = example.Matrix("cache_rope_key_after_rope");
        for (var t = 0; t < 4; t++)
        {
            Assert.True(Generation.MaxDifference(latents.AsSpan(t * 5, 5), layer.Row(isFirst: true, t).AsSpan(0, 5)) < 1e-5f);
            Assert.True(Generation.MaxDifference(keys.AsSpan(t * 4, 4), layer.Row(isFirst: true, t).AsSpan(5)) < 1e-5f);
        }
    }

    [Fact]
    [Trait("Width", "all")]
    public void The_indexer_selects_the_positions_of_the_example()
    {
        using var fixture = Fixture.Open("dsa_indexer.json", "Models");
        var example = fixture.RootElement;
        var config = TinyModel.DeepSeek with { HiddenSize = 4, QLoraRank = 3, QkRopeHeadDim = 4, IndexNHeads = 2, IndexHeadDim = 6, IndexTopk = 2 };
        using var weights = IndexerOf(example, config);
        using var layer = new LayerRoom(config, new EngineOptions { ThreadCount = 2, MaxBatchTokens = 5, MaxContext = 64 }, tokens: 5);
        float[] x = example.Matrix("x"), latent = example.Matrix("q_latent_normalised");
        fixed (float* px = x, pl = latent)
            new LightningIndexer(config, weights.Weights, "").Select(layer.Crew, layer.Pass, 0, px, pl, layer.State);
        var keys = example.Matrix("k_after_rope");
        for (var t = 0; t < 5; t++) Assert.True(Generation.MaxDifference(keys.AsSpan(t * 6, 6), layer.Row(isFirst: false, t)) < 1e-5f);
        for (var t = 2; t < 5; t++)
            Assert.Equal(example.GetProperty("selected")[t].EnumerateArray().Select(position => position.GetInt32()), layer.State.Selected.AsSpan(2 * t, 2).ToArray());
    }

    [Theory]
    [Trait("Width", "all")]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Queries_head_weights_and_scores_of_the_indexer_are_those_of_the_example(int tokens)
    {
        using var fixture = Fixture.Open("dsa_indexer.json", "Models");
        var example = fixture.RootElement;
        // One position at most is selected, so that every row but the first is scored; with one thread the scores of the last row stay.
        var config = TinyModel.DeepSeek with { HiddenSize = 4, QLoraRank = 3, QkRopeHeadDim = 4, IndexNHeads = 2, IndexHeadDim = 6, IndexTopk = 1 };
        using var weights = IndexerOf(example, config);
        using var layer = new LayerRoom(config, new EngineOptions { ThreadCount = 1, MaxBatchTokens = tokens, MaxContext = 64 }, tokens);
        float[] x = example.Matrix("x")[..(tokens * 4)], latent = example.Matrix("q_latent_normalised")[..(tokens * 3)];
        fixed (float* px = x, pl = latent)
            new LightningIndexer(config, weights.Weights, "").Select(layer.Crew, layer.Pass, 0, px, pl, layer.State);
        var last = tokens - 1;
        for (var h = 0; h < 2; h++)
            Assert.True(Generation.MaxDifference(example.GetProperty("q_after_rope")[last][h].Floats(), new Span<float>(layer.State.IndexQueries + (((last * 2) + h) * 6), 6)) < 1e-5f);
        var headWeights = new Span<float>(layer.State.IndexWeights + (last * 2), 2).ToArray();
        Assert.True(Generation.MaxDifference(example.GetProperty("head_weights_scaled")[last].Floats(), headWeights) < 1e-5f);
        var expected = example.GetProperty("scores")[last].EnumerateArray().Take(tokens).Select(score => score.GetSingle()).ToArray();
        Assert.True(Generation.MaxDifference(expected, new Span<float>(layer.State.ScoresOf(0, last % LightningIndexer.RowsTogether), tokens)) < 1e-5f);
    }

    [Fact]
    [Trait("Width", "all")]
    public void Absorbed_and_plain_form_agree_for_any_config() =>
        Configs.Select(Gen.Int[5, 60]).Sample(
            (config, tokens) =>
            {
                using var weights = new TinyModel(config, seed: tokens);
                var tokenIds = TinyModel.Tokens(tokens, 8);
                var options = new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 32 };
                using var absorbed = weights.Open(options);
                using var plain = weights.Open(options with { MlaForm = MlaForm.Plain });
                using var auto = weights.Open(options with { MlaForm = MlaForm.Auto, PlainFromTokens = 9 });
                var expected = Generation.AllLogits(absorbed, tokenIds);
                var scale = expected.Max(Math.Abs);

                // A nearly equal choice of experts or positions may fall the other way; all but one, or nine in ten rows, must agree closely.
                foreach (var other in new[] { Generation.AllLogits(plain, tokenIds), Generation.AllLogits(auto, tokenIds) })
                {
                    var far = Enumerable.Range(0, tokens).Count(t => Generation.MaxDifference(expected.AsSpan(t * 48, 48), other.AsSpan(t * 48, 48)) > 1e-4f * scale);
                    Assert.True(far <= Math.Max(1, tokens / 10), $"{far} of {tokens} rows differ");
                }
            },
            seed: "0000KpjRvxI4",
            iter: 60,
            threads: 1);

    [Theory]
    [InlineData(null)]
    [InlineData(100)]
    public void The_automatic_form_goes_by_the_slice_and_not_by_where_a_pass_cuts_it(int? indexTopk)
    {
        using var weights = new TinyModel(TinyModel.DeepSeek with { IndexTopk = indexTopk }, seed: 11);
        using var model = weights.Open(new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxSequences = 2, MaxBatchTokens = 32, MlaForm = MlaForm.Auto, PlainFromTokens = 30 });
        using var absorbed = weights.Open(new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 32 });
        int[] first = TinyModel.Tokens(11, 1), second = TinyModel.Tokens(30, 2);
        using KvCache a = model.CreateCache(), b = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(a, first, 11);
        batch.Add(b, second, 30);
        model.Forward(batch);
        a.Dispose();
        b.Dispose();
        Assert.Equal(Generation.AllLogits(absorbed, first), batch.Logits[..(11 * 48)].ToArray());
        Assert.Equal(Generation.AllLogits(model, second), batch.Logits[(11 * 48)..].ToArray());
        Assert.NotEqual(Generation.AllLogits(absorbed, second), batch.Logits[(11 * 48)..].ToArray());
    }

    [Fact]
    public void Selection_of_all_positions_equals_dense_attention_bit_for_bit()
    {
        var tokenIds = TinyModel.Tokens(40, 9);
        var config = TinyModel.DeepSeek with { IndexTopk = 40 };
        using var weights = new TinyModel(config, seed: 9);
        using var sparse = weights.Open(new EngineOptions { ThreadCount = 2, MaxContext = 64 });
        using var dense = new DeepSeekModel(config with { IndexTopk = null }, weights.Weights, new EngineOptions { ThreadCount = 2, MaxContext = 64 });
        using var narrow = new DeepSeekModel(config with { IndexTopk = 39 }, weights.Weights, new EngineOptions { ThreadCount = 2, MaxContext = 64 });
        var expected = Generation.AllLogits(dense, tokenIds);
        Assert.Equal(expected, Generation.AllLogits(sparse, tokenIds));
        var cut = Generation.AllLogits(narrow, tokenIds);
        Assert.Equal(expected[..(39 * 48)], cut[..(39 * 48)]);
        Assert.NotEqual(expected[(39 * 48)..], cut[(39 * 48)..]);
    }

    /// <summary>The indexer of the example.</summary>
    private static TinyModel IndexerOf(JsonElement example, DeepSeekConfig config) => new TinyModel(config)
        .Add("wq_b.weight", [12, 3], example.Matrix("wq_b")).Add("wk.weight", [6, 4], example.Matrix("wk"))
        .Add("k_norm.weight", [6], example.Floats("k_norm_weight")).Add("k_norm.bias", [6], example.Floats("k_norm_bias"))
        .Add("weights_proj.weight", [2, 4], example.Matrix("weights_proj"));

    private sealed class LayerRoom : IDisposable
    {
        private readonly BlockPool _pool;
        private readonly Scratch _scratch;

        public LayerRoom(DeepSeekConfig config, EngineOptions options, int tokens)
        {
            _pool = new BlockPool(DeepSeekModel.CacheLayoutOf(config, CacheFormat.F32), 1);
            _scratch = new Scratch(DeepSeekState.FloatCount(config, options));
            State = new DeepSeekState(config, options, _scratch.Memory);
            Crew = new ThreadCrew(options.ThreadCount);
            Cache = new PagedKvCache(_pool, 64);
            Cache.Reserve(tokens);
            Pass = new Pass(tokens, DeepSeekModel.RowsTogether(config));
            Pass.Add(Cache, 0, new int[tokens], 0);
        }

        public DeepSeekState State { get; }

        public ThreadCrew Crew { get; }

        public PagedKvCache Cache { get; }

        public Pass Pass { get; }

        /// <summary>What the cache has of a token.</summary>
        public float[] Row(bool isFirst, int token)
        {
            var rows = isFirst ? _pool.Layout.First : _pool.Layout.Second;
            var values = new float[rows.Width];
            var block = rows.Read(isFirst ? Cache.FirstBlock(0, 0) : Cache.SecondBlock(0, 0), 0, token + 1, room: null);
            for (var i = 0; i < values.Length; i++) values[i] = block[rows.IsTransposed ? (i * rows.Stride) + token : (token * rows.Stride) + i];
            return values;
        }

        public void Dispose()
        {
            Crew.Dispose();
            Cache.Dispose();
            _pool.Dispose();
            _scratch.Dispose();
        }
    }
}
