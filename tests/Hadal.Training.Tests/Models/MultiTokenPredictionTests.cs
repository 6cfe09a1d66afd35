using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

public sealed class MultiTokenPredictionTests
{
    [Fact]
    public void The_input_of_the_block_is_that_of_the_example()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var example = ModelFixture.Open("mtp_input.json");
        var config = ModelFixture.Tiny with { HiddenSize = 3 };
        using var rotary = new RotaryEmbedding(config, config.QkRopeHeadDim, CPU);
        using var layer = new MultiTokenPrediction(config, 2, rotary, ScalarType.Float32, CPU);
        foreach (var (name, parameter) in layer.named_parameters())
        {
            if (name is "enorm.weight" or "hnorm.weight") parameter.copy_(example.Numbers(name.Replace('.', '_')));
            if (name == "eh_proj.weight") parameter.copy_(example.Numbers("eh_proj"));
        }

        var input = layer.Combine(example.Numbers("embedding_next_token").view(1, 1, 3), example.Numbers("hidden_main").view(1, 1, 3));
        ModelFixture.Near(example.Numbers("block_input").view(1, 1, 3), input, 1e-6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Losses_are_the_mean_surprise_of_the_token_after_next_and_of_the_next(int depthCount)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new DeepSeekModel(ModelFixture.Tiny with { NumNextnPredictLayers = depthCount });
        model.Draw(5);
        var ids = randint(0, 23, [3, 11], ScalarType.Int64);
        var (language, mtp, _, _) = Pretrain.Losses(model, ids, AttentionMode.Dense);

        var inputs = ids.narrow(1, 0, 10);
        var hidden = model.Hidden(inputs, AttentionMode.Dense, new AuxiliaryLosses());
        Assert.Equal(Surprise(hidden, shift: 1), language.item<float>(), 1e-5f);
        var predictions = model.Predict(hidden, inputs, AttentionMode.Dense, new AuxiliaryLosses());
        Assert.Equal(depthCount, predictions.Count);
        Assert.Equal(predictions.Select((prediction, index) => Surprise(prediction, shift: index + 2)).Average(), mtp!.item<float>(), 1e-5f);

        float Surprise(Tensor rows, int shift)
        {
            var logProbabilities = model.Logits(rows).log_softmax(-1);
            var targets = ids.narrow(1, shift, rows.shape[1]).unsqueeze(-1);
            return -logProbabilities.gather(-1, targets).mean().item<float>();
        }
    }

    [Fact]
    public void A_share_of_the_sequences_is_the_first_of_them()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new DeepSeekModel(ModelFixture.Tiny);
        model.Draw(6);
        var ids = randint(0, 23, [4, 11], ScalarType.Int64);
        var (language, half, _, _) = Pretrain.Losses(model, ids, AttentionMode.Dense, mtpShare: 0.5);
        var (_, first, _, _) = Pretrain.Losses(model, ids.narrow(0, 0, 2), AttentionMode.Dense);
        var (all, _, _, _) = Pretrain.Losses(model, ids, AttentionMode.Dense);
        Assert.Equal(first!.item<float>(), half!.item<float>(), 1e-5f);
        Assert.Equal(all.item<float>(), language.item<float>());
    }
}
