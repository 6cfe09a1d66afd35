using System.Globalization;

namespace Hadal.Checkpoints.Config;

/// <summary>Configs with a head for labels, in the layout of transformers' <c>AutoModelForSequenceClassification</c> and <c>AutoModelForTokenClassification</c>.</summary>
public static class LabelConfig
{
    /// <summary>The config of the same decoder with a head for labels in the place of its own.</summary>
    /// <param name="config">The decoder.</param>
    /// <param name="head">The head.</param>
    /// <param name="labels">Names of labels; one for a value.</param>
    /// <param name="isValue">Whether the one score is a value.</param>
    public static ModelConfig With(ModelConfig config, ModelHead head, IReadOnlyList<string> labels, bool isValue)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(labels);
        var architecture = config.Architectures is [var name, ..] && name.IndexOf("For", StringComparison.Ordinal) is var end and > 0 ? name[..end] : config.ModelType switch
        {
            "llama" => "Llama",
            "qwen2" => "Qwen2",
            "qwen3" => "Qwen3",
            "deepseek_v2" => "DeepseekV2",
            "deepseek_v3" => "DeepseekV3",
            "deepseek_v32" => "DeepseekV32",
            _ => "Hadal",
        };
        var replaced = config with
        {
            Architectures = [architecture + (head == ModelHead.Sequence ? "ForSequenceClassification" : "ForTokenClassification")],
            Id2label = labels.Select((label, id) => (label, id)).ToDictionary(pair => pair.id.ToString(CultureInfo.InvariantCulture), pair => pair.label),
            Label2id = labels.Select((label, id) => (label, id)).ToDictionary(pair => pair.label, pair => pair.id),
            ProblemType = isValue ? "regression" : head == ModelHead.Sequence ? "single_label_classification" : null,

            // Other programs look for the last token that is not this one.
            PadTokenId = config.PadTokenId ?? (config.EosTokenId.Count > 0 ? config.EosTokenId[0] : null),
        };
        return replaced is DeepSeekConfig deepSeek ? deepSeek with { NumNextnPredictLayers = 0 } : replaced;
    }
}
