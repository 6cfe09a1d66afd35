using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The weights of all routed experts of a layer, stacked.</summary>
public sealed class StackedExperts : NamedModule
{
    /// <summary>Creates fresh weights.</summary>
    public StackedExperts(int expertCount, int width, int hiddenSize, double deviation, double outputDeviation, Device device) : base(nameof(StackedExperts))
    {
        register_parameter("gate_up_proj", GateUp = nn.Parameter(randn(expertCount, 2 * width, hiddenSize, device: device).mul_(deviation)));
        register_parameter("down_proj", Down = nn.Parameter(randn(expertCount, hiddenSize, width, device: device).mul_(outputDeviation)));
    }

    /// <summary>[n_routed_experts, 2 · moe_intermediate_size, hidden_size], gate rows first.</summary>
    public Parameter GateUp { get; }

    /// <summary>[n_routed_experts, hidden_size, moe_intermediate_size].</summary>
    public Parameter Down { get; }
}
