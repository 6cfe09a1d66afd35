using System.CommandLine;
using System.Globalization;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary><c>hadal perplexity [MODEL] --file F [--context N] [--json]</c>.</summary>
internal static class PerplexityCommand
{
    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var file = new Option<string>("--file") { Description = "The text, in UTF-8.", HelpName = "F", Required = true };
        var context = Numbers.Integer("--context", 1, int.MaxValue, "Tokens of a window; windows do not overlap. Default: what the model was made for, but no more than 4096.");
        var threads = ModelOpening.ThreadsOption();
        var arithmetic = ModelOpening.ArithmeticOption(Arithmetic.Integer);
        var cache = ModelOpening.CacheOption();
        var json = JsonOutput.Option();
        var command = new Command("perplexity", "Measures how well a model predicts a text.") { model, file, context, threads, arithmetic, cache, json };
        command.SetAction(parsed =>
        {
            using var text = StandardInput.OpenFile(shell, parsed.GetValue(file)!);
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            if (parsed.GetValue(context) is { } tokens) ModelOpening.CheckContext(checkpoint.Config, tokens, "--context");
            var options = ModelOpening.OptionsOf(parsed.GetValue(context), parsed.GetValue(threads), parsed.GetValue(arithmetic) ?? Arithmetic.Integer, parsed.GetValue(cache));
            options = ModelOpening.FitMemory(checkpoint, options, MachineMemory.Read(), shell.Error);
            using var decoder = DecoderModel.Open(checkpoint, options);
            var result = Measure(shell, decoder, checkpoint, text);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, new PerplexityJson(result.Value, result.BitsPerByte, result.TokenCount, result.ByteCount), CommandJson.Default.PerplexityJson);
            else
                Tables.WriteFields(shell, location.Name,
                [
                    ("perplexity", Sizes.Rate(result.Value)),
                    ("bits per byte", result.BitsPerByte.ToString("F4", CultureInfo.InvariantCulture)),
                    ("text", string.Create(CultureInfo.InvariantCulture, $"{result.TokenCount} tokens, {result.ByteCount} bytes")),
                    ("window", string.Create(CultureInfo.InvariantCulture, $"{decoder.MaxContext} tokens")),
                ]);
            return ExitCode.Done;
        });
        return command;
    }

    private static PerplexityResult Measure(Shell shell, DecoderModel decoder, Checkpoint checkpoint, FileStream text)
    {
        var tokenizer = checkpoint.LoadTokenizer();
        // No byte order mark is looked for: it is part of the text and of its bytes.
        using var reader = new StreamReader(text, StandardInput.Strict, detectEncodingFromByteOrderMarks: false);
        try
        {
            if (!text.CanSeek) throw CommandException.Failed($"{text.Name}: expected a file, found a pipe");
            if (text.Length == 0) throw CommandException.Failed($"{text.Name}: expected a text, found an empty file");
            return shell.IsErrorTerminal
                ? Tables.WithBar(shell, "measuring", text.Length, done => Perplexity.Measure(decoder, tokenizer, reader, decoder.MaxContext, sofar => done(sofar.ByteCount)))
                : Perplexity.Measure(decoder, tokenizer, reader, decoder.MaxContext);
        }
        catch (DecoderFallbackException fault)
        {
            throw CommandException.Failed($"{text.Name}: expected UTF-8, found other bytes", fault);
        }
    }
}

/// <summary>What <c>perplexity --json</c> prints.</summary>
/// <param name="Perplexity">2 to the power of the bits per token.</param>
/// <param name="BitsPerByte">Code length of the text in bits over its bytes.</param>
/// <param name="Tokens">Tokens of the text.</param>
/// <param name="Bytes">UTF-8 bytes of the text.</param>
internal sealed record PerplexityJson(double Perplexity, double BitsPerByte, long Tokens, long Bytes);
