using System.CommandLine;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;

namespace Hadal.Cli;

/// <summary><c>hadal render [MODEL] --messages F.json [--no-generation-prompt] [--json]</c>.</summary>
internal static class RenderCommand
{
    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var messages = new Option<string>("--messages")
        {
            Description = "File with a JSON array of messages in the OpenAI form, or an object with messages and, if there are any, tools.",
            HelpName = "F.json",
            Required = true,
        };
        var noPrompt = new Option<bool>("--no-generation-prompt") { Description = "Do not end the text so that the assistant answers." };
        var json = JsonOutput.Option();
        var command = new Command("render", "Applies the model's chat template to messages.") { model, messages, noPrompt, json };
        command.SetAction(parsed =>
        {
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            var template = checkpoint.ChatTemplate ?? throw CommandException.Failed($"{location.Name} has no chat template; it continues text, for which hadal run needs none");
            var tokenizer = checkpoint.LoadTokenizer();
            var segments = new ChatPrompt(template, tokenizer).Render(ReadConversation(shell, parsed.GetValue(messages)!), !parsed.GetValue(noPrompt));
            var text = string.Concat(segments.Select(segment => segment.Text));
            if (parsed.GetValue(json)) JsonOutput.Write(shell, new RenderResult(text, tokenizer.Encode(segments, addSpecial: false)), CommandJson.Default.RenderResult);
            else if (shell.IsOutputTerminal) shell.Text.WriteLine(TerminalText.Visible(text));
            else shell.Text.Write(text);
            return ExitCode.Done;
        });
        return command;
    }

    private static ChatConversation ReadConversation(Shell shell, string file)
    {
        try
        {
            // Of a key that stands twice, one value would be dropped in silence.
            var root = JsonElement.Parse(StandardInput.ReadFileBytes(shell, file), new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (root.ValueKind != JsonValueKind.Object) return new ChatConversation { Messages = ChatMessage.ReadMessages(root) };
            root.TryGetProperty("messages", out var messages);
            return new ChatConversation
            {
                Messages = ChatMessage.ReadMessages(messages),
                Tools = root.TryGetProperty("tools", out var tools) ? tools : null,
            };
        }
        catch (JsonException fault)
        {
            throw CommandException.Failed($"{file}: expected messages in JSON: {JsonFault.Describe(fault)}", fault);
        }
        catch (ArgumentException fault)
        {
            throw CommandException.Failed($"{file}: {fault.Message}", fault);
        }
    }
}

/// <summary>What <c>render --json</c> prints.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="TokenIds">Its token ids; control tokens are recognised where the template wrote them.</param>
internal sealed record RenderResult(string Text, IReadOnlyList<int> TokenIds);
