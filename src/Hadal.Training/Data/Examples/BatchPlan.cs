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
    private (int Epoch, Rows Rows)? _current;

    /// <summary>Steps of the first <paramref name="epochCount"/> epochs; the last one of each may have fewer rows.</summary>
    public long StepsOf(int epochCount) => Enumerable.Range(0, epochCount).Sum(StepsIn);

    /// <summary>The rows of a step, each a list of units.</summary>
    public IReadOnlyList<int[]> At(long step)
    {
        var epoch = 0;
        for (long count; (count = StepsIn(epoch)) <= step; epoch++) step -= count;
        var (rows, first) = (RowsOf(epoch), (int)step * rowsPerStep);
        return [.. Enumerable.Range(first, Math.Min(rowsPerStep, rows.Count - first)).Select(rows.Row)];
    }

    private long StepsIn(int epoch)
    {
        while (_steps.Count <= epoch) _steps.Add((RowsOf(_steps.Count).Count + rowsPerStep - 1) / rowsPerStep);
        return _steps[epoch];
    }

    private Rows RowsOf(int epoch)
    {
        if (_current is { } current && current.Epoch == epoch) return current.Rows;
        var order = Enumerable.Range(0, lengths.Count).ToArray();
        new SeededOrder(seed, Stream + epoch).Shuffle(order.AsSpan());
        var rows = rowLength == 0 ? new Rows(order, [.. Enumerable.Range(0, order.Length + 1)]) : Pack(order);
        _current = (epoch, rows);
        return rows;
    }

    /// <summary>First fit among the rows begun last, in the shuffled order.</summary>
    private Rows Pack(int[] order)
    {
        const int MaxOpen = 64;
        var (rowOf, rowCount) = (new int[order.Length], 0);
        var open = new List<(int Row, int Left)>();
        for (var at = 0; at < order.Length; at++)
        {
            var length = lengths[order[at]];
            var place = open.FindIndex(row => row.Left >= length);
            if (place >= 0)
            {
                rowOf[at] = open[place].Row;
                open[place] = (open[place].Row, open[place].Left - length);
                continue;
            }

            rowOf[at] = rowCount;
            open.Add((rowCount++, rowLength - length));
            if (open.Count > MaxOpen) open.RemoveAt(open.IndexOf(open.MinBy(row => row.Left)));
        }

        return Rows.Of(order, rowOf, rowCount);
    }

    /// <summary>The units of all rows, one row after the other, and where each begins: there may be many millions.</summary>
    private sealed record Rows(int[] Units, int[] Begins)
    {
        public int Count => Begins.Length - 1;

        public int[] Row(int row) => Units[Begins[row]..Begins[row + 1]];

        /// <summary>Sorted by row; within a row the order stays.</summary>
        public static Rows Of(int[] order, int[] rowOf, int rowCount)
        {
            var begins = new int[rowCount + 1];
            foreach (var row in rowOf) begins[row + 1]++;
            for (var row = 0; row < rowCount; row++) begins[row + 1] += begins[row];
            var (units, next) = (new int[order.Length], begins[..^1]);
            for (var at = 0; at < order.Length; at++) units[next[rowOf[at]]++] = order[at];
            return new Rows(units, begins);
        }
    }
}
