using Hadal.Checkpoints.Config;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Heads that score labels, in the layout of transformers' <c>AutoModelForSequenceClassification</c> and <c>AutoModelForTokenClassification</c>.</summary>
internal static class LabelHead
{
    private const double Deviation = 0.02;

    /// <summary>A fresh <c>score</c> for the head that a config calls for; null where it is the language head.</summary>
    public static Projection? For(ModelConfig config, Device device) =>
        config.Head == ModelHead.Language ? null : new Projection(config.Labels.Count, config.HiddenSize, Deviation, device, config.Head == ModelHead.Token);
}
