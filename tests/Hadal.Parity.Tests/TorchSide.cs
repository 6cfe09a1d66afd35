using Hadal.Checkpoints.Weights;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using static TorchSharp.torch;

namespace Hadal.Parity.Tests;

/// <summary>What a model computed: the stream after every block, by the name a failure shows, and the smallest margin of a choice.</summary>
/// <param name="Blocks">Rows × width numbers each, in the order of computation.</param>
/// <param name="Margin">Smallest distance between the last number taken and the first left out, over all routers and indexers, and of a product from the rectifier's corner.</param>
internal sealed record Activations(IReadOnlyList<(string Name, float[] Values)> Blocks, double Margin);

/// <summary>The TorchSharp model of a test.</summary>
internal static class TorchSide
{
    /// <summary>A model whose weights are large enough that every part matters: matrices keep the size of what passes through, norms and biases differ from their start.</summary>
    public static DeepSeekModel Draw(DrawnCase drawn, int attempt)
    {
        random.manual_seed((drawn.Seed * 100L) + attempt);
        var model = new DeepSeekModel(drawn.Config);
        DrawWeights(model, drawn.IsBFloat16);
        return model;
    }

    /// <inheritdoc cref="Draw(DrawnCase, int)"/>
    public static GroupedQueryModel Draw(GroupedQueryCase drawn)
    {
        random.manual_seed(drawn.Seed);
        var model = new GroupedQueryModel(drawn.Config);
        DrawWeights(model, drawn.IsBFloat16);
        return model;
    }

    private static void DrawWeights(CausalModel model, bool isBFloat16)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var (spec, tensor) in model.PublishedWeights())
        {
            var centre = spec.Role == WeightRole.Norm ? 1 : 0;
            var spread = spec.Role is WeightRole.Norm or WeightRole.Bias or WeightRole.RouterBias ? 0.2 : spec.Role == WeightRole.Embedding ? 1 : 1 / Math.Sqrt(spec.Shape[^1]);
            var values = randn(tensor.shape).mul_(spread).add_(centre);

            // What is saved in bfloat16 is computed with as saved; the router's bias stays float32.
            tensor.copy_(isBFloat16 && spec.Role != WeightRole.RouterBias ? values.to(ScalarType.BFloat16) : values);
        }
    }

    /// <summary>Runs the decoder of a family without choices.</summary>
    public static Activations Run(GroupedQueryModel model, int[] tokenIds)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var blocks = new List<(string, float[])>();
        var hidden = model.Hidden(tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0), (layer, stream) => blocks.Add((BlockName(layer), Values(stream))));
        blocks.Add(("final norm", Values(hidden)));
        blocks.Add(("logits", Values(model.Logits(hidden))));
        return new Activations(blocks, double.PositiveInfinity);
    }

    /// <summary>Runs the decoder and, where there is one, the prediction layer.</summary>
    public static Activations Run(DeepSeekModel model, int[] tokenIds)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var margin = double.PositiveInfinity;
        foreach (var layer in model.Layers)
        {
            if (layer.Experts is { } experts) experts.Router.Choosing = (numbers, count) => margin = Math.Min(margin, Margin(numbers, count));
            if (layer.Attention.Indexer is { } indexer) indexer.Scored = (products, scores) => margin = Math.Min(margin, Math.Min(products.abs().min().item<float>(), Margin(Visible(scores), model.Config.IndexTopk!.Value)));
        }

        var blocks = new List<(string, float[])>();
        var ids = tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0);
        var losses = new AuxiliaryLosses();
        var hidden = model.Hidden(ids, AttentionMode.Sparse, losses, (layer, stream) => blocks.Add((BlockName(layer), Values(stream))));
        blocks.Add(("final norm", Values(hidden)));
        blocks.Add(("logits", Values(model.Logits(hidden))));
        foreach (var prediction in model.Predict(hidden, ids, AttentionMode.Sparse, losses)) blocks.Add(("logits of the prediction layer", Values(model.Logits(prediction))));
        return new Activations(blocks, margin);
    }

    /// <summary>The name of the block that the index of an observer means.</summary>
    public static string BlockName(int layer) => layer < 0 ? "embedding" : $"layer {layer}";

    private static float[] Values(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

    private static Tensor Visible(Tensor scores) => scores.masked_fill(ones([scores.shape[^1], scores.shape[^1]], ScalarType.Bool).triu(1), float.NegativeInfinity);

    /// <summary>Distance between the <paramref name="count"/>-th largest number of a row and the next one, smallest over the rows. Rows that leave nothing out
    /// have none; neither have exact ties, which both sides decide by position.</summary>
    private static double Margin(Tensor numbers, int count)
    {
        if (count >= numbers.shape[^1]) return double.PositiveInfinity;
        var sorted = numbers.sort(-1, descending: true).Values;
        var (last, next) = (sorted.select(-1, count - 1), sorted.select(-1, count));
        return where(next.isneginf().logical_or(next.eq(last)), full_like(next, double.PositiveInfinity), last - next).min().item<float>();
    }
}
