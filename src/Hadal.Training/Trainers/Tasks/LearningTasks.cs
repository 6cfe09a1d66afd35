using Hadal.Checkpoints;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>The tasks by name.</summary>
internal static class LearningTasks
{
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
