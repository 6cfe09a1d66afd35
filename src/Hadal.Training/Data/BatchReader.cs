using static TorchSharp.torch;

namespace Hadal.Training.Data;

/// <summary>The batches of a run, in an order that depends on the seed and the number of the sequence only: a resumed run needs no more than that number.</summary>
internal sealed class BatchReader(TokenData data, int windowLength, long seed)
{
    private readonly List<(long First, (int Source, int Begin)[] Order)> _epochs = [];

    /// <summary>Epoch that sequence number <paramref name="sequence"/> belongs to, counting from 0.</summary>
    public int EpochOf(long sequence)
    {
        while (_epochs.Count == 0 || _epochs[^1].First + _epochs[^1].Order.Length <= sequence)
        {
            var first = _epochs.Count == 0 ? 0 : _epochs[^1].First + _epochs[^1].Order.Length;
            _epochs.Add((first, data.EpochOrder(windowLength, seed, _epochs.Count)));
        }

        return _epochs.FindLastIndex(epoch => epoch.First <= sequence);
    }

    /// <summary>Sequences <paramref name="firstSequence"/> and the following, int64 [<paramref name="count"/>, window].</summary>
    public Tensor Read(long firstSequence, int count, Device device)
    {
        var ids = new long[count * windowLength];
        for (var row = 0; row < count; row++)
        {
            var epoch = _epochs[EpochOf(firstSequence + row)];
            var (source, begin) = epoch.Order[firstSequence + row - epoch.First];
            data.CopyWindow(source, begin, ids.AsSpan(row * windowLength, windowLength));
        }

        return tensor(ids, [count, windowLength], device: device);
    }
}
