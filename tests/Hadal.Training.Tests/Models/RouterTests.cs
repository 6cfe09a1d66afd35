using System.Text.Json;
using Hadal.Training.Models.DeepSeek;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

public sealed class RouterTests
{
    [Fact]
    public void Every_example_gives_its_experts_and_weights()
    {
        using var scope = NewDisposeScope();
        var compared = 0;
        foreach (var example in ModelFixture.Open("moe_gating.json").GetProperty("cases").EnumerateArray())
        {
            var parameters = example.GetProperty("parameters");
            var logits = example.Numbers("logits").unsqueeze(0);
            using var router = RouterOf(parameters, (int)logits.shape[1]);
            var measures = new List<Tensor>();
            router.Choosing = (measure, _) => measures.Add(measure);
            var (indices, weights, scores) = router.Choose(logits);
            ModelFixture.Near(example.Numbers("scores").unsqueeze(0), scores, 1e-6);
            if (example.GetProperty("group_scores").ValueKind == JsonValueKind.Array)
            {
                ModelFixture.Near(example.Numbers("group_scores").unsqueeze(0), measures[0], 2e-6);
                var isKept = measures[1].view(measures[0].shape[1], -1).isfinite().any(-1);
                Assert.Equal(example.GetProperty("kept_groups").EnumerateArray().Select(group => group.GetInt64()), isKept.nonzero().flatten().data<long>().ToArray());
            }

            // Masking dropped groups with zero instead of −∞ lets their experts in; that is not what we compute.
            if (parameters.TryGetProperty("fill", out var fill) && fill.ValueKind == JsonValueKind.Number) continue;

            var found = indices[0].data<long>().Zip(weights[0].data<float>()).OrderBy(pair => pair.First).ToList();
            var expected = example.GetProperty("expert_indices").EnumerateArray().Select(index => index.GetInt64())
                .Zip(example.GetProperty("expert_weights").EnumerateArray().Select(weight => weight.GetSingle())).OrderBy(pair => pair.First).ToList();
            Assert.Equal(expected.Select(pair => pair.First), found.Select(pair => pair.First));
            Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First.Second, pair.Second.Second, 5e-6f * expected.Max(one => one.Second)));
            compared++;
        }

        Assert.True(compared >= 5, $"{compared} examples compared");
    }

    [Fact]
    public void The_bias_moves_against_the_load_as_in_the_example_and_the_counts_start_anew()
    {
        using var scope = NewDisposeScope();
        var example = ModelFixture.Open("moe_gating.json").GetProperty("bias_update");
        using var router = new Router(ModelFixture.Tiny with { NRoutedExperts = 8 }, CPU);
        router.CorrectionBias!.copy_(example.Numbers("bias_before"));
        SetLoads(router, example);
        router.UpdateBias(example.GetProperty("gamma").GetDouble());
        ModelFixture.Near(example.Numbers("bias_after"), router.CorrectionBias, 1e-8);
        Assert.All(router.Load, load => Assert.Equal(0, load));

        SetLoads(router, example);
        router.UpdateBias(0);
        ModelFixture.Near(example.Numbers("bias_after"), router.CorrectionBias, 1e-8);
        Assert.All(router.Load, load => Assert.Equal(0, load));
    }

    [Fact]
    public void Balancing_brings_a_lopsided_router_near_equal_loads_without_touching_its_weights()
    {
        using var scope = NewDisposeScope();
        using var experts = new MixtureOfExperts(ModelFixture.Tiny with { NRoutedExperts = 8, NSharedExperts = null }, 0.02, CPU);
        experts.Draw(1);
        using (no_grad()) experts.Router.Weight[0].add_(1);
        var before = experts.Router.Weight.clone();
        var x = randn(1, 400, 12).add_(0.5);
        Assert.True(Imbalance() > 2, "the start should be lopsided");
        for (var step = 0; step < 300; step++)
        {
            using var stepScope = NewDisposeScope();
            using var noGradient = no_grad();
            experts.Forward(x, out _);
            experts.Router.UpdateBias(0.005);
        }

        Assert.InRange(Imbalance(), 1, 1.3);
        Assert.True(before.equal(experts.Router.Weight).all().item<bool>());

        double Imbalance()
        {
            experts.Router.UpdateBias(0);
            experts.Forward(x, out _);
            return experts.Router.Load.Max() * 8.0 / experts.Router.Load.Sum();
        }
    }

    [Theory]
    [InlineData("v3", "sigmoid", "noaux_tc", "f", "P")]
    [InlineData("v2_seq_aux", "softmax", "greedy", "ce", "mean_scores")]
    public void The_sequence_balance_loss_is_that_of_the_example(string name, string scoring, string method, string loads, string means)
    {
        using var scope = NewDisposeScope();
        var losses = ModelFixture.Open("moe_gating.json").GetProperty("sequence_balance_losses");
        var example = losses.GetProperty(name);
        using var router = new Router(ModelFixture.Tiny with { NRoutedExperts = 4, ScoringFunc = scoring, TopkMethod = method }, CPU);
        var (indices, _, scores) = router.Choose(losses.Numbers("logits"));
        Assert.All(
            example.GetProperty("topk_indices").EnumerateArray().Select((chosen, token) => (Chosen: chosen, Token: token)),
            row => Assert.Equal(row.Chosen.EnumerateArray().Select(index => index.GetInt64()).Order(), indices[row.Token].data<long>().ToArray().Order()));
        ModelFixture.Near(example.Numbers(loads), bincount(indices.flatten(), minlength: 4).to(ScalarType.Float32) * (4 / 2.0 / 6), 1e-6);
        ModelFixture.Near(example.Numbers(means), (scores / scores.sum(-1, keepdim: true)).mean([0]), 1e-6);
        var alpha = example.GetProperty("alpha").GetDouble();
        var expected = example.GetProperty("loss").GetDouble();
        Assert.Equal(expected, alpha * router.BalanceLoss(indices, scores, 1).item<float>(), 1e-9);

        // Two copies of the sequence have the same mean.
        Assert.Equal(expected, alpha * router.BalanceLoss(cat([indices, indices]), cat([scores, scores]), 2).item<float>(), 1e-9);
    }

    private static void SetLoads(Router router, JsonElement example)
    {
        var loads = example.GetProperty("load_counts").EnumerateArray().Select(count => count.GetInt64()).ToArray();
        for (var expert = 0; expert < loads.Length; expert++) router.Load[expert] = loads[expert];
    }

    private static Router RouterOf(JsonElement parameters, int expertCount)
    {
        var hasBias = parameters.TryGetProperty("bias", out _);
        var config = ModelFixture.Tiny with
        {
            NRoutedExperts = expertCount,
            NumExpertsPerTok = parameters.GetProperty("K").GetInt32(),
            ScoringFunc = parameters.GetProperty("score").GetString()!,
            TopkMethod = hasBias ? "noaux_tc" : parameters.TryGetProperty("n_group", out _) ? "group_limited_greedy" : "greedy",
            NGroup = parameters.TryGetProperty("n_group", out var groups) ? groups.GetInt32() : null,
            TopkGroup = parameters.TryGetProperty("topk_group", out var kept) ? kept.GetInt32() : null,
            NormTopkProb = parameters.TryGetProperty("norm", out var norm) && norm.GetBoolean(),
            RoutedScalingFactor = parameters.TryGetProperty("scale", out var scale) ? scale.GetDouble() : 1,
        };
        var router = new Router(config, CPU);
        if (hasBias) router.CorrectionBias!.copy_(parameters.Numbers("bias"));
        return router;
    }
}
