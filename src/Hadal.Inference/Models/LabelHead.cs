using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>A head that scores labels: <c>scores = W h + b</c> of what a decoder has made of a token after its final norm.</summary>
/// <remarks>The layout of transformers' <c>AutoModelForSequenceClassification</c> and <c>AutoModelForTokenClassification</c>. Immutable.</remarks>
public sealed unsafe class LabelHead
{
    private readonly float[] _weight;
    private readonly float[] _bias;

    private LabelHead(ModelHead kind, IReadOnlyList<string> labels, WeightTensor weight, WeightTensor? bias) =>
        (Kind, Labels, _weight, _bias) = (kind, labels, Values(weight), bias is null ? new float[labels.Count] : Values(bias));

    /// <summary>Whether texts or their tokens are scored.</summary>
    public ModelHead Kind { get; }

    /// <summary>What the scores mean, in order; one name of a value.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>Whether each token is scored, and not the text by its last one.</summary>
    public bool IsPerToken => Kind == ModelHead.Token;

    /// <summary>Whether the one score is a value, and there are no labels to choose from.</summary>
    public bool IsValue => Labels.Count == 1;

    /// <summary>The head of a checkpoint, or null where it writes text.</summary>
    /// <param name="checkpoint">May be closed afterwards.</param>
    /// <exception cref="CheckpointException">A number of the head is not finite.</exception>
    public static LabelHead? Of(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (checkpoint.Tensors.GetValueOrDefault("score.weight") is not { } weight) return null;
        var head = new LabelHead(checkpoint.Config.Head, checkpoint.Config.Labels, weight, checkpoint.Tensors.GetValueOrDefault("score.bias"));
        return Array.TrueForAll(head._weight, float.IsFinite) && Array.TrueForAll(head._bias, float.IsFinite)
            ? head
            : throw new CheckpointException($"{checkpoint.Path}: score has a number that is not finite; train or copy the model anew");
    }

    /// <summary>The head that an adapter brings, or null; its numbers were found finite when it was opened.</summary>
    /// <param name="adapter">May be closed afterwards.</param>
    public static LabelHead? Of(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        return adapter.Score is { } score ? new LabelHead(adapter.Head, adapter.Labels, score.Weight, score.Bias) : null;
    }

    /// <summary>Scores tokens.</summary>
    /// <param name="hidden">[tokens, hidden_size].</param>
    /// <param name="scores">[tokens, labels], not normalised.</param>
    public void Score(ReadOnlySpan<float> hidden, Span<float> scores)
    {
        var (count, width) = (Labels.Count, _weight.Length / Labels.Count);
        for (var index = 0; index < scores.Length; index++)
            scores[index] = _bias[index % count] + Dot(hidden.Slice(index / count * width, width), _weight.AsSpan(index % count * width, width));
    }

    /// <summary>Probabilities of labels: <c>softmax(scores)</c>.</summary>
    /// <param name="scores">[labels].</param>
    /// <returns>[labels].</returns>
    public static double[] Probabilities(ReadOnlySpan<float> scores)
    {
        var largest = double.NegativeInfinity;
        foreach (var score in scores) largest = Math.Max(largest, score);
        var weights = new double[scores.Length];
        for (var label = 0; label < weights.Length; label++) weights[label] = Math.Exp(scores[label] - largest);
        var sum = weights.Sum();
        return Array.ConvertAll(weights, weight => weight / sum);
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
