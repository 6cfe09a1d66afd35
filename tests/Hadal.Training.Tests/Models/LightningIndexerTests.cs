using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

public sealed class LightningIndexerTests
{
    [Fact]
    public void Scores_selection_and_both_divergences_are_those_of_the_example()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var example = ModelFixture.Open("dsa_indexer.json");
        var config = ModelFixture.Tiny with { HiddenSize = 4, QLoraRank = 3, QkRopeHeadDim = 4, IndexNHeads = 2, IndexHeadDim = 6, IndexTopk = 2 };
        using var rotary = new RotaryEmbedding(config, config.QkRopeHeadDim, CPU);
        using var indexer = new LightningIndexer(config, rotary, CPU);
        foreach (var (name, parameter) in indexer.named_parameters())
        {
            var key = name.Replace(".weight", name.StartsWith("k_norm", StringComparison.Ordinal) ? "_weight" : "", StringComparison.Ordinal).Replace(".bias", "_bias", StringComparison.Ordinal);
            parameter.copy_(example.Numbers(key));
        }

        var scores = indexer.Scores(example.Numbers("x").unsqueeze(0), example.Numbers("q_latent_normalised").unsqueeze(0));
        var expected = example.Numbers("scores").unsqueeze(0);
        ModelFixture.Near(expected, scores.masked_fill(expected.isneginf(), float.NegativeInfinity), 1e-6);

        var selected = LightningIndexer.Selected(scores, 2);
        var positions = Enumerable.Range(0, 5).Select(query => Enumerable.Range(0, 5).Where(key => selected[0, query, key].item<bool>()));
        Assert.Equal(example.GetProperty("selected").EnumerateArray().Select(row => row.EnumerateArray().Select(key => key.GetInt32())), positions);

        var target = example.Numbers("target_p").unsqueeze(0);
        ModelFixture.Near(example.Numbers("kl_dense").unsqueeze(0), LightningIndexer.DivergenceRows(scores, target, null), 2e-6);
        ModelFixture.Near(example.Numbers("kl_sparse").unsqueeze(0), LightningIndexer.DivergenceRows(scores, target, selected), 2e-6);
        Assert.Equal(LightningIndexer.DivergenceRows(scores, target, selected).mean().item<float>(), LightningIndexer.Divergence(scores, target, selected).item<float>());
    }

    [Fact]
    public void Equal_scores_go_to_the_lowest_positions_and_short_rows_keep_all_they_see()
    {
        using var scope = NewDisposeScope();
        var scores = zeros(1, 6, 6);
        scores[0, 5, 4] = 1f;
        var selected = LightningIndexer.Selected(scores, 3);
        Assert.Equal([0L, 1, 2], PositionsOf(selected, 4));
        Assert.Equal([0L, 1, 4], PositionsOf(selected, 5));
        Assert.Equal([0L, 1], PositionsOf(selected, 1));
        Assert.Equal([0L, 1, 2, 3, 4, 5], PositionsOf(LightningIndexer.Selected(scores, 6), 5));
        Assert.Equal([0L, 1], PositionsOf(LightningIndexer.Selected(scores, 6), 1));
    }

    [Fact]
    public void A_row_whose_target_vanishes_on_the_selection_gives_no_NaN()
    {
        using var scope = NewDisposeScope();
        var scores = zeros(1, 2, 2).requires_grad_();
        var target = tensor(new float[,] { { 1, 0 }, { 1, 0 } }).unsqueeze(0);
        var selected = tensor(new[,] { { true, false }, { false, true } }).unsqueeze(0);
        var loss = LightningIndexer.Divergence(scores, target, selected);
        loss.backward();
        Assert.Equal(0f, loss.item<float>());
        Assert.True(scores.grad!.isfinite().all().item<bool>());
    }

    [Fact]
    public void Learning_from_dense_attention_makes_the_selection_keep_more_of_its_mass()
    {
        using var scope = NewDisposeScope();
        using var rotary = new RotaryEmbedding(ModelFixture.Tiny, ModelFixture.Tiny.QkRopeHeadDim, CPU);
        using var indexer = new LightningIndexer(ModelFixture.Tiny, rotary, CPU);
        indexer.Draw(3, 0.2);
        var (x, latent) = (randn(1, 20, 12), randn(1, 20, 8));
        var future = CausalAttention.Future(20, CPU);
        var logits = matmul(x, randn(12, 12).mul_(0.3)).matmul(x.transpose(1, 2));
        var target = logits.masked_fill(future, float.NegativeInfinity).softmax(-1);
        var optimizer = optim.Adam(indexer.parameters(), 0.01);
        var (first, before) = Measure();
        for (var step = 0; step < 150; step++)
        {
            using var stepScope = NewDisposeScope();
            optimizer.zero_grad();
            LightningIndexer.Divergence(indexer.Scores(x, latent), target, null).backward();
            optimizer.step();
        }

        var (last, after) = Measure();
        Assert.True(last < 0.7 * first, $"divergence went from {first} to {last}");
        Assert.True(after > before, $"mass kept went from {before} to {after}");

        (float Divergence, float Mass) Measure()
        {
            using var noGradient = no_grad();
            var scores = indexer.Scores(x, latent);
            return (LightningIndexer.Divergence(scores, target, null).item<float>(), (target * LightningIndexer.Selected(scores, 5)).sum().item<float>() / 20);
        }
    }

    private static long[] PositionsOf(Tensor selected, int query) => selected[0, query].nonzero().flatten().data<long>().ToArray();
}
