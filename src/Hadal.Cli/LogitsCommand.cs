using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary><c>hadal logits [MODEL] --token-ids 1,2,3 [--last N] --json</c>.</summary>
internal static class LogitsCommand
{
    /// <summary>Positions computed and written together, so that memory does not grow with the number of tokens.</summary>
    private const int RowsAtOnce = 32;

    private const int CandidatesShown = 5;

    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var tokenIds = new Option<string>("--token-ids") { Description = "The tokens, separated by commas.", HelpName = "1,2,3", Required = true };
        var last = Numbers.Integer("--last", 1, int.MaxValue, "Only the last N positions. Default: all.");
        var threads = ModelOpening.ThreadsOption();
        var arithmetic = ModelOpening.ArithmeticOption(Arithmetic.Exact);
        var json = JsonOutput.Option();
        var command = new Command("logits", "Computes the logits that follow each of the given tokens; without --json prints the likeliest next tokens.")
        {
            model, tokenIds, last, threads, arithmetic, json,
        };
        command.SetAction(parsed =>
        {
            var ids = ParseIds(parsed.GetValue(tokenIds)!);
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            Check(ids, checkpoint.Config);
            var options = ModelOpening.OptionsOf(ids.Length, parsed.GetValue(threads), parsed.GetValue(arithmetic) ?? Arithmetic.Exact);
            options = ModelOpening.FitMemory(checkpoint, options, MachineMemory.Read(), shell.Error);
            using var decoder = DecoderModel.Open(checkpoint, options);
            var firstPosition = Math.Max(0, ids.Length - (parsed.GetValue(last) ?? ids.Length));
            if (parsed.GetValue(json)) WriteJson(shell, decoder, ids, firstPosition);
            else WriteCandidates(shell, decoder, checkpoint.LoadTokenizer(), ids, firstPosition);
            return ExitCode.Done;
        });
        return command;
    }

    private static int[] ParseIds(string text)
    {
        try
        {
            return Numbers.TokenIds(text, "--token-ids") is { Length: > 0 } ids ? ids : throw new FormatException("--token-ids: expected at least one token id, found none");
        }
        catch (FormatException fault)
        {
            throw CommandException.Usage(fault.Message, fault);
        }
    }

    private static void Check(int[] ids, ModelConfig config)
    {
        foreach (var id in ids)
            if (id >= config.VocabSize)
                throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"--token-ids: expected ids from 0 to {config.VocabSize - 1}, which the model has, found {id}"));
        ModelOpening.CheckContext(config, ids.Length, "--token-ids");
    }

    private static void WriteJson(Shell shell, DecoderModel decoder, int[] ids, int firstPosition)
    {
        using (var writer = new Utf8JsonWriter(shell.Output, JsonOutput.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("token_ids");
            foreach (var id in ids) writer.WriteNumberValue(id);
            writer.WriteEndArray();
            writer.WriteNumber("vocab_size", decoder.Config.VocabSize);
            writer.WriteStartArray("positions");
            for (var position = firstPosition; position < ids.Length; position++) writer.WriteNumberValue(position);
            writer.WriteEndArray();
            writer.WriteStartArray("logits");
            ForEachRow(decoder, ids, firstPosition, (_, row) =>
            {
                writer.WriteStartArray();
                foreach (var logit in row) writer.WriteNumberValue(logit);
                writer.WriteEndArray();
                writer.Flush();
            });
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        shell.Output.WriteByte((byte)'\n');
        shell.Output.Flush();
    }

    private static void WriteCandidates(Shell shell, DecoderModel decoder, Tokenizer tokenizer, int[] ids, int firstPosition) =>
        ForEachRow(decoder, ids, firstPosition, (position, row) =>
        {
            var candidates = row.ToArray().Select((logit, id) => (Logit: logit, Id: id)).OrderByDescending(candidate => candidate.Logit).Take(CandidatesShown)
                .Select(candidate => string.Create(CultureInfo.InvariantCulture, $"{candidate.Id} {TerminalText.Quoted(tokenizer, candidate.Id)} {candidate.Logit:F3}"));
            shell.Text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{position}: {ids[position]} {TerminalText.Quoted(tokenizer, ids[position])} -> {string.Join(", ", candidates)}"));
        });

    private static void ForEachRow(DecoderModel decoder, int[] ids, int firstPosition, RowAction action)
    {
        var batch = new ScheduledBatch(decoder.Config.VocabSize, Math.Min(RowsAtOnce, ids.Length - firstPosition));
        using var cache = decoder.CreateCache();
        if (firstPosition > 0)
        {
            batch.Add(cache, ids.AsMemory(0, firstPosition));
            decoder.Forward(batch);
        }

        for (var position = firstPosition; position < ids.Length;)
        {
            var count = Math.Min(RowsAtOnce, ids.Length - position);
            batch.Clear();
            batch.Add(cache, ids.AsMemory(position, count), count);
            decoder.Forward(batch);
            for (var row = 0; row < count; row++, position++)
            {
                var logits = batch.LogitsOf(row);
                if (logits.ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
                    throw CommandException.Failed(string.Create(CultureInfo.InvariantCulture, $"position {position}: the logits are not finite numbers; the weights of the model are damaged"));
                action(position, logits);
            }
        }
    }

    private delegate void RowAction(int position, ReadOnlySpan<float> logits);
}
