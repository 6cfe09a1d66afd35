using System.Text.Json;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>The routers of V2 and V3 against the worked examples.</summary>
public sealed class RouterTests
{
    [Fact]
    [Trait("Width", "all")]
    public void Every_example_gives_its_experts_and_weights()
    {
        using var fixture = Fixture.Open("moe_gating.json", "Models");
        foreach (var example in fixture.RootElement.GetProperty("cases").EnumerateArray())
        {
            var name = example.GetProperty("name").GetString();
            var (experts, weights, scores, choice, groupScores) = Route(example);
            Assert.True(Generation.MaxDifference(example.Floats("scores"), scores) < 1e-6f, name);
            if (example.GetProperty("group_scores") is { ValueKind: JsonValueKind.Array } groups)
            {
                Assert.True(Generation.MaxDifference(groups.Floats(), groupScores) < 2e-6f, name);
                Assert.Equal(example.GetProperty("kept_groups").EnumerateArray().Select(group => group.GetInt32()), Kept(choice, groupScores.Length));
            }

            var expected = example.GetProperty("expert_indices").EnumerateArray().Select(index => index.GetInt32()).ToArray();
            if (IsMaskedWithZero(example.GetProperty("parameters")))
            {
                // The other masking lets experts of dropped groups in; ours must not.
                Assert.NotEqual(expected.Order(), experts.Order());
                continue;
            }

            Assert.Equal(expected, experts);
            Assert.True(Generation.MaxDifference(example.Floats("expert_weights"), weights) < 5e-6f * weights.Max(), name);
        }
    }

    [Fact]
    public void Equal_scores_go_to_the_lowest_index()
    {
        var router = new Router(TinyModel.DeepSeek with { NRoutedExperts = 4, NGroup = 2, TopkGroup = 1 }, new float[4]);
        var experts = new int[2];
        router.Route(new float[4], experts, new float[2], new float[6]);
        Assert.Equal([0, 1], experts);
    }

    private static IEnumerable<int> Kept(float[] choice, int groupCount) =>
        Enumerable.Range(0, groupCount).Where(group => choice.Skip(group * choice.Length / groupCount).Take(choice.Length / groupCount).Any(float.IsFinite));

    private static (int[] Experts, float[] Weights, float[] Scores, float[] Choice, float[] GroupScores) Route(JsonElement example)
    {
        var parameters = example.GetProperty("parameters");
        var logits = example.Floats("logits");
        var bias = parameters.TryGetProperty("bias", out var stored) ? stored.Floats() : null;
        var config = TinyModel.DeepSeek with
        {
            NRoutedExperts = logits.Length,
            ScoringFunc = parameters.GetProperty("score").GetString()!,
            TopkMethod = bias is not null ? "noaux_tc" : parameters.TryGetProperty("n_group", out _) ? "group_limited_greedy" : "greedy",
            NGroup = parameters.TryGetProperty("n_group", out var groups) ? groups.GetInt32() : null,
            TopkGroup = parameters.TryGetProperty("topk_group", out var kept) ? kept.GetInt32() : null,
            NormTopkProb = parameters.TryGetProperty("norm", out var norm) && norm.GetBoolean(),
            RoutedScalingFactor = parameters.TryGetProperty("scale", out var scale) ? scale.GetDouble() : 1,
        };
        var experts = new int[parameters.GetProperty("K").GetInt32()];
        var weights = new float[experts.Length];
        var room = new float[logits.Length + (config.NGroup ?? 1)];
        new Router(config, bias).Route(logits, experts, weights, room);
        return (experts, weights, logits, room[..logits.Length], room[logits.Length..]);
    }

    private static bool IsMaskedWithZero(JsonElement parameters) => parameters.TryGetProperty("fill", out var fill) && fill.ValueKind == JsonValueKind.Number;
}
