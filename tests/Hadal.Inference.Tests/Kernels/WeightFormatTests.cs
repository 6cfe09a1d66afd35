using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Tests.Kernels;

public abstract class PlainFormatTests : WeightMatrixConformance
{
    protected override IEnumerable<int> ColumnCounts => Enumerable.Range(1, 257).Concat([512, 576, 1536, 1555, 2048, 7168]);
}

public abstract class BlockFormatTests : WeightMatrixConformance
{
    protected override IEnumerable<int> ColumnCounts => [32, 64, 96, 128, 160, 192, 224, 256, 480, 512, 544, 576, 1408, 1536, 2048, 7168];

    protected override int OddColumns => 1408;
}

public abstract class SuperBlockFormatTests : WeightMatrixConformance
{
    protected override IEnumerable<int> ColumnCounts => [256, 512, 768, 1536, 2048, 7168];

    protected override int OddColumns => 768;
}

public abstract class AwqTests : WeightMatrixConformance
{
    protected override DType Format => DType.AwqInt4;

    protected override int RowCount => 24;
}

public sealed class F32Tests : PlainFormatTests
{
    protected override DType Format => DType.F32;
}

public sealed class F16Tests : PlainFormatTests
{
    protected override DType Format => DType.F16;
}

public sealed class BF16Tests : PlainFormatTests
{
    protected override DType Format => DType.BF16;
}

public sealed class F8E4M3Tests : PlainFormatTests
{
    protected override DType Format => DType.F8E4M3;
}

public sealed class I8Tests : PlainFormatTests
{
    protected override DType Format => DType.I8;
}

public sealed class I8GroupsOfNinetySixTests : WeightMatrixConformance
{
    protected override DType Format => DType.I8;

    protected override int GroupSize => 96;

    protected override IEnumerable<int> ColumnCounts => [96, 192, 288, 1152, 2112];
}

public sealed class Q40Tests : BlockFormatTests
{
    protected override DType Format => DType.Q4_0;
}

public sealed class Q41Tests : BlockFormatTests
{
    protected override DType Format => DType.Q4_1;
}

public sealed class Q50Tests : BlockFormatTests
{
    protected override DType Format => DType.Q5_0;
}

public sealed class Q51Tests : BlockFormatTests
{
    protected override DType Format => DType.Q5_1;
}

public sealed class Q80Tests : BlockFormatTests
{
    protected override DType Format => DType.Q8_0;
}

public sealed class Q4KTests : SuperBlockFormatTests
{
    protected override DType Format => DType.Q4_K;
}

public sealed class Q5KTests : SuperBlockFormatTests
{
    protected override DType Format => DType.Q5_K;
}

public sealed class Q6KTests : SuperBlockFormatTests
{
    protected override DType Format => DType.Q6_K;
}

public sealed class F8E4M3OverSeveralScaleRowsTests : WeightMatrixConformance
{
    protected override DType Format => DType.F8E4M3;

    protected override int RowCount => 131;

    protected override IEnumerable<int> ColumnCounts => [1, 127, 129, 300];
}

public sealed class AwqGroup32Tests : AwqTests
{
    protected override IEnumerable<int> ColumnCounts => [32, 64, 192, 512, 576, 1408, 2048];
}

public sealed class AwqGroup128Tests : AwqTests
{
    protected override int GroupSize => 128;

    protected override int RowCount => 144;

    protected override IEnumerable<int> ColumnCounts => [128, 512, 1408, 2048];
}

public sealed class AwqOddGroupTests : AwqTests
{
    protected override int GroupSize => 3;

    protected override int RowCount => 2080;

    protected override IEnumerable<int> ColumnCounts => [3, 6, 15, 51];
}
