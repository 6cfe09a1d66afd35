using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;

namespace Hadal.Cli;

/// <summary>A conversation on a terminal. A model without a chat template continues each text for itself.</summary>
internal sealed class Conversation(Shell shell, TextGenerator generator, ChatPrompt? chat, GenerationOptions options)
{
    private const string Help =
        """"
        /system TEXT   what the model is told before the conversation; without a text, nothing
        /clear         forget the conversation
        /exit          leave, as Ctrl+D does
        Ctrl+C stops an answer or clears the line; on an empty line it leaves.
        A line that ends with \ goes on; text that begins with """ goes on until the next """.
        Up and down bring back earlier prompts.
        """";

    private readonly List<ChatMessage> _messages = [];

    /// <summary>What the model is told before the conversation, or null.</summary>
    public string? System { get; set; }

    /// <summary>Reads prompts and writes answers until the user leaves.</summary>
    /// <param name="title">Names the model.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(string title)
    {
        var mode = chat is null ? "; it continues text" : "";
        Messages.Dim(shell, $"{title}{mode}. /help shows what there is.");
        var read = PromptReader();
        while (true)
        {
            var (end, text) = read();
            if (end == LineEnd.Interrupted) return ExitCode.Interrupted;
            if (end == LineEnd.EndOfInput) return ExitCode.Done;
            if (string.IsNullOrWhiteSpace(text)) continue;
            if (IsCommand(text))
            {
                if (!Obey(text)) return ExitCode.Done;
                continue;
            }

            await AnswerAsync(text).ConfigureAwait(false);
        }
    }

    /// <summary>Reads prompts with the line editor, or plain lines where nobody would see it: messages go elsewhere, or the terminal cannot move its cursor.</summary>
    private Func<(LineEnd End, string Text)> PromptReader()
    {
        if (shell.IsErrorTerminal && shell.Variable("TERM") != "dumb") return new LineEditor(shell, PromptHistory.Open(shell)).Read;
        var lines = new StreamReader(shell.Input);
        return () => lines.ReadLine() is { } line ? (LineEnd.Entered, line) : (LineEnd.EndOfInput, "");
    }

    /// <summary>Commands are a slash and letters; a path or a fraction is a prompt.</summary>
    private static bool IsCommand(string text)
    {
        if (text[0] != '/') return false;
        var word = text.AsSpan(1).TrimEnd();
        var space = word.IndexOf(' ');
        word = space < 0 ? word : word[..space];
        return word.Length > 0 && !word.ContainsAnyExceptInRange('a', 'z');
    }

    /// <summary>Does what a command says; false if it says to leave.</summary>
    private bool Obey(string command)
    {
        var space = command.IndexOf(' ', StringComparison.Ordinal);
        var (name, text) = space < 0 ? (command.TrimEnd(), "") : (command[..space], command[space..].Trim());
        switch (name)
        {
            case "/exit":
                return false;
            case "/help":
                shell.Error.WriteLine(Help);
                break;
            case "/clear":
                _messages.Clear();
                Messages.Dim(shell, "The conversation is forgotten.");
                break;
            case "/system" when chat is null:
                Messages.Dim(shell, "This model has no chat template and only continues text.");
                break;
            case "/system":
                System = text.Length > 0 ? text : null;
                _messages.Clear();
                Messages.Dim(shell, text.Length > 0 ? "A new conversation begins with that." : "A new conversation begins without it.");
                break;
            default:
                Messages.Dim(shell, $"{name} is no command; /help shows what there is. Put a space in front to say it to the model.");
                break;
        }

        return true;
    }

    private async Task AnswerAsync(string text)
    {
        try
        {
            if (chat is null)
            {
                await Answer.ReadAsync(generator, RunCommand.ContinuationIds(generator.Tokenizer, text), options, shell, shell.Text).ConfigureAwait(false);
                return;
            }

            _messages.Add(new ChatMessage("user", text));
            IReadOnlyList<ChatMessage> messages = System is null ? _messages : [new ChatMessage("system", System), .. _messages];
            var promptIds = chat.Encode(new ChatConversation { Messages = messages });
            var answer = await Answer.ReadAsync(generator, promptIds, options, shell, shell.Text).ConfigureAwait(false);
            _messages.Add(new ChatMessage("assistant", answer.Text));
        }
        catch (Exception fault) when (fault is GenerationException or ChatTemplateException)
        {
            // The prompt did not become part of the conversation; the next one may fit.
            if (chat is not null) _messages.RemoveAt(_messages.Count - 1);
            shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(fault.Message)}; /clear begins a new conversation");
        }
    }
}
