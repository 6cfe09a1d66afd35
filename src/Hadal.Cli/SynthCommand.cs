using System.CommandLine;
using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Synthetic;
using Hadal.Checkpoints.Weights;

namespace Hadal.Cli;

/// <summary><c>hadal synth SHAPE -o DIR [--layers N] [--quantization bf16|int8|int4-g32|int4-g64|int4-g128] [--seed S]</c>.</summary>
internal static class SynthCommand
{
    private const int Int8Group = 128;
    private static readonly string[] Quantizations = ["bf16", "int8", "int4-g32", "int4-g64", "int4-g128"];

    public static Command Create(Shell shell)
    {
        var shape = new Argument<string>("SHAPE") { Description = $"{string.Join(", ", PublishedShapes.Names)}, or the path of a config.json or of its directory." };
        var output = OutputDirectory.Option();
        var layers = Numbers.Integer("--layers", 1, int.MaxValue, "Keep the first N layers and leave multi-token prediction out. Default: all.");
        var quantization = new Option<string>("--quantization")
        {
            Description = $"How projections are stored: {string.Join(", ", Quantizations)}. int8 is compressed-tensors in groups of {Int8Group}, int4 is AWQ; embeddings, head, norms and routers stay bf16. Default: bf16.",
            HelpName = "Q",
        };
        var seed = Numbers.Unsigned("--seed", "S", "Seed of the weights; the same seed gives the same bytes. Default: 0.");
        var command = new Command(
            "synth", "Writes a checkpoint of a published shape with random weights, to measure speed and memory with. Its text is noise, its tokenizer one token per byte.")
        {
            shape, output, layers, quantization, seed,
        };
        command.SetAction(parsed =>
        {
            var path = OutputDirectory.Find(shell, parsed.GetValue(output)!);
            var config = WithLayers(FindShape(shell, parsed.GetValue(shape)!), parsed.GetValue(layers));
            var checkpoint = new SyntheticCheckpoint(config, FindQuantization(parsed.GetValue(quantization)), parsed.GetValue(seed) ?? 0);
            var bytes = checkpoint.ByteLength;
            OutputDirectory.CheckSpace(path, bytes);
            using (var work = shell.Interruption.Begin())
            {
                if (!OutputDirectory.Run(shell, "writing", bytes, (progress, token) => checkpoint.Write(path, Environment.ProcessorCount, progress, token), work.Token)) return ExitCode.Interrupted;
            }

            shell.Text.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{path}: {Sizes.Bytes(bytes)} of random weights, {config.NumHiddenLayers} layers, {parsed.GetValue(quantization) ?? Quantizations[0]}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static ModelConfig FindShape(Shell shell, string shape)
    {
        if (PublishedShapes.Find(shape) is { } published) return published;
        var path = shape.Length == 0 || shape.Contains('\0') ? "" : Path.GetFullPath(shape, shell.CurrentDirectory);
        if (File.Exists(path) || Directory.Exists(path)) return ModelConfigReader.Read(path);
        throw CommandException.Usage($"SHAPE: expected {string.Join(", ", PublishedShapes.Names)}, or the path of a config.json, found '{shape}'");
    }

    private static ModelConfig WithLayers(ModelConfig config, int? layers)
    {
        if (layers is not { } count) return config;
        if (count > config.NumHiddenLayers)
            throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"--layers: expected 1 to {config.NumHiddenLayers}, the layers of the shape, found {count}"));
        return SyntheticCheckpoint.WithLayers(config, count);
    }

    private static WeightQuantization? FindQuantization(string? name) => name switch
    {
        null or "bf16" => null,
        "int8" => new WeightQuantization(8, Int8Group),
        "int4-g32" => new WeightQuantization(4, 32),
        "int4-g64" => new WeightQuantization(4, 64),
        "int4-g128" => new WeightQuantization(4, 128),
        _ => throw CommandException.Usage($"--quantization: expected {string.Join(", ", Quantizations)}, found '{name}'"),
    };
}
