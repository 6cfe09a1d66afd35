using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>What of a conversation would be lost.</summary>
/// <param name="Place">Where it stands, for example <c>messages[2].content</c>.</param>
/// <param name="Fault">What is wrong, with the place.</param>
public sealed record LostMessage(string Place, string Fault);

/// <summary>Finds out what of a conversation a chat template leaves out: it is rendered once more, with a mark in the place of each text, and whatever mark is missing is named.</summary>
/// <remarks>Left alone is what templates leave out on purpose: thoughts of earlier answers, and text that stands beside calls.</remarks>
public static class MessageMarks
{
    private const string Mark = "mark7f3a9c51x";

    /// <summary>The conversation as the template takes it.</summary>
    /// <param name="chat">Has the template.</param>
    /// <param name="conversation">What somebody wrote.</param>
    /// <param name="lost">The first that the template has no place for; null where there is none, or where the template refuses the conversation.</param>
    /// <param name="addGenerationPrompt">Whether it is rendered so that the model answers.</param>
    /// <returns>The same; an empty text in the place of a missing one where the template would write a word for it.</returns>
    public static ChatConversation Placed(ChatPrompt chat, ChatConversation conversation, out LostMessage? lost, bool addGenerationPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(chat);
        ArgumentNullException.ThrowIfNull(conversation);
        var marked = conversation with { Messages = [.. conversation.Messages.Select(Marked)] };
        var text = Rendered(chat, marked, addGenerationPrompt);
        if (conversation.Messages.Any(message => message.Content is null))
        {
            var filled = Rendered(chat, Filled(marked), addGenerationPrompt);
            if (filled is not null && (text is null || Count(text, "None") > Count(filled, "None"))) (conversation, text) = (Filled(conversation), filled);
        }

        // What the template refuses it refuses again, with its own words.
        lost = text is null ? null : Lost(conversation.Messages, Found(text));
        return conversation;
    }

    private static LostMessage? Lost(IReadOnlyList<ChatMessage> messages, HashSet<long> found)
    {
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            string place = FormattableString.Invariant($"messages[{i}]"), content = place + ".content", calls = place + ".tool_calls";
            if (!string.IsNullOrEmpty(message.Content) && message.ToolCalls is null && !found.Contains(Number(i, 0)))
                return new LostMessage(content, $"{content}: this model's chat template has no place for it (role {message.Role}), so that it would be lost");
            for (var call = 0; call < (message.ToolCalls?.GetArrayLength() ?? 0); call++)
                if (!found.Contains(Number(i, call + 1))) return new LostMessage(calls, $"{calls}: this model's chat template has no place for calls, so that they would be lost");
        }

        return null;
    }

    private static ChatConversation Filled(ChatConversation conversation) => conversation with { Messages = [.. conversation.Messages.Select(message => message with { Content = message.Content ?? "" })] };

    private static ChatMessage Marked(ChatMessage message, int index)
    {
        if (!string.IsNullOrEmpty(message.Content)) message = message with { Content = TextOf(Number(index, 0)) };
        if (message.ToolCalls is not { } calls) return message;
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            var call = 0;
            foreach (var element in calls.EnumerateArray())
            {
                json.WriteStartObject();
                json.WriteString("id", Text(element, "id") ?? "call");
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", (element.TryGetProperty("function", out var function) && function.ValueKind == JsonValueKind.Object ? Text(function, "name") : null) ?? "f");
                json.WriteString("arguments", $"{{\"a\":\"{TextOf(Number(index, ++call))}\"}}");
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return message with { ToolCalls = JsonElement.Parse(buffer.WrittenSpan) };
    }

    /// <summary>A member that is text, or null.</summary>
    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long Number(int message, int call) => ((long)message << 32) + call;

    private static string TextOf(long number) => string.Create(CultureInfo.InvariantCulture, $"{Mark}{number}x");

    private static string? Rendered(ChatPrompt chat, ChatConversation conversation, bool addGenerationPrompt)
    {
        try
        {
            return string.Concat(chat.Render(conversation, addGenerationPrompt).Select(segment => segment.Text));
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }

    private static HashSet<long> Found(string text)
    {
        var found = new HashSet<long>();
        for (var at = text.IndexOf(Mark, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Mark, at + 1, StringComparison.Ordinal))
        {
            var digits = text.AsSpan(at + Mark.Length);
            if (digits.IndexOf('x') is >= 0 and var length && long.TryParse(digits[..length], NumberStyles.None, CultureInfo.InvariantCulture, out var number)) found.Add(number);
        }

        return found;
    }

    private static int Count(string text, string word)
    {
        var count = 0;
        for (var at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, at + word.Length, StringComparison.Ordinal)) count++;
        return count;
    }
}
