using static TorchSharp.torch;

namespace Hadal.Training.Data.Examples;

/// <summary>Examples that are computed at once: rows of one or several, padded at the end.</summary>
/// <remarks>Attention looks back only, so that padding changes nothing before it; where a row has several examples, none sees its neighbours.</remarks>
/// <param name="rows">The examples of each row.</param>
internal sealed class ExampleBatch(IReadOnlyList<IReadOnlyList<TrainingExample>> rows)
{
    /// <summary>Lengths repeat when they are multiples of this. oneDNN makes machine code for every shape it meets and keeps a thousand of them.</summary>
    private const int LengthMultiple = 16;

    /// <summary>Tokens of a row.</summary>
    public int Width { get; } = (rows.Max(row => row.Sum(example => example.Ids.Length)) + LengthMultiple - 1) / LengthMultiple * LengthMultiple;

    /// <summary>The examples and where in the flattened batch each begins, in order.</summary>
    public IEnumerable<(TrainingExample Example, long Begin)> Examples
    {
        get
        {
            for (var row = 0; row < rows.Count; row++)
            {
                var begin = (long)row * Width;
                foreach (var example in rows[row])
                {
                    yield return (example, begin);
                    begin += example.Ids.Length;
                }
            }
        }
    }

    /// <summary>Tokens without padding.</summary>
    public long TokenCount => rows.Sum(row => row.Sum(example => (long)example.Ids.Length));

    /// <summary>[rows, width], int64.</summary>
    public Tensor Ids(Device device)
    {
        var ids = new long[rows.Count * Width];
        foreach (var (example, begin) in Examples)
            for (var index = 0; index < example.Ids.Length; index++) ids[begin + index] = example.Ids[index];
        return tensor(ids, [rows.Count, Width], device: device);
    }

    /// <summary>[rows, width], int64, the number of each token's example within its row; null where each row is one example.</summary>
    public Tensor? Documents(Device device)
    {
        if (rows.All(row => row.Count == 1)) return null;
        var documents = new long[rows.Count * Width];
        Array.Fill(documents, -1);
        var number = 0L;
        foreach (var (example, begin) in Examples)
        {
            Array.Fill(documents, number, (int)begin, example.Ids.Length);
            number++;
        }

        return tensor(documents, [rows.Count, Width], device: device);
    }

    /// <summary>Where the labels are and what they say.</summary>
    /// <param name="shift">1: a position is that of the token before, which predicts the label; 0: the token's own.</param>
    /// <returns>Positions in the flattened batch, and labels.</returns>
    public (long[] Positions, long[] Labels) Labels(int shift)
    {
        var (positions, labels) = (new List<long>(), new List<long>());
        foreach (var (example, begin) in Examples)
        {
            for (var index = shift; index < example.Labels.Length; index++)
            {
                if (example.Labels[index] == TrainingExample.NoLabel) continue;
                positions.Add(begin + index - shift);
                labels.Add(example.Labels[index]);
            }
        }

        return ([.. positions], [.. labels]);
    }
}
