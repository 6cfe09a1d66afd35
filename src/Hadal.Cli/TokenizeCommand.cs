using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;

namespace Hadal.Cli;

/// <summary><c>hadal tokenize [MODEL] [--add-special] [--parse-special] [--decode] [--json] &lt; text</c>.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var addSpecial = new Option<bool>("--add-special") { Description = "Put the tokens in front and behind that the model's family adds." };
        var parseSpecial = new Option<bool>("--parse-special") { Description = "Recognise control tokens in the text; with --decode, write them." };
        var decode = new Option<bool>("--decode") { Description = "Read token ids, as this command prints them with or without --json, and print their text." };
        var json = JsonOutput.Option();
        var command = new Command("tokenize", "Turns text from standard input into token ids, or ids into text.") { model, addSpecial, parseSpecial, decode, json };
        command.SetAction(parsed =>
        {
            var tokenizer = ModelOpening.LoadTokenizer(new ModelLocator(shell).Find(parsed.GetValue(model)));
            var text = StandardInput.ReadText(shell);
            if (parsed.GetValue(decode)) Decode(shell, tokenizer, text, parsed.GetValue(parseSpecial), parsed.GetValue(json));
            else Encode(shell, tokenizer, text, parsed.GetValue(addSpecial), parsed.GetValue(parseSpecial), parsed.GetValue(json));
            return ExitCode.Done;
        });
        return command;
    }

    private static void Encode(Shell shell, Tokenizer tokenizer, string text, bool addSpecial, bool parseSpecial, bool json)
    {
        var ids = tokenizer.Encode(text, addSpecial, parseSpecial);
        if (json)
        {
            JsonOutput.Write(shell, new TokenizeResult(ids, [.. ids.Select(tokenizer.TokenText)]), CommandJson.Default.TokenizeResult);
            return;
        }

        var line = new StringBuilder();
        foreach (var id in ids) line.Append(line.Length > 0 ? " " : "").Append(CultureInfo.InvariantCulture, $"{id}");
        shell.Text.WriteLine(line);
    }

    private static void Decode(Shell shell, Tokenizer tokenizer, string input, bool parseSpecial, bool json)
    {
        var ids = ReadIds(input, tokenizer.VocabSize);
        var text = tokenizer.Decode(ids, skipSpecial: !parseSpecial);
        if (json) JsonOutput.Write(shell, new DecodeResult(text), CommandJson.Default.DecodeResult);
        // A pipe gets the text as it is, a person a line.
        else if (shell.IsOutputTerminal) shell.Text.WriteLine(TerminalText.Visible(text));
        else shell.Text.Write(text);
    }

    /// <summary>Ids as a line, as a JSON array, or in the object that <c>--json</c> prints.</summary>
    private static int[] ReadIds(string input, int vocabSize)
    {
        const string where = "standard input";
        try
        {
            if (input.AsSpan().TrimStart().StartsWith('{'))
            {
                if (!JsonElement.Parse(input).TryGetProperty("token_ids", out var list)) throw CommandException.Failed($"{where}: expected token ids, found an object without token_ids");
                input = list.GetRawText();
            }

            var ids = Numbers.TokenIds(input, where);
            foreach (var id in ids)
                if (id >= vocabSize)
                    throw CommandException.Failed(string.Create(CultureInfo.InvariantCulture, $"{where}: expected ids from 0 to {vocabSize - 1}, which the tokenizer has, found {id}"));
            return ids;
        }
        catch (JsonException fault)
        {
            throw CommandException.Failed($"{where}: expected token ids: {JsonFault.Describe(fault)}", fault);
        }
        catch (FormatException fault)
        {
            throw CommandException.Failed(fault.Message, fault);
        }
    }
}

/// <summary>What <c>tokenize --json</c> prints.</summary>
/// <param name="TokenIds">Token ids.</param>
/// <param name="Pieces">Tokens as the vocabulary spells them.</param>
internal sealed record TokenizeResult(IReadOnlyList<int> TokenIds, IReadOnlyList<string> Pieces);

/// <summary>What <c>tokenize --decode --json</c> prints.</summary>
/// <param name="Text">The text.</param>
internal sealed record DecodeResult(string Text);
