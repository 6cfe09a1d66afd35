using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The weights of all routed experts of a layer, stacked.</summary>
public sealed class StackedExperts : NamedModule
{
    private static readonly string[] Names = ["gate_proj", "up_proj", "down_proj"];

    /// <summary>Creates fresh weights.</summary>
    public StackedExperts(int expertCount, int width, int hiddenSize, double deviation, double outputDeviation, Device device) : base(nameof(StackedExperts))
    {
        register_parameter("gate_up_proj", GateUp = nn.Parameter(DrawnWeight.Normal([expertCount, 2 * width, hiddenSize], deviation, device)));
        register_parameter("down_proj", Down = nn.Parameter(DrawnWeight.Normal([expertCount, hiddenSize, width], outputDeviation, device)));
        Matrices = [.. Enumerable.Range(0, expertCount).SelectMany(expert => Names.Select(name => new ExpertMatrix(this, expert, name)))];
    }

    /// <summary>[n_routed_experts, 2 · moe_intermediate_size, hidden_size], gate rows first.</summary>
    public Parameter GateUp { get; }

    /// <summary>[n_routed_experts, hidden_size, moe_intermediate_size].</summary>
    public Parameter Down { get; }

    /// <summary>The matrices in few bits, frozen, by expert and name (<c>gate_proj</c>, <c>up_proj</c>, <c>down_proj</c>). Others, such as those that no whole groups fill, are
    /// where floats are.</summary>
    public IDictionary<(int Expert, string Name), QuantizedWeight> Codes { get; } = new Dictionary<(int, string), QuantizedWeight>();

    /// <summary>The matrices of all experts, each by itself.</summary>
    public IReadOnlyList<ExpertMatrix> Matrices { get; }

    /// <summary>Whether matrices are to be computed one by one: some are in few bits, or adapted.</summary>
    internal bool IsApart => Codes.Count > 0 || Matrices.Any(matrix => matrix.Update is not null);

    /// <summary>A matrix, adapted where there is an adapter of it, times rows.</summary>
    internal Tensor Adapted(Tensor rows, int expert, string name)
    {
        var matrix = Matrices[(expert * Names.Length) + Array.IndexOf(Names, name)];
        return matrix.Update?.Apply(matrix, rows) ?? matrix.Product(rows);
    }

    /// <summary>The numbers of one matrix of one expert.</summary>
    internal Tensor Dense(int expert, string name) => Codes.TryGetValue((expert, name), out var codes) ? codes.Dense(ScalarType.Float32) : Slice(expert, name);

    /// <summary><c>x Wᵀ</c> with one matrix of one expert.</summary>
    /// <param name="rows">[rows, in].</param>
    /// <param name="expert">The expert.</param>
    /// <param name="name"><c>gate_proj</c>, <c>up_proj</c> or <c>down_proj</c>.</param>
    internal Tensor Product(Tensor rows, int expert, string name)
    {
        if (Codes.TryGetValue((expert, name), out var codes)) return QuantizedProduct.Apply(rows, codes);
        return matmul(rows, Slice(expert, name).to(rows.dtype).t());
    }

    private Tensor Slice(int expert, string name) => name == "down_proj" ? Down[expert] : GateUp[expert].chunk(2, 0)[name == "gate_proj" ? 0 : 1];

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) foreach (var codes in Codes.Values) codes.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>One matrix of one routed expert, to put an adapter on.</summary>
/// <param name="experts">All of them.</param>
/// <param name="expert">Which expert.</param>
/// <param name="name"><c>gate_proj</c>, <c>up_proj</c> or <c>down_proj</c>.</param>
public sealed class ExpertMatrix(StackedExperts experts, int expert, string name) : IAdaptable
{
    /// <summary>Path below the layer: <c>mlp.experts.5.up_proj</c>.</summary>
    public string Path => FormattableString.Invariant($"mlp.experts.{expert}.{name}");

    /// <inheritdoc/>
    public long OutputSize => name == "down_proj" ? experts.Down.shape[1] : experts.GateUp.shape[1] / 2;

    /// <inheritdoc/>
    public long InputSize => name == "down_proj" ? experts.Down.shape[2] : experts.GateUp.shape[2];

    /// <inheritdoc/>
    public Device Device => experts.Down.device;

    /// <inheritdoc/>
    public Parameter? Bias => null;

    /// <inheritdoc/>
    public LowRankUpdate? Update { get; set; }

    /// <inheritdoc/>
    public Tensor Product(Tensor input) => experts.Product(input, expert, name);

    /// <inheritdoc/>
    public Tensor Dense() => experts.Dense(expert, name);
}
