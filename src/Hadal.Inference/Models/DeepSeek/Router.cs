using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>Chooses the routed experts of a token and their weights, from router logits in float32.</summary>
/// <remarks>V2: softmax scores; <c>group_limited_greedy</c> keeps the groups with the largest score in them. V3: sigmoid scores, and
/// <c>noaux_tc</c> chooses by score + correction bias, groups by the sum of their two largest. Dropped groups are masked with −∞. Ties go to
/// the lowest index. DeepSeek-V3 <c>inference/model.py</c>; transformers <c>modular_deepseek_v2.py</c>.</remarks>
internal readonly struct Router
{
    private readonly float[]? _correctionBias;
    private readonly int _groupCount;
    private readonly int _keptGroupCount;
    private readonly bool _isSigmoid;
    private readonly bool _sumsTwo;
    private readonly bool _normTopkProb;
    private readonly float _routedScalingFactor;

    /// <param name="config">Kind of router.</param>
    /// <param name="correctionBias">[n_routed_experts] with noaux_tc, otherwise null.</param>
    public Router(DeepSeekConfig config, float[]? correctionBias)
    {
        _correctionBias = correctionBias;
        var isGrouped = config.TopkMethod is "group_limited_greedy" or "noaux_tc";
        _groupCount = isGrouped ? config.NGroup ?? 1 : 1;
        _keptGroupCount = isGrouped ? config.TopkGroup ?? 1 : 1;
        _isSigmoid = config.ScoringFunc == "sigmoid";
        _sumsTwo = config.TopkMethod == "noaux_tc";
        _normTopkProb = config.NormTopkProb;
        _routedScalingFactor = (float)config.RoutedScalingFactor;
    }

    /// <param name="logits">[n_routed_experts]; receives the scores.</param>
    /// <param name="experts">[num_experts_per_tok], in falling order of the score that chose them.</param>
    /// <param name="weights">[num_experts_per_tok].</param>
    /// <param name="room">[n_routed_experts + n_group] scratch.</param>
    public void Route(Span<float> logits, Span<int> experts, Span<float> weights, Span<float> room)
    {
        var scores = logits;
        if (_isSigmoid)
            for (var i = 0; i < scores.Length; i++) scores[i] = 1f / (1f + MathF.Exp(-logits[i]));
        else
            Softmax.Apply(logits, scores);

        var choice = room[..scores.Length];
        scores.CopyTo(choice);
        for (var i = 0; _correctionBias is not null && i < choice.Length; i++) choice[i] += _correctionBias[i];
        if (_keptGroupCount < _groupCount) DropGroups(choice, room.Slice(scores.Length, _groupCount));
        TopK.Largest(choice, experts);

        var sum = 0f;
        for (var k = 0; k < experts.Length; k++) sum += weights[k] = scores[experts[k]];
        var factor = _normTopkProb ? _routedScalingFactor / (sum + 1e-20f) : _routedScalingFactor;
        for (var k = 0; k < experts.Length; k++) weights[k] *= factor;
    }

    private void DropGroups(Span<float> choice, Span<float> groupScores)
    {
        var size = choice.Length / _groupCount;
        for (var g = 0; g < _groupCount; g++)
        {
            float first = float.NegativeInfinity, second = float.NegativeInfinity;
            foreach (var score in choice.Slice(g * size, size))
            {
                if (score > first) (first, second) = (score, first);
                else if (score > second) second = score;
            }

            groupScores[g] = _sumsTwo && size > 1 ? first + second : first;
        }

        Span<int> kept = stackalloc int[_keptGroupCount];
        TopK.Largest(groupScores, kept);
        for (var g = 0; g < _groupCount; g++)
            if (!kept.Contains(g)) choice.Slice(g * size, size).Fill(float.NegativeInfinity);
    }
}
