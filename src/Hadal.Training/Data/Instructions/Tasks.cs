namespace Hadal.Training.Data.Instructions;

/// <summary>Which tasks there are, and how often each is set.</summary>
internal sealed class Tasks(CorpusTasks corpus)
{
    private readonly (double Weight, Func<Draw, bool, Instruction> Make)[] _tasks =
    [
        (8, SumTasks.Addition), (8, SumTasks.Subtraction), (6, SumTasks.Multiplication), (2, SumTasks.Division), (7, SumTasks.Story), (5, SumTasks.Negative), (6, SumTasks.Decimals), (7, SumTasks.Several), (1, SumTasks.TooLong),
        (9, (draw, isChinese) => JsonTasks.Pairs(draw, isChinese, corpus.Vocabulary)), (7, (draw, isChinese) => JsonTasks.Extract(draw, isChinese, corpus.Vocabulary)), (4, (draw, isChinese) => JsonTasks.List(draw, isChinese, corpus.Vocabulary)),
        (4, (draw, isChinese) => ListTasks.Copy(draw, isChinese, corpus.Vocabulary)), (3, (draw, isChinese) => ListTasks.Count(draw, isChinese, corpus.Vocabulary)), (5, ListTasks.Sort), (3.5, ListTasks.Extreme), (2.5, (draw, isChinese) => ListTasks.Reverse(draw, isChinese, corpus.Vocabulary)),
        (2.5, (draw, isChinese) => ListTasks.Pick(draw, isChinese, corpus.Vocabulary)), (4, ListTasks.Compare), (2, ListTasks.NextNumber), (2, ListTasks.Next), (2, ListTasks.NumberWord),
        (3, KnowledgeTasks.Definition), (2, KnowledgeTasks.Capital), (2, KnowledgeTasks.Opposite), (4, KnowledgeTasks.Translate), (1.5, KnowledgeTasks.Colour), (2, KnowledgeTasks.Category),
        (4, TalkTasks.Talk), (4, TalkTasks.Refusal), (1.5, TalkTasks.Memory),
        (1.5, corpus.Author), (2, corpus.Continue),
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
