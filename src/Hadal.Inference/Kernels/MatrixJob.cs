namespace Hadal.Inference.Kernels;

/// <summary>One product shared out over a crew.</summary>
internal readonly unsafe struct MatrixJob(WeightMatrix matrix, int threadCount, in ProjectionInput input, float* y, int yStride) : ICrewJob
{
    private readonly MatrixShare _share = new(matrix.Rows, input.TokenCount, threadCount);
    private readonly ProjectionInput _input = input;

    public int PartCount => _share.PartCount;

    public void Execute(int partIndex) => _share.Multiply(matrix, _input, y, yStride, partIndex);
}

/// <summary>How products are shared out in two dimensions, rows × tokens.</summary>
internal readonly unsafe struct MatrixShare
{
    /// <summary>Rows of a part are a multiple of this, so that tiles, panels and words of AWQ codes stay whole.</summary>
    public const int RowGrain = 32;

    /// <summary>Fewest tokens of a part: the decoded weights are used that often.</summary>
    private const int TokenGrain = 32;

    private readonly int _rowParts;
    private readonly int _tokenParts;

    /// <param name="rowCount">Rows of the largest matrix.</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="threadCount">Threads.</param>
    public MatrixShare(int rowCount, int tokenCount, int threadCount)
    {
        _rowParts = Math.Clamp(rowCount / RowGrain, 1, threadCount);
        _tokenParts = Math.Clamp(tokenCount / TokenGrain, 1, threadCount / _rowParts);
    }

    public int PartCount => _rowParts * _tokenParts;

    /// <summary>First row of a part.</summary>
    public static int Row(int rowCount, int part, int partCount) => part == partCount ? rowCount : Share(rowCount, part, partCount) / RowGrain * RowGrain;

    /// <summary>A part of a product.</summary>
    public void Multiply(WeightMatrix matrix, in ProjectionInput input, float* y, int yStride, int partIndex)
    {
        var (rowPart, tokenPart) = (partIndex / _tokenParts, partIndex % _tokenParts);
        int begin = Share(input.TokenCount, tokenPart, _tokenParts), end = Share(input.TokenCount, tokenPart + 1, _tokenParts);
        matrix.Multiply(
            input.Slice(begin, end - begin), y + ((long)begin * yStride), yStride, Row(matrix.Rows, rowPart, _rowParts), Row(matrix.Rows, rowPart + 1, _rowParts));
    }

    private static int Share(int count, int part, int parts) => (int)((long)count * part / parts);
}
