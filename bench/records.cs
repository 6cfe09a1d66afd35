// What memory hadal-train needs for a file of records: one step on hadal-mini, the records of a made-up file read and encoded first. Peak of the process, by size and kind of file.
//   dotnet run -c Release bench/records.cs -- [--megabytes 16,160,1600] [--forms jsonl,csv,parquet] [--rows 10000] [--threads 1] [--folder artifacts/records]
// Questions and answers of some 300 bytes; --rows is the size of a row group of Parquet. DOTNET_GCHeapHardLimit=0x10000000 bounds what the collector may hold to 256 MiB. Every run is a process of its own.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Training/Hadal.Training.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Hadal.Training.Trainers;
using Parquet.Serialization;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var options = new Dictionary<string, string> { ["--megabytes"] = "16,160,1600", ["--forms"] = "jsonl,csv,parquet", ["--rows"] = "10000", ["--threads"] = "1", ["--folder"] = "artifacts/records", ["--run"] = "" };
for (var index = 0; index + 1 < args.Length; index += 2)
{
    if (!options.ContainsKey(args[index]))
    {
        Console.Error.WriteLine($"records.cs: unknown option {args[index]}");
        return 2;
    }

    options[args[index]] = args[index + 1];
}

var folder = Directory.CreateDirectory(options["--folder"]).FullName;
if (options["--run"] != "") return Run(options["--run"]);

foreach (var form in options["--forms"].Split(','))
    foreach (var megabytes in options["--megabytes"].Split(',').Select(text => long.Parse(text, CultureInfo.InvariantCulture)))
    {
        var path = Path.Combine(folder, $"records-{megabytes}.{form}");
        var count = await WriteAsync(path, form, megabytes << 20);
        var start = new ProcessStartInfo(Environment.ProcessPath!) { UseShellExecute = false };
        foreach (var argument in (string[])[.. Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : Array.Empty<string>(), "--run", path, "--threads", options["--threads"], "--folder", folder])
            start.ArgumentList.Add(argument);
        using (var process = Process.Start(start)!)
        {
            process.WaitForExit();
            Console.WriteLine($"{form}, {new FileInfo(path).Length >> 20} MiB, {count} records{(process.ExitCode == 0 ? "" : $": exit code {process.ExitCode}")}");
        }

        File.Delete(path);
    }

return 0;

int Run(string path)
{
    var config = path + ".json";
    File.WriteAllText(config, JsonSerializer.Serialize(new
    {
        output = Path.GetFileName(path) + ".out", model = Path.GetFullPath("models/hadal-mini"), chat_template = Path.GetFullPath("models/hadal-mini-chat/chat_template.jinja"), train = new[] { new { path = Path.GetFileName(path) } }, steps = 1, sequence_length = 128,
        batch_sequences = 4, thread_count = int.Parse(options["--threads"], CultureInfo.InvariantCulture), preset = "hadal",
    }));
    try
    {
        var (watch, before) = (Stopwatch.StartNew(), Peak());
        FineTune.Run(FineTuneOptions.Read(config, [], "lora"), "lora", resume: false, null, note => Console.Error.WriteLine(note), CancellationToken.None);
        Console.WriteLine($"peak {Peak() >> 20} MiB ({before >> 20} at the start), {watch.Elapsed.TotalSeconds:F0} s, {Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds:F0} s of a processor");
        return 0;
    }
    finally
    {
        Directory.Delete(path + ".out", recursive: true);
        File.Delete(config);
    }
}

// VmHWM: what was in memory at most, mapped libraries and files too.
static long Peak() => File.Exists("/proc/self/status")
    ? File.ReadLines("/proc/self/status").Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10).First()
    : Process.GetCurrentProcess().PeakWorkingSet64;

async Task<long> WriteAsync(string path, string form, long bytes)
{
    string[] words = ["river", "old", "house", "green", "boat", "slowly", "bread", "window", "king", "seven", "garden", "letter", "cold", "horse", "song", "under", "market", "friend", "silver", "road"];
    var (random, written, count) = (new Random(1), 0L, 0L);
    if (form == "parquet")
    {
        for (var isFirst = true; written < bytes; isFirst = false)
        {
            var rows = new List<Row>();
            while (rows.Count < int.Parse(options["--rows"], CultureInfo.InvariantCulture) && written < bytes) rows.Add(Next());
            await using var stream = new FileStream(path, isFirst ? FileMode.Create : FileMode.Open, FileAccess.ReadWrite);
            await ParquetSerializer.SerializeAsync(rows, stream, new Parquet.ParquetOptions { Append = !isFirst });
        }

        return count;
    }

    await using var writer = new StreamWriter(path);
    if (form == "csv") await writer.WriteLineAsync("instruction,output");
    while (written < bytes)
    {
        var row = Next();
        await writer.WriteLineAsync(form == "csv" ? $"{row.instruction},\"{row.output}\"" : JsonSerializer.Serialize(row));
    }

    return count;

    Row Next()
    {
        var row = new Row { instruction = $"Tell me about {string.Join(' ', random.GetItems(words, 12))}?", output = string.Join(' ', random.GetItems(words, 34)) + "." };
        written += row.instruction.Length + row.output.Length + 34;
        count++;
        return row;
    }
}

internal sealed class Row
{
    public string instruction { get; set; } = "";

    public string output { get; set; } = "";
}
