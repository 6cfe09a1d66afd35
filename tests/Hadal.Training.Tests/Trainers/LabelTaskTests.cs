using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using Hadal.Training.Trainers;
using Hadal.Training.Trainers.Tasks;

namespace Hadal.Training.Tests.Trainers;

/// <summary>Labels, values and tags, learnt by the commands that learn language.</summary>
public sealed class LabelTaskTests : IDisposable
{
    private static readonly string[] Words = ["sea", "deep", "cold", "light", "dark", "fish", "salt", "wave"];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-labels-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("sft", "hadal")]
    [InlineData("lora", "qwen2")]
    public void Texts_are_labelled_and_the_result_knows_its_labels(string stage, string family)
    {
        using var run = new TinyAdaptation(
            family == "hadal" ? TinyAdaptation.Hadal : TinyAdaptation.Qwen, "task=classification", """labels=["calm","bright"]""", "steps=40", "batch_sequences=8", "learning_rate=0.02", "evaluate_every_steps=20", "compute_type=float32");
        Write(run, random => Text(random, 5), text => $"\"label\": {(text.Contains("light", StringComparison.Ordinal) ? "\"bright\"" : "0")}");
        var path = run.Run(stage);
        var measured = run.Lines.Last(line => line.TryGetProperty("validation", out _)).GetProperty("validation");
        Assert.True(measured.GetProperty("accuracy").GetDouble() > 0.9 && measured.GetProperty("macro_f1").GetDouble() > 0.85, measured.GetRawText());
        if (stage == "lora")
        {
            using var start = Checkpoint.Open(Path.Combine(run.Folder, "base"));
            using var adapter = LoraAdapter.Open(path, start.Config);
            Assert.Equal((ModelHead.Sequence, "SEQ_CLS"), (adapter.Head, adapter.Config.TaskType));
            Assert.Equal(["calm", "bright"], adapter.Labels);

            // Measured beside the model it has the figures that chose it.
            var chosen = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Select(line => line.GetProperty("validation")).MaxBy(figures => figures.GetProperty("macro_f1").GetDouble());
            var (_, beside) = Evaluation.Run(
                Path.Combine(run.Folder, "base"), "classification", new RecordSource { Path = Path.Combine(run.Folder, "valid.jsonl") }, new EvaluationOptions { Adapter = path }, run.Notes.Add, CancellationToken.None);
            Assert.Equal(chosen.GetProperty("accuracy").GetDouble(), beside["accuracy"]);
            Assert.Equal(chosen.GetProperty("loss").GetDouble(), beside["loss"], 1e-4);

            // peft knows no such key, and drops settings where it finds one.
            Assert.DoesNotContain("label", File.ReadAllText(Path.Combine(path, "adapter_config.json")), StringComparison.Ordinal);
            Assert.Equal("""["calm","bright"]""", string.Concat(File.ReadAllText(Path.Combine(path, "label_names.json")).Where(letter => !char.IsWhiteSpace(letter))));
            return;
        }

        // Measured apart, the published model has the figures that chose it.
        var best = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Select(line => line.GetProperty("validation")).MaxBy(figures => figures.GetProperty("macro_f1").GetDouble());
        var (records, measuredAgain) = Evaluation.Run(path, "classification", new RecordSource { Path = Path.Combine(run.Folder, "valid.jsonl") }, CancellationToken.None);
        Assert.Equal(100, records);
        Assert.Equal(best.GetProperty("accuracy").GetDouble(), measuredAgain["accuracy"]);
        Assert.Equal(best.GetProperty("loss").GetDouble(), measuredAgain["loss"], 1e-4);
        Assert.Contains("expected one with a head for tagging", Assert.Throws<TrainingException>(() => Evaluation.Run(path, "tagging", new RecordSource { Path = "x.jsonl" }, CancellationToken.None)).Message, StringComparison.Ordinal);

        using var model = Checkpoint.Open(path);
        Assert.Equal(["HadalForSequenceClassification"], model.Config.Architectures!);
        Assert.Equal(["calm", "bright"], model.Config.Labels);
        Assert.Equal("single_label_classification", model.Config.ProblemType);
        Assert.Equal([2, 12], model.Tensors["score.weight"].Shape);
        Assert.DoesNotContain("lm_head.weight", model.Tensors.Keys);
    }

    [Fact]
    public void A_head_goes_on_only_where_its_labels_are_the_same_in_the_same_order()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=classification", """labels=["calm","bright"]""", "steps=2", "head_only=true");
        Write(run, random => Text(random, 5), _ => "\"label\": 0");
        var trained = run.Run();
        using var checkpoint = Checkpoint.Open(trained);
        foreach (var (labels, isKept) in ((string[], bool)[])[(["calm", "bright"], true), (["bright", "calm"], false), (["calm", "bright", "loud"], false)])
        {
            using var model = ModelFiles.Load(checkpoint, config: LabelConfig.With(checkpoint.Config, ModelHead.Sequence, labels, isValue: false));
            var head = model.PublishedWeights().Single(weight => weight.Spec.Name == "score.weight").Tensor;
            Assert.Equal([labels.Length, 16], head.shape);
            Assert.Equal(isKept, checkpoint.Tensors["score.weight"].Bytes.SequenceEqual(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(head.data<float>().ToArray())));
        }

        Assert.Equal(1, new LabelNames(["1", "0"]).IdOf(JsonElement.Parse("0"), "label"));
        Assert.Equal(1, new LabelNames(["a", "b"]).IdOf(JsonElement.Parse("1"), "label"));

        // Where nothing can be measured, that is said.
        var file = Path.Combine(run.Folder, "bad.jsonl");
        File.WriteAllText(file, """{"text": "a"}""");
        Assert.StartsWith("1 of 1 records cannot be measured on", Assert.Throws<TrainingException>(() => Evaluation.Run(trained, "classification", new RecordSource { Path = file }, CancellationToken.None)).Message, StringComparison.Ordinal);
        File.WriteAllText(file, "\n");
        Assert.Equal($"--data: {file}: has no records, expected at least one to measure on", Assert.Throws<TrainingException>(() => Evaluation.Run(trained, "classification", new RecordSource { Path = file }, CancellationToken.None)).Message);
    }

    [Fact]
    public void Only_the_head_is_trained_where_that_is_asked_for()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=classification", """labels=["calm","bright"]""", "steps=3", "head_only=true");
        Write(run, random => Text(random, 5), _ => "\"label\": 0");
        using var trained = Checkpoint.Open(run.Run());
        using var start = Checkpoint.Open(Path.Combine(run.Folder, "base"));
        Assert.All(start.Tensors.Where(pair => pair.Key != "lm_head.weight"), pair => Assert.True(pair.Value.Bytes.SequenceEqual(trained.Tensors[pair.Key].Bytes), pair.Key));
        Assert.Contains(run.Notes, note => note.StartsWith("32 numbers are trained", StringComparison.Ordinal));
    }

    [Fact]
    public void Words_behind_the_end_of_a_long_text_are_told_by_training_and_by_evaluation()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=tagging", """labels=["O","B-X"]""", "steps=1", "sequence_length=24");
        var words = Enumerable.Repeat("sea", 60).ToList();
        foreach (var file in (string[])["train.jsonl", "valid.jsonl"])
            File.WriteAllText(Path.Combine(run.Folder, file), JsonSerializer.Serialize(new { tokens = words, tags = words.Select((_, index) => index < 59 ? "O" : "B-X") }));
        var trained = run.Run();
        Assert.Contains(run.Notes, note => note.StartsWith("2 of 2 examples are longer than sequence_length and lose their end", StringComparison.Ordinal));
        var notes = new List<string>();
        Evaluation.Run(trained, "tagging", new RecordSource { Path = Path.Combine(run.Folder, "valid.jsonl") }, new EvaluationOptions { SequenceLength = 24 }, notes.Add, CancellationToken.None);
        Assert.Equal("1 of 1 records are longer than 24 tokens and lost their end; --sequence-length raises that", Assert.Single(notes));

        // A word that fills all there is leaves nothing to be tagged, and is no word without a character.
        var task = new TagTask(Tokenizer(), 8, new LabelNames(["O", "X"]));
        Assert.Equal(
            "tokens: the first word alone has more than the 8 tokens of sequence_length; raise it, or cut the word",
            Assert.Throws<BadRecordException>(() => task.Make(Record($$"""{"tokens": ["{{new string('7', 40)}}", "sea"], "tags": [0, 1]}"""))).Message);
        Assert.Equal("tokens: none of them has a character", Assert.Throws<BadRecordException>(() => task.Make(Record("""{"tokens": [""], "tags": [0]}"""))).Message);
    }

    [Fact]
    public void Texts_get_values()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=regression", "steps=60", "batch_sequences=8", "learning_rate=0.02", "evaluate_every_steps=30");
        Write(run, random => Text(random, 4), text => $"\"value\": {(text.Contains("deep", StringComparison.Ordinal) ? "2.5" : "\"-1\"")}");
        using var model = Checkpoint.Open(run.Run());
        Assert.Equal("regression", model.Config.ProblemType);
        var measured = run.Lines.Last(line => line.TryGetProperty("validation", out _)).GetProperty("validation");
        Assert.True(measured.GetProperty("r2").GetDouble() > 0.7, measured.GetRawText());
    }

    [Fact]
    public void Words_are_tagged()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=tagging", """labels=["O","B-LIGHT","I-LIGHT"]""", "steps=60", "batch_sequences=8", "learning_rate=0.02", "evaluate_every_steps=30");
        foreach (var (file, seed) in ((string, int)[])[("train.jsonl", 1), ("valid.jsonl", 2)])
        {
            var random = new Random(seed);
            File.WriteAllLines(Path.Combine(run.Folder, file), Enumerable.Range(0, 100).Select(_ =>
            {
                var words = Enumerable.Range(0, 6).Select(_ => Words[random.Next(Words.Length)]).ToList();
                var tags = words.Select((word, index) => word is not ("light" or "dark") ? "O" : index > 0 && words[index - 1] is "light" or "dark" ? "I-LIGHT" : "B-LIGHT");
                return JsonSerializer.Serialize(new { tokens = words, tags });
            }));
        }

        using var model = Checkpoint.Open(run.Run());
        Assert.Equal(["Qwen2ForTokenClassification"], model.Config.Architectures!);
        Assert.Equal([3], model.Tensors["score.bias"].Shape);
        var measured = run.Lines.Last(line => line.TryGetProperty("validation", out _)).GetProperty("validation");
        Assert.True(measured.GetProperty("span_f1").GetDouble() > 0.75, measured.GetRawText());
    }

    [Fact]
    public void Spans_begin_where_a_tag_says_so_or_the_kind_changes()
    {
        var task = new TagTask(Tokenizer(), 48, new LabelNames(["O", "B-X", "I-X", "I-Y"]));
        Assert.Equal([("X", 0, 2), ("X", 2, 3), ("Y", 4, 5), ("X", 5, 6)], task.Spans([1, 2, 1, 0, 3, 2, 0]));
        Assert.Equal((2.0 / 3 / 3) + (2.0 / 4 / 3), LabelFigures.MacroF1([0, 0, 1, 2], [0, 1, 1, 1], 3), 1e-9);
    }

    [Fact]
    public void A_words_tag_stands_at_its_last_token_and_chinese_words_have_no_space_between()
    {
        var tokenizer = Tokenizer();
        var example = new TagTask(tokenizer, 48, new LabelNames(["O", "X"])).Make(Record("""{"tokens": ["the", "sea", "深", "海"], "tags": ["O", "X", 1, "0"]}""")).Single();
        Assert.Equal("the sea深海", tokenizer.Decode(example.Ids));
        var sea = tokenizer.Encode(" sea", addSpecial: false);
        Assert.Equal([0, 1, 1, 0], example.Labels.Where(label => label != TrainingExample.NoLabel));
        Assert.Equal(1, example.Labels[example.Ids.ToList().IndexOf(sea[0]) + sea.Count - 1]);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1.0")]
    [InlineData("1e0")]
    [InlineData("\"1\"")]
    [InlineData("\"blue\"")]
    public void A_label_is_meant_by_its_number_in_whatever_spelling_and_by_its_name(string label) =>
        Assert.Equal(1, new LabelTask(Tokenizer(), 48, new LabelNames(["red", "blue"])).Make(Record($$"""{"text": "a", "label": {{label}}}""")).Single().Value);

    [Fact]
    public void Labels_that_do_not_occur_count_as_wrong_in_the_mean_over_labels()
    {
        // scikit-learn: f1_score([0, 1], [0, 1], average="macro", labels=[0, 1, 2], zero_division=0).
        Assert.Equal(2.0 / 3, LabelFigures.MacroF1([0, 1], [0, 1], 3), 12);
        Assert.Equal(((2.0 / 3) + 0.8) / 2, LabelFigures.MacroF1([0, 0, 1, 1], [0, 1, 1, 1], 2), 12);
    }

    [Theory]
    [InlineData("""{"text": "a", "label": "green"}""", "label: expected one of red, blue, or 0 to 1, found \"green\"")]
    [InlineData("""{"text": "a", "label": 2}""", "label: expected one of red, blue, or 0 to 1, found 2")]
    [InlineData("""{"text": "a"}""", "label: missing; the record has text")]
    [InlineData("""{"text": "a", "label": null}""", "label: is null")]
    [InlineData("""{"text": "a", "label": 1.5}""", "label: expected one of red, blue, or 0 to 1, found 1.5")]
    [InlineData("""{"text": "a", "label": -1.0}""", "label: expected one of red, blue, or 0 to 1, found -1.0")]
    [InlineData("""{"text": " ", "label": 0}""", "text: is empty")]
    public void What_is_no_label_is_said(string record, string fault) =>
        Assert.StartsWith(fault, Assert.Throws<BadRecordException>(() => new LabelTask(Tokenizer(), 48, new LabelNames(["red", "blue"])).Make(Record(record))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_value_that_is_no_number_is_said() =>
        Assert.Equal("value: expected a number in the range of float32, found true", Assert.Throws<BadRecordException>(() => new LabelTask(Tokenizer(), 48, labels: null).Make(Record("""{"text": "a", "value": true}"""))).Message);

    [Theory]
    [InlineData("""{"tokens": ["a"], "tags": []}""", "tags: expected 1, one for each of tokens, found 0")]
    [InlineData("""{"tokens": "a", "tags": []}""", "tokens: expected a list, found \"a\"")]
    [InlineData("""{"tokens": [5], "tags": [0]}""", "tokens[0]: expected text, found 5")]
    [InlineData("""{"tokens": ["a"], "tags": ["Z"]}""", "tags[0]: expected one of O, X")]
    [InlineData("""{"tokens": ["a", ""], "tags": ["O", "Z"]}""", "tags[1]: expected one of O, X")]
    public void What_are_no_tags_is_said(string record, string fault) =>
        Assert.StartsWith(fault, Assert.Throws<BadRecordException>(() => new TagTask(Tokenizer(), 48, new LabelNames(["O", "X"])).Make(Record(record))).Message, StringComparison.Ordinal);

    private Tokenizer Tokenizer()
    {
        TinyAdaptation.WriteModel(TinyAdaptation.Qwen, _folder.FullName);
        return TokenizerLoader.FromDirectory(_folder.FullName);
    }

    private static DataRecord Record(string json) => new("a.jsonl", 1, JsonElement.Parse(json), null);

    private static string Text(Random random, int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ => Words[random.Next(Words.Length)]));

    private static void Write(TinyAdaptation run, Func<Random, string> text, Func<string, string> label)
    {
        foreach (var (file, seed) in ((string, int)[])[("train.jsonl", 1), ("valid.jsonl", 2)])
        {
            var random = new Random(seed);
            File.WriteAllLines(Path.Combine(run.Folder, file), Enumerable.Range(0, 100).Select(_ => text(random)).Select(line => $$"""{"text": "{{line}}", {{label(line)}}}"""));
        }
    }

    [Fact]
    public void Evaluation_computes_a_bounded_number_of_tokens_at_once()
    {
        TrainingExample[] examples = [.. new[] { 9000, 9000, 100, 100, 100, 5000, 5000, 5000, 5000, 1 }.Select(length => new TrainingExample(new int[length], []))];
        var batches = Evaluation.Batches(examples).ToList();
        Assert.Equal(examples, batches.SelectMany(batch => batch.Examples.Select(placed => placed.Example)));
        Assert.All(batches, batch => Assert.True(batch.Examples.Count() == 1 || batch.Examples.Count() * batch.Width <= 16_384 + (16 * batch.Examples.Count())));
        Assert.Equal([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], Evaluation.Batches(Enumerable.Repeat(new TrainingExample([1], []), 40)).First().Examples.Select(placed => placed.Example.Ids.Length));
    }

    [Fact]
    public void Evaluation_reads_long_texts_in_windows_and_counts_answers_that_lose_their_end()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        var model = Path.Combine(run.Folder, "base");
        var text = string.Join(' ', Enumerable.Repeat("deep cold", 40));
        File.WriteAllText(Path.Combine(run.Folder, "long.jsonl"), $$"""{"text": "{{text}}"}""");
        File.WriteAllText(Path.Combine(run.Folder, "answers.jsonl"), $$"""{"instruction": "sea", "output": "{{text}}"}""");
        var notes = new List<string>();
        var inWindows = Measure("long.jsonl", 16);
        Assert.Empty(notes);
        Assert.NotEqual(inWindows, Measure("long.jsonl", 32));
        Measure("answers.jsonl", 16);
        Assert.Equal("1 of 1 records are longer than 16 tokens and lost their end; --sequence-length raises that", Assert.Single(notes));
        foreach (var length in (int[])[-5, 0, 1])
            Assert.Equal($"--sequence-length: expected 2 to 64, for which the model was made, got {length}", Assert.Throws<TrainingException>(() => Measure("long.jsonl", length)).Message);
        Assert.Contains("expected 2 to 64", Assert.Throws<TrainingException>(() => Measure("long.jsonl", 65)).Message, StringComparison.Ordinal);

        double Measure(string file, int length) => Evaluation.Run(model, "language", new RecordSource { Path = Path.Combine(run.Folder, file) }, new EvaluationOptions { SequenceLength = length }, notes.Add, CancellationToken.None).Figures["loss"];
    }
}
