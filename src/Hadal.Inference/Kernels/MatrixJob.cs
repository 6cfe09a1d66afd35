namespace Hadal.Inference.Kernels;

/// <summary>One product shared out over a crew in two dimensions, rows × tokens.</summary>
internal readonly unsafe struct MatrixJob : ICrewJob
{
    /// <summary>Rows of a part are a multiple of this, so that tiles of four rows and words of AWQ codes stay whole.</summary>
    private const int RowGrain = 16;

    /// <summary>Fewest tokens of a part: the decoded weights are used that often.</summary>
    private const int TokenGrain = 32;

    private readonly WeightMatrix _matrix;
    private readonly float* _x;
    private readonly float* _y;
    private readonly int _xStride;
    private readonly int _yStride;
    private readonly int _tokenCount;
    private readonly int _rowParts;
    private readonly int _tokenParts;

    public MatrixJob(WeightMatrix matrix, int threadCount, float* x, int xStride, int tokenCount, float* y, int yStride)
    {
        _matrix = matrix;
        _x = x;
        _y = y;
        _xStride = xStride;
        _yStride = yStride;
        _tokenCount = tokenCount;
        _rowParts = Math.Clamp(matrix.Rows / RowGrain, 1, threadCount);
        _tokenParts = Math.Clamp(tokenCount / TokenGrain, 1, threadCount / _rowParts);
    }

    public int PartCount => _rowParts * _tokenParts;

    public void Execute(int partIndex)
    {
        var (rowPart, tokenPart) = (partIndex / _tokenParts, partIndex % _tokenParts);
        int tokenBegin = Share(_tokenCount, _tokenParts, tokenPart), tokenEnd = Share(_tokenCount, _tokenParts, tokenPart + 1);
        _matrix.Multiply(
            _x + ((long)tokenBegin * _xStride), _xStride, tokenEnd - tokenBegin, _y + ((long)tokenBegin * _yStride), _yStride, Row(rowPart), Row(rowPart + 1));
    }

    private int Row(int part) => part == _rowParts ? _matrix.Rows : Share(_matrix.Rows, _rowParts, part) / RowGrain * RowGrain;

    private static int Share(int count, int parts, int part) => (int)((long)count * part / parts);
}
