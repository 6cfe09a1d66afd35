using Hadal.Training.Data.Examples;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using Hadal.Training.Tests.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

/// <summary>Examples that share a row, and layers that are computed twice: neither may change what is learnt.</summary>
public sealed class PackingTests
{
    public static TheoryData<string, bool> Cases => new() { { "llama", false }, { "qwen2", true }, { "qwen3", false }, { "deepseek_v2", false }, { "hadal", false }, { "hadal", true } };

    /// <summary>Rounding in another order; losses and gradients here are of size one.</summary>
    private const double Tolerance = 2e-5;

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_packed_row_gives_the_losses_and_gradients_of_its_examples_alone(string family, bool recomputes)
    {
        using var scope = NewDisposeScope();
        using var model = Model(family);
        model.RecomputesActivations = recomputes;
        var random = new Random(5);
        TrainingExample Example(int length) => new([.. Enumerable.Range(0, length).Select(_ => random.Next(20))], [.. Enumerable.Range(0, length).Select(index => index > length / 3 ? random.Next(20) : TrainingExample.NoLabel)]);

        // The indexers of hadal select 5 positions, fewer than most of these have.
        TrainingExample[] examples = [Example(9), Example(14), Example(3), Example(21), Example(8)];
        var (alone, aloneGradients) = Learn(model, new ExampleBatch([.. examples.Select(example => new[] { example })]));
        var (packed, packedGradients) = Learn(model, new ExampleBatch([[examples[0], examples[1], examples[2]], [examples[3], examples[4]]]));
        ModelFixture.Near(alone, packed, Tolerance);
        Assert.Equal(aloneGradients.Keys, packedGradients.Keys);
        Assert.True(aloneGradients.Count > 10);
        foreach (var (name, gradient) in aloneGradients)
        {
            var scale = Math.Max(1, gradient.abs().max().item<float>());
            Assert.True((gradient - packedGradients[name]).abs().max().item<float>() < Tolerance * scale, name);
        }

        // Without the mask they would differ, or the test would show nothing.
        var crossed = Losses(model, new ExampleBatch([[examples[0], examples[1], examples[2]], [examples[3], examples[4]]]), isMasked: false);
        Assert.True((alone - crossed).abs().max().item<float>() > 1e-2);
    }

    [Theory]
    [InlineData("qwen3")]
    [InlineData("hadal")]
    public void Layers_computed_again_give_the_gradients_of_layers_that_were_kept(string family)
    {
        using var scope = NewDisposeScope();
        using var model = Model(family);
        var batch = new ExampleBatch([[new TrainingExample([1, 2, 3, 4, 5, 6, 7], [-100, 3, 4, 5, 6, 7, 8])]]);
        var (kept, keptGradients) = Learn(model, batch);
        model.RecomputesActivations = true;
        var (again, againGradients) = Learn(model, batch);
        ModelFixture.Near(kept, again, 0);
        Assert.Equal(keptGradients.Keys, againGradients.Keys);
        foreach (var (name, gradient) in keptGradients) ModelFixture.Near(gradient, againGradients[name], 1e-6);
    }

    private static (Tensor Losses, SortedDictionary<string, Tensor> Gradients) Learn(CausalModel model, ExampleBatch batch)
    {
        model.zero_grad(set_to_none: true);
        var losses = Losses(model, batch, isMasked: true);
        (losses * (arange(losses.shape[0], ScalarType.Float32) + 1)).sum().backward();
        var gradients = model.named_parameters().Where(named => named.parameter.grad is not null).ToDictionary(named => named.name, named => named.parameter.grad!.clone());
        return (losses.detach(), new SortedDictionary<string, Tensor>(gradients, StringComparer.Ordinal));
    }

    /// <summary>The mean loss of each example.</summary>
    private static Tensor Losses(CausalModel model, ExampleBatch batch, bool isMasked)
    {
        var hidden = model.Hidden(batch.Ids(CPU), documents: isMasked ? batch.Documents(CPU) : null).flatten(0, 1);
        return stack(batch.Examples.Select(placed =>
        {
            var alone = new ExampleBatch([[placed.Example]]).Labels(shift: 1);
            return model.Loss(hidden.index_select(0, tensor(alone.Positions.Select(position => position + placed.Begin).ToArray())), tensor(alone.Labels));
        }));
    }

    private static CausalModel Model(string family)
    {
        CausalModel model = family switch
        {
            "hadal" => new DeepSeekModel(ModelFixture.Tiny),
            "deepseek_v2" => new DeepSeekModel(ModelFixture.Tiny with { ModelType = family, TopkMethod = "greedy", ScoringFunc = "softmax", IndexNHeads = null, IndexHeadDim = null, IndexTopk = null, QLoraRank = null, NumNextnPredictLayers = 0 }),
            _ => new GroupedQueryModel(TinyAdaptation.Qwen with { ModelType = family, VocabSize = 23, HeadDim = 6 }),
        };
        model.Draw(7, 0.3);
        return model;
    }
}
