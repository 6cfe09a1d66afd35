namespace Hadal.Checkpoints.Adapters;

/// <summary>Rank and scale of every module of an adapter, with the patterns of its config made ready once.</summary>
internal sealed class AdapterScales
{
    private readonly AdapterConfig _config;
    private readonly AdapterPatterns<int> _ranks;
    private readonly AdapterPatterns<double> _alphas;

    /// <param name="config">The config.</param>
    /// <param name="fault">Told what is wrong with its patterns.</param>
    public AdapterScales(AdapterConfig config, Action<string> fault) =>
        (_config, _ranks, _alphas) = (config, new("rank_pattern", config.RankPattern, fault), new("alpha_pattern", config.AlphaPattern, fault));

    /// <summary>The rank of a module.</summary>
    /// <param name="module">Path of the module, for example <c>model.layers.0.self_attn.q_proj</c>.</param>
    public int RankOf(string module) => _ranks.Of(module, _config.R);

    /// <summary>The scale of a module: <c>alpha / r</c> or <c>alpha / √r</c>.</summary>
    /// <param name="module">Path of the module, for example <c>model.layers.0.self_attn.q_proj</c>.</param>
    /// <param name="rank">Rank of its matrices.</param>
    public double ScaleOf(string module, int rank) => _alphas.Of(module, _config.LoraAlpha) / (_config.UseRslora ? Math.Sqrt(rank) : rank);
}
