using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary>What <c>hadal run</c> prints where a checkpoint or an adapter scores labels instead of writing text: labels and their probabilities, the likeliest first; of tagged
/// tokens a line each; of a model of values the value.</summary>
internal static class LabelAnswer
{
    /// <summary>Scores a text and prints what was found.</summary>
    /// <param name="shell">Where it is printed.</param>
    /// <param name="checkpoint">The model.</param>
    /// <param name="adapter">An adapter with a head of its own, or null.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Limits.</param>
    /// <param name="text">The text; null where there is none.</param>
    /// <param name="isJson">Whether one JSON object is printed.</param>
    /// <exception cref="CommandException">There is no text, or too much of it, or what the model says of it is no number.</exception>
    public static int Run(Shell shell, Checkpoint checkpoint, LoraAdapter? adapter, Tokenizer tokenizer, EngineOptions options, string? text, bool isJson)
    {
        if (string.IsNullOrWhiteSpace(text)) throw CommandException.Usage("the model scores labels and holds no conversation; give a text with -p or through a pipe");
        using var model = LabelModel.Open(checkpoint, adapter, options);
        int[] ids = [.. tokenizer.Encode(text)];
        if (ids.Length > model.MaxContext) throw CommandException.Failed($"the text has {ids.Length} tokens, expected at most {model.MaxContext}");
        var scores = model.Scores(ids);
        if (!Array.TrueForAll(scores, float.IsFinite)) throw CommandException.Failed($"{adapter?.Path ?? checkpoint.Path}: its scores of this text are not finite; the weights are damaged, copy or train them anew");
        if (isJson) WriteJson(shell, model, tokenizer, ids, scores);
        else if (model.Head == ModelHead.Token) foreach (var (row, token) in Tokens(tokenizer, ids)) shell.Text.Write(Line(model, Row(scores, row, model), token));
        else shell.Text.Write(Line(model, scores, null));
        return ExitCode.Done;
    }

    /// <summary>Tokens that stand for some of the text, as a server gives them: not those that the tokenizer puts around it.</summary>
    private static IEnumerable<(int Row, string Text)> Tokens(Tokenizer tokenizer, int[] ids) =>
        ids.Select((id, row) => (row, tokenizer.Decode([id]))).Where(token => token.Item2.Length > 0);

    private static string Line(LabelModel model, ReadOnlySpan<float> scores, string? token)
    {
        if (scores.Length == 1) return string.Create(CultureInfo.InvariantCulture, $"{scores[0]:G6}\n");
        var probabilities = LabelHead.Probabilities(scores);
        var order = Enumerable.Range(0, probabilities.Length).OrderByDescending(label => probabilities[label]).ToList();
        return token is null
            ? string.Concat(order.Select(label => string.Create(CultureInfo.InvariantCulture, $"{TerminalText.Visible(model.Labels[label])}  {probabilities[label]:F4}\n")))
            : string.Create(CultureInfo.InvariantCulture, $"{TerminalText.Visible(token)}  {TerminalText.Visible(model.Labels[order[0]])}  {probabilities[order[0]]:F4}\n");
    }

    private static void WriteJson(Shell shell, LabelModel model, Tokenizer tokenizer, int[] ids, float[] scores)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, JsonOutput.WriterOptions))
        {
            if (model.Head == ModelHead.Token)
            {
                json.WriteStartObject();
                json.WriteStartArray("tokens");
                foreach (var (row, token) in Tokens(tokenizer, ids)) WriteScores(json, model, Row(scores, row, model), token);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            else
            {
                WriteScores(json, model, scores, null);
            }
        }

        bytes.WriteByte((byte)'\n');
        shell.Output.Write(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        shell.Output.Flush();
    }

    private static void WriteScores(Utf8JsonWriter json, LabelModel model, ReadOnlySpan<float> scores, string? token)
    {
        json.WriteStartObject();
        if (token is not null) json.WriteString("text", token);
        if (scores.Length == 1)
        {
            json.WriteNumber("value", scores[0]);
        }
        else
        {
            var probabilities = LabelHead.Probabilities(scores);
            var best = Array.IndexOf(probabilities, probabilities.Max());
            json.WriteString("label", model.Labels[best]);
            json.WriteNumber("probability", Math.Round(probabilities[best], 6));
            json.WriteStartObject("probabilities");
            for (var label = 0; label < probabilities.Length; label++) json.WriteNumber(model.Labels[label], Math.Round(probabilities[label], 6));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static ReadOnlySpan<float> Row(float[] scores, int row, LabelModel model) => scores.AsSpan(row * model.Labels.Count, model.Labels.Count);
}
