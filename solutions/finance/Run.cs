// News sentiment from data to served adapter, and what evidence says of calling an index's direction. Read it from top to bottom; README.md has the commands.
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Hadal.Checkpoints;
using Hadal.Finance.Data;
using Hadal.Finance.Direction;
using Hadal.Finance.Sentiment;
using Hadal.Training;

const int MaxThreads = 1024;
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = Encoding.UTF8;

// What each command may be told, and what holds where it is not.
var commands = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal)
{
    ["train"] = new() { ["--model"] = "models/hadal-mini", ["-o"] = "artifacts/finance", ["--epochs"] = "3", ["--seed"] = "1", ["--threads"] = "0" },
    ["classify"] = new() { ["--model"] = "", ["--explain"] = "", ["--threads"] = "0" },
    ["evaluate"] = new() { ["--model"] = "", ["--threads"] = "0" },
    ["direction"] = new() { ["--news"] = "", ["--target"] = "index", ["--seed"] = "1" },
};
var options = commands.GetValueOrDefault(args.FirstOrDefault() ?? "", []);
var files = new List<string>();
try
{
    for (var index = 1; index < args.Length && options.Count > 0; index++)
    {
        if (!args[index].StartsWith('-')) files.Add(args[index]);
        else if (!options.ContainsKey(args[index])) throw new InvalidDataException($"{args[index]}: unknown to {args[0]}; expected one of {string.Join(", ", options.Keys)}");
        else if (args[index] == "--explain") options["--explain"] = "yes";
        else options[args[index]] = ++index < args.Length && args[index].Length > 0 ? args[index] : throw new InvalidDataException($"{args[index - 1]}: expected a value");
    }

    switch (args.FirstOrDefault())
    {
        case "train": Train(); return 0;
        case "classify": await ClassifyAsync(); return 0;
        case "evaluate": Evaluate(); return 0;
        case "direction": CallDirections(); return 0;
        default:
            Console.Error.WriteLine(
                """
                hadal-finance train [NEWS.jsonl|.csv] [--model DIR] [-o DIR] [--epochs N] [--seed N] [--threads N]
                hadal-finance classify DIR [--explain] [--model DIR] [--threads N]      texts on standard input, one a line
                hadal-finance evaluate DIR NEWS.jsonl|.csv [--model DIR] [--threads N]
                hadal-finance direction PRICES.csv… [--news NEWS.csv] [--target index|volatility] [--seed N]
                """);
            return 2;
    }
}
catch (Exception fault) when (fault is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException or CheckpointException or TrainingException)
{
    // The names of parameters are for programs.
    Console.Error.WriteLine($"hadal-finance: {fault.Message.Split(" (Parameter '")[0].ReplaceLineEndings(" ")}");
    return 1;
}

// 1. Data: labelled news of one's own, or headlines made up by a generator.
// 2. Adapt: an adapter of a few per cent of the model's weights, and a word model beside it.
// 3. Calibrate: on a tenth that nothing was learnt from.
void Train()
{
    if (files.Count > 1) throw new InvalidDataException($"train: expected one file of labelled news or none, got {string.Join(" and ", files)}");
    var texts = files.Count > 0 ? NewsFiles.Read(files[0]) : SampleNews.Make(240, Number("--seed"));
    var training = new SentimentTrainingOptions { Model = options["--model"], Output = options["-o"], Epochs = Number("--epochs"), Seed = Number("--seed"), ThreadCount = Threads() ?? 0 };
    Print(SentimentTraining.Run(texts, training, note => Console.Error.WriteLine(note)));
    Console.WriteLine("These are the texts that the network was chosen by and the calibration fitted on, so that new ones will be called a little less well: measure them with hadal-finance evaluate.");
    Console.WriteLine($"{Path.GetFullPath(options["-o"])}");
}

// 4. Serve: the adapter on its model. In an application, SentimentClassifier is all there is to call.
async Task ClassifyAsync()
{
    if (files.Count != 1) throw new InvalidDataException("classify: expected a classifier's folder");
    using var classifier = Classifier();
    foreach (var line in Lines())
    {
        if (string.IsNullOrWhiteSpace(line)) continue;
        foreach (var sentiment in await classifier.ClassifyAsync([line], options["--explain"] != ""))
        {
            Console.WriteLine($"{sentiment.Label} {sentiment.Name,-8} {sentiment.Confidence:P0}  {line}");
            if (sentiment.Words.Count > 0) Console.WriteLine("    " + string.Join("  ", sentiment.Words.Take(6).Select(word => $"{word.Text} {word.Weight:+0.00;-0.00}")));
        }
    }
}

// 5. Measure: accuracy, F1 and whether confidence means what it says.
void Evaluate()
{
    if (files.Count != 2) throw new InvalidDataException("evaluate: expected a classifier's folder and a file of labelled news");
    using var classifier = Classifier();
    Print(SentimentFigures.Of(classifier, NewsFiles.Read(files[1])));
}

// 6. The direction of an index: walk forward, baselines, intervals, leaks.
void CallDirections()
{
    if (files.Count == 0) throw new InvalidDataException("direction: expected one or more files of daily prices");
    var target = options["--target"] switch { "index" => DirectionTarget.Index, "volatility" => DirectionTarget.Volatility, var other => throw new InvalidDataException($"--target: expected index or volatility, got '{other}'") };
    var news = options["--news"] == "" ? [] : ToldNews.Read(options["--news"]);
    foreach (var file in files) Console.WriteLine(DirectionReport.Make(Path.GetFileNameWithoutExtension(file), DailyBar.Read(file), news, target, new WalkForwardOptions { Seed = Number("--seed") }));
}

void Print(SentimentFigures figures) => Console.WriteLine(
    $"{figures.Texts} texts: accuracy {figures.Accuracy:F3}, macro-F1 {figures.MacroF1:F3}, expected calibration error {figures.CalibrationError:F3} (before calibration {figures.UncalibratedError:F3})");

int Number(string name) => int.TryParse(options[name], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw new InvalidDataException($"{name}: expected a whole number, got '{options[name]}'");

int? Threads() => Number("--threads") switch
{
    0 => null,
    <= MaxThreads and var threads => threads,
    var threads => throw new InvalidDataException($"--threads: expected at most {MaxThreads}, got {threads}"),
};

SentimentClassifier Classifier() => SentimentClassifier.Open(files[0], options["--model"] is { Length: > 0 } model ? model : null, Threads());

// Standard input line by line as bytes, each of which Latin-1 takes for a character: what is no UTF-8 is said, and what came before it is answered.
static IEnumerable<string> Lines()
{
    using var input = new StreamReader(Console.OpenStandardInput(), Encoding.Latin1, detectEncodingFromByteOrderMarks: false);
    for (var number = 1; input.ReadLine() is { } line; number++)
    {
        var bytes = Encoding.Latin1.GetBytes(line);
        if (!Utf8.IsValid(bytes)) throw new InvalidDataException($"standard input:{number}: is no UTF-8; convert it, for example with iconv -t UTF-8");
        yield return Encoding.UTF8.GetString(bytes).TrimStart('\uFEFF');
    }
}
