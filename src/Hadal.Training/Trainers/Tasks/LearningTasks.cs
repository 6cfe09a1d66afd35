using Hadal.Checkpoints;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>The tasks by name.</summary>
internal static class LearningTasks
{
    /// <summary>Fields of records that a task looks for, of which a source may say how a file calls them.</summary>
    /// <param name="name">As of <see cref="Create"/>.</param>
    public static IReadOnlyList<string> FieldsOf(string name) => name switch
    {
        "preference" => ["prompt", "chosen", "rejected", "system"],
        "classification" => ["text", "label"],
        "regression" => ["text", "value"],
        "tagging" => ["tokens", "tags"],
        _ => ["messages", "instruction", "input", "output", "system", "text"],
    };

    /// <summary>What is wrong with the columns of a source, or null.</summary>
    /// <param name="name">As of <see cref="Create"/>.</param>
    /// <param name="columns">Names of columns by fields.</param>
    public static string? FaultOf(string name, IReadOnlyDictionary<string, string>? columns)
    {
        var unknown = (columns?.Keys ?? []).Except(FieldsOf(name)).FirstOrDefault();
        return unknown is null ? null : $"{unknown}: {name} looks for no such field; expected {string.Join(", ", FieldsOf(name))}";
    }

    /// <summary>Makes a task for a checkpoint.</summary>
    /// <param name="name"><c>language</c>, <c>classification</c>, <c>regression</c>, <c>tagging</c> or <c>preference</c>.</param>
    /// <param name="checkpoint">Gives the tokenizer.</param>
    /// <param name="template">The chat template, or null.</param>
    /// <param name="sequenceLength">Tokens of an example at most.</param>
    /// <param name="labels">Names of labels, where the task has some.</param>
    /// <param name="preference">How preferences are learnt.</param>
    public static ILearningTask Create(string name, Checkpoint checkpoint, string? template, int sequenceLength, IReadOnlyList<string> labels, PreferenceOptions preference)
    {
        var tokenizer = checkpoint.LoadTokenizer();
        return name switch
        {
            "preference" => new PreferenceTask(tokenizer, template, sequenceLength, preference),
            "classification" => new LabelTask(tokenizer, sequenceLength, new LabelNames(labels)),
            "regression" => new LabelTask(tokenizer, sequenceLength, labels: null),
            "tagging" => new TagTask(tokenizer, sequenceLength, new LabelNames(labels)),
            _ => new LanguageTask(tokenizer, template, sequenceLength),
        };
    }
}
