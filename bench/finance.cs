// What the finance solution reaches on public news, and what evidence says of calling an index.
//   dotnet run -c Release bench/finance.cs -- --data ../shared/data [--model models/hadal-mini] [--results artifacts/finance-bench/results.jsonl] [--parts words,classifier,direction] [--steps 120] [--threads 1]
// Each run ends as one line of the results; what stands there is not run again. --table sums up: mean and 95 % interval (t) over seeds.
//   words       PhraseBank (50 % agreement, all agree): five partitions of five folds, near repeats in one fold; FinFE (its list to learn, its list to test, without texts of the first) and Chinese
//               headlines (the last fifth by date) learn from nine tenths, by seed. Beside it the floor: softmax over TF-IDF of runs of 1 to 3 words (in Chinese: characters).
//   classifier  what is deployed, network and words and calibration: the folds of the first partition in turn, seed = fold; FinFE and headlines by seed. The floor learns from the same texts and is tested on the same.
//   direction   walk forward on five indexes, with and without news
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../solutions/finance/Hadal.Finance.csproj

using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Finance.Data;
using Hadal.Finance.Direction;
using Hadal.Finance.Sentiment;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Training.Trainers.Tasks;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int FoldCount = 5, Seeds = 5;
var options = new Dictionary<string, string>
{
    ["--data"] = "../shared/data", ["--model"] = "models/hadal-mini", ["--results"] = "artifacts/finance-bench/results.jsonl", ["--parts"] = "words,classifier,direction", ["--sets"] = "50,All,finfe,headlines",
    ["--steps"] = "120", ["--threads"] = "1", ["--table"] = "",
};
for (var index = 0; index < args.Length; index++)
{
    if (!options.ContainsKey(args[index]))
    {
        Console.Error.WriteLine($"finance.cs: unknown option {args[index]}");
        return 2;
    }

    var key = args[index];
    options[key] = key == "--table" ? "yes" : args[++index];
}

var results = Path.GetFullPath(options["--results"]);
Directory.CreateDirectory(Path.GetDirectoryName(results)!);
if (options["--table"] != "") return Table();
if (options["--parts"].Split(',').FirstOrDefault(part => part is not ("words" or "classifier" or "direction")) is { } unknown)
{
    Console.Error.WriteLine($"finance.cs: --parts: expected words, classifier or direction, found {unknown}");
    return 2;
}

foreach (var part in options["--parts"].Split(','))
{
    if (part == "direction")
    {
        Directions();
        continue;
    }

    for (var seed = 1; seed <= Seeds; seed++)
        foreach (var set in options["--sets"].Split(','))
            foreach (var method in part == "words" ? ["floor", "words"] : (string[])["classifier"])
            {
                var run = $"{set}/{method}/{seed}";
                if (Lines().Any(line => (string)line["run"]! == run)) continue;
                var scored = method == "classifier" ? Classifier(set, seed) : Words(set, seed, method == "floor");
                var (accuracy, f1) = Figures(scored.Labels, scored.Probabilities);
                var line = new JsonObject
                {
                    ["run"] = run, ["set"] = set, ["method"] = method, ["seed"] = seed, ["texts"] = scored.Labels.Count, ["accuracy"] = Math.Round(accuracy, 5), ["f1"] = Math.Round(f1, 5),
                    ["ece"] = Math.Round(Calibration.ExpectedError([.. scored.Probabilities.Zip(scored.Labels)]), 5),
                };
                foreach (var (name, value) in scored.Others) line[name] = Math.Round(value, 5);
                File.AppendAllText(results, line.ToJsonString() + "\n");
                Console.WriteLine(line.ToJsonString());
            }
}

return Table();

IReadOnlyList<JsonObject> Lines() => File.Exists(results) ? [.. File.ReadLines(results).Where(line => line.Length > 0).Select(line => (JsonObject)JsonNode.Parse(line)!)] : [];

// Texts to learn from and to test, in turn.
IEnumerable<(IReadOnlyList<LabelledText> Learnt, IReadOnlyList<LabelledText> Tested)> Splits(string set, int partition)
{
    if (set is "50" or "All")
    {
        var texts = PhraseBank.Read(Path.Combine(options["--data"], $"finance/financial-phrasebank/Sentences_{set}Agree.txt"));
        var folds = Folds.Of([.. texts.Select(text => text.Text)], FoldCount, partition);
        return Enumerable.Range(0, FoldCount).Select(fold => ((IReadOnlyList<LabelledText>)[.. texts.Where((_, index) => folds[index] != fold)], (IReadOnlyList<LabelledText>)[.. texts.Where((_, index) => folds[index] == fold)]));
    }

    var (learnt, tested) = set == "finfe" ? FinFeSplit() : HeadlineSplit();
    var random = new Random(partition);
    return [([.. learnt.Where(_ => random.Next(10) > 0)], tested)];
}

(IReadOnlyList<LabelledText> Learnt, IReadOnlyList<LabelledText> Tested) FinFeSplit()
{
    var learnt = FinFe.Read(Path.Combine(options["--data"], "finance/fincuge/finfe/train_list.json.gz")).DistinctBy(text => text.Text).ToList();
    var known = learnt.Select(text => text.Text).ToHashSet(StringComparer.Ordinal);
    return (learnt, [.. FinFe.Read(Path.Combine(options["--data"], "finance/fincuge/finfe/eval_list_part.json.gz")).Where(text => !known.Contains(text.Text)).DistinctBy(text => text.Text)]);
}

(IReadOnlyList<LabelledText> Learnt, IReadOnlyList<LabelledText> Tested) HeadlineSplit()
{
    var (before, after) = ChineseHeadlines.SplitByDate(ChineseHeadlines.Read(Path.Combine(options["--data"], "finance/zh-news-polarity/news_seed.csv.gz")), 0.8);
    return ([.. before.Select(headline => headline.Text)], [.. after.Select(headline => headline.Text)]);
}

(List<double[]> Probabilities, List<int> Labels, (string, double)[] Others) Words(string set, int seed, bool isFloor)
{
    var splits = Splits(set, seed).ToList();
    return ([.. splits.SelectMany(split => Alone(split.Learnt, split.Tested, seed, isFloor))], [.. splits.SelectMany(split => split.Tested.Select(text => text.Label))], []);
}

// What words alone say, or the floor: it knows neither how many readers agreed nor words that stand apart; in Chinese its words are runs of characters, as everybody's are.
List<double[]> Alone(IReadOnlyList<LabelledText> learnt, IReadOnlyList<LabelledText> tested, int seed, bool isFloor)
{
    var training = isFloor ? new WordModelOptions { GroupWeights = [1, 0, 0], Balance = 0, Smoothing = 0, Rate = 0.3, Decay = 0, Seed = seed } : new WordModelOptions { Seed = seed };
    var alone = new Calibration(0, 1);
    var model = WordModel.Train(isFloor ? [.. learnt.Select(text => text with { Weight = 1 })] : learnt, 3, training);
    return [.. tested.Select(text => model.Scores(text.Text)).Select(scores => alone.Probabilities(scores, scores))];
}

(List<double[]> Probabilities, List<int> Labels, (string, double)[] Others) Classifier(string set, int seed)
{
    var splits = Splits(set, set is "50" or "All" ? 1 : seed).ToList();
    var (learnt, tested) = splits[splits.Count == 1 ? 0 : seed - 1];
    var folder = Path.Combine(Path.GetDirectoryName(results)!, $"{set}-{seed}");
    var watch = System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime;
    SentimentTraining.Run(learnt, new SentimentTrainingOptions { Model = options["--model"], Output = folder, Steps = Number("--steps"), Seed = seed, ThreadCount = Number("--threads") }, note => Console.Error.WriteLine(note));
    using var classifier = SentimentClassifier.Open(folder, threads: Number("--threads"));
    var given = classifier.ClassifyAsync(tested.Select(text => text.Text)).GetAwaiter().GetResult();
    var uncalibrated = SentimentFigures.Of(classifier, tested.Take(300).ToList());
    var labels = tested.Select(text => text.Label).ToList();
    var network = Figures(labels, Network(Path.Combine(folder, "adapter"), tested));
    Directory.Delete(folder, recursive: true);
    var floor = Figures(labels, Alone(learnt, tested, seed, isFloor: true));
    return ([.. given.Select(result => result.Probabilities.ToArray())], labels,
    [
        ("floor_accuracy", floor.Accuracy), ("floor_f1", floor.F1), ("network_alone", network.Accuracy), ("network_alone_f1", network.F1), ("uncalibrated_ece_of_300", uncalibrated.UncalibratedError), ("network_share", classifier.Calibration.NetworkShare), ("temperature", classifier.Calibration.Temperature),
        ("processor_seconds", (System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime - watch).TotalSeconds),
    ]);
}

// The adapter as hadal serve answers with it, without words and calibration.
List<double[]> Network(string adapterFolder, IReadOnlyList<LabelledText> tested)
{
    using var checkpoint = Checkpoint.Open(options["--model"]);
    using var adapter = LoraAdapter.Open(adapterFolder, checkpoint.Config);
    using var model = LabelModel.Open(checkpoint, adapter, new EngineOptions { ThreadCount = Number("--threads"), MaxContext = 512 });
    var (tokenizer, length) = (checkpoint.LoadTokenizer(), new SentimentTrainingOptions { Model = options["--model"], Output = "" }.SequenceLength);
    return [.. tested.Select(text => model.Scores(tokenizer.Encode(text.Text).Take(length).ToArray()).Select(score => (double)score).ToArray())];
}

void Directions()
{
    var folder = Path.Combine(options["--data"], "finance/index-daily");
    var walk = new WalkForwardOptions();
    foreach (var file in (string[])["sp500.csv", "000300.csv", "000905.csv", "399006.csv"])
        foreach (var target in (DirectionTarget[])[DirectionTarget.Index, DirectionTarget.Volatility])
            Console.WriteLine(DirectionReport.Make($"{file}, {target}", DailyBar.Read(Path.Combine(folder, file)), [], target, walk));

    // Headlines have a date only: they count as known when the day is over. Tone is the polarity that readers gave them.
    var headlines = ChineseHeadlines.Read(Path.Combine(options["--data"], "finance/zh-news-polarity/news_seed.csv.gz")).Select(headline => new ToldNews(headline.Date.ToDateTime(new TimeOnly(23, 59)), headline.Text.Label - 1)).ToList();
    var (first, last) = (headlines.Min(item => item.Published), headlines.Max(item => item.Published));
    var told = DailyBar.Read(Path.Combine(folder, "000300.csv")).Where(bar => bar.Date >= DateOnly.FromDateTime(first).AddDays(-60) && bar.Date <= DateOnly.FromDateTime(last)).ToList();
    Console.WriteLine(DirectionReport.Make("000300.csv, with Chinese headlines", told, headlines, DirectionTarget.Index, walk with { FirstDays = 250 }));

    // Tweets of 88 stocks and their equal-weighted index. New York is four or five hours behind: with four, no tweet counts as earlier than it was.
    var tweets = Tweets().Select(tweet => new ToldNews(tweet.Time.AddHours(-4), NewsFeatures.ToneOf(tweet.Text))).ToList();
    var index = EqualWeighted().Where(bar => bar.Date >= new DateOnly(2013, 11, 20)).ToList();
    Console.WriteLine(DirectionReport.Make("88 US stocks, equal weights, with tweets", index, tweets, DirectionTarget.Index, walk with { FirstDays = 150 }));
    Console.WriteLine(DirectionReport.Make("88 US stocks, equal weights, without", EqualWeighted(), [], DirectionTarget.Index, walk with { FirstDays = 250 }));
}

IEnumerable<(DateTime Time, string Text)> Tweets()
{
    using var reader = new StreamReader(new GZipStream(File.OpenRead(Path.Combine(options["--data"], "finance/stocknet/tweets_2014-01_2015-09.jsonl.gz")), CompressionMode.Decompress));
    while (reader.ReadLine() is { } line)
    {
        using var tweet = JsonDocument.Parse(line);
        yield return (DateTime.ParseExact(tweet.RootElement.GetProperty("created_at").GetString()!, "ddd MMM dd HH:mm:ss +0000 yyyy", CultureInfo.InvariantCulture), tweet.RootElement.GetProperty("text").GetString()!);
    }
}

// Mean of the returns of all stocks that traded on both days, added up.
List<DailyBar> EqualWeighted()
{
    using var archive = ZipFile.OpenRead(Path.Combine(options["--data"], "finance/stocknet/price_raw_to_2015-09.zip"));
    var returns = new SortedDictionary<DateOnly, List<double>>();
    foreach (var entry in archive.Entries.Where(entry => entry.Name.EndsWith(".csv", StringComparison.Ordinal)))
    {
        using var reader = new StreamReader(entry.Open());
        var header = reader.ReadLine()!.Split(',').ToList();
        var (date, close) = (header.IndexOf("Date"), header.IndexOf("Adj Close"));
        var bars = new List<(DateOnly Date, double Close)>();
        while (reader.ReadLine() is { } line)
            if (double.TryParse(line.Split(',')[close], out var level)) bars.Add((DateOnly.Parse(line.Split(',')[date]), level));
        bars.Sort();
        for (var day = 1; day < bars.Count; day++)
        {
            if (!returns.TryGetValue(bars[day].Date, out var list)) returns.Add(bars[day].Date, list = []);
            list.Add(Math.Log(bars[day].Close / bars[day - 1].Close));
        }
    }

    var sum = 0.0;
    return [.. returns.Select(day => new DailyBar(day.Key, 100 * Math.Exp(sum += day.Value.Average())))];
}

int Number(string name) => int.Parse(options[name]);

(double Accuracy, double F1) Figures(List<int> labels, List<double[]> probabilities)
{
    var found = probabilities.Select(Best).ToList();
    var f1 = labels.Distinct().Order().ToList() is { Count: 2 } two ? two.Average(label => F1(labels, found, label)) : LabelFigures.MacroF1(labels, found, 3);
    return (labels.Zip(found).Average(pair => pair.First == pair.Second ? 1.0 : 0), f1);
}

static int Best(double[] values) => Array.IndexOf(values, values.Max());

static double F1(List<int> expected, List<int> found, int label) => 2.0 * expected.Zip(found).Count(pair => pair.First == label && pair.Second == label) / Math.Max(1, expected.Count(id => id == label) + found.Count(id => id == label));

int Table()
{
    Console.WriteLine("set        method      seeds  accuracy           macro-F1           ECE");
    foreach (var group in Lines().GroupBy(line => ((string)line["set"]!, (string)line["method"]!)))
    {
        Console.WriteLine($"{group.Key.Item1,-10} {group.Key.Item2,-11} {group.Count(),5}  {Interval(group, "accuracy"),-17}  {Interval(group, "f1"),-17}  {Interval(group, "ece"),-17}");
        if (group.Key.Item2 != "classifier") continue;
        Console.WriteLine($"{"",-10} {" network",-11} {group.Count(),5}  {Interval(group, "network_alone"),-17}  {Interval(group, "network_alone_f1"),-17}");
        Console.WriteLine($"{"",-10} {" its floor",-11} {group.Count(),5}  {Interval(group, "floor_accuracy"),-17}  {Interval(group, "floor_f1"),-17}");
    }

    return 0;
}

static string Interval(IEnumerable<JsonObject> runs, string figure)
{
    // Quantiles of Student's t at 97.5 % for 1 to 4 degrees of freedom.
    double[] quantiles = [12.706, 4.303, 3.182, 2.776];
    var values = runs.Select(line => (double)line[figure]!).ToList();
    var mean = values.Average();
    if (values.Count < 2) return $"{mean:F3}";
    return $"{mean:F3} ± {quantiles[values.Count - 2] * Math.Sqrt(values.Sum(value => Math.Pow(value - mean, 2)) / (values.Count - 1) / values.Count):F3}";
}
