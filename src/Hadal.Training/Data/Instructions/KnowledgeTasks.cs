namespace Hadal.Training.Data.Instructions;

/// <summary>What was learnt by heart, asked in many words. Held out are ways of asking, not facts: nobody can know what it never read.</summary>
internal static class KnowledgeTasks
{
    public static Instruction Definition(Draw draw, bool isChinese)
    {
        var (en, meaning, zh, meaningZh) = draw.Of(Words.Definitions);
        return isChinese
            ? Exact("definition", true, $"{draw.Of("", "请问", "请告诉我")}{draw.Of($"什么是{zh}", $"{zh}是什么", $"{zh}是什么意思", $"解释一下{zh}", $"{zh}的定义是什么")}{draw.Of("？", "", "?")}", meaningZh)
            : Exact("definition", false, $"{draw.Of("", "Please tell me: ", "Tell me, ")}{draw.Of($"What is {en}", $"what is {en}", $"Define {en}", $"Explain {en}", $"What does {en} mean", $"Do you know what {en} is")}{draw.Of("?", "", ".")}", meaning);
    }

    public static Instruction Capital(Draw draw, bool isChinese)
    {
        var (en, capital, zh, capitalZh) = draw.Of(Words.Capitals);
        return isChinese
            ? Has("capital", true, $"{draw.Of("", "请问")}{draw.Of($"{zh}的首都是哪里", $"{zh}的首都是什么", $"{zh}的首都叫什么")}{draw.Of("？", "", "?")}", $"{zh}的首都是{capitalZh}。", capitalZh)
            : Has("capital", false, $"{draw.Of("", "Please tell me: ")}{draw.Of($"What is the capital of {en}", $"what's the capital of {en}", $"Name the capital of {en}", $"Which city is the capital of {en}")}{draw.Of("?", "", ".")}", $"The capital of {en} is {capital}.", capital);
    }

    public static Instruction Opposite(Draw draw, bool isChinese)
    {
        var (a, b) = draw.Of(isChinese ? Words.OppositesZh : Words.Opposites);
        if (draw.Chance(0.5)) (a, b) = (b, a);
        return isChinese
            ? Has("opposite", true, $"{draw.Of("", "请问")}{draw.Of($"“{a}”的反义词是什么", $"{a}的反义词是什么", $"{a}的反面是什么", $"与{a}相反的字是什么")}{draw.Of("？", "", "?")}", $"{b}。", b)
            : Has("opposite", false, $"{draw.Of("What is the opposite of", "what's the opposite of", "Name the opposite of", "Which word means the opposite of", "The opposite of")} {draw.Of(a, $"\"{a}\"")}{draw.Of("?", "", ".")}", $"{b}.", b);
    }

    public static Instruction Translate(Draw draw, bool isChinese)
    {
        var (en, zh) = draw.Chance(0.5) ? draw.Of(Words.Pairs) : draw.Of([.. Words.Nouns.Select(noun => (noun.En, noun.Zh))]);
        return isChinese
            ? Has("translation", true, $"{draw.Of("", "请问")}{draw.Of($"“{zh}”用英语怎么说", $"{zh}的英文是什么", $"把{zh}翻译成英语", $"{zh}用英文怎么写")}{draw.Of("？", "", "?")}", $"{en}", en)
            : Has("translation", false, $"{draw.Of($"What is {en} in Chinese", $"Translate {en} into Chinese", $"How do you say {en} in Chinese", $"what is \"{en}\" in Chinese", $"Say {en} in Chinese")}{draw.Of("?", "", ".")}", $"{zh}", zh);
    }

    public static Instruction Colour(Draw draw, bool isChinese)
    {
        var thing = draw.Of(Words.Coloured);
        if (draw.Chance(0.4))
        {
            var other = draw.Chance(0.5) ? thing : draw.Of(Words.Coloured);
            var isTrue = other.Colour == thing.Colour;
            return isChinese
                ? Has("yes or no", true, $"{draw.Of("", "请问")}{thing.Zh}是{other.ColourZh}的吗{draw.Of("？", "?")}", $"{(isTrue ? "是" : "不是")}，{thing.Zh}是{thing.ColourZh}的。", isTrue ? "是，" : "不是，", isExactStart: true)
                : Has("yes or no", false, $"{Capitalised(thing.Verb)} {thing.En} {other.Colour}{draw.Of("?", "")}", $"{(isTrue ? "Yes" : "No")}, {thing.En} {thing.Verb} {thing.Colour}.", isTrue ? "Yes" : "No");
        }

        return isChinese
            ? Has("colour", true, $"{draw.Of("", "请问")}{draw.Of($"{thing.Zh}是什么颜色", $"{thing.Zh}的颜色是什么", $"{thing.Zh}是什么颜色的")}{draw.Of("？", "", "?")}", $"{thing.Zh}是{thing.ColourZh}的。", thing.ColourZh)
            : Has("colour", false, $"{draw.Of($"What colour {thing.Verb} {thing.En}", $"What color {thing.Verb} {thing.En}", $"Which colour {thing.Verb} {thing.En}", $"Tell me what colour {thing.En} {thing.Verb}")}{draw.Of("?", "", ".")}", $"{Capitalised(thing.En)} {thing.Verb} {thing.Colour}.", thing.Colour);
    }

    public static Instruction Category(Draw draw, bool isChinese)
    {
        var noun = draw.Of(Words.Nouns);
        if (draw.Chance(0.4))
        {
            return isChinese
                ? Has("category", true, $"{draw.Of("", "请问")}{draw.Of($"{noun.Zh}是什么", $"{noun.Zh}属于哪一类", $"{noun.Zh}是哪一种东西")}{draw.Of("？", "?")}", $"{noun.Zh}是{Words.KindsZh[noun.Kind]}。", Words.KindsZh[noun.Kind])
                : Has("category", false, $"{draw.Of($"What is {A(noun.En)}", $"what is {A(noun.En)}", $"What kind of thing is {A(noun.En)}")}{draw.Of("?", "")}", $"{Capitalised(A(noun.En))} is {A(noun.Kind)}.", noun.Kind);
        }

        var kind = draw.Chance(0.5) ? noun.Kind : draw.Of(Words.Nouns).Kind;
        var isTrue = kind == noun.Kind;
        return isChinese
            ? Has("yes or no", true, $"{draw.Of("", "请问")}{noun.Zh}是{Words.KindsZh[kind]}吗{draw.Of("？", "?")}", $"{(isTrue ? "是" : "不是")}，{noun.Zh}是{Words.KindsZh[noun.Kind]}。", isTrue ? "是，" : "不是，", isExactStart: true)
            : Has("yes or no", false, $"Is {A(noun.En)} {A(kind)}{draw.Of("?", "")}", $"{(isTrue ? "Yes" : "No")}, {A(noun.En)} is {A(noun.Kind)}.", isTrue ? "Yes" : "No");
    }

    private static string A(string noun) => ("aeiou".Contains(noun[0], StringComparison.Ordinal) ? "an " : "a ") + noun;

    internal static string Capitalised(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private static Instruction Exact(string kind, bool isChinese, string prompt, string answer) => new(kind, Tasks.Language(isChinese), Tasks.Wording(prompt), prompt, answer, AnswerCheck.Exact, answer);

    private static Instruction Has(string kind, bool isChinese, string prompt, string answer, string expected, bool isExactStart = false) =>
        new(kind, Tasks.Language(isChinese), Tasks.Wording(prompt), prompt, answer, isExactStart ? AnswerCheck.Exact : AnswerCheck.Contains, isExactStart ? answer : expected);
}
