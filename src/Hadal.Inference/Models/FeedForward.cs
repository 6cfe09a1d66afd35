using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>SwiGLU: <c>y = down( silu(gate x) ⊙ up x )</c>. Shazeer 2020, arXiv:2002.05202.</summary>
internal sealed unsafe class FeedForward
{
    private readonly WeightMatrix _gate;
    private readonly WeightMatrix _up;
    private readonly WeightMatrix _down;
    private readonly float[]? _gateBias;
    private readonly float[]? _upBias;
    private readonly float[]? _downBias;

    /// <param name="weights">Tensors.</param>
    /// <param name="prefix">For example <c>model.layers.0.mlp.</c>.</param>
    public FeedForward(WeightBinder weights, string prefix)
    {
        _gate = weights.Matrix(prefix + "gate_proj.weight");
        _up = weights.Matrix(prefix + "up_proj.weight");
        _down = weights.Matrix(prefix + "down_proj.weight");
        _gateBias = weights.VectorOrNull(prefix + "gate_proj.bias");
        _upBias = weights.VectorOrNull(prefix + "up_proj.bias");
        _downBias = weights.VectorOrNull(prefix + "down_proj.bias");
    }

    /// <summary>Width between the projections.</summary>
    public int Width => _gate.Rows;

    /// <summary>The activation of rows [rowBegin, rowEnd) of gate and up, for a share of the work.</summary>
    /// <param name="x">[tokenCount, hidden_size].</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="gate">[tokenCount, Width]; receives silu(gate x) ⊙ up x.</param>
    /// <param name="up">[tokenCount, Width].</param>
    /// <param name="rowBegin">First row.</param>
    /// <param name="rowEnd">Row behind the last.</param>
    public void Activate(float* x, int tokenCount, float* gate, float* up, int rowBegin, int rowEnd)
    {
        if (rowBegin == rowEnd) return;
        _gate.Multiply(x, _gate.Columns, tokenCount, gate, Width, rowBegin, rowEnd);
        _up.Multiply(x, _up.Columns, tokenCount, up, Width, rowBegin, rowEnd);
        for (var token = 0; token < tokenCount; token++)
        {
            var offset = ((long)token * Width) + rowBegin;
            var g = new Span<float>(gate + offset, rowEnd - rowBegin);
            var u = new Span<float>(up + offset, rowEnd - rowBegin);
            AddBias(g, _gateBias, rowBegin);
            AddBias(u, _upBias, rowBegin);
            SwiGlu.Apply(g, u, g);
        }
    }

    /// <summary>Rows [rowBegin, rowEnd) of the down projection, for a share of the work.</summary>
    /// <param name="activation">[tokenCount, Width].</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="y">[tokenCount, hidden_size].</param>
    /// <param name="rowBegin">First row.</param>
    /// <param name="rowEnd">Row behind the last.</param>
    public void Project(float* activation, int tokenCount, float* y, int rowBegin, int rowEnd)
    {
        if (rowBegin == rowEnd) return;
        _down.Multiply(activation, Width, tokenCount, y, _down.Rows, rowBegin, rowEnd);
        for (var token = 0; _downBias is not null && token < tokenCount; token++)
            AddBias(new Span<float>(y + ((long)token * _down.Rows) + rowBegin, rowEnd - rowBegin), _downBias, rowBegin);
    }

    private static void AddBias(Span<float> y, float[]? bias, int rowBegin)
    {
        for (var i = 0; bias is not null && i < y.Length; i++) y[i] += bias[rowBegin + i];
    }
}

/// <summary>One feed-forward over some tokens, with room for its activations.</summary>
internal unsafe struct FeedForwardTask
{
    public FeedForward Weights;
    public float* X;
    public int TokenCount;
    public float* Gate;
    public float* Up;
    public float* Y;
}

/// <summary>Runs feed-forwards together in two dispatches: each thread does its share of the rows of every one.</summary>
internal readonly struct FeedForwardJob : ICrewJob
{
    /// <summary>Rows of a share are a multiple of this, so that tiles and packed words stay whole.</summary>
    private const int RowGrain = 16;

    private readonly FeedForwardTask[] _tasks;
    private readonly int _taskCount;
    private readonly int _hiddenSize;
    private readonly int _partCount;
    private readonly bool _isDown;

    private FeedForwardJob(FeedForwardTask[] tasks, int taskCount, int hiddenSize, int partCount, bool isDown) =>
        (_tasks, _taskCount, _hiddenSize, _partCount, _isDown) = (tasks, taskCount, hiddenSize, partCount, isDown);

    /// <summary>Computes Y of the first <paramref name="taskCount"/> tasks.</summary>
    public static void Run(ThreadCrew crew, FeedForwardTask[] tasks, int taskCount, int hiddenSize)
    {
        var activate = new FeedForwardJob(tasks, taskCount, hiddenSize, crew.ThreadCount, isDown: false);
        crew.Run(ref activate, crew.ThreadCount);
        var project = new FeedForwardJob(tasks, taskCount, hiddenSize, crew.ThreadCount, isDown: true);
        crew.Run(ref project, crew.ThreadCount);
    }

    /// <inheritdoc/>
    public unsafe void Execute(int partIndex)
    {
        for (var i = 0; i < _taskCount; i++)
        {
            ref readonly var task = ref _tasks[i];
            var rows = _isDown ? _hiddenSize : task.Weights.Width;
            int begin = Row(rows, partIndex), end = Row(rows, partIndex + 1);
            if (_isDown) task.Weights.Project(task.Gate, task.TokenCount, task.Y, begin, end);
            else task.Weights.Activate(task.X, task.TokenCount, task.Gate, task.Up, begin, end);
        }
    }

    private int Row(int rows, int part) => part == _partCount ? rows : (int)((long)rows * part / _partCount) / RowGrain * RowGrain;
}
