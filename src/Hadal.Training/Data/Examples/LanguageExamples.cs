using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Records;

namespace Hadal.Training.Data.Examples;

/// <summary>Examples of what to write: conversations (<c>messages</c>), instructions (<c>instruction</c>, <c>input</c>, <c>output</c>, <c>system</c>), and texts (<c>text</c>).</summary>
/// <remarks>Of conversations and instructions only the answers are learnt, of a text everything; a text longer than <paramref name="sequenceLength"/> is cut into several.</remarks>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="template">The chat template; null: only texts can be read.</param>
/// <param name="sequenceLength">Tokens of an example at most.</param>
internal sealed class LanguageExamples(Tokenizer tokenizer, string? template, int sequenceLength) : IExampleMaker
{
    private readonly ChatExamples? _chat = template is null ? null : new ChatExamples(tokenizer, new ChatPrompt(template, tokenizer), sequenceLength);

    /// <inheritdoc/>
    public string Identity => $"language|{sequenceLength}|{template}";

    /// <inheritdoc/>
    public string? Note => _chat?.Note;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingExample> Make(DataRecord record)
    {
        if (record.TryGet("messages", out var messages)) return Chat.Make(Messages(messages, "messages"));
        if (record.TryGet("instruction", out _)) return [Chat.Make(Instruction(record), record.Text("output"))];
        return record.TryGet("text", out _) ? Windows(record.Text("text")) : throw record.Missing("messages, instruction or text");
    }

    /// <summary>Reads a list of messages.</summary>
    /// <exception cref="BadRecordException">It is none.</exception>
    internal static IReadOnlyList<ChatMessage> Messages(JsonElement value, string name)
    {
        try
        {
            return ChatMessage.ReadMessages(value);
        }
        catch (ArgumentException fault)
        {
            throw new BadRecordException(name == "messages" ? fault.Message : $"{name}: {fault.Message}", fault);
        }
    }

    private ChatExamples Chat => _chat ?? throw new BadRecordException("the model has no chat template to write it with; name one with chat_template, or --chat-template of hadal-train eval");

    private static List<ChatMessage> Instruction(DataRecord record)
    {
        var messages = new List<ChatMessage>();
        if (record.TextOrNull("system") is { Length: > 0 } system) messages.Add(new ChatMessage("system", system));
        var input = record.TextOrNull("input");
        messages.Add(new ChatMessage("user", string.IsNullOrEmpty(input) ? record.Text("instruction") : $"{record.Text("instruction")}\n\n{input}"));
        if (record.Text("output").Length == 0) throw new BadRecordException("output: is empty; there is nothing to learn");
        return messages;
    }

    private List<TrainingExample> Windows(string text)
    {
        if (string.IsNullOrWhiteSpace(text)) throw new BadRecordException("text: is empty; there is nothing to learn");
        var ids = new List<int>();
        if (tokenizer.BosTokenId is { } bos) ids.Add(bos);
        ids.AddRange(tokenizer.Encode(text, addSpecial: false));
        if (tokenizer.EosTokenIds.Count > 0) ids.Add(tokenizer.EosTokenIds[0]);
        var windows = new List<TrainingExample>();
        for (var begin = 0; begin + 1 < ids.Count; begin += sequenceLength)
        {
            int[] window = [.. ids.Skip(begin).Take(sequenceLength)];
            if (window.Length > 1) windows.Add(new TrainingExample(window, [TrainingExample.NoLabel, .. window[1..]]));
        }

        return windows.Count > 0 ? windows : throw new BadRecordException("text: is a single token; there is nothing to learn");
    }
}
