namespace Hadal.Training.Data.Instructions;

/// <summary>What was learnt by heart, asked in many words. Held out are ways of asking, not facts: nobody can know what it never read.</summary>
internal static class KnowledgeTasks
{
    private static readonly (string En, string Zh, string Kind)[] Classified = [.. Words.Nouns.Where(noun => !Words.Definitions.Any(definition => definition.En == A(noun.En)))];

    public static Instruction Definition(Draw draw, bool isChinese)
    {
        var (en, meaning, zh, meaningZh) = draw.Of(Words.Definitions);
        return isChinese
            ? Exact("definition", true, Phrases.Question(draw, true, draw.Of($"什么是{zh}", $"{zh}是什么", $"{zh}是什么意思", $"解释一下{zh}", $"{zh}的定义是什么", $"怎么理解{zh}", $"{zh}指什么", $"给{zh}下个定义", $"说说什么是{zh}")), meaningZh)
            : Exact("definition", false, Phrases.Question(draw, false, draw.Of($"what is {en}", $"define {en}", $"explain {en}", $"what does {en} mean", $"do you know what {en} is", $"what's {en}", $"explain to me what {en} is", $"give me a definition of {en}", $"describe {en}", $"tell me what {en} is", $"can you explain {en}", $"what exactly is {en}")), meaning);
    }

    public static Instruction Capital(Draw draw, bool isChinese)
    {
        var (en, capital, zh, capitalZh) = draw.Of(Words.Capitals);
        return isChinese
            ? Has("capital", true, Phrases.Question(draw, true, draw.Of($"{zh}的首都是哪里", $"{zh}的首都是什么", $"{zh}的首都叫什么", $"{zh}首都", $"{zh}的首都是哪座城市", $"哪座城市是{zh}的首都", $"{zh}以哪里为首都", $"你知道{zh}的首都吗", $"说出{zh}的首都", $"{zh}的首都在哪")), $"{zh}的首都是{capitalZh}。", capitalZh)
            : Has("capital", false, Phrases.Question(draw, false, draw.Of($"what is the capital of {en}", $"what's the capital of {en}", $"name the capital of {en}", $"which city is the capital of {en}", $"capital of {en}", $"{en}: what is its capital", $"do you know the capital of {en}", $"the capital city of {en} is", $"what is {en}'s capital", $"which is the capital city of {en}", $"where is the government of {en}", $"what city is the capital of {en}", $"I forgot the capital of {en}, what is it")), $"The capital of {en} is {capital}.", capital);
    }

    public static Instruction Opposite(Draw draw, bool isChinese)
    {
        var (a, b) = draw.Of(isChinese ? Words.OppositesZh : Words.Opposites);
        if (draw.Chance(0.5)) (a, b) = (b, a);
        var word = draw.Of(a, a, isChinese ? $"“{a}”" : $"\"{a}\"");
        return isChinese
            ? Has("opposite", true, Phrases.Question(draw, true, draw.Of($"{word}的反义词是什么", $"{word}的反面是什么", $"与{word}相反的字是什么", $"{word}的反义词", $"和{word}意思相反的是什么", $"{word}反过来是什么", $"什么字和{word}相反", $"写出{word}的反义词", $"{word}的相反是什么", $"给出{word}的反义词")), $"{b}。", b)
            : Has("opposite", false, Phrases.Question(draw, false, draw.Of($"what is the opposite of {word}", $"name the opposite of {word}", $"which word means the opposite of {word}", $"the opposite of {word}", $"opposite of {word}", $"what's the opposite of {word}", $"give me the opposite of {word}", $"what is the contrary of {word}", $"{word} and its opposite", $"give an antonym of {word}", $"antonym of {word}", $"not {word} but what", $"what word is the opposite of {word}", $"if it is not {word}, it is what")), $"{b}.", b);
    }

    public static Instruction Translate(Draw draw, bool isChinese)
    {
        var (en, zh) = draw.Chance(0.5) ? draw.Of(Words.Pairs) : draw.Of([.. Words.Nouns.Select(noun => (noun.En, noun.Zh))]);
        var (word, wordZh) = (draw.Of(en, en, $"\"{en}\""), draw.Of(zh, zh, $"“{zh}”"));

        // Either language is asked about the other in either language.
        var toEnglish = draw.Chance(isChinese ? 0.75 : 0.25);
        var prompt = (isChinese, toEnglish) switch
        {
            (true, true) => draw.Of($"{wordZh}用英语怎么说", $"{wordZh}的英文是什么", $"把{wordZh}翻译成英语", $"{wordZh}用英文怎么写", $"{wordZh}英语", $"英语里{wordZh}怎么说", $"翻译成英文：{zh}", $"{wordZh}的英语单词是什么", $"{wordZh}翻译成英文是什么", $"{wordZh}在英语里叫什么"),
            (true, false) => draw.Of($"{word}是什么意思", $"{word}的中文是什么", $"把{word}翻译成中文", $"{word}用中文怎么说", $"翻译成中文：{en}", $"英语单词{word}是什么意思", $"{word}翻译"),
            (false, false) => draw.Of($"what is {word} in Chinese", $"translate {word} into Chinese", $"how do you say {word} in Chinese", $"say {word} in Chinese", $"translate to Chinese: {en}", $"{word} in Chinese", $"the Chinese word for {word}", $"what is the Chinese for {word}", $"how is {word} written in Chinese", $"give me the Chinese translation of {word}", $"translate {word} to Chinese", $"what's the word for {word} in Chinese"),
            _ => draw.Of($"what is {wordZh} in English", $"translate {wordZh} into English", $"what does {wordZh} mean", $"translate to English: {zh}", $"{wordZh} in English", $"what does {wordZh} mean in English", $"the English word for {wordZh}", $"give me the English for {wordZh}"),
        };
        return Has("translation", isChinese, Phrases.Question(draw, isChinese, prompt), toEnglish ? en : zh, toEnglish ? en : zh);
    }

    public static Instruction Colour(Draw draw, bool isChinese)
    {
        var thing = draw.Of(Words.Coloured);
        if (draw.Chance(0.4))
        {
            var other = draw.Chance(0.5) ? thing : draw.Of(Words.Coloured);
            var isTrue = other.Colour == thing.Colour;
            return isChinese
                ? Has("yes or no", true, Phrases.Question(draw, true, draw.Of($"{thing.Zh}是{other.ColourZh}的吗", $"{thing.Zh}是不是{other.ColourZh}的", $"{thing.Zh}的颜色是{other.ColourZh}吗")), $"{(isTrue ? "是" : "不是")}，{thing.Zh}是{thing.ColourZh}的。", isTrue ? "是，" : "不是，", isExactStart: true)
                : Has("yes or no", false, Phrases.Question(draw, false, draw.Of($"{thing.Verb} {thing.En} {other.Colour}", $"{thing.Verb} {thing.En} {other.Colour} or not", $"would you say {thing.En} {thing.Verb} {other.Colour}")), $"{(isTrue ? "Yes" : "No")}, {thing.En} {thing.Verb} {thing.Colour}.", isTrue ? "Yes" : "No");
        }

        return isChinese
            ? Has("colour", true, Phrases.Question(draw, true, draw.Of($"{thing.Zh}是什么颜色", $"{thing.Zh}的颜色是什么", $"{thing.Zh}是什么颜色的", $"{thing.Zh}什么颜色", $"{thing.Zh}是哪种颜色", $"说说{thing.Zh}的颜色")), $"{thing.Zh}是{thing.ColourZh}的。", thing.ColourZh)
            : Has("colour", false, Phrases.Question(draw, false, draw.Of($"what colour {thing.Verb} {thing.En}", $"what color {thing.Verb} {thing.En}", $"which colour {thing.Verb} {thing.En}", $"tell me what colour {thing.En} {thing.Verb}", $"the color of {thing.En}", $"what is the colour of {thing.En}", $"what color would you say {thing.En} {thing.Verb}", $"{thing.En}: which color", $"which color {thing.Verb} {thing.En}")), $"{Capitalised(thing.En)} {thing.Verb} {thing.Colour}.", thing.Colour);
    }

    public static Instruction Category(Draw draw, bool isChinese)
    {
        // What a bee is has an answer of its own among the definitions.
        var noun = draw.From(Classified);
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
