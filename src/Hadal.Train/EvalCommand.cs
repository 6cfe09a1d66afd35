using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hadal.Training.Data.Records;
using Hadal.Training.Trainers;

namespace Hadal.Train;

/// <summary><c>hadal-train eval MODEL --suite NAME --data PATH [--adapter DIR] [--chat-template FILE] [--column name=column] [--json]</c>.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "Checkpoint directory." };
        var suite = new Option<string>("--suite") { Description = $"What is measured: {string.Join(", ", Evaluation.Suites)}.", HelpName = "NAME", Required = true };
        var data = new Option<string>("--data") { Description = "Records: .jsonl, .csv, .tsv, .parquet or .txt.", HelpName = "PATH", Required = true };
        var columns = new Option<string[]>("--column") { Description = "Name of a column in the file: --column text=sentence.", HelpName = "name=column" };
        var adapter = new Option<string>("--adapter") { Description = "A LoRA adapter to measure the model with: a directory as peft saves it.", HelpName = "DIR" };
        var template = new Option<string>("--chat-template") { Description = "File with the chat template for conversations. Default: the adapter's or the model's.", HelpName = "FILE" };
        var length = new Option<int?>("--sequence-length") { Description = "Tokens of an example at most. Default: the model's context, at most 4096.", HelpName = "N", CustomParser = WholeNumber };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on standard output." };
        var command = new Command("eval", "Measures a checkpoint on records.") { model, suite, data, adapter, template, columns, length, json };
        command.SetAction(parsed => TrainingCommand.Guarded(cancellation =>
        {
            var source = new RecordSource { Path = parsed.GetValue(data)!, Columns = Columns(parsed.GetValue(columns) ?? []) };
            var options = new EvaluationOptions { SequenceLength = parsed.GetValue(length), Adapter = parsed.GetValue(adapter), ChatTemplate = parsed.GetValue(template) };
            var (records, figures) = Evaluation.Run(parsed.GetValue(model)!, parsed.GetValue(suite)!, source, options, note => Console.Error.WriteLine($"hadal-train: {note}"), cancellation);
            return parsed.GetValue(json)
                ? Json(parsed.GetValue(model)!, parsed.GetValue(suite)!, records, figures)
                : string.Create(CultureInfo.InvariantCulture, $"records  {records}\n") + string.Join('\n', figures.Select(figure => string.Create(CultureInfo.InvariantCulture, $"{figure.Key}  {figure.Value}")));
        }));
        return command;
    }

    private static int? WholeNumber(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) return number;
        result.AddError($"--sequence-length: expected a whole number, got '{text}'");
        return null;
    }

    private static Dictionary<string, string> Columns(string[] pairs)
    {
        var columns = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            if (pair.Split('=', 2) is not [{ Length: > 0 } name, var column]) throw new Training.TrainingException($"--column {pair}: expected name=column");
            if (!columns.TryAdd(name, column)) throw new Training.TrainingException($"--column {pair}: {name} is {columns[name]} already; name each column once");
        }

        return columns;
    }

    private static string Json(string model, string suite, long records, IReadOnlyDictionary<string, double> figures)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteString("model", model);
            writer.WriteString("suite", suite);
            writer.WriteNumber("records", records);
            foreach (var (name, value) in figures)
            {
                // JSON has no word for what is no finite number.
                if (double.IsFinite(value)) writer.WriteNumber(name, value);
                else writer.WriteNull(name);
            }

            writer.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }
}
