using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.Adapters;

/// <summary>The table of embeddings or output head that peft saves beside an adapter of it (<c>save_embedding_layers</c>).</summary>
internal static unsafe class AdaptedTable
{
    /// <summary>Refuses an adapter whose table is another than the model's, because an adapter shares the model it stands beside.</summary>
    /// <param name="path">The adapter.</param>
    /// <param name="module">What it adapts; without a table it is right.</param>
    /// <param name="table">The model's table or head, [vocab_size, hidden_size]; one in few bits is near enough to any other to say nothing.</param>
    /// <exception cref="CheckpointException">The tables differ by more than rounding to 8 bits of mantissa.</exception>
    public static void EnsureSame(string path, LoraModule module, WeightTensor table)
    {
        if (module.Table is not { } brought || table.DType is not (DType.F32 or DType.F16 or DType.BF16)) return;
        var (own, other) = (WeightMatrix.Create(table), WeightMatrix.Create(brought));
        float[] mine = new float[own.Columns], theirs = new float[own.Columns];
        fixed (float* x = mine, y = theirs)
        {
            for (var token = 0; token < own.Rows; token++)
            {
                own.DequantizeRow(token, x);
                other.DequantizeRow(token, y);
                for (var i = 0; i < mine.Length; i++)
                {
                    if (!(Math.Abs(x[i] - y[i]) <= (LoraModule.TableRelative * Math.Abs(x[i])) + LoraModule.TableAbsolute)) throw module.OtherTable(path);
                }
            }
        }
    }
}
