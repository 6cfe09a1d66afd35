using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests;

/// <summary>Heads for labels in the layout of transformers.</summary>
public sealed class LabelHeadTests
{
    private const string Start =
        """{"model_type": "qwen2", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "max_position_embeddings": 16""";

    [Fact]
    public void The_head_takes_the_place_of_the_language_head()
    {
        var config = ModelConfigReader.Parse(Start + """, "architectures": ["Qwen2ForSequenceClassification"], "id2label": {"0": "negative", "1": "neutral", "2": "positive"}, "label2id": {"negative": 0, "neutral": 1, "positive": 2}}""");
        Assert.Equal(ModelHead.Sequence, config.Head);
        Assert.Equal(["negative", "neutral", "positive"], config.Labels);
        Assert.Equal(2, config.Label2id!["positive"]);
        var score = Assert.Single(WeightManifest.For(config), spec => spec.Name.StartsWith("score", StringComparison.Ordinal));
        Assert.Equal(("score.weight", 3, 4), (score.Name, score.Shape[0], score.Shape[1]));
        Assert.DoesNotContain(WeightManifest.For(config), spec => spec.Name == "lm_head.weight");
        Assert.Equal(config.ToJson(), ModelConfigReader.Parse(config.ToJson()).ToJson());
        Assert.Contains("\"id2label\"", config.ToJson(), StringComparison.Ordinal);

        var tokens = ModelConfigReader.Parse(Start + """, "architectures": ["Qwen2ForTokenClassification"], "id2label": {"0": "O", "1": "X"}}""");
        Assert.Equal(["score.weight", "score.bias"], WeightManifest.For(tokens).Select(spec => spec.Name).Where(name => name.StartsWith("score", StringComparison.Ordinal)));
        Assert.Equal(ModelHead.Language, ModelConfigReader.Parse(Start + """, "architectures": ["Qwen2ForCausalLM"], "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}""").Head);
    }

    [Theory]
    [InlineData("", "id2label has 0 labels")]
    [InlineData(""", "id2label": {}""", "id2label has 0 labels")]
    [InlineData(""", "id2label": {"0": "a", "2": "b"}""", "id2label: expected the keys 0 to 1, found 0, 2")]
    [InlineData(""", "id2label": {"0": 1}""", "id2label is an object, expected an object of strings")]
    [InlineData(""", "id2label": ["a"]""", "id2label is a list, expected an object of strings")]
    [InlineData(""", "id2label": {"0": "a"}, "label2id": {"a": "x"}""", "label2id is an object, expected an object of whole numbers")]
    public void Labels_that_cannot_be_told_are_refused(string keys, string fault) => Assert.Contains(
        fault,
        Assert.Throws<CheckpointException>(() => ModelConfigReader.Parse(Start + """, "architectures": ["Qwen2ForSequenceClassification"]""" + keys + "}")).Message,
        StringComparison.Ordinal);
}
