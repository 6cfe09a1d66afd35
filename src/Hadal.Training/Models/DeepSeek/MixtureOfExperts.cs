using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Routed experts plus one shared feed-forward: <c>y = Σ_k w_k · expert_{i_k}(x) + shared(x)</c>. No token is dropped.</summary>
/// <remarks>Experts are stacked in memory, gate and up in one, so that they are one parameter each for autograd and the optimiser; the published
/// per-expert tensors are their slices. Tokens are sorted by expert, so each expert is one product.</remarks>
public sealed class MixtureOfExperts : NamedModule
{
    /// <summary>Numbers of rows repeat when they are multiples of this. oneDNN makes machine code for every shape it meets and keeps a thousand of them.</summary>
    private const long RowMultiple = 64;

    private readonly StackedExperts _experts;
    private readonly FeedForward? _shared;

    /// <summary>Creates experts with fresh weights.</summary>
    public MixtureOfExperts(DeepSeekConfig config, double outputDeviation, Device device) : base(nameof(MixtureOfExperts))
    {
        ArgumentNullException.ThrowIfNull(config);
        int experts = config.NRoutedExperts ?? 0, width = config.MoeIntermediateSize ?? throw new ArgumentException("moe_intermediate_size is missing", nameof(config));
        register_module("gate", Router = new Router(config, device));
        register_module("experts", _experts = new StackedExperts(experts, width, config.HiddenSize, config.InitializerRange, outputDeviation, device));
        if (config.NSharedExperts is > 0)
            register_module("shared_experts", _shared = new FeedForward(config.HiddenSize, config.NSharedExperts.Value * width, config.InitializerRange, outputDeviation, device));
    }

    /// <summary>The router.</summary>
    public Router Router { get; }

    /// <param name="input">[batch, tokens, hidden_size], normalised.</param>
    /// <param name="balanceLoss">The router's sequence balance loss.</param>
    /// <returns>The same shape and dtype.</returns>
    public Tensor Forward(Tensor input, out Tensor balanceLoss)
    {
        ArgumentNullException.ThrowIfNull(input);
        var x = input.view(-1, input.shape[^1]);
        var (indices, weights, scores) = Router.Forward(x);
        balanceLoss = Router.BalanceLoss(indices, scores, input.shape[0]);
        var y = Routed(x, indices, weights);
        if (_shared is not null) y = y.add(_shared.forward(x), Number.One);
        return y.view(input.shape);
    }

    /// <summary>The routed part for a given choice.</summary>
    /// <param name="x">[tokens, hidden_size].</param>
    /// <param name="indices">[tokens, num_experts_per_tok].</param>
    /// <param name="weights">The same shape.</param>
    internal Tensor Routed(Tensor x, Tensor indices, Tensor weights)
    {
        var choiceCount = indices.shape[1];
        var (order, place, padding, counts) = SortByExpert(indices);

        var sorted = GatherSorted.Apply(x, order, place, choiceCount);
        var isApart = _experts.IsApart;
        var gateUp = (isApart ? cat([OneByOne(sorted, "gate_proj", counts), OneByOne(sorted, "up_proj", counts)], -1) : PerExpert(sorted, _experts.GateUp.to(x.dtype), counts)).chunk(2, -1);
        var inner = nn.functional.silu(gateUp[0]) * gateUp[1];
        var down = isApart ? OneByOne(inner, "down_proj", counts) : PerExpert(inner, _experts.Down.to(x.dtype), counts);
        var unsorted = GatherSorted.Apply(down, place, order, 1, padding).view(-1, choiceCount, x.shape[1]);
        return (unsorted * weights.to(x.dtype).unsqueeze(-1)).sum(1);
    }

    /// <summary>A stable counting sort of all choices by expert. Each expert's rows are filled up to a multiple of <see cref="RowMultiple"/> with rows nobody reads.</summary>
    /// <returns>The choice at each sorted place (any, where it is padding), the place of each choice, the places that are padding, and how many rows each expert has.</returns>
    private (Tensor Order, Tensor Place, Tensor Padding, long[] Counts) SortByExpert(Tensor indices)
    {
        var chosen = indices.flatten().cpu().data<long>().ToArray();
        var loads = new long[Router.Load.Count];
        foreach (var expert in chosen) loads[expert]++;
        var counts = Array.ConvertAll(loads, load => (load + RowMultiple - 1) / RowMultiple * RowMultiple);
        var next = new long[counts.Length];
        for (var expert = 1; expert < next.Length; expert++) next[expert] = next[expert - 1] + counts[expert - 1];
        var padding = new List<long>();
        for (var expert = 0; expert < counts.Length; expert++)
            for (var row = loads[expert]; row < counts[expert]; row++) padding.Add(next[expert] + row);
        long[] order = new long[counts.Sum()], place = new long[chosen.Length];
        for (var choice = 0; choice < chosen.Length; choice++)
        {
            place[choice] = next[chosen[choice]]++;
            order[place[choice]] = choice;
        }

        for (var expert = 0; expert < loads.Length; expert++) Router.Load[expert] += loads[expert];
        return (tensor(order, device: indices.device), tensor(place, device: indices.device), tensor(padding.ToArray(), device: indices.device), counts);
    }

    /// <summary>The experts' weights.</summary>
    internal StackedExperts Experts => _experts;

    private Tensor OneByOne(Tensor sorted, string name, long[] counts)
    {
        var parts = sorted.split(counts, 0);
        return cat([.. Enumerable.Range(0, counts.Length).Where(expert => counts[expert] > 0).Select(expert => _experts.Adapted(parts[expert], expert, name))], 0);
    }

    /// <summary>Rows of <paramref name="sorted"/> times the matrix of their expert.</summary>
    private static Tensor PerExpert(Tensor sorted, Tensor weight, long[] counts)
    {
        var parts = sorted.split(counts, 0);
        var matrices = weight.unbind(0);
        var products = new List<Tensor>(counts.Length);
        for (var expert = 0; expert < counts.Length; expert++)
        {
            if (counts[expert] > 0) products.Add(matmul(parts[expert], matrices[expert].t()));
        }

        return cat(products, 0);
    }
}
