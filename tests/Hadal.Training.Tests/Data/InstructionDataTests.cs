using System.Globalization;
using System.Text.Json;
using Hadal.Training.Data;
using Hadal.Training.Data.Instructions;
using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Data;

/// <summary>Instruction data of our own making.</summary>
public sealed class InstructionDataTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-instructions-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_same_seed_writes_the_same_bytes_and_nothing_that_is_tested_is_learnt()
    {
        string one = Path.Combine(_folder.FullName, "one"), two = Path.Combine(_folder.FullName, "two"), other = Path.Combine(_folder.FullName, "other");
        InstructionData.Write(Corpus(), one, 1500, 5, 300, 1, TestContext.Current.CancellationToken);
        InstructionData.Write(Corpus(), two, 1500, 5, 300, 1, TestContext.Current.CancellationToken);
        InstructionData.Write(Corpus(), other, 50, 1, 10, 2, TestContext.Current.CancellationToken);
        foreach (var file in Directory.GetFiles(one)) Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(two, Path.GetFileName(file))));
        Assert.NotEqual(File.ReadLines(Path.Combine(one, "train.jsonl")).First(), File.ReadLines(Path.Combine(other, "train.jsonl")).First());

        var learnt = Conversations(Path.Combine(one, "train.jsonl")).SelectMany(messages => messages.Where(message => message.Role == "user").Select(message => message.Content)).ToHashSet();
        var tests = File.ReadLines(Path.Combine(one, "test.jsonl")).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(300, tests.Count);
        Assert.Equal(300, tests.Select(test => test.GetProperty("messages").GetRawText()).Distinct().Count());
        Assert.True(learnt.Count > 1000);

        // What the user told before a question about it may be anything.
        Assert.DoesNotContain(tests, test => test.GetProperty("messages") is var messages && messages.GetArrayLength() == 1 && learnt.Contains(messages[0].GetProperty("content").GetString()!));
        Assert.Equal(5, File.ReadLines(Path.Combine(one, "text.jsonl")).Count());
        Assert.NotEqual("", File.ReadAllText(Path.Combine(one, "heldout-en.txt")));
    }

    [Fact]
    public void A_sum_that_is_tested_is_learnt_in_no_other_words_and_in_no_other_order()
    {
        var tasks = new Tasks(new CorpusTasks(Corpus().Sources, _folder.FullName, 1, CancellationToken.None));
        var learnt = InstructionData.Conversations(tasks, 1500, 1).SelectMany(conversation => conversation).Select(task => $"{task.Kind}|{task.Key}").ToHashSet();
        var tested = InstructionData.Tests(tasks, 300, 1).ToList();
        Assert.True(tested.Count(task => task.Kind == "addition") > 10);
        Assert.DoesNotContain(tested, task => learnt.Contains($"{task.Kind}|{task.Key}"));
        Assert.All(tested, task => Assert.True(InstructionData.IsHeldOut(task)));
    }

    [Fact]
    public void No_question_that_is_tested_is_learnt_by_its_words_or_by_what_it_asks()
    {
        var tasks = new Tasks(new CorpusTasks(Corpus().Sources, _folder.FullName, 1, CancellationToken.None));
        var learnt = InstructionData.Conversations(tasks, 20_000, 3).SelectMany(conversation => conversation).ToList();
        var tested = InstructionData.Tests(tasks, 2000, 3).ToList();
        var (words, questions) = (learnt.Where(task => task.Before.Count == 0).Select(Wording).ToHashSet(), learnt.Select(Question).ToHashSet());
        Assert.Empty(tested.Where(task => task.Before.Count == 0 && words.Contains(Wording(task))).Select(task => task.Prompt));
        Assert.Empty(tested.Where(task => Question(task) is { } question && questions.Contains(question)).Select(task => task.Prompt));
        foreach (var kind in (string[])["addition", "subtraction", "multiplication", "division", "story sum", "sorting", "largest and smallest", "yes or no", "next number", "negative numbers", "decimals", "several operations"])
        {
            Assert.Contains(tested, task => task.Kind == kind && Question(task) is not null);
            Assert.Contains(learnt, task => task.Kind == kind && Question(task) is not null);
        }

        // A prompt without case, spaces and the marks at its end.
        static string Wording(Instruction task) => string.Concat(task.Prompt.Where(letter => !char.IsWhiteSpace(letter) && !".?!。？！\"".Contains(letter, StringComparison.Ordinal))).ToLowerInvariant();

        // Of sums and orders: the numbers in no order, with the answer. Read off the question, not off its key.
        static string? Question(Instruction task)
        {
            var asked = System.Text.RegularExpressions.Regex.Matches(task.Prompt, "[0-9]+").Select(match => match.Value).Order(StringComparer.Ordinal).ToList();
            return asked.Count == 0 || task.Kind is "JSON object" or "JSON list" or "refusal" or "author" or "copying" ? null : $"{task.Kind}|{string.Join(' ', asked)}|{task.Expected[0]}";
        }
    }

    [Fact]
    public void Answers_are_what_they_are_judged_by_and_sums_are_right()
    {
        var tasks = new Tasks(new CorpusTasks(Corpus().Sources, _folder.FullName, 1, CancellationToken.None));
        var draw = new Draw(5, 0);
        var kinds = new HashSet<string>();
        for (var index = 0; index < 6000; index++)
        {
            var task = tasks.Make(draw, index % 2 == 0);
            kinds.Add(task.Kind);
            switch (task.Check)
            {
                case AnswerCheck.Exact: Assert.Equal(task.Expected[0], task.Answer); break;
                case AnswerCheck.Contains: Assert.Contains(task.Expected, expected => task.Answer.Contains(expected, StringComparison.Ordinal)); break;
                case AnswerCheck.Json: Assert.True(JsonElement.DeepEquals(JsonElement.Parse(task.Expected[0]), JsonElement.Parse(task.Answer))); break;
                case AnswerCheck.LastLine: Assert.Equal(task.Expected[0], task.Answer.Split('\n')[^1]); break;
                default: Assert.Equal(task.Expected[0], System.Text.RegularExpressions.Regex.Matches(task.Answer, "-?[0-9]+([.][0-9]+)?")[^1].Value); break;
            }

            Assert.NotEqual("", task.Prompt.Trim());
        }

        Assert.True(kinds.Count >= 20, string.Join(", ", kinds));
    }

    [Fact]
    public void Every_equation_of_an_answer_holds()
    {
        using var table = new System.Data.DataTable { Locale = CultureInfo.InvariantCulture };
        var draw = new Draw(6, 0);
        Func<Draw, bool, Instruction>[] tasks = [SumTasks.Negative, SumTasks.Decimals, SumTasks.Several, SumTasks.Story, SumTasks.Division];
        for (var index = 0; index < 4000; index++)
        {
            var task = tasks[index % tasks.Length](draw, index % 2 == 0);
            var equations = task.Answer.Split('\n').Select(line => line.Replace(" ", "", StringComparison.Ordinal)).Where(line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^[-0-9.()+×÷/]+=-?[0-9.]+$")).ToList();
            Assert.NotEmpty(equations);
            foreach (var equation in equations)
            {
                var (left, right) = (equation[..equation.IndexOf('=', StringComparison.Ordinal)].Replace('×', '*').Replace('÷', '/'), equation[(equation.IndexOf('=', StringComparison.Ordinal) + 1)..]);
                Assert.True(Convert.ToDecimal(table.Compute(left, null), CultureInfo.InvariantCulture) == decimal.Parse(right, CultureInfo.InvariantCulture), $"{task.Prompt}: {equation}");
            }

            // The last of them, or what a story ends with, is what the answer is judged by.
            if (task.Kind != "story sum") Assert.EndsWith($"={task.Expected[0]}", equations[^1], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(347, 285)]
    [InlineData(999, 1)]
    [InlineData(5, 8)]
    [InlineData(70, 907)]
    public void Steps_end_with_the_result_and_name_every_column(int a, int b)
    {
        Assert.EndsWith(string.Create(CultureInfo.InvariantCulture, $"{a} + {b} = {a + b}"), SumTasks.SumSteps(a, b, false), StringComparison.Ordinal);
        Assert.EndsWith(string.Create(CultureInfo.InvariantCulture, $"{a}-{b}={a - b}"), SumTasks.DifferenceSteps(a, b, true), StringComparison.Ordinal);
        Assert.EndsWith(string.Create(CultureInfo.InvariantCulture, $"{a} × 7 = {a * 7}"), SumTasks.ProductSteps(a, 7, false), StringComparison.Ordinal);
        Assert.Equal("Ones: 7 + 5 = 12, write 2, carry 1.\nTens: 4 + 8 + 1 = 13, write 3, carry 1.\nHundreds: 3 + 2 + 1 = 6, write 6.\n347 + 285 = 632", SumTasks.SumSteps(347, 285, false));
        Assert.Equal("个位：借1，12-5=7。\n十位：4-1=3，借1，13-8=5。\n百位：3-1=2，2-2=0。\n342-285=57", SumTasks.DifferenceSteps(342, 285, true));
    }

    private static IEnumerable<IReadOnlyList<(string Role, string Content)>> Conversations(string path) => File.ReadLines(path).Select(line =>
        (IReadOnlyList<(string, string)>)[.. JsonElement.Parse(line).GetProperty("messages").EnumerateArray().Select(message => (message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!))]);

    /// <summary>A book and some poems.</summary>
    private PretrainOptions Corpus()
    {
        var sentences = string.Concat(Enumerable.Range(0, 400).Select(index => FormattableString.Invariant($"The ship number {index} sailed over the deep and cold sea to the north.\n")));
        File.WriteAllText(Path.Combine(_folder.FullName, "en.txt"), $"\nTitle: The Sea\n\nAuthor: Anna Deep\n\nYear: 1850\n\n{sentences}");
        File.WriteAllText(Path.Combine(_folder.FullName, "zh.txt"), string.Join("\n\n", Enumerable.Range(0, 300).Select(index => $"夜{(char)('一' + index)} 李白\n深海無光水冷，天高雲遠。\n月照大江東去，人未還家。")));
        return new PretrainOptions
        {
            Output = "out", Model = default, Folder = _folder.FullName,
            Sources = [new TextSource { Path = "en.txt", Language = "en" }, new TextSource { Path = "zh.txt", Language = "zh", Separator = "" }],
        };
    }
}
