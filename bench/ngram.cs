// Bits per byte of an interpolated modified Kneser-Ney n-gram model, and of xz, on a held-out text: what hadal-mini is measured against.
//   dotnet run bench/ngram.cs -- --run artifacts/hadal-mini [--bytes] [--order 5] [--xz]           the texts and the tokenizer of a pretraining run
//   dotnet run bench/ngram.cs -- --train train.txt --heldout heldout-en.txt heldout-zh.txt [--tokenizer DIR] [--order 5] [--xz]
// Symbols are bytes, or the tokens of --tokenizer or of the run; both are scored per byte of the held-out text.
// Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling", section 3 (modified Kneser-Ney).
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Checkpoints/Hadal.Checkpoints.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text;
using Hadal.Checkpoints.Text;

string? trainPath = null, tokenizerPath = null, runPath = null;
List<string> heldOutPaths = [];
var order = 5;
var withXz = false;
var overBytes = false;
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--train": trainPath = args[++i]; break;
        case "--tokenizer": tokenizerPath = args[++i]; break;
        case "--order": order = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--xz": withXz = true; break;
        case "--run": runPath = args[++i]; break;
        case "--bytes": overBytes = true; break;
        case "--heldout": while (i + 1 < args.Length && !args[i + 1].StartsWith('-')) heldOutPaths.Add(args[++i]); break;
        default: Console.Error.WriteLine($"ngram.cs: unknown option '{args[i]}'"); return 2;
    }
}

if (runPath is not null)
{
    tokenizerPath = Path.Combine(runPath, "tokenizer");
    heldOutPaths.AddRange(Directory.GetFiles(Path.Combine(runPath, "data"), "heldout-*.txt").Order());
    trainPath = WriteTrainingText(runPath, TokenizerLoader.FromDirectory(tokenizerPath));
}

if (trainPath is null || heldOutPaths.Count == 0)
{
    Console.Error.WriteLine("ngram.cs: needs --run DIR, or --train FILE and --heldout FILE…");
    return 2;
}

var tokenizer = tokenizerPath is null || overBytes ? null : TokenizerLoader.FromDirectory(tokenizerPath);
var symbolCount = tokenizer?.VocabSize ?? 256;
var watch = Stopwatch.StartNew();
var model = new KneserNey(Symbols(trainPath), symbolCount, order);
Console.Error.WriteLine($"trained on {trainPath} in {watch.Elapsed.TotalSeconds:F0} s");

foreach (var path in heldOutPaths)
{
    var bits = model.Bits(Symbols(path));
    var bytes = new FileInfo(path).Length;
    Console.WriteLine(Invariant($"{order}-gram over {(tokenizer is null ? "bytes" : "tokens")}  {Path.GetFileName(path)}  {bits / bytes:F4} bits per byte ({bytes} bytes)"));
}

if (withXz)
{
    // A dictionary wider than the text, so that all of the training text stays in reach of the held-out text.
    var trainSize = XzSize(trainPath);
    foreach (var path in heldOutPaths)
    {
        var bytes = new FileInfo(path).Length;
        Console.WriteLine(Invariant($"xz -9  {Path.GetFileName(path)} alone  {8.0 * XzSize(path) / bytes:F4} bits per byte"));
        Console.WriteLine(Invariant($"xz -9  {Path.GetFileName(path)} after the training text  {8.0 * (XzSize(trainPath, path) - trainSize) / bytes:F4} bits per byte"));
    }
}

return 0;

static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

int[] Symbols(string path)
{
    if (tokenizer is null) return Array.ConvertAll(File.ReadAllBytes(path), value => (int)value);

    // By lines, so that no single string grows with the file; the pre-tokenizer never joins text across a line break and a letter.
    List<int> symbols = [];
    var buffer = new StringBuilder();
    foreach (var line in File.ReadLines(path, Encoding.UTF8))
    {
        buffer.Append(line).Append('\n');
        if (buffer.Length < 1 << 16) continue;
        symbols.AddRange(tokenizer.Encode(buffer.ToString(), addSpecial: false));
        buffer.Clear();
    }

    symbols.AddRange(tokenizer.Encode(buffer.ToString(), addSpecial: false));
    return [.. symbols];
}

// The text of a run's token files, whose ids are 16 bits wide; control tokens between documents are left out.
static string WriteTrainingText(string runPath, Tokenizer tokenizer)
{
    var path = Path.Combine(runPath, "data", "train.txt");
    using var text = File.Create(path);
    foreach (var file in Directory.GetFiles(Path.Combine(runPath, "data"), "train-*.bin").Order())
    {
        foreach (var id in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(File.ReadAllBytes(file)))
        {
            if (!tokenizer.IsControl(id)) text.Write(tokenizer.TokenBytes(id));
        }
    }

    return path;
}

static long XzSize(params string[] paths)
{
    using var process = Process.Start(new ProcessStartInfo("xz", ["-9", "--lzma2=preset=9,dict=128MiB", "-T1", "-c"])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!;
    var feed = Task.Run(() =>
    {
        foreach (var path in paths)
        {
            using var file = File.OpenRead(path);
            file.CopyTo(process.StandardInput.BaseStream);
        }

        process.StandardInput.Close();
    });
    var buffer = new byte[1 << 16];
    var size = 0L;
    for (int count; (count = process.StandardOutput.BaseStream.Read(buffer)) > 0;) size += count;
    feed.Wait();
    process.WaitForExit();
    return size;
}

/// <summary>Counts of one order: of n-grams, and per context the total and how many continuations were seen once, twice, more often.</summary>
internal sealed class Order
{
    public readonly Dictionary<UInt128, int> Grams = [];
    public readonly Dictionary<UInt128, (int Total, int Once, int Twice, int More)> Contexts = [];
    public double Once, Twice, More;

    /// <summary>The three discounts from the counts of counts (Chen and Goodman, equation 26).</summary>
    public void Estimate(int bitsPerSymbol)
    {
        Span<double> countsOfCounts = stackalloc double[5];
        foreach (var (gram, count) in Grams)
        {
            if (count <= 4) countsOfCounts[count]++;
            var context = gram >> bitsPerSymbol;
            ref var stats = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(Contexts, context, out _);
            stats.Total += count;
            if (count == 1) stats.Once++;
            else if (count == 2) stats.Twice++;
            else stats.More++;
        }

        var y = countsOfCounts[1] / Math.Max(1, countsOfCounts[1] + 2 * countsOfCounts[2]);
        Once = Discount(1, y, countsOfCounts);
        Twice = Discount(2, y, countsOfCounts);
        More = Discount(3, y, countsOfCounts);
    }

    public double Of(int count) => count switch { 0 => 0, 1 => Once, 2 => Twice, _ => More };

    // With a small alphabet a low order may have no n-gram that was seen once; the discount is then the classic 0.5.
    private static double Discount(int k, double y, ReadOnlySpan<double> n) =>
        n[k] > 0 && n[k + 1] > 0 ? Math.Clamp(k - (k + 1) * y * n[k + 1] / n[k], 0, k) : 0.5;
}

/// <summary>Interpolated modified Kneser-Ney: raw counts at the highest order, continuation counts below, the uniform distribution at the bottom.</summary>
internal sealed class KneserNey
{
    private readonly Order[] _orders;
    private readonly int _symbolCount;
    private readonly int _bits;

    public KneserNey(int[] symbols, int symbolCount, int order)
    {
        _symbolCount = symbolCount;
        _bits = 32 - int.LeadingZeroCount(symbolCount);
        if (_bits * order > 128) throw new ArgumentException($"{order} symbols of {_bits} bits do not fit 128 bits");
        _orders = new Order[order];
        for (var n = order; n >= 1; n--)
        {
            var counts = _orders[n - 1] = new Order();
            if (n == order)
            {
                for (var end = n; end <= symbols.Length; end++) Add(counts.Grams, Key(symbols.AsSpan(end - n, n)));
            }
            else
            {
                // How many different symbols precede this n-gram: one for each different (n + 1)-gram that ends in it.
                var mask = (UInt128.One << (_bits * n)) - 1;
                foreach (var longer in _orders[n].Grams.Keys) Add(counts.Grams, longer & mask);
            }
        }

        foreach (var counts in _orders) counts.Estimate(_bits);
    }

    /// <summary>Total code length of the symbols, in bits; each is predicted from the order − 1 before it.</summary>
    public double Bits(int[] symbols)
    {
        var bits = 0.0;
        for (var i = 0; i < symbols.Length; i++)
        {
            var probability = 1.0 / _symbolCount;
            for (var n = 1; n <= Math.Min(_orders.Length, i + 1); n++)
            {
                var gram = Key(symbols.AsSpan(i - n + 1, n));
                var counts = _orders[n - 1];
                if (!counts.Contexts.TryGetValue(gram >> _bits, out var context)) break;
                counts.Grams.TryGetValue(gram, out var count);
                var left = counts.Once * context.Once + counts.Twice * context.Twice + counts.More * context.More;
                probability = (count - counts.Of(count) + left * probability) / context.Total;
            }

            bits -= Math.Log2(probability);
        }

        return bits;
    }

    private static void Add(Dictionary<UInt128, int> counts, UInt128 key) =>
        System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(counts, key, out _)++;

    private UInt128 Key(ReadOnlySpan<int> symbols)
    {
        var key = UInt128.Zero;
        foreach (var symbol in symbols) key = (key << _bits) | (uint)symbol;
        return key;
    }
}
