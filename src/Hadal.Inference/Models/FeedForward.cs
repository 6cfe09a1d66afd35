using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models;

/// <summary>SwiGLU: <c>y = down( silu(gate x) ⊙ up x )</c>. Shazeer 2020, arXiv:2002.05202.</summary>
internal sealed unsafe class FeedForward
{
    /// <summary>Floats of gate, and of up, that are computed before they are rounded: half of a second-level cache holds both.</summary>
    private const int BlockFloats = 16384;

    private readonly WeightMatrix _gate;
    private readonly WeightMatrix _up;
    private readonly WeightMatrix _down;
    private readonly int _gateSite;
    private readonly int _upSite;
    private readonly int _downSite;
    private readonly float[]? _gateBias;
    private readonly float[]? _upBias;
    private readonly float[]? _downBias;

    /// <param name="weights">Tensors.</param>
    /// <param name="prefix">For example <c>model.layers.0.mlp.</c>.</param>
    public FeedForward(WeightBinder weights, string prefix)
    {
        _gateSite = weights.Site(prefix + "gate_proj");
        _upSite = weights.Site(prefix + "up_proj");
        _downSite = weights.Site(prefix + "down_proj");
        _gate = weights.Projection(prefix + "gate_proj.weight");
        _up = weights.Projection(prefix + "up_proj.weight");
        _down = weights.Projection(prefix + "down_proj.weight");
        _gateBias = weights.VectorOrNull(prefix + "gate_proj.bias");
        _upBias = weights.VectorOrNull(prefix + "up_proj.bias");
        _downBias = weights.VectorOrNull(prefix + "down_proj.bias");
    }

    /// <summary>Says that the weights are read soon.</summary>
    public void WillNeed()
    {
        _gate.WillNeed();
        _up.WillNeed();
        _down.WillNeed();
    }

    /// <summary>Width between the projections.</summary>
    public int Width => _gate.Rows;

    /// <summary>Whether gate or up read activations in 8 bits.</summary>
    public bool ReadsQuantizedRows => _gate.ReadsQuantizedRows || _up.ReadsQuantizedRows;

    /// <summary>Whether gate or up read float32 activations.</summary>
    public bool ReadsValues => !_gate.ReadsQuantizedRows || !_up.ReadsQuantizedRows;

    /// <summary>The activation of rows [rowBegin, rowEnd) of gate and up, for a share of the work: silu(gate x) ⊙ up x in place of gate x.</summary>
    /// <param name="task">Input and room.</param>
    /// <param name="rowBegin">First row; a multiple of 32.</param>
    /// <param name="rowEnd">Row behind the last; a multiple of 32, or all.</param>
    public void Activate(in FeedForwardTask task, int rowBegin, int rowEnd)
    {
        if (rowBegin == rowEnd) return;
        if (_down.ReadsQuantizedRows && task.Adapted is null)
        {
            ActivateInBlocks(task, rowBegin, rowEnd);
            return;
        }

        var input = new ProjectionInput(task.X, _gate.Columns, task.TokenCount, task.QuantizedX);
        _gate.Multiply(input, task.Gate, Width, rowBegin, rowEnd);
        _up.Multiply(input, task.Up, Width, rowBegin, rowEnd);
        if (task.Adapted is { } pass)
        {
            Adapt(pass, task, _gateSite, task.X, _gate.Columns, task.Gate, Width, rowBegin, rowEnd);
            Adapt(pass, task, _upSite, task.X, _up.Columns, task.Up, Width, rowBegin, rowEnd);
        }

        for (var token = 0; token < task.TokenCount; token++)
        {
            var offset = ((long)token * Width) + rowBegin;
            var g = new Span<float>(task.Gate + offset, rowEnd - rowBegin);
            var u = new Span<float>(task.Up + offset, rowEnd - rowBegin);
            AddBias(g, _gateBias, rowBegin);
            AddBias(u, _upBias, rowBegin);
            SwiGlu.Apply(g, u, g);
            if (_down.ReadsQuantizedRows) ActivationOf(task).Quantize(token, rowBegin, task.Gate + offset, rowEnd - rowBegin);
        }
    }

    /// <summary>Rows [rowBegin, rowEnd) of the down projection, for a share of the work.</summary>
    /// <param name="task">The activation and room for the result.</param>
    /// <param name="rowBegin">First row.</param>
    /// <param name="rowEnd">Row behind the last.</param>
    public void Project(in FeedForwardTask task, int rowBegin, int rowEnd)
    {
        if (rowBegin == rowEnd) return;
        var input = new ProjectionInput(task.Gate, Width, task.TokenCount, _down.ReadsQuantizedRows ? ActivationOf(task) : default);
        _down.Multiply(input, task.Y, _down.Rows, rowBegin, rowEnd);
        if (task.Adapted is { } pass) Adapt(pass, task, _downSite, task.Gate, Width, task.Y, _down.Rows, rowBegin, rowEnd);
        for (var token = 0; _downBias is not null && token < task.TokenCount; token++)
            AddBias(new Span<float>(task.Y + ((long)token * _down.Rows) + rowBegin, rowEnd - rowBegin), _downBias, rowBegin);
    }

    /// <summary>The activation where only its 8 bits are read: some rows of gate and up at a time, which stay in the cache until they are rounded.</summary>
    private void ActivateInBlocks(in FeedForwardTask task, int rowBegin, int rowEnd)
    {
        var (tokens, activation) = (task.TokenCount, ActivationOf(task));
        var input = new ProjectionInput(task.X, _gate.Columns, tokens, task.QuantizedX);
        var blockRows = Math.Max(QuantizedRows.GroupSize, BlockFloats / Math.Max(1, tokens) / QuantizedRows.GroupSize * QuantizedRows.GroupSize);
        // This share's part of the room; other shares have theirs.
        float* gate = task.Gate + ((long)rowBegin * tokens), up = task.Up + ((long)rowBegin * tokens);
        for (var row = rowBegin; row < rowEnd; row += blockRows)
        {
            var count = Math.Min(blockRows, rowEnd - row);
            _gate.Multiply(input, gate - row, count, row, row + count);
            _up.Multiply(input, up - row, count, row, row + count);
            for (var token = 0; token < tokens && (_gateBias ?? _upBias) is not null; token++)
            {
                AddBias(new Span<float>(gate + ((long)token * count), count), _gateBias, row);
                AddBias(new Span<float>(up + ((long)token * count), count), _upBias, row);
            }

            var all = new Span<float>(gate, count * tokens);
            SwiGlu.Apply(all, new Span<float>(up, count * tokens), all);
            for (var token = 0; token < tokens; token++) activation.Quantize(token, row, gate + ((long)token * count), count);
        }
    }

    private static void Adapt(Pass pass, in FeedForwardTask task, int site, float* x, int inputCount, float* y, int outputCount, int begin, int end)
    {
        if (task.Rows is null) Adaptation.ApplyShare(pass, site, x, inputCount, y, outputCount, begin, end);
        else Adaptation.ApplyShare(pass, task.Rows.AsSpan(task.RowBegin, task.TokenCount), site, x, inputCount, y, outputCount, begin, end);
    }

    private QuantizedRows ActivationOf(in FeedForwardTask task) => new(task.QuantizedActivation, Width);

    private static void AddBias(Span<float> y, float[]? bias, int rowBegin)
    {
        for (var i = 0; bias is not null && i < y.Length; i++) y[i] += bias[rowBegin + i];
    }
}

/// <summary>One feed-forward over some tokens, with room for its activations.</summary>
internal unsafe struct FeedForwardTask
{
    public FeedForward Weights;

    /// <summary>The pass whose rows are the tokens, if it has adapters; otherwise null.</summary>
    public Pass? Adapted;

    /// <summary>The row of the pass that each token is, from <see cref="RowBegin"/> on; null where token i is row i.</summary>
    public int[]? Rows;

    /// <summary>Place of the first token in <see cref="Rows"/>.</summary>
    public int RowBegin;

    /// <summary>[tokens, hidden_size]; null where nothing reads float32.</summary>
    public float* X;

    /// <summary>The same in 8 bits, where something reads that.</summary>
    public QuantizedRows QuantizedX;

    public int TokenCount;

    /// <summary>[tokens, Width].</summary>
    public float* Gate;

    /// <summary>[tokens, Width].</summary>
    public float* Up;

    /// <summary>Room for [tokens, Width] in 8 bits.</summary>
    public byte* QuantizedActivation;

    /// <summary>[tokens, hidden_size].</summary>
    public float* Y;
}

/// <summary>Runs feed-forwards together in two dispatches: each thread does its share of the rows of every one.</summary>
internal readonly struct FeedForwardJob : ICrewJob
{
    private readonly FeedForwardTask[] _tasks;
    private readonly int _taskCount;
    private readonly int _hiddenSize;
    private readonly int _partCount;
    private readonly bool _isDown;

    private FeedForwardJob(FeedForwardTask[] tasks, int taskCount, int hiddenSize, int partCount, bool isDown) =>
        (_tasks, _taskCount, _hiddenSize, _partCount, _isDown) = (tasks, taskCount, hiddenSize, partCount, isDown);

    /// <summary>One feed-forward over all tokens of a pass; <paramref name="task"/> comes without <see cref="FeedForwardTask.QuantizedX"/>.</summary>
    public static unsafe void Run(ThreadCrew crew, FeedForwardTask[] tasks, FeedForwardTask task, int hiddenSize)
    {
        task.QuantizedX = crew.Activations.Prepare(crew, task.X, hiddenSize, task.TokenCount, hiddenSize, task.Weights.ReadsQuantizedRows).Quantized;
        tasks[0] = task;
        Run(crew, tasks, 1, hiddenSize);
    }

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
            int begin = MatrixShare.Row(rows, partIndex, _partCount), end = MatrixShare.Row(rows, partIndex + 1, _partCount);
            if (_isDown) task.Weights.Project(task, begin, end);
            else task.Weights.Activate(task, begin, end);
        }
    }
}
