using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>Cosine and sine of every pair at every position of the context, made once.</summary>
internal sealed class RopeTable
{
    private readonly float[] _cos;
    private readonly float[] _sin;
    private readonly int _pairs;

    public RopeTable(RotaryFrequencies frequencies, int maxContext)
    {
        _pairs = frequencies.PairCount;
        _cos = new float[checked(maxContext * _pairs)];
        _sin = new float[maxContext * _pairs];
        for (var position = 0; position < maxContext; position++)
            frequencies.Fill(position, _cos.AsSpan(position * _pairs, _pairs), _sin.AsSpan(position * _pairs, _pairs));
    }

    /// <summary>Bytes of a table.</summary>
    public static long Bytes(int rotaryDim, int maxContext) => (long)rotaryDim * maxContext * sizeof(float);

    /// <summary>Rotates pairs (2i, 2i + 1) of one head in place.</summary>
    public void Interleaved(Span<float> head, int position) =>
        RotaryEmbedding.ApplyInterleaved(head, _cos.AsSpan(position * _pairs, _pairs), _sin.AsSpan(position * _pairs, _pairs));

    /// <summary>Rotates pairs (i, i + d/2) of one head in place.</summary>
    public void HalfSplit(Span<float> head, int position) =>
        RotaryEmbedding.ApplyHalfSplit(head, _cos.AsSpan(position * _pairs, _pairs), _sin.AsSpan(position * _pairs, _pairs));
}
