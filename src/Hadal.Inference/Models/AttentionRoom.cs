using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>Scratch of one thread for attention.</summary>
/// <param name="queries">[queries, width].</param>
/// <param name="scores">[queries, 64].</param>
/// <param name="counts">[queries].</param>
/// <param name="keys">One block of keys as floats.</param>
/// <param name="values">One block of values as floats.</param>
/// <param name="part">State of a chunk.</param>
/// <param name="total">State of an item.</param>
internal readonly unsafe struct AttentionLane(float* queries, float* scores, int* counts, float* keys, float* values, AttentionState part, AttentionState total)
{
    public float* Queries { get; } = queries;

    public float* Scores { get; } = scores;

    public int* Counts { get; } = counts;

    public float* Keys { get; } = keys;

    public float* Values { get; } = values;

    public AttentionState Part { get; } = part;

    public AttentionState Total { get; } = total;
}

/// <summary>Scratch of attention: a lane per thread, and states of chunks that are computed apart.</summary>
internal sealed unsafe class AttentionRoom
{
    /// <summary>Queries of an item that may be split into chunks, at most.</summary>
    public const int SplitQueries = 16;

    /// <summary>Floats of the states of chunks, at most; a longer cache is not split.</summary>
    private const long MaxSplitFloats = 4 << 20;

    private readonly AttentionLane[] _lanes;
    private readonly float* _splits;
    private readonly int _valueWidth;

    private AttentionRoom(AttentionLane[] lanes, float* splits, int splitCount, int width, int valueWidth)
    {
        _lanes = lanes;
        _splits = splits;
        SplitCount = splitCount;
        (Width, _valueWidth) = (width, valueWidth);
    }

    /// <summary>Width of a query and a key.</summary>
    public int Width { get; }

    /// <summary>Number of states for chunks.</summary>
    public int SplitCount { get; }

    /// <summary>The lane of a thread.</summary>
    public AttentionLane Lane(int thread) => _lanes[thread];

    /// <summary>The state of a chunk of up to <see cref="SplitQueries"/> queries.</summary>
    public AttentionState Split(int index) =>
        AttentionState.At(_splits + (index * AttentionState.FloatCount(SplitQueries, _valueWidth)), SplitQueries, _valueWidth);

    /// <summary>Takes the scratch from a cursor.</summary>
    /// <param name="cursor">Over memory, or over none to count.</param>
    /// <param name="options">Threads.</param>
    /// <param name="context">Longest cache.</param>
    /// <param name="queries">Queries of an item at most.</param>
    /// <param name="width">Width of a key.</param>
    /// <param name="valueWidth">Width of a value.</param>
    /// <param name="keyRoom">Floats of a lane to convert keys.</param>
    /// <param name="valueRoom">Floats of a lane to convert values.</param>
    public static AttentionRoom Place(
        ref ScratchCursor cursor, EngineOptions options, int context, int queries, int width, int valueWidth, long keyRoom, long valueRoom)
    {
        var lanes = new AttentionLane[options.ThreadCount];
        for (var i = 0; i < lanes.Length; i++)
        {
            lanes[i] = new AttentionLane(
                cursor.Take((long)queries * width),
                cursor.Take((long)queries * BlockedAttention.BlockTokens),
                (int*)cursor.Take(queries),
                cursor.Take(keyRoom),
                cursor.Take(valueRoom),
                AttentionState.At(cursor.Take(AttentionState.FloatCount(queries, valueWidth)), queries, valueWidth),
                AttentionState.At(cursor.Take(AttentionState.FloatCount(queries, valueWidth)), queries, valueWidth));
        }

        var chunks = (context + BlockedAttention.ChunkTokens - 1) / BlockedAttention.ChunkTokens;
        var stateFloats = AttentionState.FloatCount(SplitQueries, valueWidth);
        var splitCount = options.ThreadCount == 1 || chunks == 1 ? 0 : (int)Math.Min(2L * options.ThreadCount * chunks, MaxSplitFloats / stateFloats);
        return new AttentionRoom(lanes, cursor.Take(splitCount * stateFloats), splitCount, width, valueWidth);
    }
}
