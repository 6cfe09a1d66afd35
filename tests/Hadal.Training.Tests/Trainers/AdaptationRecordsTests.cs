using Hadal.Training.Data.Records;
using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

/// <summary>What an adaptation says of its records before it begins.</summary>
public sealed class AdaptationRecordsTests
{
    [Fact]
    public void A_field_that_the_task_does_not_look_for_is_refused_in_columns()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        const string train = """train=[{"path": "train.jsonl"}, {"path": "train.jsonl", "columns": {"instruction": "question", "inptu": "context"}}]""";
        Assert.EndsWith("train[1].columns.inptu: language looks for no such field; expected messages, instruction, input, output, system, text", Assert.Throws<TrainingException>(() => run.Run(changes: train)).Message, StringComparison.Ordinal);
        Assert.Contains("validation[0].columns.messages: regression looks for no such field; expected text, value", Assert.Throws<TrainingException>(() => run.Run(changes: ["task=regression", """validation=[{"path": "a.csv", "columns": {"messages": "m"}}]"""])).Message, StringComparison.Ordinal);
        var source = new RecordSource { Path = Path.Combine(run.Folder, "valid.jsonl"), Columns = new Dictionary<string, string> { ["label"] = "x" } };
        Assert.StartsWith("--column label: language looks for no such field", Assert.Throws<TrainingException>(() => Evaluation.Run(Path.Combine(run.Folder, "base"), "language", source, CancellationToken.None)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_column_that_no_record_has_ends_the_run_before_it_begins()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "validation=[]", "steps=1");
        var path = Path.Combine(run.Folder, "q.jsonl");
        File.WriteAllText(path, """
            {"question": "sea?", "answer": "deep"}
            {"question": "sea?", "answer": "deep", "context": "cold"}

            """);
        run.Run(changes: Train("context"));
        Assert.Equal($"{path}: columns: no record has contxt, which is to be input; the last one has question, answer, context", Assert.Throws<TrainingException>(() => run.Run(changes: [Train("contxt"), "output=other"])).Message);

        static string Train(string context) => $$$"""train=[{"path": "q.jsonl", "columns": {"instruction": "question", "input": "{{{context}}}", "output": "answer"}}]""";
    }

    [Fact]
    public void A_template_that_writes_no_end_behind_an_answer_is_told()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=1");
        run.Run();
        Assert.DoesNotContain(run.Notes, note => note.StartsWith("the chat template writes nothing behind an answer", StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(run.Folder, "open.jinja"), TinyAdaptation.Template.Replace("{{ eos_token }}", "\n", StringComparison.Ordinal));
        run.Run(changes: ["chat_template=open.jinja", "output=open"]);
        Assert.Single(run.Notes, note => note.StartsWith("the chat template writes nothing behind an answer", StringComparison.Ordinal));
    }

    [Fact]
    public void Records_that_are_learnt_and_measured_on_are_told()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=1", """validation=[{"path": "valid.jsonl"}]""");
        File.WriteAllLines(Path.Combine(run.Folder, "valid.jsonl"), [.. File.ReadLines(Path.Combine(run.Folder, "train.jsonl")).Take(2), """{"messages": [{"role": "user", "content": "new"}, {"role": "assistant", "content": "thing"}]}"""]);
        run.Run();
        Assert.Single(run.Notes, note => note.StartsWith("validation: 2 of 3 examples are among those that are learnt", StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(run.Folder, "valid.jsonl"), """{"messages": [{"role": "user", "content": "new"}, {"role": "assistant", "content": "thing"}]}""");
        run.Notes.Clear();
        run.Run(changes: "output=other");
        Assert.DoesNotContain(run.Notes, note => note.StartsWith("validation: ", StringComparison.Ordinal));
    }
}
