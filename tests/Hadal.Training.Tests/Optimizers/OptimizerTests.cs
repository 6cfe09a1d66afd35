using Hadal.Training.Optimizers;
using Hadal.Training.Tests.Models;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Optimizers;

public sealed class OptimizerTests
{
    [Fact]
    public void AdamW_takes_the_steps_of_torchs_own()
    {
        using var scope = NewDisposeScope();
        random.manual_seed(1);
        var own = Parameter("layer.weight", 5, 4);
        var reference = nn.Parameter(own.Parameter.detach().clone());
        var optimizer = optim.AdamW([reference], lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1);
        for (var step = 1; step <= 6; step++)
        {
            var gradient = randn(5, 4);
            own.Parameter.grad = gradient.clone();
            reference.grad = gradient.clone();
            using (no_grad()) new AdamW(0.9, 0.95, 1e-8, 0.1).Step(own, 0.01, step);
            optimizer.step();
            ModelFixture.Near(reference, own.Parameter, 1e-6);
        }
    }

    [Fact]
    public void Norms_do_not_decay_and_what_has_no_gradient_stays()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var adam = new AdamW(0.9, 0.95, 1e-8, 0.5);
        var norm = Parameter("norm.weight", 4);
        norm.Parameter.fill_(2);
        norm.Parameter.grad = zeros(4);
        adam.Step(norm, 0.1, 1);
        ModelFixture.Near(full([4], 2.0), norm.Parameter, 0);

        var frozen = Parameter("layer.weight", 3, 3);
        var before = frozen.Parameter.clone();
        adam.Step(frozen, 0.1, 1);
        new Muon(0.95, 0.5, ScalarType.Float32).Step(frozen, 0.1);
        ModelFixture.Near(before, frozen.Parameter, 0);
        Assert.Empty(frozen.State);
    }

    [Theory]
    [InlineData(6, 6, "float32", 1e-4)]
    [InlineData(4, 11, "float32", 1e-4)]
    [InlineData(11, 4, "float32", 1e-4)]
    [InlineData(4, 11, "bfloat16", 0.05)]
    [InlineData(11, 4, "bfloat16", 0.05)]
    public void Muon_makes_a_matrix_nearly_orthogonal_and_keeps_its_singular_vectors(int rows, int columns, string computeType, double tolerance)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(2);
        var matrix = randn(2, rows, columns);
        var result = Muon.Orthogonal(matrix, computeType == "float32" ? ScalarType.Float32 : ScalarType.BFloat16);
        Assert.Equal(ScalarType.Float32, result.dtype);
        for (var index = 0; index < 2; index++)
        {
            // The published coefficients bring singular values to about 0.7 … 1.2, not to one.
            var (_, values, _) = linalg.svd(result[index], fullMatrices: false);
            Assert.InRange(values.min().item<float>(), 0.3, 1.25);
            Assert.InRange(values.max().item<float>(), 0.65, 1.25);
            var (u, _, vh) = linalg.svd(matrix[index], fullMatrices: false);
            var inner = matmul(matmul(u.t(), result[index]), vh.t());
            Assert.True((inner - inner.diag().diag()).abs().max().item<float>() < tolerance);
        }
    }

    [Fact]
    public void A_step_of_Muon_is_decay_and_an_update_as_large_as_Adams()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(3);
        var parameter = Parameter("layer.weight", 16, 8);
        var before = parameter.Parameter.clone();
        var gradient = randn(16, 8);
        parameter.Parameter.grad = gradient;
        new Muon(0.95, 0.1, ScalarType.Float32).Step(parameter, 0.02);
        ModelFixture.Near((before * (1 - (0.02 * 0.1))) - (Muon.Orthogonal(gradient, ScalarType.Float32) * (0.02 * 0.2 * 4)), parameter.Parameter, 1e-6);

        // Second step: Nesterov momentum.
        var second = randn(16, 8);
        before = parameter.Parameter.clone();
        parameter.Parameter.grad = second;
        new Muon(0.95, 0, ScalarType.Float32).Step(parameter, 0.02);
        var momentum = (gradient * 0.95) + second;
        ModelFixture.Near(before - (Muon.Orthogonal(second + (momentum * 0.95), ScalarType.Float32) * (0.02 * 0.2 * 4)), parameter.Parameter, 1e-5);
    }

    [Fact]
    public void Long_gradients_are_scaled_down_together_and_short_ones_left_alone()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var (a, b, none) = (Parameter("a.weight", 2), Parameter("b.weight", 2, 1), Parameter("c.weight", 2));
        (a.Parameter.grad, b.Parameter.grad) = (tensor([3f, 0f]), tensor([0f, 4f]).view(2, 1));
        Assert.Equal(5, OptimizerStep.Clip([a, b, none], 10), 1e-6);
        ModelFixture.Near(tensor([3f, 0f]), a.Parameter.grad!, 0);
        Assert.Equal(5, OptimizerStep.Clip([a, b, none], 1), 1e-6);
        ModelFixture.Near(tensor([0.6f, 0f]), a.Parameter.grad!, 1e-6);
        ModelFixture.Near(tensor([0f, 0.8f]).view(2, 1), b.Parameter.grad!, 1e-6);
        Assert.Equal(0, OptimizerStep.Clip([none], 1));
    }

    [Fact]
    public void Indexers_are_clipped_by_themselves()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var (model, indexer) = (Parameter("layers.0.a.weight", 2), Parameter("layers.0.self_attn.indexer.wk.weight", 2));
        (model.Parameter.grad, indexer.Parameter.grad) = (tensor([0.3f, 0.4f]), tensor([30f, 40f]));
        Assert.Equal(0.5, Pretrain.ClipEach([model, indexer], 1), 1e-6);
        ModelFixture.Near(tensor([0.3f, 0.4f]), model.Parameter.grad!, 0);
        ModelFixture.Near(tensor([0.6f, 0.8f]), indexer.Parameter.grad!, 1e-6);

        model.Parameter.grad = null;
        Assert.Equal(1, Pretrain.ClipEach([model, indexer], 5), 1e-6);
        (model.Parameter.grad, indexer.Parameter.grad) = (tensor([0.3f, 0.4f]), tensor([float.NaN, 0f]));
        Assert.Equal(double.NaN, Pretrain.ClipEach([model, indexer], 1));
    }

    private static TrainedParameter Parameter(string name, params long[] shape) => new(name, nn.Parameter(randn(shape)), shape.Length > 1);
}
