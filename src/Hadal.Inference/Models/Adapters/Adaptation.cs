using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.Adapters;

/// <summary>Adds the adapters of a pass to the outputs of a projection.</summary>
internal static unsafe class Adaptation
{
    /// <summary>Outputs of a share are a multiple of this.</summary>
    private const int OutputGrain = 16;

    /// <summary>Adapts all outputs, shared out over a crew. Without adapters in the pass it does nothing.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="pass">Rows and the adapters of their sequences.</param>
    /// <param name="site">Number of the projection.</param>
    /// <param name="x">[rows, in], what the projection read, without gaps.</param>
    /// <param name="inputCount">in.</param>
    /// <param name="y">[rows, out], what it gave, without its bias and without gaps.</param>
    /// <param name="outputCount">out.</param>
    public static void Apply(ThreadCrew crew, Pass pass, int site, float* x, int inputCount, float* y, int outputCount) => Apply(crew, pass, default, site, x, inputCount, y, outputCount);

    /// <summary>Adapts all outputs of some rows of a pass, shared out over a crew. Without adapters in the pass it does nothing.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="pass">Rows and the adapters of their sequences.</param>
    /// <param name="rows">Which rows, those of one sequence together; all of them where it is empty.</param>
    /// <param name="site">Number of the projection.</param>
    /// <param name="x">[rows, in], without gaps.</param>
    /// <param name="inputCount">in.</param>
    /// <param name="y">[rows, out], without its bias and without gaps.</param>
    /// <param name="outputCount">out.</param>
    public static void Apply(ThreadCrew crew, Pass pass, ReadOnlyMemory<int> rows, int site, float* x, int inputCount, float* y, int outputCount)
    {
        if (!pass.HasAdapters) return;
        var job = new Job(pass, rows, site, x, inputCount, y, outputCount, crew.ThreadCount);
        crew.Run(ref job, crew.ThreadCount);
    }

    /// <summary>Adapts outputs [begin, end), for a share of the work.</summary>
    public static void ApplyShare(Pass pass, int site, float* x, int inputCount, float* y, int outputCount, int begin, int end)
    {
        for (var p = 0; p < pass.PieceCount && begin < end; p++)
        {
            ref readonly var piece = ref pass.Pieces[p];
            piece.Adapter?.At(site)?.Apply(
                x + ((long)piece.RowBegin * inputCount), inputCount, piece.RowCount, y + ((long)piece.RowBegin * outputCount), outputCount, begin, end);
        }
    }

    /// <summary>Adapts outputs [begin, end) of tokens in an order of their own, for a share of the work.</summary>
    /// <param name="pass">Rows and the adapters of their sequences.</param>
    /// <param name="rows">The row of the pass that each token is; tokens of one sequence stand together.</param>
    /// <param name="site">Number of the projection.</param>
    /// <param name="x">[tokens, in], without gaps.</param>
    /// <param name="inputCount">in.</param>
    /// <param name="y">[tokens, out], without gaps.</param>
    /// <param name="outputCount">out.</param>
    /// <param name="begin">First output.</param>
    /// <param name="end">Output behind the last.</param>
    public static void ApplyShare(Pass pass, ReadOnlySpan<int> rows, int site, float* x, int inputCount, float* y, int outputCount, int begin, int end)
    {
        for (int first = 0, next; first < rows.Length && begin < end; first = next)
        {
            var piece = pass.PieceOfRow[rows[first]];
            for (next = first + 1; next < rows.Length && pass.PieceOfRow[rows[next]] == piece; next++) continue;
            pass.Pieces[piece].Adapter?.At(site)?.Apply(x + ((long)first * inputCount), inputCount, next - first, y + ((long)first * outputCount), outputCount, begin, end);
        }
    }

    /// <summary>Adds to the embeddings of a pass what its adapters have for their tokens.</summary>
    /// <param name="pass">Rows and the adapters of their sequences.</param>
    /// <param name="site">Number of the table.</param>
    /// <param name="y">[rows, hidden_size], without gaps.</param>
    /// <param name="width">hidden_size.</param>
    public static void ApplyToTokens(Pass pass, int site, float* y, int width)
    {
        for (var p = 0; pass.HasAdapters && p < pass.PieceCount; p++)
        {
            ref readonly var piece = ref pass.Pieces[p];
            if (piece.Adapter?.At(site) is not { } table) continue;
            for (var row = piece.RowBegin; row < piece.RowBegin + piece.RowCount; row++) table.ApplyToToken(pass.TokenIds[row], y + ((long)row * width));
        }
    }

    /// <summary>Rows of the pass are empty where all are meant, in order.</summary>
    private readonly struct Job(Pass pass, ReadOnlyMemory<int> rows, int site, float* x, int inputCount, float* y, int outputCount, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            if (rows.IsEmpty) ApplyShare(pass, site, x, inputCount, y, outputCount, Output(partIndex), Output(partIndex + 1));
            else ApplyShare(pass, rows.Span, site, x, inputCount, y, outputCount, Output(partIndex), Output(partIndex + 1));
        }

        private int Output(int part) => part == partCount ? outputCount : (int)((long)outputCount * part / partCount) / OutputGrain * OutputGrain;
    }
}
