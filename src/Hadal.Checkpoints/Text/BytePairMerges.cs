using System.Buffers;
using System.Numerics;

namespace Hadal.Checkpoints.Text;

/// <summary>The merges of a byte-pair vocabulary: which two neighbouring tokens become which one, and how early.</summary>
internal sealed class BytePairMerges
{
    // Below this length a scan for the lowest rank is faster than a queue.
    private const int ShortLength = 32;
    private const int NoRank = int.MaxValue;

    // Differs from process to process, so that no file can be made in which all pairs collide.
    private static readonly ulong Multiplier = ((ulong)(uint)HashCode.Combine(1) << 32) | (uint)HashCode.Combine(2) | 1;

    private readonly ulong[] _pairs;
    private readonly (int Rank, int Id)[] _merged;
    private readonly int _shift;

    /// <summary>Builds the table.</summary>
    /// <param name="merges">Left, right and resulting id by rank. Of a repeated pair the first counts.</param>
    public BytePairMerges(IReadOnlyList<(int Left, int Right, int Merged)> merges)
    {
        var bits = BitOperations.Log2((uint)Math.Max(8, 2 * merges.Count)) + 1;
        _pairs = new ulong[1 << bits];
        _merged = new (int, int)[1 << bits];
        _shift = 64 - bits;
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var (left, right, merged) = merges[rank];
            var slot = SlotOf(left, right);
            if (_pairs[slot] != 0) continue;
            _pairs[slot] = Key(left, right);
            _merged[slot] = (rank, merged);
        }
    }

    /// <summary>Merges neighbours, lowest rank first and leftmost first among equals, until no merge applies.</summary>
    /// <param name="ids">Token ids; on return its first elements hold the result.</param>
    /// <returns>Number of ids left.</returns>
    public int Apply(Span<int> ids) => ids.Length <= ShortLength ? ApplyShort(ids) : ApplyLong(ids);

    /// <summary>The definition: look for the best pair, merge it, look again. Quadratic.</summary>
    internal int ApplyNaive(Span<int> ids)
    {
        var length = ids.Length;
        while (true)
        {
            var (best, bestRank, bestId) = (-1, NoRank, 0);
            for (var i = 0; i + 1 < length; i++)
                if (Find(ids[i], ids[i + 1], out var merged) is var rank && rank < bestRank) (best, bestRank, bestId) = (i, rank, merged);
            if (best < 0) return length;
            ids[best] = bestId;
            ids[(best + 2)..length].CopyTo(ids[(best + 1)..]);
            length--;
        }
    }

    private int ApplyShort(Span<int> ids)
    {
        Span<int> ranks = stackalloc int[ShortLength], merged = stackalloc int[ShortLength];
        var length = ids.Length;
        for (var i = 0; i + 1 < length; i++) ranks[i] = Find(ids[i], ids[i + 1], out merged[i]);
        while (length > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < length; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == NoRank) break;

            ids[best] = merged[best];
            ids[(best + 2)..length].CopyTo(ids[(best + 1)..]);
            length--;
            if (best < length)
            {
                ranks[(best + 1)..length].CopyTo(ranks[best..]);
                merged[(best + 1)..length].CopyTo(merged[best..]);
            }

            if (best + 1 < length) ranks[best] = Find(ids[best], ids[best + 1], out merged[best]);
            if (best > 0) ranks[best - 1] = Find(ids[best - 1], ids[best], out merged[best - 1]);
        }

        return length;
    }

    /// <summary>A queue of pairs by rank and position over a linked list; entries that no longer hold are dropped when they come up.</summary>
    private int ApplyLong(Span<int> ids)
    {
        var length = ids.Length;
        var links = ArrayPool<int>.Shared.Rent(2 * length);
        try
        {
            Span<int> previous = links.AsSpan(0, length), next = links.AsSpan(length, length);
            var queue = new PriorityQueue<int, ulong>(length);
            for (var i = 0; i < length; i++)
            {
                previous[i] = i - 1;
                next[i] = i + 1;
                if (i + 1 < length) Enqueue(queue, i, ids[i], ids[i + 1]);
            }

            while (queue.TryDequeue(out var left, out var priority))
            {
                var right = next[left];
                if (ids[left] < 0 || right >= length || Find(ids[left], ids[right], out var merged) != (int)(priority >> 32)) continue;
                ids[left] = merged;
                ids[right] = -1;
                next[left] = next[right];
                if (next[left] < length)
                {
                    previous[next[left]] = left;
                    Enqueue(queue, left, merged, ids[next[left]]);
                }

                if (previous[left] >= 0) Enqueue(queue, previous[left], ids[previous[left]], merged);
            }

            var count = 0;
            for (var i = 0; i < length; i = next[i]) ids[count++] = ids[i];
            return count;
        }
        finally
        {
            ArrayPool<int>.Shared.Return(links);
        }
    }

    private void Enqueue(PriorityQueue<int, ulong> queue, int position, int left, int right)
    {
        var rank = Find(left, right, out _);
        if (rank != NoRank) queue.Enqueue(position, ((ulong)rank << 32) | (uint)position);
    }

    private int Find(int left, int right, out int merged)
    {
        var slot = SlotOf(left, right);
        merged = _merged[slot].Id;
        return _pairs[slot] == 0 ? NoRank : _merged[slot].Rank;
    }

    private int SlotOf(int left, int right)
    {
        var key = Key(left, right);
        var slot = (int)((key * Multiplier) >> _shift);
        while (_pairs[slot] is var found && found != 0 && found != key) slot = (slot + 1) & (_pairs.Length - 1);
        return slot;
    }

    /// <summary>Never 0, which marks a free slot.</summary>
    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32 | (uint)right) + 1;
}
