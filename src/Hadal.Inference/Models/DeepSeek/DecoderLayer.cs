using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>One layer: <c>x += attention(input_layernorm x); x += mlp(post_attention_layernorm x)</c>.</summary>
internal sealed unsafe class DecoderLayer
{
    private readonly DeepSeekConfig _config;
    private readonly float[] _inputNorm;
    private readonly float[] _postAttentionNorm;
    private readonly MultiHeadLatentAttention _attention;
    private readonly FeedForward? _dense;
    private readonly MixtureOfExperts? _experts;

    public DecoderLayer(DeepSeekConfig config, WeightBinder weights, int index)
    {
        _config = config;
        var prefix = string.Create(CultureInfo.InvariantCulture, $"model.layers.{index}.");
        _inputNorm = weights.Vector(prefix + "input_layernorm.weight");
        _postAttentionNorm = weights.Vector(prefix + "post_attention_layernorm.weight");
        _attention = new MultiHeadLatentAttention(config, weights, prefix + "self_attn.");
        if (config.IsSparseLayer(index)) _experts = new MixtureOfExperts(config, weights, prefix + "mlp.");
        else _dense = new FeedForward(weights, prefix + "mlp.");
    }

    /// <summary><c>x += attention(input_layernorm x)</c>.</summary>
    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences.</param>
    /// <param name="layer">Index of the layer in the caches.</param>
    /// <param name="hidden">[rows, hidden_size] residual stream, added to.</param>
    /// <param name="normed">[rows, hidden_size] scratch.</param>
    /// <param name="output">[rows, hidden_size] scratch.</param>
    /// <param name="state">Scratch.</param>
    public void Attend(ThreadCrew crew, Pass pass, int layer, float* hidden, float* normed, float* output, DeepSeekState state)
    {
        var (rows, width) = (pass.RowCount, _config.HiddenSize);
        RowJobs.Norm(crew, hidden, width, _inputNorm, (float)_config.RmsNormEps, rows, normed, width);
        _attention.Forward(crew, pass, layer, normed, output, state);
        RowJobs.Add(hidden, output, rows, width);
    }

    /// <summary><c>x += mlp(post_attention_layernorm x)</c>.</summary>
    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences.</param>
    /// <param name="hidden">[rows, hidden_size] residual stream, added to.</param>
    /// <param name="normed">[rows, hidden_size] scratch.</param>
    /// <param name="output">[rows, hidden_size] scratch.</param>
    /// <param name="state">Scratch.</param>
    public void FeedForward(ThreadCrew crew, Pass pass, float* hidden, float* normed, float* output, DeepSeekState state)
    {
        var (rows, width) = (pass.RowCount, _config.HiddenSize);
        if (rows == 0) return;
        RowJobs.Norm(crew, hidden, width, _postAttentionNorm, (float)_config.RmsNormEps, rows, normed, width);
        if (_experts is not null)
        {
            _experts.Forward(crew, pass, normed, output, state);
        }
        else
        {
            var task = new FeedForwardTask
            {
                Weights = _dense!, Adapted = pass.HasAdapters ? pass : null, X = normed, TokenCount = rows, Gate = state.Gate, Up = state.Up, QuantizedActivation = state.QuantizedActivation, Y = output,
            };
            FeedForwardJob.Run(crew, state.Tasks, task, width);
        }

        RowJobs.Add(hidden, output, rows, width);
    }
}
