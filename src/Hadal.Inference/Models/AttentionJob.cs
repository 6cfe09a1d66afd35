using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>What attention of one layer is made of: items of queries that read the same keys and values.</summary>
internal unsafe interface IAttentionItems
{
    /// <summary>Number of items.</summary>
    int ItemCount { get; }

    /// <summary>Softmax scale.</summary>
    float Scale { get; }

    /// <summary>Queries of an item; 0 leaves it out.</summary>
    int QueryCount(int item);

    /// <summary>Cache entries that a query of an item sees, not falling with the query.</summary>
    int SeenBy(int item, int query);

    /// <summary>Writes the queries of an item [queries, width] without gaps.</summary>
    void Pack(int item, float* queries);

    /// <summary>Cache entries of an item.</summary>
    /// <param name="item">Item.</param>
    /// <param name="begin">First entry, a multiple of 64.</param>
    /// <param name="count">Entries, up to 64.</param>
    /// <param name="lane">Room to convert or to bring together.</param>
    AttentionBlock Block(int item, int begin, int count, in AttentionLane lane);

    /// <summary>Where the result of a query belongs, [value width].</summary>
    float* Output(int item, int query);
}

/// <summary>Attention of one layer over a crew: an item is a part of the work, or, where there are few items and a long cache, a chunk of an item.</summary>
internal readonly unsafe struct AttentionJob<TItems> : ICrewJob
    where TItems : struct, IAttentionItems
{
    private readonly TItems _items;
    private readonly AttentionRoom _room;
    private readonly int _partCount;
    private readonly int _chunkCount;

    private AttentionJob(TItems items, AttentionRoom room, int partCount, int chunkCount)
    {
        _items = items;
        _room = room;
        _partCount = partCount;
        _chunkCount = chunkCount;
    }

    /// <summary>Computes all items.</summary>
    public static void Run(ThreadCrew crew, TItems items, AttentionRoom room)
    {
        var chunkCount = ChunksToSplit(crew, items, room);
        var job = new AttentionJob<TItems>(items, room, crew.ThreadCount, chunkCount);
        crew.Run(ref job, crew.ThreadCount);
        if (chunkCount == 0) return;
        for (var item = 0; item < items.ItemCount; item++) job.MergeChunks(item);
    }

    public void Execute(int partIndex)
    {
        var lane = _room.Lane(partIndex);
        if (_chunkCount == 0)
        {
            for (var item = partIndex; item < _items.ItemCount; item += _partCount) ComputeItem(item, lane);
            return;
        }

        // Neighbours in a row: a block that a thread asks for ahead is then its own.
        long taskCount = (long)_items.ItemCount * _chunkCount;
        var end = (int)(taskCount * (partIndex + 1) / _partCount);
        for (var task = (int)(taskCount * partIndex / _partCount); task < end; task++)
        {
            var (item, chunk) = (task / _chunkCount, task % _chunkCount);
            if (chunk * BlockedAttention.ChunkTokens >= Longest(_items, item)) continue;
            _items.Pack(item, lane.Queries);
            ComputeChunk(item, chunk, lane, _room.Split(task));
        }
    }

    /// <summary>Chunks per item if the items are to be split, else 0. The bits are the same either way.</summary>
    private static int ChunksToSplit(ThreadCrew crew, TItems items, AttentionRoom room)
    {
        if (crew.ThreadCount == 1 || items.ItemCount >= 2 * crew.ThreadCount) return 0;
        var longest = 0;
        for (var item = 0; item < items.ItemCount; item++)
        {
            if (items.QueryCount(item) > AttentionRoom.SplitQueries) return 0;
            longest = Math.Max(longest, Longest(items, item));
        }

        var chunks = (longest + BlockedAttention.ChunkTokens - 1) / BlockedAttention.ChunkTokens;
        return chunks > 1 && items.ItemCount * chunks <= room.SplitCount ? chunks : 0;
    }

    private static int Longest(TItems items, int item) => items.QueryCount(item) is var count and > 0 ? items.SeenBy(item, count - 1) : 0;

    private void ComputeItem(int item, in AttentionLane lane)
    {
        var (queryCount, longest) = (_items.QueryCount(item), Longest(_items, item));
        if (queryCount == 0) return;
        _items.Pack(item, lane.Queries);
        BlockedAttention.Begin(lane.Total, queryCount);
        for (var chunk = 0; chunk * BlockedAttention.ChunkTokens < longest; chunk++)
        {
            ComputeChunk(item, chunk, lane, lane.Part);
            BlockedAttention.Merge(lane.Total, lane.Part, queryCount);
        }

        for (var q = 0; q < queryCount; q++) BlockedAttention.Finish(lane.Total, q, _items.Output(item, q));
    }

    private void ComputeChunk(int item, int chunk, in AttentionLane lane, in AttentionState state)
    {
        var queryCount = _items.QueryCount(item);
        BlockedAttention.Begin(state, queryCount);
        var end = Math.Min((chunk + 1) * BlockedAttention.ChunkTokens, _items.SeenBy(item, queryCount - 1));
        for (var begin = chunk * BlockedAttention.ChunkTokens; begin < end; begin += BlockedAttention.BlockTokens)
        {
            var count = Math.Min(BlockedAttention.BlockTokens, end - begin);
            for (var q = 0; q < queryCount; q++) lane.Counts[q] = Math.Clamp(_items.SeenBy(item, q) - begin, 0, count);
            BlockedAttention.Add(lane.Queries, queryCount, _room.Width, _items.Scale, _items.Block(item, begin, count, lane), lane.Counts, lane.Scores, state);
        }
    }

    private void MergeChunks(int item)
    {
        var (queryCount, longest) = (_items.QueryCount(item), Longest(_items, item));
        if (queryCount == 0) return;
        var total = _room.Lane(0).Total;
        BlockedAttention.Begin(total, queryCount);
        for (var chunk = 0; chunk * BlockedAttention.ChunkTokens < longest; chunk++)
            BlockedAttention.Merge(total, _room.Split((item * _chunkCount) + chunk), queryCount);
        for (var q = 0; q < queryCount; q++) BlockedAttention.Finish(total, q, _items.Output(item, q));
    }
}
