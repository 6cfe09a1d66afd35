namespace Hadal.Training.Data.Examples;

/// <summary>Which examples each step reads. The order depends on the seed, the epoch and the lengths only: a resumed run needs no more than the number of its step.</summary>
/// <param name="lengths">Tokens of each unit: an example, or examples that belong together.</param>
/// <param name="rowLength">Tokens of a row that several units are packed into; 0: each unit is a row.</param>
/// <param name="rowsPerStep">Rows of one optimiser step.</param>
/// <param name="seed">Draws the order.</param>
internal sealed class BatchPlan(IReadOnlyList<int> lengths, int rowLength, int rowsPerStep, long seed)
{
    private const long Stream = 7_000_003L;
    private readonly List<long> _steps = [];
    private (int Epoch, int[][] Rows)? _current;

    /// <summary>Steps of the first <paramref name="epochCount"/> epochs; the last one of each may have fewer rows.</summary>
    public long StepsOf(int epochCount) => Enumerable.Range(0, epochCount).Sum(StepsIn);

    /// <summary>The rows of a step, each a list of units.</summary>
    public IReadOnlyList<int[]> At(long step)
    {
        var epoch = 0;
        for (long count; (count = StepsIn(epoch)) <= step; epoch++) step -= count;
        return [.. RowsOf(epoch).Skip((int)step * rowsPerStep).Take(rowsPerStep)];
    }

    private long StepsIn(int epoch)
    {
        while (_steps.Count <= epoch) _steps.Add((RowsOf(_steps.Count).Length + rowsPerStep - 1) / rowsPerStep);
        return _steps[epoch];
    }

    private int[][] RowsOf(int epoch)
    {
        if (_current is { } current && current.Epoch == epoch) return current.Rows;
        var order = Enumerable.Range(0, lengths.Count).ToArray();
        new SeededOrder(seed, Stream + epoch).Shuffle(order.AsSpan());
        var rows = rowLength == 0 ? Array.ConvertAll(order, unit => new[] { unit }) : Pack(order);
        _current = (epoch, rows);
        return rows;
    }

    /// <summary>First fit among the rows begun last, in the shuffled order.</summary>
    private int[][] Pack(int[] order)
    {
        const int MaxOpen = 64;
        var rows = new List<List<int>>();
        var open = new List<(List<int> Row, int Left)>();
        foreach (var unit in order)
        {
            var place = open.FindIndex(row => row.Left >= lengths[unit]);
            if (place >= 0)
            {
                open[place].Row.Add(unit);
                open[place] = (open[place].Row, open[place].Left - lengths[unit]);
                continue;
            }

            var begun = new List<int> { unit };
            rows.Add(begun);
            open.Add((begun, rowLength - lengths[unit]));
            if (open.Count > MaxOpen) open.RemoveAt(open.IndexOf(open.MinBy(row => row.Left)));
        }

        return [.. rows.Select(row => row.ToArray())];
    }
}
