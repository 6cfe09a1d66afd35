namespace Hadal.Inference.Kernels;

/// <summary>Matrices that read the same activations: these are rounded once, and all products are one dispatch.</summary>
internal sealed unsafe class Projections(params WeightMatrix[] matrices)
{
    private readonly bool _readsQuantizedRows = matrices.Any(matrix => matrix.ReadsQuantizedRows);

    /// <summary>The products with up to three matrices.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="x">[tokenCount, in] without gaps.</param>
    /// <param name="tokenCount">Number of tokens.</param>
    /// <param name="y0">[tokenCount, out] of the first matrix, without gaps.</param>
    /// <param name="y1">Of the second.</param>
    /// <param name="y2">Of the third.</param>
    public void Multiply(ThreadCrew crew, float* x, int tokenCount, float* y0, float* y1 = null, float* y2 = null)
    {
        var columns = matrices[0].Columns;
        var input = crew.Activations.Prepare(crew, x, columns, tokenCount, columns, _readsQuantizedRows);
        var job = new Job(matrices, crew.ThreadCount, input, y0, y1, y2);
        crew.Run(ref job, job.PartCount);
    }

    /// <summary>Every part does its share of every matrix.</summary>
    private readonly struct Job : ICrewJob
    {
        private readonly WeightMatrix[] _matrices;
        private readonly MatrixShare _share;
        private readonly ProjectionInput _input;
        private readonly float* _y0;
        private readonly float* _y1;
        private readonly float* _y2;

        public Job(WeightMatrix[] matrices, int threadCount, in ProjectionInput input, float* y0, float* y1, float* y2)
        {
            _matrices = matrices;
            _input = input;
            _y0 = y0;
            _y1 = y1;
            _y2 = y2;
            var rows = 0;
            foreach (var matrix in matrices) rows = Math.Max(rows, matrix.Rows);
            _share = new MatrixShare(rows, input.TokenCount, threadCount);
        }

        public int PartCount => _share.PartCount;

        public void Execute(int partIndex)
        {
            for (var i = 0; i < _matrices.Length; i++)
                _share.Multiply(_matrices[i], _input, i == 0 ? _y0 : i == 1 ? _y1 : _y2, _matrices[i].Rows, partIndex);
        }
    }
}
