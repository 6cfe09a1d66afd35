using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary><c>hadal bench [MODEL] [--prompt N] [--generate N] [--depth N] [--threads N] [--arithmetic A] [--cache C] [--mla M] [--repeat N] [--turns] [--json]</c>.</summary>
internal static class BenchCommand
{
    private const int DefaultPrompt = 512, DefaultGenerate = 128, DefaultRepeat = 3;

    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var prompt = Numbers.Integer("--prompt", 0, int.MaxValue, $"Tokens of the prompt. Default: {DefaultPrompt}, or what the context leaves.");
        var generate = Numbers.Integer("--generate", 0, int.MaxValue, $"Tokens generated, one at a time. Default: {DefaultGenerate}, or what the context leaves.");
        var depth = Numbers.Integer("--depth", 0, int.MaxValue, "Tokens that are in the context already when prompt and generation, each on its own, are timed. Default: 0.");
        var threads = ModelOpening.ThreadsOption();
        var arithmetic = ModelOpening.ArithmeticOption(Arithmetic.Integer);
        var cache = ModelOpening.CacheOption();
        var mla = ModelOpening.MlaOption();
        var repeat = Numbers.Integer("--repeat", 1, 10_000, $"Rounds; medians are reported. Default: {DefaultRepeat}.");
        var turns = new Option<bool>("--turns") { Description = "Measure one round for each line on standard input and print it as a JSON object, so that programs can be compared in turns. The first is slow." };
        var json = JsonOutput.Option();
        var command = new Command("bench", "Measures how fast a model reads and writes, on random tokens.") { model, prompt, generate, depth, threads, arithmetic, cache, mla, repeat, turns, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(turns) && (parsed.GetValue(repeat) is not null || parsed.GetValue(json)))
                throw CommandException.Usage("--turns: expected neither --repeat nor --json, because every line of input asks for a round and gets an object");
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            var watch = Stopwatch.StartNew();
            using var checkpoint = Checkpoint.Open(location.Path);
            var room = checkpoint.Config.MaxPositionEmbeddings - (parsed.GetValue(depth) ?? 0);
            var plan = new BenchPlan(
                parsed.GetValue(prompt) ?? Math.Clamp(DefaultPrompt, 0, Math.Max(0, room)),
                parsed.GetValue(generate) ?? Math.Clamp(DefaultGenerate, 0, Math.Max(0, room)),
                parsed.GetValue(depth) ?? 0,
                parsed.GetValue(repeat) ?? DefaultRepeat);
            ModelOpening.CheckContext(checkpoint.Config, plan.Context, "--depth with --prompt or --generate");
            if (plan.Prompt == 0 && plan.Generate == 0 && room <= 0)
                throw CommandException.Usage($"--depth: expected fewer tokens than the {checkpoint.Config.MaxPositionEmbeddings} for which the model was made, found {plan.Depth}");
            if (plan.Prompt == 0 && plan.Generate == 0) throw CommandException.Usage("--prompt and --generate: expected one of them above 0, found 0 and 0");
            var options = ModelOpening.OptionsOf((int)plan.Context, parsed.GetValue(threads), parsed.GetValue(arithmetic) ?? Arithmetic.Integer, parsed.GetValue(cache), parsed.GetValue(mla));
            options = ModelOpening.FitMemory(checkpoint, options, MachineMemory.Read(), shell.Error);
            using var decoder = DecoderModel.Open(checkpoint, options);
            var loadMs = watch.Elapsed.TotalMilliseconds;
            if (parsed.GetValue(turns))
            {
                TakeTurns(shell, decoder, plan);
                return ExitCode.Done;
            }

            var (prefill, decode) = shell.IsErrorTerminal
                ? Tables.WithBar(shell, "measuring", (plan.Repeat + 1) * plan.StepsOfRound, done => Measure(decoder, plan, done))
                : Measure(decoder, plan, _ => { });
            var result = new BenchResult(
                location.Name, ModelOpening.Quantization(checkpoint), checkpoint.Tensors.Values.Sum(ModelOpening.BytesOf), options.ThreadCount, VectorWidth.Bits,
                plan.Prompt, plan.Generate, plan.Depth, prefill, decode, loadMs, PeakMemory());
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.BenchResult);
            else WriteTable(shell, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static (double? Prefill, double? Decode) Measure(DecoderModel decoder, BenchPlan plan, Action<double> progress)
    {
        using var run = new BenchRun(decoder, plan, progress);
        // The first round lets the run time compile and the weights come into memory; it does not count.
        run.Round();
        var rounds = new BenchRates[plan.Repeat];
        for (var i = 0; i < rounds.Length; i++) rounds[i] = run.Round();
        return (Median(rounds.Select(round => round.PrefillTokensPerSecond)), Median(rounds.Select(round => round.DecodeTokensPerSecond)));
    }

    private static void TakeTurns(Shell shell, DecoderModel decoder, BenchPlan plan)
    {
        using var run = new BenchRun(decoder, plan, _ => { });
        using var lines = new StreamReader(shell.Input, leaveOpen: true);
        while (lines.ReadLine() is not null) JsonOutput.Write(shell, run.Round(), CommandJson.Default.BenchRates);
    }

    private static double? Median(IEnumerable<double?> values)
    {
        var sorted = values.OfType<double>().Order().ToArray();
        return sorted.Length == 0 ? null : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static void WriteTable(Shell shell, BenchResult result) => Tables.WriteFields(
        shell,
        result.Model,
        [
            ("weights", $"{Sizes.Bytes(result.ModelBytes)} in {result.Quantization}"),
            ("threads", string.Create(CultureInfo.InvariantCulture, $"{result.Threads}, vectors of {result.VectorWidth} bits")),
            ("load", string.Create(CultureInfo.InvariantCulture, $"{result.LoadMs:F0} ms, peak memory {Sizes.Bytes(result.PeakRssBytes)}")),
            ("reading", Speed(result.PrefillTokensPerSecond, result.PromptTokens, result.Depth)),
            ("writing", Speed(result.DecodeTokensPerSecond, result.GeneratedTokens, result.Depth)),
        ]);

    private static string Speed(double? tokensPerSecond, int tokens, int depth) => tokensPerSecond is { } rate
        ? string.Create(CultureInfo.InvariantCulture, $"{Sizes.Rate(rate)} tokens/s ({tokens} tokens{(depth > 0 ? string.Create(CultureInfo.InvariantCulture, $" after {depth}") : "")})")
        : "not measured";
}

/// <summary>What <c>bench --json</c> prints. Speeds are medians over the rounds; null where nothing was measured.</summary>
internal sealed record BenchResult(
    string Model,
    string Quantization,
    long ModelBytes,
    int Threads,
    int VectorWidth,
    int PromptTokens,
    int GeneratedTokens,
    int Depth,
    double? PrefillTokensPerSecond,
    double? DecodeTokensPerSecond,
    double LoadMs,
    long PeakRssBytes);
