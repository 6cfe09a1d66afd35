using Hadal.Inference.Models;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>The multi-token-prediction layer.</summary>
public sealed unsafe class MultiTokenPredictionTests
{
    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 32, MaxSequences = 2 };

    [Fact]
    public void The_input_of_the_block_is_that_of_the_example()
    {
        using var fixture = Fixture.Open("mtp_input.json", "Models");
        var example = fixture.RootElement;
        var config = TinyModel.DeepSeek with { HiddenSize = 3, VocabSize = 1, NumHiddenLayers = 1, NumNextnPredictLayers = 1, RmsNormEps = 1e-6 };
        using var weights = new TinyModel(config, seed: 1);
        weights.Add("model.layers.1.embed_tokens.weight", [1, 3], example.Floats("embedding_next_token"))
            .Add("model.layers.1.enorm.weight", [3], example.Floats("enorm_weight")).Add("model.layers.1.hnorm.weight", [3], example.Floats("hnorm_weight"))
            .Add("model.layers.1.eh_proj.weight", [3, 6], example.Matrix("eh_proj"));
        using var room = new Room(weights);
        float[] joined = new float[6], y = new float[3];
        fixed (float* pj = joined, py = y) room.Layer.Combine([0], example.Floats("hidden_main"), pj, py);
        Assert.True(Generation.MaxDifference(example.Floats("block_input"), y) < 1e-5f);
    }

    [Fact]
    public void Draft_logits_are_those_of_a_decoder_that_starts_from_the_combined_input()
    {
        var config = TinyModel.DeepSeek with { FirstKDenseReplace = 0, NumHiddenLayers = 1, NumNextnPredictLayers = 1 };
        using var weights = new TinyModel(config, seed: 2);
        using var room = new Room(weights);
        var nextTokenIds = TinyModel.Tokens(30, 4);
        var hidden = Enumerable.Range(0, 30 * config.HiddenSize).Select(i => MathF.Sin(i)).ToArray();
        var logits = new float[30 * 48];
        using var cache = room.Layer.CreateCache();
        room.Layer.Forward(cache, nextTokenIds, hidden, logits);

        // A decoder whose embedding rows are the combined inputs, and whose only layer is the prediction layer.
        float[] joined = new float[60 * config.HiddenSize], combined = new float[48 * config.HiddenSize];
        fixed (float* pj = joined, pc = combined) room.Layer.Combine(nextTokenIds, hidden, pj, pc);
        using var renamed = new TinyModel(config with { NumNextnPredictLayers = 0 });
        foreach (var (name, tensor) in weights.Tensors)
            if (name.StartsWith("model.layers.1.", StringComparison.Ordinal))
                renamed.Add(name.Replace("layers.1.", "layers.0.", StringComparison.Ordinal), tensor.Shape, TinyModel.ValuesOf(tensor));
        renamed.Add("model.embed_tokens.weight", [48, config.HiddenSize], combined)
            .Add("model.norm.weight", [config.HiddenSize], TinyModel.ValuesOf(weights.Tensors["model.layers.1.shared_head.norm.weight"]))
            .Add("lm_head.weight", [48, config.HiddenSize], TinyModel.ValuesOf(weights.Tensors["model.layers.1.shared_head.head.weight"]));
        using var decoder = renamed.Open(Options);
        Assert.Equal(Generation.AllLogits(decoder, [.. Enumerable.Range(0, 30)]), logits);
    }

    [Fact]
    public void Drafts_do_not_depend_on_cuts_and_leave_the_main_logits_alone()
    {
        var config = TinyModel.DeepSeek with { NumNextnPredictLayers = 1 };
        using var weights = new TinyModel(config, seed: 3);
        using var plain = new DeepSeekModel(config with { NumNextnPredictLayers = 0 }, weights.Weights, Options);
        using var model = new DeepSeekModel(config, weights.Weights, Options);
        var tokenIds = TinyModel.Tokens(20, 5);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(cache, tokenIds, 20);
        model.Forward(batch);
        Assert.Equal(Generation.AllLogits(plain, tokenIds), batch.Logits.ToArray());

        var hidden = model.FinalHidden.ToArray();
        var prediction = Assert.Single(model.PredictionLayers);
        using PagedKvCache whole = prediction.CreateCache(), cut = prediction.CreateCache();
        float[] expected = new float[20 * 48], logits = new float[20 * 48];
        var next = TinyModel.Tokens(20, 6);
        prediction.Forward(whole, next, hidden, expected);
        for (var i = 0; i < 20; i++) prediction.Forward(cut, next.AsSpan(i, 1), hidden.AsSpan(i * config.HiddenSize, config.HiddenSize), logits.AsSpan(i * 48, 48));
        Assert.Equal(expected, logits);
        batch.Clear();
        batch.Add(cache, new[] { 1 }, 1);
        model.Forward(batch);
        Assert.Equal(Generation.AllLogits(plain, [.. tokenIds, 1])[(20 * 48)..], batch.Logits.ToArray());
        Assert.Throws<ArgumentException>(() => prediction.Forward(whole, [48], new float[config.HiddenSize], new float[48]));
    }

    private sealed class Room : IDisposable
    {
        private readonly DeepSeekModel _model;

        public Room(TinyModel weights)
        {
            _model = (DeepSeekModel)weights.Open(Options);
            Layer = Assert.Single(_model.PredictionLayers);
        }

        public MultiTokenPrediction Layer { get; }

        public void Dispose() => _model.Dispose();
    }
}
