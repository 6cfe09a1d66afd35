using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Training.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using static TorchSharp.torch;

namespace Hadal.Parity.Tests;

/// <summary>Heads for labels, whole models and adapters with one, score in the engine what they score in training.</summary>
public sealed class LabelParityTests
{
    private const double Bound = 5e-5;

    [Theory]
    [InlineData("hadal", ModelHead.Sequence)]
    [InlineData("hadal", ModelHead.Token)]
    [InlineData("qwen3", ModelHead.Sequence)]
    [InlineData("qwen3", ModelHead.Token)]
    public void Scores_are_those_of_training_from_a_directory_and_from_an_adapter(string family, ModelHead head)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(31);
        ModelConfig plain = family == "hadal"
            ? DrawnCase.Long.Config
            : new GroupedQueryConfig
            {
                ModelType = family, VocabSize = 37, HiddenSize = 24, IntermediateSize = 32, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2, HeadDim = 6, RmsNormEps = 1e-6,
                MaxPositionEmbeddings = 64, EosTokenId = [1],
            };
        var config = LabelConfig.With(plain, head, ["negative", "neutral", "positive"], isValue: false);
        Assert.EndsWith(head == ModelHead.Token ? "ForTokenClassification" : "ForSequenceClassification", config.Architectures![0], StringComparison.Ordinal);
        var directory = Directory.CreateTempSubdirectory("hadal-labels-");
        try
        {
            var (basePath, labelPath, adapterPath) = (Path.Combine(directory.FullName, "base"), Path.Combine(directory.FullName, "labels"), Path.Combine(directory.FullName, "adapter"));
            using (CausalModel language = plain is DeepSeekConfig deepSeek ? new DeepSeekModel(deepSeek) : new GroupedQueryModel((GroupedQueryConfig)plain))
            {
                foreach (var parameter in language.parameters()) parameter.add_(randn_like(parameter).mul_(0.15));
                ModelFiles.Save(language, basePath, DType.F32);
            }

            using var start = Checkpoint.Open(basePath);
            using var model = ModelFiles.Load(start, config: config);
            foreach (var parameter in model.Score!.parameters()) parameter.normal_();
            ModelFiles.Save(model, labelPath, DType.F32);
            var tokenIds = Enumerable.Range(0, 30).Select(index => index * 5 % 37).ToArray();
            using var checkpoint = Checkpoint.Open(labelPath);
            Assert.Equal(["negative", "neutral", "positive"], checkpoint.Config.Labels);
            Assert.DoesNotContain("lm_head.weight", checkpoint.Tensors.Keys);
            using (var labels = LabelModel.Open(checkpoint, options: new EngineOptions { ThreadCount = 2, MaxContext = 40, MaxBatchTokens = 7 })) Compare(model, labels, tokenIds, head);

            using var adapter = LowRankAdapter.Attach(model, new LoraOptions { R = 2 }, basePath);
            foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            using var opened = LoraAdapter.Open(adapterPath, start.Config);
            Assert.Equal(adapter.ParameterCount, opened.ParameterCount);
            using (var labels = LabelModel.Open(start, opened, new EngineOptions { ThreadCount = 2, MaxContext = 40, MaxBatchTokens = 40 })) Compare(model, labels, tokenIds, head);

            // Worked into the weights, head included, it is a model of its own.
            var mergedPath = Path.Combine(directory.FullName, "merged");
            new AdapterMerger(start, opened).Write(mergedPath, 2);
            using var merged = Checkpoint.Open(mergedPath);
            Assert.Equal(config.Architectures, merged.Config.Architectures!);
            using (var labels = LabelModel.Open(merged, options: new EngineOptions { ThreadCount = 2, MaxContext = 40, MaxBatchTokens = 40 })) Compare(model, labels, tokenIds, head);
            Assert.Contains("has no score.weight", Assert.Throws<CheckpointException>(() => LabelModel.Open(start)).Message, StringComparison.Ordinal);

            model.Score.Weight[0, 0] = float.NaN;
            var damagedPath = Path.Combine(directory.FullName, "damaged");
            ModelFiles.Save(model, damagedPath, DType.F32);
            using var damaged = Checkpoint.Open(damagedPath);
            Assert.Contains("score has a number that is not finite", Assert.Throws<CheckpointException>(() => LabelModel.Open(damaged)).Message, StringComparison.Ordinal);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Compare(CausalModel model, LabelModel labels, int[] tokenIds, ModelHead head)
    {
        Assert.Equal(head, labels.Head);
        Assert.Equal(["negative", "neutral", "positive"], labels.Labels);
        var hidden = model.Hidden(tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0))[0];
        var expected = model.Scores(head == ModelHead.Token ? hidden : hidden[-1].unsqueeze(0)).contiguous().data<float>().ToArray();
        var actual = labels.Scores(tokenIds);
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, Bound * expected.Max(Math.Abs)));
    }
}
