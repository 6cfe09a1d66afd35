using Hadal.Checkpoints.Config;
using static TorchSharp.torch;

namespace Hadal.Training.Models.GroupedQuery;

/// <summary>Grouped-query attention: query head h reads key and value head <c>h / (heads / kv heads)</c>, scale <c>head_dim^−½</c>.</summary>
/// <remarks>Ainslie et al. 2023, arXiv:2305.13245; huggingface/transformers <c>modeling_llama.py</c>, <c>modeling_qwen2.py</c>, <c>modeling_qwen3.py</c>.</remarks>
public sealed class GroupedQueryAttention : NamedModule
{
    private readonly GroupedQueryConfig _config;
    private readonly RotaryEmbedding _rotary;
    private readonly Projection _q;
    private readonly Projection _k;
    private readonly Projection _v;
    private readonly Projection _o;
    private readonly RmsNorm? _qNorm;
    private readonly RmsNorm? _kNorm;

    /// <summary>Creates attention with fresh weights.</summary>
    public GroupedQueryAttention(GroupedQueryConfig config, RotaryEmbedding rotary, ScalarType computeType, double deviation, double outputDeviation, Device device)
        : base(nameof(GroupedQueryAttention))
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        _rotary = rotary;
        int hidden = config.HiddenSize, queries = config.NumAttentionHeads * config.HeadSize, keys = config.KeyValueHeadCount * config.HeadSize;
        register_module("q_proj", _q = new Projection(queries, hidden, deviation, device, config.HasQkvBias));
        register_module("k_proj", _k = new Projection(keys, hidden, deviation, device, config.HasQkvBias));
        register_module("v_proj", _v = new Projection(keys, hidden, deviation, device, config.HasQkvBias));
        register_module("o_proj", _o = new Projection(hidden, queries, outputDeviation, device, config.HasOutputBias));
        if (!config.HasQkNorm) return;
        register_module("q_norm", _qNorm = new RmsNorm(config.HeadSize, config.RmsNormEps, computeType, device));
        register_module("k_norm", _kNorm = new RmsNorm(config.HeadSize, config.RmsNormEps, computeType, device));
    }

    /// <param name="input">[batch, tokens, hidden_size], normalised.</param>
    /// <param name="mask">[batch, 1, tokens, tokens], 0 where read and −∞ elsewhere; null for all positions up to the query's own.</param>
    /// <returns>[batch, tokens, hidden_size].</returns>
    public Tensor Forward(Tensor input, Tensor? mask)
    {
        ArgumentNullException.ThrowIfNull(input);
        var group = _config.NumAttentionHeads / _config.KeyValueHeadCount;
        var query = Rotated(_q, _qNorm, input, _config.NumAttentionHeads);
        var key = Rotated(_k, _kNorm, input, _config.KeyValueHeadCount).repeat_interleave(group, 1);
        var value = Heads(_v, input, _config.KeyValueHeadCount).transpose(1, 2).repeat_interleave(group, 1);
        var read = CausalAttention.Read(query, key, value, 1 / Math.Sqrt(_config.HeadSize), mask);
        return _o.forward(read.transpose(1, 2).reshape(input.shape[0], input.shape[1], _config.NumAttentionHeads * _config.HeadSize));
    }

    /// <summary>[batch, heads, tokens, head_dim], normalised where the family does it, and rotated.</summary>
    private Tensor Rotated(Projection projection, RmsNorm? norm, Tensor input, int headCount)
    {
        var heads = Heads(projection, input, headCount);
        if (norm is not null) heads = norm.forward(heads);
        return _rotary.RotateHalves(heads).transpose(1, 2);
    }

    private Tensor Heads(Projection projection, Tensor input, int headCount) => projection.forward(input).view(input.shape[0], input.shape[1], headCount, _config.HeadSize);
}
