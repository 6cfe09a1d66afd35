namespace Hadal.Training.Data.Instructions;

/// <summary>Which tasks there are, and how often each is set.</summary>
internal sealed class Tasks(CorpusTasks corpus)
{
    private readonly (double Weight, Func<Draw, bool, Instruction> Make)[] _tasks =
    [
        (16, SumTasks.Addition), (13, SumTasks.Subtraction), (10, SumTasks.Multiplication), (2, SumTasks.Division), (7, SumTasks.Story), (1, SumTasks.TooLong),
        (9, JsonTasks.Extract), (3, JsonTasks.List),
        (4, ListTasks.Copy), (4, ListTasks.Count), (6, ListTasks.Sort), (3, ListTasks.Extreme), (2.5, ListTasks.Reverse), (2, ListTasks.Pick), (4, ListTasks.Compare), (2, ListTasks.Next), (2, ListTasks.NumberWord),
        (3, KnowledgeTasks.Definition), (1, KnowledgeTasks.Capital), (1.5, KnowledgeTasks.Opposite), (2.5, KnowledgeTasks.Translate), (1.5, KnowledgeTasks.Colour), (2, KnowledgeTasks.Category),
        (5, TalkTasks.Talk), (3.5, TalkTasks.Refusal), (1.5, TalkTasks.Memory),
        (1.5, corpus.Author), (2.5, corpus.Continue),
    ];

    /// <summary>A task in the language, drawn by weight.</summary>
    public Instruction Make(Draw draw, bool isChinese)
    {
        var place = draw.Next(1 << 20) * _tasks.Sum(task => task.Weight) / (1 << 20);
        foreach (var (weight, make) in _tasks)
        {
            place -= weight;
            if (place < 0) return make(draw, isChinese);
        }

        return _tasks[^1].Make(draw, isChinese);
    }

    /// <summary><c>zh</c> or <c>en</c>.</summary>
    public static string Language(bool isChinese) => isChinese ? "zh" : "en";

    /// <summary>The words of a question, without case, spaces and marks: what makes a fact's question another one.</summary>
    public static string Wording(string prompt) => string.Concat(prompt.Where(char.IsLetterOrDigit)).ToLowerInvariant();
}
