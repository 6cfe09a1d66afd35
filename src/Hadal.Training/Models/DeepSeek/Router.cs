using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Chooses <c>num_experts_per_tok</c> of <c>n_routed_experts</c> experts per token and weighs them, in float32.</summary>
/// <remarks>V2: <c>softmax</c> scores, <c>greedy</c> or <c>group_limited_greedy</c> (group score = best of the group). V3: <c>sigmoid</c> scores with a
/// correction bias that takes part in the choice only (group score = sum of the two best), <c>noaux_tc</c>. Dropped groups count −∞.
/// deepseek-ai/DeepSeek-V3 <c>inference/model.py</c>; DeepSeek-V3, arXiv:2412.19437, section 2.1.2.</remarks>
public sealed class Router : NamedModule
{
    private readonly DeepSeekConfig _config;
    private readonly int _expertCount;

    /// <summary>Creates a router with fresh weights and a correction bias of zero.</summary>
    public Router(DeepSeekConfig config, Device device) : base(nameof(Router))
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        _expertCount = config.NRoutedExperts ?? throw new ArgumentException("n_routed_experts is missing", nameof(config));
        register_parameter("weight", Weight = nn.Parameter(DrawnWeight.Normal([_expertCount, config.HiddenSize], config.InitializerRange, device)));
        if (config.TopkMethod == "noaux_tc") register_buffer("e_score_correction_bias", CorrectionBias = zeros(_expertCount, device: device));
        Load = new long[_expertCount];
    }

    /// <summary>[n_routed_experts, hidden_size].</summary>
    public Parameter Weight { get; }

    /// <summary>[n_routed_experts], moved by <see cref="UpdateBias"/> and never by a gradient; null without <c>noaux_tc</c>.</summary>
    public Tensor? CorrectionBias { get; }

    /// <summary>[n_routed_experts], tokens each expert got since the last <see cref="UpdateBias"/>.</summary>
    public IList<long> Load { get; }

    /// <summary>Called with the numbers a choice goes by, [tokens, n], and how many of them are taken: groups first, then experts. For tests that avoid near ties.</summary>
    internal Action<Tensor, int>? Choosing { get; set; }

    /// <param name="input">[tokens, hidden_size].</param>
    /// <returns>Expert indices [tokens, num_experts_per_tok], their weights in the same shape, and all scores [tokens, n_routed_experts].</returns>
    public (Tensor Indices, Tensor Weights, Tensor Scores) Forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Choose(nn.functional.linear(input.to(ScalarType.Float32), Weight));
    }

    /// <summary>The choice for given <paramref name="logits"/> [tokens, n_routed_experts].</summary>
    internal (Tensor Indices, Tensor Weights, Tensor Scores) Choose(Tensor logits)
    {
        var scores = _config.ScoringFunc == "sigmoid" ? logits.sigmoid() : logits.softmax(-1);
        var choice = CorrectionBias is null ? scores.detach() : scores.detach().add(CorrectionBias, Number.One);
        if (_config.TopkMethod != "greedy" && _config.NGroup is > 1) choice = KeepBestGroups(choice);

        Choosing?.Invoke(choice, _config.NumExpertsPerTok ?? 1);
        var (_, indices) = choice.topk(_config.NumExpertsPerTok ?? 1, -1, sorted: false);
        var weights = scores.gather(1, indices);
        if (_config.NormTopkProb) weights = weights / (weights.sum(-1, keepdim: true).add(Number.Of(1e-20), Number.One));
        return (indices, weights * Number.Of(_config.RoutedScalingFactor), scores);
    }

    /// <summary>One balancing step: <c>b += γ</c> for experts below the mean load, <c>b −= γ</c> for those above; the counts start anew.</summary>
    /// <remarks>DeepSeek-V3, arXiv:2412.19437, section 2.1.2.</remarks>
    /// <param name="speed">γ.</param>
    public void UpdateBias(double speed)
    {
        using var noGradient = no_grad();
        if (CorrectionBias is not null && speed != 0)
        {
            var mean = Load.Sum() / (double)_expertCount;
            var signs = Load.Select(load => (float)Math.Sign(mean - load)).ToArray();
            using var change = tensor(signs, device: CorrectionBias.device).mul_(Number.Of(speed));
            CorrectionBias.add_(change, Number.One);
        }

        for (var expert = 0; expert < _expertCount; expert++) Load[expert] = 0;
    }

    /// <summary>Complementary balance loss of one sequence each, mean over sequences: <c>Σ_i f_i P_i</c>, <c>f_i = E/(K·T) Σ_t 1[i chosen]</c>, <c>P_i = mean_t s_it / Σ_j s_jt</c>.</summary>
    /// <param name="indices">[sequences · tokens, num_experts_per_tok].</param>
    /// <param name="scores">[sequences · tokens, n_routed_experts].</param>
    /// <param name="sequenceCount">Number of sequences.</param>
    public Tensor BalanceLoss(Tensor indices, Tensor scores, long sequenceCount)
    {
        ArgumentNullException.ThrowIfNull(indices);
        ArgumentNullException.ThrowIfNull(scores);
        var tokens = scores.shape[0] / sequenceCount;
        var chosen = zeros_like(scores).scatter_(1, indices, ones(indices.shape, device: scores.device));
        var f = chosen.view(sequenceCount, tokens, _expertCount).mean([1]) * Number.Of((double)_expertCount / indices.shape[1]);
        var p = (scores / (scores.sum(-1, keepdim: true).add(Number.Of(1e-20), Number.One))).view(sequenceCount, tokens, _expertCount).mean([1]);
        return (f * p).sum(-1).mean();
    }

    private Tensor KeepBestGroups(Tensor choice)
    {
        var groups = choice.view(-1, _config.NGroup!.Value, _expertCount / _config.NGroup.Value);
        var groupScores = CorrectionBias is null ? groups.amax([-1]) : groups.topk(2, -1).values.sum(-1);
        Choosing?.Invoke(groupScores, _config.TopkGroup ?? 1);
        var (_, kept) = groupScores.topk(_config.TopkGroup ?? 1, -1, sorted: false);
        var isDropped = ones(groupScores.shape, ScalarType.Bool, choice.device).scatter_(1, kept, zeros(kept.shape, ScalarType.Bool, choice.device));
        return groups.masked_fill(isDropped.unsqueeze(-1), Number.Of(double.NegativeInfinity)).view(choice.shape);
    }
}
