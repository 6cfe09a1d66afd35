// News sentiment from data to served adapter, and what evidence says of calling an index's direction. Read it from top to bottom; README.md has the commands.
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Finance.Data;
using Hadal.Finance.Direction;
using Hadal.Finance.Sentiment;
using Hadal.Training;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = System.Text.Encoding.UTF8;
var options = new Dictionary<string, string>(StringComparer.Ordinal)
{
    ["--model"] = "models/hadal-mini", ["-o"] = "artifacts/finance", ["--epochs"] = "3", ["--seed"] = "1", ["--threads"] = "0", ["--explain"] = "", ["--news"] = "", ["--target"] = "index",
};
var files = new List<string>();
try
{
    for (var index = 1; index < args.Length; index++)
    {
        if (!args[index].StartsWith('-')) files.Add(args[index]);
        else if (!options.ContainsKey(args[index])) throw new InvalidDataException($"{args[index]}: unknown; expected one of {string.Join(", ", options.Keys)}");
        else if (args[index] == "--explain") options["--explain"] = "yes";
        else options[args[index]] = ++index < args.Length ? args[index] : throw new InvalidDataException($"{args[index - 1]}: expected a value");
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
                hadal-finance classify DIR [--explain]                   texts on standard input, one a line
                hadal-finance evaluate DIR NEWS.jsonl|.csv
                hadal-finance direction PRICES.csv… [--news NEWS.csv] [--target index|volatility] [--seed N]
                """);
            return 2;
    }
}
catch (Exception fault) when (fault is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException or CheckpointException or TrainingException)
{
    Console.Error.WriteLine($"hadal-finance: {fault.Message}");
    return 1;
}

// 1. Data: labelled news of one's own, or headlines made up by a generator.
// 2. Adapt: an adapter of 2 % of the model's weights, and a word model beside it.
// 3. Calibrate: on a tenth that nothing was learnt from.
void Train()
{
    var texts = files.Count > 0 ? NewsFiles.Read(files[0]) : SampleNews.Make(240, Number("--seed"));
    var training = new SentimentTrainingOptions { Model = options["--model"], Output = options["-o"], Epochs = Number("--epochs"), Seed = Number("--seed"), ThreadCount = Number("--threads") };
    Print(SentimentTraining.Run(texts, training, note => Console.Error.WriteLine(note)));
    Console.WriteLine("These are the texts that the network was chosen by and the calibration fitted on, so that new ones will be called a little less well: measure them with hadal-finance evaluate.");
    Console.WriteLine($"{Path.GetFullPath(options["-o"])}");
}

// 4. Serve: the adapter on its model. In an application, SentimentClassifier is all there is to call.
async Task ClassifyAsync()
{
    using var classifier = SentimentClassifier.Open(One("a classifier's folder"), threads: Threads());
    while (Console.In.ReadLine() is { } line)
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
    using var classifier = SentimentClassifier.Open(files[0], threads: Threads());
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

int? Threads() => Number("--threads") is > 0 and var threads ? threads : null;

string One(string what) => files.Count == 1 ? files[0] : throw new InvalidDataException($"{args[0]}: expected {what}");
