using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>DeepSeek-V2, V3, V3.2 and hadal decoders: latent attention, with the lightning indexer where the config has one, and a mixture of experts.</summary>
/// <remarks>DeepSeek-V3 <c>inference/model.py</c>; DeepSeek-V3.2-Exp <c>inference/model.py</c>; V2: transformers <c>modular_deepseek_v2.py</c>
/// with the m² of YaRN in the softmax scale.</remarks>
internal sealed class DeepSeekModel : PagedDecoder
{
    private readonly DeepSeekConfig _config;
    private readonly DeepSeekState _state;
    private readonly DecoderLayer[] _layers;
    private readonly WeightBinder _weights;
    private MultiTokenPrediction[]? _predictionLayers;
    private float[]? _predictionLogits;

    public DeepSeekModel(DeepSeekConfig config, WeightBinder weights, EngineOptions options)
        : this(config, weights, options, BindLayers(config, weights))
    {
    }

    // Layers are bound before the base makes threads and memory, so that a refused tensor leaves nothing behind.
    private unsafe DeepSeekModel(DeepSeekConfig config, WeightBinder weights, EngineOptions options, DecoderLayer[] layers)
        : base(config, weights, options, CacheLayoutOf(config, options.CacheFormat), RowsTogether(config), DeepSeekState.FloatCount(config, options))
    {
        _config = config;
        _weights = weights;
        _state = new DeepSeekState(config, options, DerivedScratch);
        _layers = layers;
    }

    /// <inheritdoc/>
    public override ModelConfig Config => _config;

    /// <summary>The multi-token-prediction layers of the checkpoint, bound when first asked for.</summary>
    public IReadOnlyList<MultiTokenPrediction> PredictionLayers => _predictionLayers ??= BindPredictionLayers();

    /// <inheritdoc/>
    internal override TokenPredictor? CreatePredictor()
    {
        // Files of other programs may leave the layer out although the config counts it.
        if (_config.NumNextnPredictLayers == 0 || !_weights.Has(string.Create(CultureInfo.InvariantCulture, $"model.layers.{_config.NumHiddenLayers}.eh_proj.weight"))) return null;
        return new PredictionLayerGuess(PredictionLayers[0], _predictionLogits ??= new float[_config.VocabSize]);
    }

    /// <summary>Normalised latent and rotated key; the key of the indexer beside them.</summary>
    public static CacheLayout CacheLayoutOf(DeepSeekConfig config, CacheFormat format) =>
        new(
            config.NumHiddenLayers,
            new CacheRows(1, config.KvLoraRank + config.QkRopeHeadDim, format, false),
            new CacheRows(config.HasIndexer ? 1 : 0, config.IndexHeadDim ?? 0, CacheFormat.F32, true));

    /// <summary>Rows whose queries make an item of absorbed attention; with an indexer each row has positions of its own.</summary>
    public static int RowsTogether(DeepSeekConfig config) =>
        config.HasIndexer ? 1 : Math.Max(1, DeepSeekState.MaxQueries / Math.Min(config.NumAttentionHeads, DeepSeekState.MaxQueries));

    /// <inheritdoc/>
    protected override unsafe void RunLayers(Pass pass)
    {
        ShowStream(-1, pass);
        for (var i = 0; i < _layers.Length; i++)
        {
            _layers[i].Attend(Crew, pass, i, Hidden, Normed, BlockOutput, _state);
            if (i == _layers.Length - 1) KeepLogitRows(pass);
            _layers[i].FeedForward(Crew, pass, Hidden, Normed, BlockOutput, _state);
            ShowStream(i, pass);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (var layer in _predictionLayers ?? []) layer.Dispose();
        base.Dispose(disposing);
    }

    private static DecoderLayer[] BindLayers(DeepSeekConfig config, WeightBinder weights)
    {
        var layers = new DecoderLayer[config.NumHiddenLayers];
        for (var i = 0; i < layers.Length; i++) layers[i] = new DecoderLayer(config, weights, i);
        return layers;
    }

    private MultiTokenPrediction[] BindPredictionLayers()
    {
        var layers = new MultiTokenPrediction[_config.NumNextnPredictLayers];
        for (var i = 0; i < layers.Length; i++)
            layers[i] = new MultiTokenPrediction(_config, _weights, _config.NumHiddenLayers + i, Options, Crew, _state);
        return layers;
    }
}
