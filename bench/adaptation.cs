// What adapting a model gives: all weights, our preset, the common recipe and the head alone, on three tasks, each with several seeds.
//   dotnet run -c Release bench/adaptation.cs -- --data ../shared/data [--model models/hadal-mini] [--results artifacts/adaptation/results.jsonl]
//                                                [--tasks headlines,phrasebank,bc5cdr] [--methods hadal,all,head,classic] [--seeds 5] [--tested 300] [--threads 1] [--search]
// METHOD@RATE is a method at another learning rate than its own, METHOD-r11 an adapter of another rank, METHOD-e6 with another number of epochs, METHOD-x routed experts and kv_b_proj adapted too, METHOD-w the embeddings: hadal-r3-e6-x@3e-3;
// METHOD+KEY=VALUE sets any key of the config: hadal+lora.use_dora=true@3e-3. --search scores on texts of the training part that are neither learnt nor tested, so that rates are chosen without the test; its
// results go into a file of their own (--results artifacts/adaptation/search.jsonl).
// Every run is a process of its own, so that its peak memory is its own, and ends as one line of the results; what stands there is not run again, so that the same command goes on after a stop.
// Tests are scored by the engine, with the adapter as it would be served. With --table the results are summed up: mean and 95 % interval (t) over seeds.
//   phrasebank  Financial PhraseBank, the sentences on which all readers agreed, each once, five folds by chance (near repeats in one fold); seed = fold to test
//   headlines   Chinese stock headlines, positive or negative; the last fifth by date to test, seeds differ in what is learnt from
//   bc5cdr      chemicals and diseases, tagged; seeds differ in the abstracts learnt from, the first abstracts of the development set to test
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Training/Hadal.Training.csproj
#:project ../src/Hadal.Inference/Hadal.Inference.csproj
#:project ../solutions/finance/Hadal.Finance.csproj

using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Finance.Data;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Training.Trainers;
using Hadal.Training.Trainers.Tasks;

const string Everything = """["q_a_proj","q_b_proj","kv_a_proj_with_mqa","kv_b_proj","o_proj","gate_proj","up_proj","down_proj","experts"]""";
const string WithEmbedding = """["all-linear","embed_tokens"]""";
const int Epochs = 3, RowsAtOnce = 5, LearntNews = 600, LearntHeadlines = 400, LearntSentences = 300, KeptTexts = 40;
var options = new Dictionary<string, string>
{
    ["--data"] = "../shared/data", ["--model"] = "models/hadal-mini", ["--results"] = "artifacts/adaptation/results.jsonl", ["--tasks"] = "headlines,phrasebank,bc5cdr",
    ["--methods"] = "hadal,all,head,classic", ["--seeds"] = "5", ["--tested"] = "300", ["--threads"] = "1", ["--run"] = "", ["--table"] = "", ["--search"] = "",
};
for (var index = 0; index < args.Length; index++)
{
    if (!options.ContainsKey(args[index]))
    {
        Console.Error.WriteLine($"adaptation.cs: unknown option {args[index]}");
        return 2;
    }

    var key = args[index];
    options[key] = key is "--table" or "--search" ? "yes" : args[++index];
}

var results = Path.GetFullPath(options["--results"]);
Directory.CreateDirectory(Path.GetDirectoryName(results)!);
if (options["--table"] != "") return Table();
if (options["--run"] != "") return RunOne(options["--run"].Split('/'));

foreach (var seed in Enumerable.Range(1, int.Parse(options["--seeds"], CultureInfo.InvariantCulture)))
    foreach (var task in options["--tasks"].Split(','))
        foreach (var method in options["--methods"].Split(','))
        {
            var name = FormattableString.Invariant($"{task}/{method}/{seed}");
            if (Lines().Any(line => (string)line["run"]! == name)) continue;
            var start = new ProcessStartInfo(Environment.ProcessPath!) { UseShellExecute = false };
            foreach (var argument in (string[])[.. Hosted(), "--run", name, "--data", options["--data"], "--model", options["--model"], "--results", results, "--threads", options["--threads"], "--tested", options["--tested"], .. options["--search"] == "" ? Array.Empty<string>() : ["--search"]])
                start.ArgumentList.Add(argument);
            using var process = Process.Start(start)!;
            process.WaitForExit();
            if (process.ExitCode != 0) return process.ExitCode;
        }

return Table();

// Under "dotnet exec" the process is dotnet and wants the assembly first.
string[] Hosted() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : [];

IReadOnlyList<JsonObject> Lines() => File.Exists(results) ? [.. File.ReadLines(results).Where(line => line.Length > 0).Select(line => (JsonObject)JsonNode.Parse(line)!)] : [];

int RunOne(string[] name)
{
    var (task, method, seed) = (name[0], name[1], int.Parse(name[2], CultureInfo.InvariantCulture));
    var folder = Path.Combine(Path.GetDirectoryName(results)!, string.Join('-', name));
    if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    Directory.CreateDirectory(folder);
    var (labels, train, valid, test) = task switch
    {
        "phrasebank" => PhraseBankTask(seed),
        "headlines" => Headlines(seed),
        "bc5cdr" => Tagging(seed),
        _ => throw new ArgumentException($"unknown task {task}"),
    };
    Write("train.jsonl", train);
    Write("valid.jsonl", valid);
    var config = new JsonObject
    {
        ["output"] = "out", ["model"] = Path.GetFullPath(options["--model"]), ["task"] = task == "bc5cdr" ? "tagging" : "classification", ["labels"] = new JsonArray([.. labels.Select(label => (JsonNode)label)]),
        ["train"] = new JsonArray(new JsonObject { ["path"] = "train.jsonl" }), ["validation"] = new JsonArray(new JsonObject { ["path"] = "valid.jsonl" }), ["seed"] = seed, ["epochs"] = Epochs,
        ["sequence_length"] = 96, ["batch_sequences"] = RowsAtOnce, ["packing"] = true, ["evaluate_every_steps"] = 0, ["checkpoint_every_steps"] = 0, ["log_every_steps"] = 10,
        ["thread_count"] = int.Parse(options["--threads"], CultureInfo.InvariantCulture),
    };
    var (ways, rate) = method.Split('@') is [var before, var after] ? (before, after) : (method, "");
    var (codes, settings) = (ways.Split('+')[0].Split('-'), ways.Split('+')[1..]);
    var way = codes[0];
    string[] changes = way switch
    {
        "all" => ["learning_rate=1e-3"],
        "hadal" => ["preset=hadal"],
        "classic" => ["preset=classic"],
        "head" => ["head_only=true", "learning_rate=3e-3"],
        _ => throw new ArgumentException($"unknown method {method}"),
    };
    if (rate.Length > 0) changes = [.. changes.Where(change => !change.StartsWith("learning_rate", StringComparison.Ordinal)), $"learning_rate={rate}"];
    changes = [.. changes, .. settings, .. codes.Skip(1).Select(part => part[0] switch { 'r' => $"lora.r={part[1..]}", 'e' => $"epochs={part[1..]}", 'x' => $"lora.target_modules={Everything}", 'w' => $"lora.target_modules={WithEmbedding}", _ => throw new ArgumentException($"unknown method {method}") })];
    File.WriteAllText(Path.Combine(folder, "adapt.json"), config.ToJsonString());
    var stage = way is "hadal" or "classic" ? "lora" : "sft";
    var trained = "";
    var watch = Stopwatch.StartNew();
    var path = FineTune.Run(FineTuneOptions.Read(Path.Combine(folder, "adapt.json"), changes, stage), stage, resume: false, null, note => trained = note.Contains("numbers are trained", StringComparison.Ordinal) ? note : trained, CancellationToken.None);
    var (seconds, processor, peak) = (watch.Elapsed.TotalSeconds, Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds, PeakBytes());
    var line = new JsonObject
    {
        ["run"] = string.Join('/', name), ["task"] = task, ["method"] = method, ["seed"] = seed, ["trained_percent"] = double.Parse(Regex.Match(trained, @"\(([\d.]+) %\)").Groups[1].Value, CultureInfo.InvariantCulture),
        ["seconds"] = Math.Round(seconds, 1), ["processor_seconds"] = Math.Round(processor, 1), ["peak_mib"] = peak >> 20, ["learnt"] = train.Count, ["tested"] = test.Count,
    };
    foreach (var (figure, value) in Score(path, stage == "lora", test)) line[figure] = Math.Round(value, 5);
    File.AppendAllText(results, line.ToJsonString() + "\n");
    Console.WriteLine(line.ToJsonString());
    Directory.Delete(folder, recursive: true);
    return 0;

    void Write(string file, IReadOnlyList<JsonObject> records) => File.WriteAllLines(Path.Combine(folder, file), records.Select(record => record.ToJsonString()));
}

// The test as it would be served: by the engine, with the adapter on the model.
List<(string, double)> Score(string path, bool isAdapter, IReadOnlyList<JsonObject> test)
{
    using var checkpoint = Checkpoint.Open(isAdapter ? options["--model"] : path);
    using var adapter = isAdapter ? LoraAdapter.Open(path, checkpoint.Config) : null;
    using var model = LabelModel.Open(checkpoint, adapter, new EngineOptions { ThreadCount = int.Parse(options["--threads"], CultureInfo.InvariantCulture), MaxContext = 512 });
    var tokenizer = checkpoint.LoadTokenizer();
    var (expected, found) = (new List<int>(), new List<int>());
    double spans = 0, foundSpans = 0, rightSpans = 0;
    foreach (var record in test)
    {
        if (model.Head == ModelHead.Sequence)
        {
            var scores = model.Scores(tokenizer.Encode((string)record["text"]!).Take(96).ToArray());
            expected.Add((int)record["label"]!);
            found.Add(Array.IndexOf(scores, scores.Max()));
            continue;
        }

        // As the trainer reads them: a word's tag stands at its last token.
        var (words, tags) = (((JsonArray)record["tokens"]!).Select(word => (string)word!).ToList(), ((JsonArray)record["tags"]!).Select(tag => (string)tag!).ToList());
        var (ids, ends) = (new List<int>(), new List<int>());
        if (tokenizer.AddsBos) ids.Add(tokenizer.BosTokenId!.Value);
        foreach (var word in words)
        {
            ids.AddRange(tokenizer.Encode(ends.Count > 0 ? " " + word : word, addSpecial: false));
            ends.Add(ids.Count - 1);
        }

        var all = model.Scores(ids.ToArray());
        var given = ends.Select(end => model.Labels[Enumerable.Range(0, model.Labels.Count).MaxBy(label => all[(end * model.Labels.Count) + label])]).ToList();
        var (right, said) = (Spans(tags), Spans(given));
        (spans, foundSpans, rightSpans) = (spans + right.Count, foundSpans + said.Count, rightSpans + right.Intersect(said).Count());
        expected.AddRange(tags.Select(tag => model.Labels.ToList().IndexOf(tag)));
        found.AddRange(given.Select(tag => model.Labels.ToList().IndexOf(tag)));
    }

    var accuracy = expected.Zip(found).Average(pair => pair.First == pair.Second ? 1.0 : 0);
    if (model.Head == ModelHead.Token) return [("accuracy", accuracy), ("f1", 2 * rightSpans / Math.Max(1, spans + foundSpans))];
    var f1 = LabelFigures.MacroF1(expected, found, model.Labels.Count);
    return [("accuracy", accuracy), ("f1", f1)];
}

static List<(string Kind, int Begin, int End)> Spans(IReadOnlyList<string> tags)
{
    var spans = new List<(string, int, int)>();
    for (var begin = 0; begin < tags.Count;)
    {
        var kind = tags[begin] is [_, '-', .. var name] ? name : "O";
        var end = begin + 1;
        while (end < tags.Count && (tags[end] is [_, '-', .. var next] ? next : "O") == kind && !tags[end].StartsWith("B-", StringComparison.Ordinal)) end++;
        if (kind != "O") spans.Add((kind, begin, end));
        begin = end;
    }

    return spans;
}

(string[] Labels, IReadOnlyList<JsonObject> Train, IReadOnlyList<JsonObject> Valid, IReadOnlyList<JsonObject> Test) PhraseBankTask(int seed)
{
    var texts = PhraseBank.Read(Path.Combine(options["--data"], "finance/financial-phrasebank/Sentences_AllAgree.txt"));
    var folds = Folds.Of([.. texts.Select(text => text.Text)], 5, seed: 1);
    var rest = Shuffled(texts.Where((_, index) => folds[index] != seed - 1), seed);
    var test = Scored(rest, LearntNews, Shuffled(texts.Where((_, index) => folds[index] == seed - 1), seed));
    return (SentimentLabels.Names.ToArray(), Records(rest.Skip(KeptTexts).Take(LearntNews)), Records(rest.Take(KeptTexts)), Records(test));
}

(string[] Labels, IReadOnlyList<JsonObject> Train, IReadOnlyList<JsonObject> Valid, IReadOnlyList<JsonObject> Test) Headlines(int seed)
{
    var texts = ChineseHeadlines.Read(Path.Combine(options["--data"], "finance/zh-news-polarity/news_seed.csv.gz"));
    var (before, after) = ChineseHeadlines.SplitByDate(texts, 0.8);
    var rest = Shuffled(before.Select(item => item.Text), seed);
    return (["negative", "positive"], Records(rest.Skip(KeptTexts).Take(LearntHeadlines), halve: true), Records(rest.Take(KeptTexts), halve: true), Records(Scored(rest, LearntHeadlines, after.Select(item => item.Text)), halve: true));
}

(string[] Labels, IReadOnlyList<JsonObject> Train, IReadOnlyList<JsonObject> Valid, IReadOnlyList<JsonObject> Test) Tagging(int seed)
{
    var learnt = Shuffled(Abstracts("CDR_TrainingSet.PubTator.txt.gz"), seed).SelectMany(sentences => sentences).ToList();
    var tested = Abstracts("CDR_DevelopmentSet.PubTator.txt.gz").SelectMany(sentences => sentences);
    return (["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"], [.. learnt.Skip(KeptTexts).Take(LearntSentences)], [.. learnt.Take(KeptTexts)], Scored(learnt, LearntSentences, tested));
}

// What a run is scored on: the test, or in a search what is left of the training part.
List<T> Scored<T>(IEnumerable<T> rest, int learnt, IEnumerable<T> test) => [.. (options["--search"] == "" ? test : rest.Skip(KeptTexts + learnt)).Take(int.Parse(options["--tested"], CultureInfo.InvariantCulture))];

static IReadOnlyList<JsonObject> Records(IEnumerable<LabelledText> texts, bool halve = false) => [.. texts.Select(text => new JsonObject { ["text"] = text.Text, ["label"] = halve ? text.Label / 2 : text.Label })];

static List<T> Shuffled<T>(IEnumerable<T> items, int seed)
{
    T[] list = [.. items];
    new Random(seed).Shuffle(list);
    return [.. list];
}

// PubTator: "id|t|title", "id|a|abstract", then lines "id, begin, end, text, type, concept" by offsets into title, a space and abstract.
List<List<JsonObject>> Abstracts(string file)
{
    using var reader = new StreamReader(new GZipStream(File.OpenRead(Path.Combine(options["--data"], "medical/bc5cdr", file)), CompressionMode.Decompress), Encoding.UTF8);
    var abstracts = new List<List<JsonObject>>();
    var (text, kinds) = ("", Array.Empty<string>());
    while (true)
    {
        var line = reader.ReadLine();
        if (string.IsNullOrEmpty(line))
        {
            if (text.Length > 0) abstracts.Add(Sentences(text, kinds));
            text = "";
            if (line is null) return abstracts;
            continue;
        }

        if (line.Split('|') is [_, "t", ..]) text = line[(line.IndexOf('|') + 3)..];
        else if (line.Split('|') is [_, "a", ..])
        {
            text += " " + line[(line.IndexOf('|') + 3)..];
            kinds = new string[text.Length];
        }
        else if (line.Split('\t') is [_, var begin, var end, _, "Chemical" or "Disease", ..] fields)
        {
            // A mention begins with a mark of its own, so that neighbours stay apart.
            for (var at = int.Parse(begin, CultureInfo.InvariantCulture); at < int.Parse(end, CultureInfo.InvariantCulture); at++) kinds[at] ??= fields[4] + "|" + begin;
        }
    }
}

static List<JsonObject> Sentences(string text, string[] kinds)
{
    var sentences = new List<JsonObject>();
    var begin = 0;
    foreach (var end in Regex.Matches(text, @"(?<=[.?!]) (?=[A-Z0-9])").Select(match => match.Index).Append(text.Length))
    {
        var (tokens, tags, before) = (new JsonArray(), new JsonArray(), "");
        foreach (var word in Regex.Matches(text[begin..end], @"\w+|[^\w\s]").Cast<Match>())
        {
            var kind = kinds[begin + word.Index] ?? "";
            tokens.Add(word.Value);
            tags.Add(kind == "" ? "O" : (kind == before ? "I-" : "B-") + kind.Split('|')[0]);
            before = kind;
        }

        if (tokens.Count > 0) sentences.Add(new JsonObject { ["tokens"] = tokens, ["tags"] = tags });
        begin = end;
    }

    return sentences;
}

// VmHWM counts in KiB.
static long PeakBytes() => long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;

int Table()
{
    Console.WriteLine("task        method           seeds  accuracy           F1                 trained %  peak MiB  processor s");
    foreach (var group in Lines().GroupBy(line => ((string)line["task"]!, (string)line["method"]!)).OrderBy(group => group.Key.Item1, StringComparer.Ordinal))
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{group.Key.Item1,-11} {group.Key.Item2,-16} {group.Count(),5}  {Interval(group, "accuracy"),-17}  {Interval(group, "f1"),-17}  {group.Average(line => (double)line["trained_percent"]!),9:F2}  {group.Average(line => (double)line["peak_mib"]!),8:F0}  {group.Average(line => (double)line["processor_seconds"]!),11:F0}"));
    return 0;
}

static string Interval(IEnumerable<JsonObject> runs, string figure)
{
    // Quantiles of Student's t at 97.5 % for 1 to 9 degrees of freedom.
    double[] quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    var values = runs.Select(line => (double)line[figure]!).ToList();
    var mean = values.Average();
    if (values.Count < 2) return string.Create(CultureInfo.InvariantCulture, $"{mean:F3}");
    var deviation = Math.Sqrt(values.Sum(value => Math.Pow(value - mean, 2)) / (values.Count - 1));
    return string.Create(CultureInfo.InvariantCulture, $"{mean:F3} ± {quantiles[Math.Min(values.Count, 10) - 2] * deviation / Math.Sqrt(values.Count):F3}");
}
