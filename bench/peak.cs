// What this machine can do, as other figures are shares of it: dotnet run dev.cs -- peak [--threads N] [--rounds N] [--only memory] [--json]
// GB/s at which 512 MiB are read from memory, and GMAC/s of products in registers: float32 fused, and each integer instruction set that tiles are written for. The best of the rounds counts.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AllowUnsafeBlocks=true
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;
using Hadal.Inference.Kernels.Lanes;

int rounds = 7;
var threadCounts = Enumerable.Range(0, 16).Select(i => 1 << i).Where(n => n < Environment.ProcessorCount).Append(Environment.ProcessorCount).ToArray();
var json = args.Contains("--json");
var onlyMemory = args.Contains("--only");
for (var i = 0; i < args.Length; i++)
{
    var value = i + 1 < args.Length ? args[i + 1] : "";
    switch (args[i])
    {
        case "--json": continue;
        case "--threads" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var threads) && threads is >= 1 and <= 1024: threadCounts = [threads]; break;
        case "--rounds" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out rounds) && rounds >= 1: break;
        case "--only" when value == "memory": break;
        default:
            Console.Error.WriteLine($"peak.cs: expected --threads 1 to 1024, --rounds 1 or more, --only memory, --json, found '{args[i]} {value}'");
            return 2;
    }

    i++;
}

var lines = new List<(int Threads, string What, double Rate, string Unit)>();
foreach (var threads in threadCounts)
{
    using var crew = new ThreadCrew(threads);
    lines.Add((threads, "memory read", Read(crew, threads), "GB/s"));
    if (onlyMemory) continue;
    if (Vector512.IsHardwareAccelerated) lines.Add((threads, "float32, 512 bit", Rate(crew, new FloatJob<Lanes512, Vector512<float>>()), "GMAC/s"));
    if (Vector256.IsHardwareAccelerated) lines.Add((threads, "float32, 256 bit", Rate(crew, new FloatJob<Lanes256, Vector256<float>>()), "GMAC/s"));
    if (Vector128.IsHardwareAccelerated) lines.Add((threads, "float32, 128 bit", Rate(crew, new FloatJob<Lanes128, Vector128<float>>()), "GMAC/s"));
    Integer<Bytes512, Vector512<byte>, Vector512<float>>(IntegerKernel.Bits512, "AVX-512BW");
    Integer<Dot256, Vector256<byte>, Vector256<float>>(IntegerKernel.Dot256, "AVX-VNNI");
    Integer<Bytes256, Vector256<byte>, Vector256<float>>(IntegerKernel.Bits256, "AVX2");
    Integer<Bytes128, Vector128<byte>, Vector128<float>>(IntegerKernel.Bits128, "SSSE3");
    Integer<Dot128, Vector128<byte>, Vector128<float>>(IntegerKernel.Dot128, "NEON SDOT");

    void Integer<TBytes, TVector, TFloat>(IntegerKernel kernel, string name)
        where TBytes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct
    {
        if (IntegerKernels.IsSupported(kernel)) lines.Add((threads, "int8, " + name, Rate(crew, new IntegerJob<TBytes, TVector, TFloat>()), "GMAC/s"));
    }
}

if (json)
{
    Console.WriteLine("[" + string.Join(",", lines.Select(line =>
        FormattableString.Invariant($"{{\"threads\":{line.Threads},\"what\":\"{line.What}\",\"rate\":{line.Rate:F2},\"unit\":\"{line.Unit}\"}}"))) + "]");
    return 0;
}

Console.WriteLine("| threads | what | rate |");
Console.WriteLine("|---|---|---|");
foreach (var line in lines) Console.WriteLine(FormattableString.Invariant($"| {line.Threads} | {line.What} | {line.Rate:F1} {line.Unit} |"));
return 0;

unsafe double Read(ThreadCrew crew, int threads)
{
    const long length = 512L << 20;
    using var arena = new TileArena();
    var data = arena.Take(length);
    new Span<byte>(data, (int)length).Fill(1);
    var best = double.MaxValue;
    for (var round = 0; round <= rounds; round++)
    {
        var job = new ReadJob(data, length / threads & -256);
        var start = Stopwatch.GetTimestamp();
        crew.Run(ref job, threads);
        if (round > 0) best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    return (length / threads & -256) * threads / best / 1e9;
}

double Rate<TJob>(ThreadCrew crew, TJob job)
    where TJob : struct, IRegisterJob
{
    var best = double.MaxValue;
    for (var round = 0; round <= rounds; round++)
    {
        var start = Stopwatch.GetTimestamp();
        crew.Run(ref job, crew.ThreadCount);
        if (round > 0) best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    return TJob.Products * crew.ThreadCount / best / 1e9;
}

internal interface IRegisterJob : ICrewJob
{
    /// <summary>Products of one part.</summary>
    static abstract double Products { get; }
}

internal readonly unsafe struct ReadJob(byte* data, long length) : ICrewJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Execute(int partIndex)
    {
        var p = data + (partIndex * length);
        Vector512<long> a = default, b = default, c = default, d = default;
        for (long i = 0; i < length; i += 256)
        {
            a ^= Vector512.Load((long*)(p + i));
            b ^= Vector512.Load((long*)(p + i + 64));
            c ^= Vector512.Load((long*)(p + i + 128));
            d ^= Vector512.Load((long*)(p + i + 192));
        }

        Sink.Keep(Vector512.Sum(a ^ b ^ c ^ d));
    }
}

/// <summary>Twelve chains of fused products in registers.</summary>
internal readonly unsafe struct FloatJob<TLanes, TVector> : IRegisterJob
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    private const int Steps = 4_000_000;

    public static double Products => 12.0 * Steps * TLanes.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Execute(int partIndex)
    {
        TVector a = TLanes.Zero, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a, x = TLanes.Broadcast(0.5f), y = TLanes.Broadcast(1.5f);
        for (var step = 0; step < Steps; step++)
        {
            a = TLanes.MultiplyAdd(x, y, a);
            b = TLanes.MultiplyAdd(x, y, b);
            c = TLanes.MultiplyAdd(x, y, c);
            d = TLanes.MultiplyAdd(x, y, d);
            e = TLanes.MultiplyAdd(x, y, e);
            f = TLanes.MultiplyAdd(x, y, f);
            g = TLanes.MultiplyAdd(x, y, g);
            h = TLanes.MultiplyAdd(x, y, h);
            i = TLanes.MultiplyAdd(x, y, i);
            j = TLanes.MultiplyAdd(x, y, j);
            k = TLanes.MultiplyAdd(x, y, k);
            l = TLanes.MultiplyAdd(x, y, l);
        }

        var sum = TLanes.Add(TLanes.Add(TLanes.Add(a, b), TLanes.Add(c, d)), TLanes.Add(TLanes.Add(e, f), TLanes.Add(g, h)));
        Sink.Keep((long)TLanes.Sum(TLanes.Add(sum, TLanes.Add(TLanes.Add(i, j), TLanes.Add(k, l)))));
    }
}

/// <summary>Eight accumulators of codes times activations in registers, as in a tile.</summary>
internal readonly unsafe struct IntegerJob<TBytes, TVector, TFloat> : IRegisterJob
    where TBytes : struct, IByteLanes<TVector, TFloat>
    where TVector : struct
    where TFloat : struct
{
    private const int Steps = 4_000_000;

    public static double Products => 8.0 * Steps * TBytes.ByteCount;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Execute(int partIndex)
    {
        var room = stackalloc byte[256];
        var p = (byte*)(((nint)room + 63) & ~63);
        for (var n = 0; n < 128; n++) p[n] = (byte)(n & 1);
        TVector w = TBytes.Load(p), v = TBytes.Load(p + 64);
        TVector a = TBytes.And(w, 0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (var step = 0; step < Steps; step++)
        {
            // Read again each time: a product of what does not change would be computed once.
            var x = TBytes.Load(p + (step & 64));
            a = TBytes.MultiplyAdd(a, w, x);
            b = TBytes.MultiplyAdd(b, v, x);
            x = TBytes.Load(p + ((step + 1) & 64));
            c = TBytes.MultiplyAdd(c, w, x);
            d = TBytes.MultiplyAdd(d, v, x);
            x = TBytes.Load(p + ((step + 2) & 64));
            e = TBytes.MultiplyAdd(e, w, x);
            f = TBytes.MultiplyAdd(f, v, x);
            x = TBytes.Load(p + ((step + 3) & 64));
            g = TBytes.MultiplyAdd(g, w, x);
            h = TBytes.MultiplyAdd(h, v, x);
        }

        TBytes.Store(p, TBytes.Or(TBytes.Or(TBytes.Or(a, b), TBytes.Or(c, d)), TBytes.Or(TBytes.Or(e, f), TBytes.Or(g, h))));
        Sink.Keep(*(long*)p);
    }
}

/// <summary>Keeps results from being left out.</summary>
internal static class Sink
{
    private static long _value;

    public static void Keep(long value) => Volatile.Write(ref _value, value);
}
