using System.CommandLine;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Quantization;

namespace Hadal.Cli;

/// <summary><c>hadal quantize MODEL -o DIR [--method rtn] [--bits 4|8] [--group 32|64|128] [--head 8] [--json]</c>.</summary>
internal static class QuantizeCommand
{
    private const int DefaultBits = 4, DefaultGroup = 128;

    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        model.Arity = ArgumentArity.ExactlyOne;
        model.Description = "Checkpoint directory with float weights (F32, F16, BF16 or FP8), or owner/name in the local hub cache.";
        var output = OutputDirectory.Option();
        var method = new Option<string>("--method") { Description = "rtn: rounding to the nearest code of each group. Default: rtn.", HelpName = "M" };
        var bits = Numbers.Integer("--bits", 1, 16, $"4: AWQ layout, with zero points. 8: compressed-tensors, symmetric. Default: {DefaultBits}.");
        var group = Numbers.Integer("--group", 1, int.MaxValue, $"Inputs that share a scale: 32, 64 or 128. Default: {DefaultGroup}.");
        var head = Numbers.Integer("--head", 1, 16, "8: the output head in 8 bits, too, with --bits 8; one that is the table of embeddings becomes a matrix of its own. Default: it stays.");
        var json = JsonOutput.Option();
        var command = new Command(
            "quantize", "Stores the projections of a model in few bits. Embeddings, norms, routers, biases and indexers stay, as do matrices that no whole groups fill.")
        {
            model, output, method, bits, group, head, json,
        };
        command.SetAction(parsed =>
        {
            var quantization = Quantization(parsed.GetValue(method) ?? "rtn", parsed.GetValue(bits) ?? DefaultBits, parsed.GetValue(group) ?? DefaultGroup, parsed.GetValue(head));
            var path = OutputDirectory.Find(shell, parsed.GetValue(output)!);
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            var quantizer = new CheckpointQuantizer(checkpoint, quantization);
            OutputDirectory.CheckSpace(path, quantizer.BytesAfter);
            QuantizationReport? report = null;
            using (var work = shell.Interruption.Begin())
            {
                OutputDirectory.Run(
                    shell, "quantizing", quantizer.WeightCount, (progress, token) => report = quantizer.Write(path, Environment.ProcessorCount, progress, token), work.Token);
            }

            if (report is null) return ExitCode.Interrupted;
            var result = QuantizeResult.Of(location.Name, path, quantization, report);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.QuantizeResult);
            else WriteTable(shell, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static WeightQuantization Quantization(string method, int bits, int group, int? head)
    {
        if (method is "awq" or "gptq") throw CommandException.Usage($"--method: {method} is not computed yet; expected rtn");
        if (method != "rtn") throw CommandException.Usage($"--method: expected rtn, found '{method}'");
        if (bits == 3) throw CommandException.Usage("--bits: 3 is not computed yet; expected 4 or 8");
        if (bits is not (4 or 8)) throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"--bits: expected 4 or 8, found {bits}"));
        if (group is not (32 or 64 or 128)) throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"--group: expected 32, 64 or 128, found {group}"));
        if (head is not (null or 8)) throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"--head: expected 8, found {head}"));
        if (head is not null && bits != 8) throw CommandException.Usage("--head: expected --bits 8 beside it; the AWQ layout of 4 bits has no place for a matrix of 8");
        return new WeightQuantization(bits, group, IncludesHead: head is not null);
    }

    private static void WriteTable(Shell shell, QuantizeResult result)
    {
        var quantized = result.Tensors.Where(tensor => tensor.MeanSquaredError is not null).ToList();
        var fields = new List<(string, string)>
        {
            ("path", result.Path),
            ("weights", string.Create(CultureInfo.InvariantCulture, $"{Sizes.Bytes(result.BytesBefore)} before, {Sizes.Bytes(result.BytesAfter)} now")),
            ("quantised", string.Create(CultureInfo.InvariantCulture, $"{quantized.Count} tensors of {result.Tensors.Count}, {result.Bits} bits in groups of {result.Group}")),
        };
        if (quantized.MaxBy(tensor => tensor.RelativeError) is { } worst)
        {
            fields.Add(("error", string.Create(
                CultureInfo.InvariantCulture, $"{result.MeanSquaredError:G3} mean squared; largest {worst.RelativeError:P2} of the weights, {worst.Name}")));
        }

        Tables.WriteFields(shell, result.Model, fields);
    }
}

/// <summary>What <c>quantize --json</c> prints.</summary>
internal sealed record QuantizeResult(
    string Model, string Path, string Method, int Bits, int Group, long BytesBefore, long BytesAfter, double MeanSquaredError, IReadOnlyList<QuantizedTensorJson> Tensors)
{
    public static QuantizeResult Of(string model, string path, WeightQuantization quantization, QuantizationReport report) => new(
        model, path, "rtn", quantization.Bits, quantization.GroupSize, report.BytesBefore, report.BytesAfter, report.MeanSquaredError,
        [.. report.Tensors.Select(tensor => new QuantizedTensorJson(
            tensor.Name, ModelOpening.DTypeName(tensor.DType), tensor.BytesBefore, tensor.BytesAfter, tensor.MeanSquaredError, tensor.RelativeError))]);
}

/// <summary>One tensor; errors are null where it stays as it was.</summary>
internal sealed record QuantizedTensorJson(string Name, string Dtype, long BytesBefore, long BytesAfter, double? MeanSquaredError, double? RelativeError);
