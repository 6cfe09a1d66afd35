using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>Learns to tag words (<c>tokens</c> and <c>tags</c>, lists of one length). A word's tag is read at its last token, which has seen all of it.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="sequenceLength">Tokens of a text at most; what is longer is cut off at the end.</param>
/// <param name="labels">Names of the tags; spans are told by <c>B-</c> and <c>I-</c>, <c>O</c> is outside.</param>
internal sealed class TagTask(Tokenizer tokenizer, int sequenceLength, LabelNames labels) : ILearningTask
{
    /// <summary>From here on characters are written without spaces between words.</summary>
    private const char FirstWithoutSpaces = '\u2E80';

    /// <inheritdoc/>
    public string Identity => $"tag|{sequenceLength}|{string.Join('\n', labels.Names)}";

    /// <inheritdoc/>
    public int GroupSize => 1;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingExample> Make(DataRecord record)
    {
        var (words, tags) = (List(record, "tokens"), List(record, "tags"));
        if (words.Count != tags.Count) throw new BadRecordException($"tags: expected {words.Count}, one for each of tokens, found {tags.Count}");
        if (words.Count == 0) throw new BadRecordException("tokens: is empty; there is nothing to tag");
        var (ids, marks) = (new List<int>(), new List<int>());
        if (tokenizer.AddsBos) ids.Add(tokenizer.BosTokenId!.Value);
        marks.AddRange(Enumerable.Repeat(TrainingExample.NoLabel, ids.Count));
        var before = "";
        for (var index = 0; index < words.Count; index++)
        {
            var word = DataRecord.Text(words[index], FormattableString.Invariant($"tokens[{index}]"));
            var tag = labels.IdOf(tags[index], FormattableString.Invariant($"tags[{index}]"));
            var tokens = tokenizer.Encode(HasSpace(before, word) ? " " + word : word, addSpecial: false);
            ids.AddRange(tokens);
            marks.AddRange(Enumerable.Repeat(TrainingExample.NoLabel, Math.Max(0, tokens.Count - 1)));
            if (tokens.Count > 0) marks.Add(tag);
            before = word;
        }

        var example = new TrainingExample([.. ids.Take(sequenceLength)], [.. marks.Take(sequenceLength)]) { IsCut = ids.Count > sequenceLength };
        if (example.LabelCount > 0) return [example];
        throw new BadRecordException(example.IsCut
            ? FormattableString.Invariant($"tokens: the first word alone has more than the {sequenceLength} tokens of sequence_length; raise it, or cut the word")
            : "tokens: none of them has a character");
    }

    /// <inheritdoc/>
    public double WeightOf(TrainingExample example) => example.LabelCount;

    /// <inheritdoc/>
    public Tensor Loss(CausalModel model, ExampleBatch batch)
    {
        var (scores, tags) = Scores(model, batch);
        return nn.functional.cross_entropy(scores, tensor(tags, device: model.Device));
    }

    /// <inheritdoc/>
    public SortedDictionary<string, double> Measure(CausalModel model, IEnumerable<ExampleBatch> batches)
    {
        double loss = 0, words = 0, right = 0, spans = 0, foundSpans = 0, rightSpans = 0;
        foreach (var batch in batches)
        {
            using var scope = NewDisposeScope();
            var (scores, tags) = Scores(model, batch);
            loss += nn.functional.cross_entropy(scores, tensor(tags, device: model.Device)).item<float>() * tags.Length;
            var found = scores.argmax(1).data<long>().ToArray();
            words += tags.Length;
            right += tags.Zip(found).Count(pair => pair.First == pair.Second);
            var begin = 0;
            foreach (var count in batch.Examples.Select(placed => placed.Example.LabelCount))
            {
                var (expected, given) = (Spans(tags.AsSpan(begin, count)), Spans(found.AsSpan(begin, count)));
                spans += expected.Count;
                foundSpans += given.Count;
                rightSpans += expected.Intersect(given).Count();
                begin += count;
            }
        }

        return new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            ["loss"] = Math.Round(loss / words, 5), ["accuracy"] = Math.Round(right / words, 5), ["span_f1"] = Math.Round(spans + foundSpans == 0 ? 1 : 2 * rightSpans / (spans + foundSpans), 5),
        };
    }

    /// <inheritdoc/>
    public double ScoreOf(IReadOnlyDictionary<string, double> measured) => measured["span_f1"] + (measured["accuracy"] / 1000);

    /// <summary>Runs of words of one kind: they begin with <c>B-</c> or with another kind than the word before.</summary>
    internal List<(string Kind, int Begin, int End)> Spans(ReadOnlySpan<long> tags)
    {
        var spans = new List<(string, int, int)>();
        for (var begin = 0; begin < tags.Length;)
        {
            var kind = KindOf((int)tags[begin]);
            var end = begin + 1;
            while (end < tags.Length && KindOf((int)tags[end]) == kind && !labels.Names[(int)tags[end]].StartsWith("B-", StringComparison.Ordinal)) end++;
            if (kind != "O") spans.Add((kind, begin, end));
            begin = end;
        }

        return spans;
    }

    private string KindOf(int tag) => labels.Names[tag] is ['B' or 'I', '-', .. var kind] ? kind : labels.Names[tag];

    private static (Tensor Scores, long[] Tags) Scores(CausalModel model, ExampleBatch batch)
    {
        var (positions, tags) = batch.Labels(shift: 0);
        return (model.Scores(model.Hidden(batch.Ids(model.Device), documents: batch.Documents(model.Device)).flatten(0, 1).index_select(0, tensor(positions, device: model.Device))), tags);
    }

    private static List<JsonElement> List(DataRecord record, string name)
    {
        if (!record.TryGet(name, out var value)) throw record.Missing(name);
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw new BadRecordException($"{name}: expected a list, found {DataRecord.Excerpt(value)}");
    }

    private static bool HasSpace(string before, string word) => before.Length > 0 && word.Length > 0 && before[^1] < FirstWithoutSpaces && word[0] < FirstWithoutSpaces;
}
