using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>Learns which of two answers is better (DPO). Each pair is two examples, the better answer first.</summary>
/// <remarks>Records have <c>chosen</c> and <c>rejected</c>, texts or lists of messages, and <c>prompt</c>, a text or a list of messages; without it both lists of messages hold it and
/// differ in the last one only. A text in <c>system</c> stands before it. The value of an example is the log-probability that the model gave its answer before the first step: no second model is kept.</remarks>
internal sealed class PreferenceTask(Tokenizer tokenizer, string? chatTemplate, int sequenceLength, PreferenceOptions options) : ILearningTask
{
    private readonly ChatExamples _chat = new(tokenizer, new ChatPrompt(chatTemplate ?? throw new TrainingException("chat_template: the model has none to write conversations with; name one"), tokenizer), sequenceLength);

    /// <inheritdoc/>
    public string Identity => $"preference|{sequenceLength}|{chatTemplate}";

    /// <inheritdoc/>
    public string? Note => _chat.Note;

    /// <inheritdoc/>
    public int GroupSize => 2;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingExample> Make(DataRecord record)
    {
        var (chosen, rejected) = (Answer(record, "chosen"), Answer(record, "rejected"));
        if (chosen.Text == rejected.Text) throw new BadRecordException("chosen and rejected are the same; there is nothing to prefer");
        if (chosen.Prefix is { } first && rejected.Prefix is { } second && !(first.Count == second.Count && first.Zip(second).All(pair => JsonElement.DeepEquals(pair.First, pair.Second))))
            throw new BadRecordException("rejected: its messages before the last one differ from those of chosen; expected the same conversation with another answer");
        if ((chosen.Prefix ?? rejected.Prefix) is { Count: > 0 } messages && !IsPrompt(record, messages))
            throw new BadRecordException("prompt: differs from the messages before the answers; expected the same conversation, or one of them");
        var prompt = WithSystem(record, Prompt(record) ?? chosen.Before ?? rejected.Before ?? throw record.Missing("prompt"));
        return [_chat.Make(prompt, chosen.Text), _chat.Make(prompt, rejected.Text)];
    }

    /// <inheritdoc/>
    public double WeightOf(TrainingExample example) => 0.5;

    /// <inheritdoc/>
    public void Prepare(CausalModel model, ExampleFile examples, Func<IReadOnlyList<int[]>, IEnumerable<ExampleBatch>> batches)
    {
        using var noGradient = no_grad();
        var values = new List<double>();
        foreach (var batch in batches([.. Enumerable.Range(0, examples.Count / GroupSize).Select(pair => new[] { pair })]))
        {
            using var scope = NewDisposeScope();
            values.AddRange(AnswerProbabilities(model, batch).to(ScalarType.Float64).data<double>());
        }

        examples.Values = values;
    }

    /// <inheritdoc/>
    public Tensor Loss(CausalModel model, ExampleBatch batch)
    {
        var ratios = Ratios(model, batch);
        return options.Loss(ratios.Chosen, ratios.Rejected).mean();
    }

    /// <inheritdoc/>
    public SortedDictionary<string, double> Measure(CausalModel model, IEnumerable<ExampleBatch> batches)
    {
        double loss = 0, right = 0, margin = 0, count = 0;
        foreach (var batch in batches)
        {
            using var scope = NewDisposeScope();
            var (chosen, rejected) = Ratios(model, batch);
            loss += options.Loss(chosen, rejected).sum().item<float>();
            right += chosen.gt(rejected).sum().item<long>();
            margin += (chosen - rejected).sum().item<float>() * options.Beta;
            count += chosen.shape[0];
        }

        return new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            ["loss"] = Math.Round(loss / count, 5), ["accuracy"] = Math.Round(right / count, 5), ["margin"] = Math.Round(margin / count, 5),
        };
    }

    /// <inheritdoc/>
    public double ScoreOf(IReadOnlyDictionary<string, double> measured) => -measured["loss"];

    /// <summary>Log-probabilities of the answers over those the run started with, of the better and the worse ones.</summary>
    private (Tensor Chosen, Tensor Rejected) Ratios(CausalModel model, ExampleBatch batch)
    {
        var before = tensor(batch.Examples.Select(placed => (float)placed.Example.Value).ToArray(), device: model.Device);
        var pairs = (AnswerProbabilities(model, batch) - before).view(-1, 2);
        return (pairs.select(1, 0), pairs.select(1, 1));
    }

    /// <summary>[examples], log-probability of each answer: the sum over its tokens, or with <c>ipo</c> their mean.</summary>
    private Tensor AnswerProbabilities(CausalModel model, ExampleBatch batch)
    {
        var (positions, targets) = batch.Labels(shift: 1);
        var counts = batch.Examples.Select(placed => (long)placed.Example.LabelCount).ToArray();
        var owners = counts.SelectMany((count, example) => Enumerable.Repeat((long)example, (int)count)).ToArray();
        var hidden = model.Hidden(batch.Ids(model.Device), documents: batch.Documents(model.Device)).flatten(0, 1).index_select(0, tensor(positions, device: model.Device));
        var each = model.LogProbabilities(hidden, tensor(targets, device: model.Device));
        var sums = zeros(counts.Length, device: model.Device).index_add(0, tensor(owners, device: model.Device), each, Number.One);
        return options.LossType == "ipo" ? sums / tensor(counts, device: model.Device) : sums;
    }

    private static IReadOnlyList<ChatMessage>? Prompt(DataRecord record)
    {
        if (!record.TryGet("prompt", out var prompt)) return null;
        return prompt.ValueKind == JsonValueKind.Array ? LanguageExamples.Messages(prompt, "prompt") : [new ChatMessage("user", record.Text("prompt"))];
    }

    /// <summary>Whether the record has no prompt, or one that says what these messages say.</summary>
    private static bool IsPrompt(DataRecord record, IReadOnlyList<JsonElement> messages)
    {
        if (!record.TryGet("prompt", out var prompt)) return true;
        if (prompt.ValueKind == JsonValueKind.Array) return prompt.GetArrayLength() == messages.Count && prompt.EnumerateArray().Zip(messages).All(pair => JsonElement.DeepEquals(pair.First, pair.Second));
        return LanguageExamples.Messages(JsonSerializer.SerializeToElement(messages), "chosen") is [{ Role: "user" } only] && only.Content == record.Text("prompt");
    }

    private static IReadOnlyList<ChatMessage> WithSystem(DataRecord record, IReadOnlyList<ChatMessage> prompt)
    {
        if (record.TextOrNull("system") is not { Length: > 0 } system) return prompt;
        if (prompt is not [{ Role: "system" } own, ..]) return [new ChatMessage("system", system), .. prompt];
        return own.Content == system ? prompt : throw new BadRecordException("system: the conversation begins with another one; expected one of them");
    }

    private static (string Text, IReadOnlyList<ChatMessage>? Before, IReadOnlyList<JsonElement>? Prefix) Answer(DataRecord record, string name)
    {
        if (!record.TryGet(name, out var value)) throw record.Missing(name);
        var (text, before) = (value.ValueKind == JsonValueKind.Array ? null : record.Text(name), (IReadOnlyList<ChatMessage>?)null);
        if (text is null)
        {
            var messages = LanguageExamples.Messages(value, name);
            text = messages is [.., { Role: "assistant", Content: { } content }] ? content : throw new BadRecordException($"{name}: expected a message of the assistant at the end");
            before = messages.Count > 1 ? [.. messages.SkipLast(1)] : null;
        }

        IReadOnlyList<JsonElement>? prefix = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().SkipLast(1)] : null;
        return text.Length > 0 ? (text, before, prefix) : throw new BadRecordException($"{name}: is empty");
    }
}
