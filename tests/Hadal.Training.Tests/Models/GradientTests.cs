using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

/// <summary>Backward passes written by hand, against differences of the forward pass in float64: with a step of 1e-5 the central difference errs by some 1e-10.</summary>
public sealed class GradientTests
{
    private const double Step = 1e-5, Tolerance = 1e-7;

    [Fact]
    public void Head_and_loss_in_one_have_the_gradient_of_their_differences()
    {
        using var scope = NewDisposeScope();
        random.manual_seed(1);
        // 1100 rows are three blocks, the last one short.
        var hidden = randn([1100, 3], ScalarType.Float64);
        var weight = randn([7, 3], ScalarType.Float64);
        var targets = randint(0, 7, [1100], ScalarType.Int64);
        CheckGradient(hidden, () => HeadLoss.Apply(hidden, weight, targets), rowsChecked: [0, 511, 512, 1023, 1024, 1099]);
        CheckGradient(weight, () => HeadLoss.Apply(hidden, weight, targets) * 0.3, rowsChecked: [.. Enumerable.Range(0, 7)]);
    }

    [Fact]
    public void Head_and_loss_in_one_agree_with_torchs_own_cross_entropy()
    {
        using var scope = NewDisposeScope();
        random.manual_seed(2);
        var targets = randint(0, 50, [600], ScalarType.Int64);
        foreach (var (type, tolerance) in new[] { (ScalarType.Float32, 2e-6), (ScalarType.BFloat16, 2e-2) })
        {
            var hidden = randn([600, 16]).to(type).requires_grad_();
            var weight = randn([50, 16]).mul_(0.3).requires_grad_();
            var own = HeadLoss.Apply(hidden, weight, targets);
            own.backward();
            var (hiddenGradient, weightGradient) = (hidden.grad!.clone(), weight.grad!.clone());
            hidden.grad!.zero_();
            weight.grad!.zero_();
            var reference = nn.functional.cross_entropy(nn.functional.linear(hidden.to(ScalarType.Float32), weight), targets);
            reference.backward();
            Assert.Equal(reference.item<float>(), own.item<float>(), tolerance);
            ModelFixture.Near(hidden.grad!, hiddenGradient, tolerance * hidden.grad!.to(ScalarType.Float32).abs().max().item<float>());
            ModelFixture.Near(weight.grad!, weightGradient, tolerance * weight.grad!.abs().max().item<float>());
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Gathering_rows_in_a_known_order_has_the_gradient_of_its_differences(int copies)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(3);
        var x = randn([5, 4], ScalarType.Float64);
        var order = randperm(5 * copies, ScalarType.Int64);
        var place = order.argsort();
        var coefficients = randn([5 * copies, 4], ScalarType.Float64);
        ModelFixture.Near(x.index_select(0, order.div(copies, RoundingMode.floor)), GatherSorted.Apply(x, order, place, copies), 0);
        CheckGradient(x, () => (GatherSorted.Apply(x, order, place, copies) * coefficients).pow(2).sum(), rowsChecked: [.. Enumerable.Range(0, 5)]);
    }

    [Fact]
    public void Sorted_experts_compute_what_each_token_would_ask_of_its_experts_and_so_do_their_gradients()
    {
        using var scope = NewDisposeScope();
        // Five experts of which the last is never chosen.
        using var experts = new MixtureOfExperts(ModelFixture.Tiny with { NRoutedExperts = 5, NSharedExperts = null }, 0.02, CPU);
        experts.Draw(4);
        var x = randn([9, 12], ScalarType.Float64);
        var indices = rand([9, 4]).argsort(-1).narrow(-1, 0, 2).contiguous();
        var weights = rand([9, 2], ScalarType.Float64);
        var coefficients = randn([9, 12], ScalarType.Float64);
        CheckGradient(x, () => (experts.Routed(x, indices, weights) * coefficients).sum(), rowsChecked: [0, 4, 8]);
        CheckGradient(weights, () => (experts.Routed(x, indices, weights) * coefficients).sum(), rowsChecked: [0, 4, 8]);

        var parameters = experts.named_parameters().Where(parameter => parameter.name.StartsWith("experts.", StringComparison.Ordinal)).ToDictionary(parameter => parameter.name, parameter => parameter.parameter);
        experts.zero_grad(set_to_none: true);
        (experts.Routed(x, indices, weights) * coefficients).sum().backward();
        var found = parameters.ToDictionary(parameter => parameter.Key, parameter => parameter.Value.grad!.clone());
        foreach (var parameter in parameters.Values) parameter.grad!.zero_();
        var plain = Plain(parameters["experts.gate_up_proj"].to(ScalarType.Float64), parameters["experts.down_proj"].to(ScalarType.Float64));
        ModelFixture.Near(plain, experts.Routed(x, indices, weights), 1e-12);
        (plain * coefficients).sum().backward();
        foreach (var (name, parameter) in parameters) ModelFixture.Near(parameter.grad!, found[name], 1e-5);
        Assert.Equal(0f, found["experts.down_proj"][4].abs().max().item<float>());

        Tensor Plain(Tensor gateUp, Tensor down)
        {
            var rows = new List<Tensor>();
            for (var token = 0; token < 9; token++)
            {
                var sum = zeros(12, ScalarType.Float64);
                for (var k = 0; k < 2; k++)
                {
                    var expert = indices[token, k].item<long>();
                    var halves = mv(gateUp[expert], x[token]).chunk(2, 0);
                    sum = sum + (mv(down[expert], nn.functional.silu(halves[0]) * halves[1]) * weights[token, k]);
                }

                rows.Add(sum);
            }

            return stack(rows);
        }
    }

    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.Sparse)]
    public void The_whole_loss_falls_along_its_gradient_as_fast_as_the_gradient_says(AttentionMode mode)
    {
        using var scope = NewDisposeScope();
        using var model = new DeepSeekModel(ModelFixture.Tiny with { VocabSize = 23 });
        model.Draw(7);
        var ids = randint(0, 23, [2, 15], ScalarType.Int64);
        Total().backward();
        var gradients = model.parameters().Where(parameter => parameter.grad is not null).Select(parameter => (Parameter: parameter, Gradient: parameter.grad!.clone())).ToList();
        var square = gradients.Sum(pair => pair.Gradient.pow(2).sum().item<float>());

        // float32 leaves about 1e-6 of the loss, so that a change of 1e-3 is good to some 1e-3; what is chosen hardly ever changes on so short a way.
        var step = 5e-4 / square;
        var difference = LossAt(step) - LossAt(-step);
        Assert.Equal(1, difference / (2 * step * square), 2e-2);

        double LossAt(double distance)
        {
            using var noGradient = no_grad();
            foreach (var (parameter, gradient) in gradients) parameter.add_(gradient, alpha: distance);
            var loss = Total().item<float>();
            foreach (var (parameter, gradient) in gradients) parameter.add_(gradient, alpha: -distance);
            return loss;
        }

        Tensor Total()
        {
            var (language, mtp, balance, _) = Pretrain.Losses(model, ids, mode);
            return language + (mtp! * 0.3) + balance!;
        }
    }

    [Fact]
    public void Each_stage_teaches_what_it_should_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        using var model = new DeepSeekModel(ModelFixture.Tiny);
        model.Draw(8);
        var ids = randint(0, 23, [2, 15], ScalarType.Int64);
        var names = model.named_parameters().Select(parameter => parameter.name).ToList();
        var indexers = names.Where(name => name.Contains(".indexer.", StringComparison.Ordinal)).ToList();
        Assert.Equal(3 * 5, indexers.Count);

        // Language, prediction and balance losses reach everything but the indexers, in dense and in sparse attention.
        Assert.Equal(names.Except(indexers).Order(), Reached(AttentionMode.Dense, losses => losses.Language + losses.Mtp! + losses.Balance!));
        Assert.Equal(names.Except(indexers).Order(), Reached(AttentionMode.Sparse, losses => losses.Language + losses.Mtp! + losses.Balance!));

        // The divergence reaches the indexers alone.
        Assert.Equal(indexers.Order(), Reached(AttentionMode.IndexerWarmUp, losses => losses.Indexer!));
        Assert.Equal(indexers.Order(), Reached(AttentionMode.Sparse, losses => losses.Indexer!));

        IEnumerable<string> Reached(AttentionMode mode, Func<(Tensor Language, Tensor? Mtp, Tensor? Balance, Tensor? Indexer), Tensor> choose)
        {
            model.zero_grad(set_to_none: true);
            choose(Pretrain.Losses(model, ids, mode)).backward();
            return [.. model.named_parameters().Where(parameter => parameter.parameter.grad is { } gradient && gradient.abs().max().item<float>() > 0).Select(parameter => parameter.name).Order()];
        }
    }

    [Fact]
    public void A_selection_of_all_positions_is_dense_attention()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new DeepSeekModel(ModelFixture.Tiny with { IndexTopk = 14 });
        model.Draw(9);
        var ids = randint(0, 23, [2, 14], ScalarType.Int64);
        Assert.True(Hidden(AttentionMode.Dense).equal(Hidden(AttentionMode.Sparse)).all().item<bool>());

        Tensor Hidden(AttentionMode mode) => model.Hidden(ids, mode, new AuxiliaryLosses());
    }

    private static void CheckGradient(Tensor variable, Func<Tensor> loss, IReadOnlyList<int> rowsChecked)
    {
        variable.requires_grad_();
        loss().backward();
        var gradient = variable.grad!.clone();
        variable.grad!.zero_();
        variable.requires_grad_(false);
        var flat = variable.view(-1);
        var width = variable.shape[^1];
        foreach (var row in rowsChecked)
        {
            for (var column = 0; column < width; column++)
            {
                var index = (row * width) + column;
                var original = flat[index].item<double>();
                flat[index] = original + Step;
                var above = loss().item<double>();
                flat[index] = original - Step;
                var below = loss().item<double>();
                flat[index] = original;
                Assert.Equal((above - below) / (2 * Step), gradient.view(-1)[index].item<double>(), Tolerance);
            }
        }
    }
}
