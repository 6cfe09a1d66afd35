using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>SwiGLU feed-forward: <c>down(silu(gate x) ⊙ up x)</c>.</summary>
public sealed class FeedForward : NamedMap
{
    private readonly Projection _gate;
    private readonly Projection _up;
    private readonly Projection _down;

    /// <summary>Creates the three matrices; those that read the stream have deviation <paramref name="deviation"/>, the one that writes to it <paramref name="outputDeviation"/>.</summary>
    public FeedForward(int hiddenSize, int intermediateSize, double deviation, double outputDeviation, Device device, bool hasBias = false) : base(nameof(FeedForward))
    {
        _gate = new Projection(intermediateSize, hiddenSize, deviation, device, hasBias);
        _up = new Projection(intermediateSize, hiddenSize, deviation, device, hasBias);
        _down = new Projection(hiddenSize, intermediateSize, outputDeviation, device, hasBias);
        register_module("gate_proj", _gate);
        register_module("up_proj", _up);
        register_module("down_proj", _down);
    }

    /// <param name="input">[…, hidden_size].</param>
    /// <returns>[…, hidden_size].</returns>
    public override Tensor forward(Tensor input) => _down.forward(nn.functional.silu(_gate.forward(input)) * _up.forward(input));
}
