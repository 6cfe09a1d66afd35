using System.Globalization;
using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Records;

namespace Hadal.Training.Data.Examples;

/// <summary>Renders conversations with a chat template and marks what the assistant says: only that is learnt.</summary>
/// <remarks>Prompt and answer are encoded apart, as they are when the model answers. Some templates write earlier answers differently from the last one (DeepSeek-R1
/// leaves out their reasoning); such an earlier answer becomes an example of its own, in the form in which the model would have to give it.</remarks>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="prompt">The template.</param>
/// <param name="sequenceLength">Tokens of an example at most; what is longer is cut off at the end.</param>
internal sealed class ChatExamples(Tokenizer tokenizer, ChatPrompt prompt, int sequenceLength)
{
    private volatile bool _hasOpenEnd;

    /// <summary>What is worth knowing of the answers made so far.</summary>
    public string? Note => _hasOpenEnd ? "the chat template writes nothing behind an answer, so that a model learns no end and goes on until it is stopped; write eos_token there" : null;

    /// <summary>The examples of a conversation.</summary>
    /// <exception cref="BadRecordException">No answer can be learnt from it, or the template would leave some of it out.</exception>
    public IReadOnlyList<TrainingExample> Make(IReadOnlyList<ChatMessage> messages)
    {
        var last = -1;
        for (var index = 0; index < messages.Count; index++)
            if (IsAnswer(messages[index])) last = index;
        if (last < 0) throw new BadRecordException("messages: expected one of the assistant with content, found none; there is nothing to learn");
        messages = Placed(messages.Take(last + 1));
        var whole = new Rendered(Render(messages, last + 1, asksForAnswer: false));
        var answers = new List<(int Begin, int End)>();
        var examples = new List<TrainingExample>();
        for (var index = 0; index <= last; index++)
        {
            if (!IsAnswer(messages[index])) continue;
            var answered = index == last ? whole : new Rendered(Render(messages, index + 1, asksForAnswer: false));
            var answer = (BeginOf(messages, index, answered), answered.Text.Length);
            if (whole.Text.StartsWith(answered.Text, StringComparison.Ordinal)) answers.Add(answer);
            else examples.Add(Encode(answered, [answer]));
        }

        examples.Add(Encode(whole, answers));
        return examples;
    }

    /// <summary>One example of a prompt and what follows it, which is learnt.</summary>
    /// <exception cref="BadRecordException">The template refuses or would leave some of it out, or the prompt is no beginning of the whole.</exception>
    public TrainingExample Make(IReadOnlyList<ChatMessage> messages, string answer)
    {
        var all = Placed([.. messages, new ChatMessage("assistant", answer)]);
        var answered = new Rendered(Render(all, all.Count, asksForAnswer: false));
        return Encode(answered, [(BeginOf(all, messages.Count, answered), answered.Text.Length)]);
    }

    private static bool IsAnswer(ChatMessage message) => message.Role == "assistant" && (message.Content is { Length: > 0 } || message.ToolCalls is not null);

    /// <summary>The messages as the template takes them, by the rules of a server: what is taught is what is asked later.</summary>
    /// <exception cref="BadRecordException">Some of it is missing, or would be lost.</exception>
    private IReadOnlyList<ChatMessage> Placed(IEnumerable<ChatMessage> given)
    {
        // OpenAI's name for what is above the user.
        IReadOnlyList<ChatMessage> messages = [.. given.Select(message => message.Role == "developer" ? message with { Role = "system" } : message)];
        for (var index = 0; index < messages.Count; index++)
        {
            var message = messages[index];
            if (message.Role is not ("system" or "user" or "assistant" or "tool") && !prompt.Names(message.Role))
                throw new BadRecordException(FormattableString.Invariant($"messages[{index}].role: expected system, developer, user, assistant or tool, or a role that the chat template names, found '{message.Role}'"));
            if (message is { Content: null, ToolCalls: null } and not { Role: "assistant", ReasoningContent: not null })
                throw new BadRecordException(FormattableString.Invariant($"messages[{index}].content: missing"));
        }

        var placed = MessageMarks.Placed(prompt, new ChatConversation { Messages = messages }, out var lost, addGenerationPrompt: false);
        return lost is null ? placed.Messages : throw new BadRecordException(lost.Fault);
    }

    /// <summary>Where an answer begins: behind what asks for it. Where the template writes something else there, such as an opening mark of reasoning, where its content begins.</summary>
    private int BeginOf(IReadOnlyList<ChatMessage> messages, int index, Rendered answered)
    {
        var question = new Rendered(Render(messages, index, asksForAnswer: true)).Text;
        if (answered.Text.StartsWith(question, StringComparison.Ordinal)) return question.Length;
        var before = new Rendered(Render(messages, index, asksForAnswer: false)).Text;
        if (answered.Text.StartsWith(before, StringComparison.Ordinal) && answered.FirstUntrusted(before.Length) is var begin and >= 0) return begin;
        throw new BadRecordException(FormattableString.Invariant($"messages[{index}]: the chat template writes the messages before it differently once it follows; where the answer begins cannot be told"));
    }

    private IReadOnlyList<TextSegment> Render(IReadOnlyList<ChatMessage> messages, int count, bool asksForAnswer)
    {
        try
        {
            return prompt.Render(new ChatConversation { Messages = [.. messages.Take(count)] }, asksForAnswer);
        }
        catch (ChatTemplateException fault)
        {
            throw new BadRecordException($"the chat template refuses it: {fault.Message}", fault);
        }
    }

    private TrainingExample Encode(Rendered text, IReadOnlyList<(int Begin, int End)> answers)
    {
        var (ids, labels) = (new List<int>(), new List<int>());
        var position = 0;
        foreach (var (begin, end) in answers)
        {
            Add(position, begin, isAnswer: false);
            Add(begin, end, isAnswer: true);
            position = end;
            _hasOpenEnd |= !text.EndsTrusted(end);
        }

        var isCut = ids.Count > sequenceLength;
        if (isCut)
        {
            ids.RemoveRange(sequenceLength, ids.Count - sequenceLength);
            labels.RemoveRange(sequenceLength, labels.Count - sequenceLength);
        }

        if (labels.Count > 0) labels[0] = TrainingExample.NoLabel;
        var example = new TrainingExample([.. ids], [.. labels]) { IsCut = isCut };
        return example.LabelCount > 0
            ? example
            : throw new BadRecordException(string.Create(CultureInfo.InvariantCulture, $"the answer begins behind the first {sequenceLength} tokens; raise sequence_length"));

        void Add(int begin, int end, bool isAnswer)
        {
            if (begin == end) return;
            var tokens = tokenizer.Encode(text.Slice(begin, end), addSpecial: false);
            ids.AddRange(tokens);
            labels.AddRange(isAnswer ? tokens : Enumerable.Repeat(TrainingExample.NoLabel, tokens.Count));
        }
    }

    /// <summary>A rendered conversation as one text that still knows who wrote what.</summary>
    private sealed class Rendered
    {
        private readonly IReadOnlyList<TextSegment> _segments;

        public Rendered(IReadOnlyList<TextSegment> segments)
        {
            _segments = segments;
            var text = new StringBuilder();
            foreach (var segment in segments) text.Append(segment.Text);
            Text = text.ToString();
        }

        public string Text { get; }

        /// <summary>The first place from <paramref name="begin"/> on that a caller wrote, or −1.</summary>
        public int FirstUntrusted(int begin)
        {
            var offset = 0;
            foreach (var segment in _segments)
            {
                var end = offset + segment.Text.Length;
                if (!segment.IsTrusted && end > begin) return Math.Max(offset, begin);
                offset = end;
            }

            return -1;
        }

        /// <summary>Whether the template wrote more than blanks last before <paramref name="end"/>.</summary>
        public bool EndsTrusted(int end)
        {
            var offset = 0;
            var isTrusted = false;
            foreach (var segment in _segments)
            {
                if (offset < end && !string.IsNullOrWhiteSpace(segment.Text)) isTrusted = segment.IsTrusted;
                offset += segment.Text.Length;
            }

            return isTrusted;
        }

        public List<TextSegment> Slice(int begin, int end)
        {
            var parts = new List<TextSegment>();
            var offset = 0;
            foreach (var segment in _segments)
            {
                int from = Math.Max(begin, offset), to = Math.Min(end, offset + segment.Text.Length);
                if (from < to) parts.Add(new TextSegment(segment.Text[(from - offset)..(to - offset)], segment.IsTrusted));
                offset += segment.Text.Length;
            }

            return parts;
        }
    }
}
