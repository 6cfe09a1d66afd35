using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Engine;

/// <summary>A checkpoint, or a language model with an adapter, that gives texts or their tokens scores: one per label, or a single value.</summary>
/// <remarks>The layout of transformers' <c>AutoModelForSequenceClassification</c> and <c>AutoModelForTokenClassification</c>. One text at a time; not thread-safe.</remarks>
public sealed unsafe class LabelModel : IDisposable
{
    private readonly DecoderModel _model;
    private readonly DecoderAdapter? _adapter;
    private readonly ScheduledBatch _batch;
    private readonly float[] _weight;
    private readonly float[] _bias;

    private LabelModel(DecoderModel model, DecoderAdapter? adapter, ModelHead head, IReadOnlyList<string> labels, float[] weight, float[] bias)
    {
        (_model, _adapter, Head, Labels, _weight, _bias) = (model, adapter, head, labels, weight, bias);
        _batch = new ScheduledBatch(model.Config.VocabSize);
    }

    /// <summary>Whether texts or their tokens are scored.</summary>
    public ModelHead Head { get; }

    /// <summary>What the scores mean, in order.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>Tokens of a text at most.</summary>
    public int MaxContext => _model.MaxContext;

    /// <summary>Opens a checkpoint with a head for labels, or puts an adapter with such a head on a language model.</summary>
    /// <param name="checkpoint">Kept open by the caller.</param>
    /// <param name="adapter">Opened for the model's config, it may be closed afterwards; null for the model alone.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="CheckpointException">Neither has a head for labels, or the adapter cannot be computed.</exception>
    public static LabelModel Open(Checkpoint checkpoint, LoraAdapter? adapter = null, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        var (weight, bias) = adapter?.Score is { } score ? score : (checkpoint.Tensors.GetValueOrDefault("score.weight"), checkpoint.Tensors.GetValueOrDefault("score.bias"));
        if (weight is null) throw new CheckpointException($"{adapter?.Path ?? checkpoint.Path}: has no score.weight, expected a head for labels; it only writes text");
        var head = adapter?.Score is null ? checkpoint.Config.Head : adapter.Head;
        var labels = adapter?.Score is null ? checkpoint.Config.Labels : adapter.Labels;
        var model = DecoderModel.Open(checkpoint, options);
        try
        {
            return new LabelModel(model, adapter is null ? null : model.AddAdapter(adapter), head, labels, Values(weight), bias is null ? new float[labels.Count] : Values(bias));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Scores a text.</summary>
    /// <param name="tokenIds">Its tokens, encoded with the start token of the model's family; at least one.</param>
    /// <returns>[labels] of the text, or [tokens, labels]; not normalised.</returns>
    /// <exception cref="ArgumentException">There are no tokens, or more than <see cref="MaxContext"/>.</exception>
    public float[] Scores(ReadOnlyMemory<int> tokenIds)
    {
        using var cache = _model.CreateCache();
        _batch.Clear();
        _batch.Add(cache, tokenIds, Head == ModelHead.Token ? tokenIds.Length : 1, _adapter);
        _model.Forward(_batch);
        var hidden = ((PagedDecoder)_model).FinalHidden;
        int width = _model.Config.HiddenSize, count = Labels.Count;
        var scores = new float[hidden.Length / width * count];
        for (var row = 0; row < hidden.Length / width; row++)
            for (var label = 0; label < count; label++)
                scores[(row * count) + label] = _bias[label] + Dot(hidden.Slice(row * width, width), _weight.AsSpan(label * width, width));
        return scores;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _adapter?.Dispose();
        _model.Dispose();
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var index = 0; index < a.Length; index++) sum += (double)a[index] * b[index];
        return (float)sum;
    }

    private static float[] Values(WeightTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        fixed (float* target = values) WeightMatrix.Create(tensor, 1, values.Length, byteOffset: 0).DequantizeRow(0, target);
        return values;
    }
}
