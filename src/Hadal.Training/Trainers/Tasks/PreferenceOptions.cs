using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>How preferences are learnt; keys and defaults as in TRL's <c>DPOConfig</c>.</summary>
/// <remarks>Rafailov et al. 2023, arXiv:2305.18290; <c>ipo</c>: Azar et al. 2023, arXiv:2310.12036; <c>robust</c>: Chowdhury et al. 2024, arXiv:2403.00409.</remarks>
public sealed record PreferenceOptions
{
    /// <summary>β: how strongly answers are held to the model the run started from.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary><c>sigmoid</c>, <c>robust</c>, <c>hinge</c> or <c>ipo</c>.</summary>
    public string LossType { get; init; } = "sigmoid";

    /// <summary>Share of pairs that are thought to be the wrong way round; for <c>sigmoid</c> and <c>robust</c>.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Tells <paramref name="expect"/> of every key whether it is right, and the fault if it is not.</summary>
    internal void Check(Action<bool, string> expect)
    {
        expect(Beta > 0, $"preference.beta: expected a positive number, got {Beta}");
        expect(LossType is "sigmoid" or "robust" or "hinge" or "ipo", $"preference.loss_type: expected sigmoid, robust, hinge or ipo, got '{LossType}'");
        expect(LabelSmoothing is >= 0 and < 0.5, $"preference.label_smoothing: expected 0 to below 0.5, got {LabelSmoothing}");
    }

    /// <summary>The loss of each pair.</summary>
    /// <param name="chosen">[pairs], log-probability of the better answer over that of the model the run started from; with <c>ipo</c> per token.</param>
    /// <param name="rejected">[pairs], the same of the worse answer.</param>
    /// <returns>[pairs].</returns>
    internal Tensor Loss(Tensor chosen, Tensor rejected)
    {
        var difference = chosen - rejected;
        var h = difference * Number.Of(Beta);
        var (right, wrong) = (nn.functional.logsigmoid(h), nn.functional.logsigmoid(-h));
        return LossType switch
        {
            "sigmoid" => -(right * Number.Of(1 - LabelSmoothing)) - (wrong * Number.Of(LabelSmoothing)),
            "robust" => ((wrong * Number.Of(LabelSmoothing)) - (right * Number.Of(1 - LabelSmoothing))) / Number.Of(1 - (2 * LabelSmoothing)),
            "hinge" => h.negative().add(Number.One, Number.One).relu(),
            _ => (difference - Number.Of(1 / (2 * Beta))).pow(Number.Of(2)),
        };
    }
}
