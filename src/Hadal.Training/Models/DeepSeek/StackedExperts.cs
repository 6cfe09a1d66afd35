using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The weights of all routed experts of a layer, stacked.</summary>
public sealed class StackedExperts : NamedModule
{
    /// <summary>Creates fresh weights.</summary>
    public StackedExperts(int expertCount, int width, int hiddenSize, double deviation, double outputDeviation, Device device) : base(nameof(StackedExperts))
    {
        register_parameter("gate_up_proj", GateUp = nn.Parameter(DrawnWeight.Normal([expertCount, 2 * width, hiddenSize], deviation, device)));
        register_parameter("down_proj", Down = nn.Parameter(DrawnWeight.Normal([expertCount, hiddenSize, width], outputDeviation, device)));
    }

    /// <summary>[n_routed_experts, 2 · moe_intermediate_size, hidden_size], gate rows first.</summary>
    public Parameter GateUp { get; }

    /// <summary>[n_routed_experts, hidden_size, moe_intermediate_size].</summary>
    public Parameter Down { get; }

    /// <summary>The matrices in few bits, frozen, by expert and name (<c>gate_proj</c>, <c>up_proj</c>, <c>down_proj</c>). Others, such as those that no whole groups fill, are
    /// where floats are.</summary>
    public IDictionary<(int Expert, string Name), QuantizedWeight> Codes { get; } = new Dictionary<(int, string), QuantizedWeight>();

    /// <summary><c>x Wᵀ</c> with one matrix of one expert.</summary>
    /// <param name="rows">[rows, in].</param>
    /// <param name="expert">The expert.</param>
    /// <param name="name"><c>gate_proj</c>, <c>up_proj</c> or <c>down_proj</c>.</param>
    internal Tensor Product(Tensor rows, int expert, string name)
    {
        if (Codes.TryGetValue((expert, name), out var codes)) return QuantizedProduct.Apply(rows, codes);
        var weight = name == "down_proj" ? Down[expert] : GateUp[expert].chunk(2, 0)[name == "gate_proj" ? 0 : 1];
        return matmul(rows, weight.to(rows.dtype).t());
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) foreach (var codes in Codes.Values) codes.Dispose();
        base.Dispose(disposing);
    }
}
