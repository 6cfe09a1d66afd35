using System.Text.Json;
using Hadal.Training.Tests.Models;
using Hadal.Training.Trainers.Tasks;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Trainers;

/// <summary>Losses of pairs, against numbers that were computed elsewhere.</summary>
public sealed class PreferenceTests
{
    private const string Example =
        """
        {"beta": 0.1, "policy_chosen": [-12.5, -30.2, -8.1], "policy_rejected": [-14.0, -28.9, -15.6], "reference_chosen": [-13.1, -29.5, -8.0], "reference_rejected": [-13.2, -29.7, -13.9],
         "loss_sigmoid": [0.625595182, 0.770957048, 0.616343773], "loss_label_smoothing_01": [0.639595182, 0.755957048, 0.632343773], "loss_robust_01": [0.608095182, 0.789707048, 0.596343773],
         "loss_hinge": [0.86, 1.15, 0.84], "lengths_chosen": [10, 20, 8], "lengths_rejected": [12, 20, 10], "loss_ipo": [23.7493778, 25.755625, 23.4498063]}
        """;

    [Theory]
    [InlineData("sigmoid", 0, "loss_sigmoid")]
    [InlineData("sigmoid", 0.1, "loss_label_smoothing_01")]
    [InlineData("robust", 0.1, "loss_robust_01")]
    [InlineData("hinge", 0, "loss_hinge")]
    [InlineData("ipo", 0, "loss_ipo")]
    public void Losses_are_those_of_the_example(string lossType, double smoothing, string expected)
    {
        using var scope = NewDisposeScope();
        var example = JsonElement.Parse(Example);
        var chosen = example.Numbers("policy_chosen") - example.Numbers("reference_chosen");
        var rejected = example.Numbers("policy_rejected") - example.Numbers("reference_rejected");
        if (lossType == "ipo") (chosen, rejected) = (chosen / example.Numbers("lengths_chosen"), rejected / example.Numbers("lengths_rejected"));
        var options = new PreferenceOptions { Beta = example.GetProperty("beta").GetDouble(), LossType = lossType, LabelSmoothing = smoothing };
        ModelFixture.Near(example.Numbers(expected), options.Loss(chosen, rejected), 2e-5);
    }
}
