// Integer tiles beside what the machine can do: GB/s of weights for one token, GMAC/s for many, one thread.
//   DOTNET_TieredCompilation=0 dotnet run bench/kernels.cs [-- --rows 8960] [--columns 1536] [--tokens 1,4,64,256] [--rounds 7] [--formats Q4_0,Q8_0] [--kernels Bits512,Dot256] [--footprint 256]
// Peaks are measured between the rounds of the kernels: bytes read from memory by 512-bit loads. The best of the rounds counts, in time that the thread ran; a row for each format, kernel and number of tokens.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AllowUnsafeBlocks=true
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

int rows = 8960, columns = 1536, rounds = 7, footprint = 256;
int[] tokenCounts = [1, 4, 64, 256];
var formats = new List<DType> { DType.Q4_0, DType.AwqInt4, DType.Q4_K, DType.Q5_K, DType.Q6_K, DType.Q8_0 };
var kernels = new[] { IntegerKernel.Bits512, IntegerKernel.Dot256, IntegerKernel.Bits256, IntegerKernel.Bits128 }.Where(IntegerKernels.IsSupported).ToArray();
for (var i = 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--rows": rows = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--columns": columns = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--rounds": rounds = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--footprint": footprint = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--tokens": tokenCounts = [.. args[i + 1].Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))]; break;
        case "--formats": formats = [.. args[i + 1].Split(',').Select(Enum.Parse<DType>)]; break;
        case "--kernels": kernels = [.. args[i + 1].Split(',').Select(Enum.Parse<IntegerKernel>)]; break;
        default: Console.Error.WriteLine($"kernels.cs: unknown option '{args[i]}'"); return 2;
    }
}

Console.WriteLine(Invariant($"{rows} x {columns}, one thread, vectors of {VectorWidth.Bits} bits, .NET {Environment.Version}; best of {rounds}"));
Console.WriteLine("| weights | kernel | tokens | ms | GMAC/s | GB/s | share of read bandwidth |");
Console.WriteLine("|---|---|---|---|---|---|---|");
using var crew = new ThreadCrew(1);
foreach (var format in formats) Measure(format);
return 0;

unsafe void Measure(DType format)
{
    using var store = new TileStore();
    using var random = new RandomMatrix(format, rows, columns);
    // Enough copies that none is in a cache when its turn comes again.
    var copies = new List<IntegerMatrix>();
    while (copies.Count == 0 || store.ByteCount < (long)footprint << 20) copies.Add(store.Add(random.Tensor));
    store.Repack(crew);
    var bytesEach = store.ByteCount / copies.Count;
    foreach (var tokens in tokenCounts)
    {
        var x = (float*)NativeMemory.AlignedAlloc((nuint)((long)tokens * columns * sizeof(float)), 64);
        var y = (float*)NativeMemory.AlignedAlloc((nuint)((long)tokens * rows * sizeof(float)), 64);
        var numbers = new Random(1);
        for (var i = 0; i < tokens * columns; i++) x[i] = numbers.NextSingle() - 0.5f;
        var input = crew.Activations.Prepare(crew, x, columns, tokens, columns, isQuantized: true);
        var best = new double[kernels.Length];
        Array.Fill(best, double.MaxValue);
        var bestRead = double.MaxValue;
        for (var round = -1; round < rounds; round++)
        {
            var watch = ThreadTime.Seconds();
            for (var c = 0; c < Math.Min(copies.Count, 8); c++) Read(copies[c]);
            var readSeconds = (ThreadTime.Seconds() - watch) / Math.Min(copies.Count, 8);
            if (round >= 0) bestRead = Math.Min(bestRead, readSeconds);
            for (var k = 0; k < kernels.Length; k++)
            {
                var count = tokens >= 16 ? 1 : Math.Max(copies.Count, 8);
                watch = ThreadTime.Seconds();
                for (var c = 0; c < count; c++) copies[c % copies.Count].Multiply(kernels[k], input.Quantized, tokens, y, rows, 0, rows);
                var seconds = (ThreadTime.Seconds() - watch) / count;
                if (round >= 0) best[k] = Math.Min(best[k], seconds);
            }
        }

        for (var k = 0; k < kernels.Length; k++)
        {
            Console.WriteLine(Invariant(
                $"| {format} | {kernels[k]} | {tokens} | {best[k] * 1e3:F3} | {(double)tokens * rows * columns / best[k] / 1e9:F1} | {bytesEach / best[k] / 1e9:F1} | {(tokens < 16 ? bestRead / best[k] : double.NaN):P0} |"));
        }

        NativeMemory.AlignedFree(x);
        NativeMemory.AlignedFree(y);
    }

    unsafe long Read(IntegerMatrix matrix)
    {
        var p = matrix.Slabs;
        Vector512<long> a = default, b = default, c = default, d = default;
        for (long i = 0; i <= bytesEach - 256; i += 256)
        {
            a ^= Vector512.Load((long*)(p + i));
            b ^= Vector512.Load((long*)(p + i + 64));
            c ^= Vector512.Load((long*)(p + i + 128));
            d ^= Vector512.Load((long*)(p + i + 192));
        }

        return Vector512.Sum(a ^ b ^ c ^ d);
    }
}

static string Invariant(FormattableString text) => FormattableString.Invariant(text);

/// <summary>How long this thread has run: waiting for a processor that others use does not count.</summary>
internal static partial class ThreadTime
{
    public static double Seconds()
    {
        if (ClockGetTime(ThreadCpuTime, out var time) != 0) throw new InvalidOperationException("expected a clock of thread time, which Linux has");
        return time.Seconds + (time.Nanoseconds * 1e-9);
    }

    private const int ThreadCpuTime = 3;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}

/// <summary>Random codes with small scales.</summary>
internal sealed unsafe class RandomMatrix : IDisposable
{
    private readonly List<nint> _memory = [];

    public RandomMatrix(DType format, int rows, int columns)
    {
        var random = new Random(7);
        if (format == DType.AwqInt4)
        {
            var groups = columns / 128;
            Tensor = new WeightTensor("w", format, [rows, columns], Bytes(random, (long)rows * columns / 2, 0), (long)rows * columns / 2)
            {
                AwqZeros = new WeightTensor("z", DType.I32, [groups, rows / 8], Bytes(random, (long)groups * rows / 2, 0), (long)groups * rows / 2),
                AwqScales = new WeightTensor("s", DType.F16, [groups, rows], Bytes(random, (long)groups * rows * 2, 2), (long)groups * rows * 2),
            };
            return;
        }

        var bytes = (long)rows * columns / format.BlockSize() * format.BlockBytes();
        var data = Bytes(random, bytes, 0);
        for (long block = 0; block < bytes; block += format.BlockBytes())
        {
            *(Half*)(data + block + (format == DType.Q6_K ? 208 : 0)) = (Half)0.01f;
            if (format is DType.Q4_1 or DType.Q5_1 or DType.Q4_K or DType.Q5_K) *(Half*)(data + block + 2) = (Half)0.01f;
        }

        Tensor = new WeightTensor("w", format, [rows, columns], data, bytes);
    }

    public WeightTensor Tensor { get; }

    public void Dispose() => _memory.ForEach(block => NativeMemory.AlignedFree((void*)block));

    private byte* Bytes(Random random, long count, int halfBytes)
    {
        var data = (byte*)NativeMemory.AlignedAlloc((nuint)count, 64);
        _memory.Add((nint)data);
        for (long i = 0; i < count; i += 1 << 20) random.NextBytes(new Span<byte>(data + i, (int)Math.Min(1 << 20, count - i)));
        for (long i = 0; halfBytes > 0 && i < count; i += halfBytes) *(Half*)(data + i) = (Half)0.01f;
        return data;
    }
}
