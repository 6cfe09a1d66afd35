using System.CommandLine;
using System.Globalization;
using Hadal.Inference.Grammars;

namespace Hadal.Cli;

/// <summary><c>hadal grammar-bench DIR [--tokenizer MODEL] [--failures] [--json]</c>.</summary>
internal static class GrammarBenchCommand
{
    public static Command Create(Shell shell)
    {
        var folder = new Argument<string>("DIR") { Description = "Folder of .json files with 'schema' and 'tests' of 'valid' and 'data', as MaskBench has them." };
        var model = new Option<string?>("--tokenizer") { Description = $"Model whose vocabulary is used. Default: {ModelLocator.BuiltInName}.", HelpName = "MODEL" };
        var failures = new Option<bool>("--failures") { Description = "List on standard error every schema that does not pass, with the reason." };
        var json = JsonOutput.Option();
        var command = new Command("grammar-bench", "Measures masks of JSON Schemas: what is enforced, and how long a mask takes.") { folder, model, failures, json };
        command.SetAction(parsed =>
        {
            var path = Path.GetFullPath(parsed.GetValue(folder)!, shell.CurrentDirectory);
            if (!Directory.Exists(path)) throw CommandException.Failed($"{path} is no folder; give one with .json files that have 'schema' and 'tests'");
            var files = Directory.EnumerateFiles(path, "*.json").Order(StringComparer.Ordinal).ToList();
            if (files.Count == 0) throw CommandException.Failed($"{path} has no .json files; expected files that have 'schema' and 'tests'");

            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            var tokenizer = ModelOpening.LoadTokenizer(location);
            var runner = new MaskBench(tokenizer);
            runner.WarmUp(files);
            var outcomes = shell.IsErrorTerminal
                ? Tables.WithBar(shell, "schemas", files.Count, done => Run(runner, files, done))
                : Run(runner, files, _ => { });
            if (parsed.GetValue(failures))
                foreach (var outcome in outcomes.Where(outcome => outcome.Fault is not null))
                    shell.Error.WriteLine($"{outcome.Name}: {outcome.Result.ToString().ToLowerInvariant()}: {TerminalText.Visible(outcome.Fault!)}");
            var result = GrammarBenchResult.Of(location.Name, TokenTrie.Of(tokenizer).VocabSize, outcomes);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.GrammarBenchResult);
            else WriteTable(shell, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static List<MaskBenchOutcome> Run(MaskBench runner, List<string> files, Action<double> progress)
    {
        var outcomes = new List<MaskBenchOutcome>(files.Count);
        foreach (var file in files)
        {
            outcomes.Add(runner.Run(file));
            progress(outcomes.Count);
        }
        return outcomes;
    }

    private static void WriteTable(Shell shell, GrammarBenchResult result)
    {
        Tables.WriteFields(
            shell,
            string.Create(CultureInfo.InvariantCulture, $"{result.Tokenizer}, {result.VocabSize} tokens"),
            [
                ("first mask", string.Create(CultureInfo.InvariantCulture, $"mean {result.FirstMaskMs.Mean:F2} ms, median {result.FirstMaskMs.P50:F2} ms, 99 % {result.FirstMaskMs.P99:F2} ms")),
                ("mask", string.Create(CultureInfo.InvariantCulture, $"mean {result.MaskUs.Mean:F1} µs, median {result.MaskUs.P50:F1} µs, 99 % {result.MaskUs.P99:F1} µs, longest {result.MaskUs.Max:F0} µs, {result.Tokens} tokens")),
            ]);
        shell.Text.WriteLine();
        Tables.WriteRows(
            shell,
            ["source", "schemas", "passing", "compile errors", "validation errors", "invalidation errors"],
            [.. result.Sources.Append(result.Total).Select(row => new[] { row.Name, Text(row.Schemas), Text(row.Passing), Text(row.CompileErrors), Text(row.ValidationErrors), Text(row.InvalidationErrors) })],
            leftColumns: 1);

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }
}

/// <summary>What <c>grammar-bench --json</c> prints. Times are those of one thread.</summary>
internal sealed record GrammarBenchResult(
    string Tokenizer,
    int VocabSize,
    int Schemas,
    int Passing,
    int CompileErrors,
    int ValidationErrors,
    int InvalidationErrors,
    FirstMaskTimes FirstMaskMs,
    MaskTimes MaskUs,
    int Tokens,
    IReadOnlyList<GrammarBenchCounts> Sources)
{
    /// <summary>All sources together.</summary>
    internal GrammarBenchCounts Total => new("all", Schemas, Passing, CompileErrors, ValidationErrors, InvalidationErrors);

    public static GrammarBenchResult Of(string tokenizer, int vocabSize, IReadOnlyList<MaskBenchOutcome> outcomes)
    {
        var total = GrammarBenchCounts.Of("all", outcomes);
        var first = outcomes.Where(outcome => outcome.Result != MaskBenchResult.CompileError).Select(outcome => outcome.FirstMaskUs / 1000).Order().ToArray();
        var masks = outcomes.SelectMany(outcome => outcome.MaskUs).Order().ToArray();
        return new GrammarBenchResult(
            tokenizer, vocabSize, total.Schemas, total.Passing, total.CompileErrors, total.ValidationErrors, total.InvalidationErrors,
            new FirstMaskTimes(Mean(first), At(first, 0.5), At(first, 0.99)),
            new MaskTimes(Mean(masks), At(masks, 0.5), At(masks, 0.99), At(masks, 1)),
            masks.Length,
            [.. outcomes.GroupBy(outcome => outcome.Source).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => GrammarBenchCounts.Of(group.Key, [.. group]))]);
    }

    private static double Mean(double[] values) => values.Length == 0 ? 0 : values.Average();

    /// <summary>The value at a share of a sorted list, as MaskBench takes it.</summary>
    private static double At(double[] sorted, double share) => sorted.Length == 0 ? 0 : sorted[Math.Min((int)(sorted.Length * share), sorted.Length - 1)];
}

/// <summary>Milliseconds from the schema's text to the first mask, over the schemas that compile.</summary>
internal sealed record FirstMaskTimes(double Mean, double P50, double P99);

/// <summary>Microseconds to compute a mask and accept a token.</summary>
internal sealed record MaskTimes(double Mean, double P50, double P99, double Max);

/// <summary>Counts of one source of schemas.</summary>
internal sealed record GrammarBenchCounts(string Name, int Schemas, int Passing, int CompileErrors, int ValidationErrors, int InvalidationErrors)
{
    public static GrammarBenchCounts Of(string name, IReadOnlyList<MaskBenchOutcome> outcomes)
    {
        return new GrammarBenchCounts(
            name, outcomes.Count, Count(MaskBenchResult.Passing), Count(MaskBenchResult.CompileError), Count(MaskBenchResult.ValidationError), Count(MaskBenchResult.InvalidationError));

        int Count(MaskBenchResult result) => outcomes.Count(outcome => outcome.Result == result);
    }
}
