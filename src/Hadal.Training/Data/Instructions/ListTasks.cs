using static System.FormattableString;

namespace Hadal.Training.Data.Instructions;

/// <summary>Copying, counting, sorting, turning round: what needs no knowledge, only looking back.</summary>
internal static class ListTasks
{
    public static Instruction Copy(Draw draw, bool isChinese)
    {
        if (isChinese)
        {
            var text = string.Concat(draw.Several(Words.Pairs, draw.Between(2, 4)).Select(pair => pair.Zh));
            return Exact("copying", true, text, draw.Of($"请重复：{text}", $"照抄：{text}", $"请把这几个字再写一遍：{text}"), text);
        }

        var words = string.Join(' ', draw.Several(Words.Pairs, draw.Between(2, 6)).Select(pair => pair.En));
        if (draw.Chance(0.3))
        {
            var (word, times) = (draw.Of(Words.Pairs).En, draw.Of((2, "twice"), (3, "three times"), (4, "four times")));
            return Exact("copying", false, $"{word}|{times.Item2}", $"Write {word} {times.Item2}.", string.Join(' ', Enumerable.Repeat(word, times.Item1)));
        }

        return Exact("copying", false, words, draw.Of($"Repeat: {words}", $"Say this again: {words}", $"Copy these words: {words}", $"Repeat after me: {words}"), words);
    }

    public static Instruction Count(Draw draw, bool isChinese)
    {
        if (isChinese)
        {
            var items = draw.Several(Words.Nouns, draw.Between(2, 7)).Select(noun => noun.Zh).ToArray();
            var listed = string.Join('、', items);
            var counted = string.Join('，', items.Select((item, index) => Invariant($"{item}{index + 1}")));
            return new Instruction("counting", "zh", string.Join(' ', items), draw.Of($"这里有几样东西：{listed}？", $"数一数：{listed}", $"{listed}，一共几样？"), Invariant($"{counted}。\n一共{items.Length}样。"), AnswerCheck.Number, Invariant($"{items.Length}"));
        }

        var things = draw.Several(Words.Nouns, draw.Between(2, 7)).Select(noun => noun.En).ToArray();
        var isSentence = draw.Chance(0.4);
        var shown = string.Join(isSentence ? " " : ", ", things);
        var steps = string.Join(", ", things.Select((item, index) => Invariant($"{item} {index + 1}")));
        var prompt = isSentence ? draw.Of($"How many words are these: {shown}?", $"Count the words: {shown}") : draw.Of($"How many things are in this list: {shown}?", $"Count: {shown}", $"How many items: {shown}?");
        return new Instruction("counting", "en", string.Join(' ', things), prompt, Invariant($"{steps}.\nThat is {things.Length}."), AnswerCheck.Number, Invariant($"{things.Length}"));
    }

    public static Instruction Sort(Draw draw, bool isChinese)
    {
        var numbers = Distinct(draw, draw.Between(3, 5));
        var isFalling = draw.Chance(0.25);
        var listed = string.Join(", ", numbers);
        var sorted = string.Join(", ", isFalling ? numbers.OrderDescending() : numbers.Order());
        var prompt = (isChinese, isFalling) switch
        {
            (true, false) => draw.Of($"从小到大排列：{listed}", $"把这些数从小到大排序：{listed}"),
            (true, true) => draw.Of($"从大到小排列：{listed}", $"把这些数从大到小排序：{listed}"),
            (false, false) => draw.Of($"Sort these numbers: {listed}", $"Sort from small to large: {listed}", $"Put in order: {listed}", $"Sort: {listed}"),
            _ => draw.Of($"Sort from large to small: {listed}", $"Sort these numbers, the largest first: {listed}"),
        };
        return Exact("sorting", isChinese, sorted, prompt, sorted);
    }

    public static Instruction Extreme(Draw draw, bool isChinese)
    {
        var numbers = Distinct(draw, draw.Between(2, 5));
        var isLargest = draw.Chance(0.6);
        var listed = string.Join(", ", numbers);
        var result = isLargest ? numbers.Max() : numbers.Min();
        var prompt = isChinese
            ? draw.Of($"{listed} 中哪个数最{(isLargest ? "大" : "小")}？", $"找出最{(isLargest ? "大" : "小")}的数：{listed}")
            : draw.Of($"Which number is the {(isLargest ? "largest" : "smallest")}: {listed}?", $"Find the {(isLargest ? "largest" : "smallest")}: {listed}", $"What is the {(isLargest ? "maximum" : "minimum")} of {listed}?");
        return new Instruction("largest and smallest", Tasks.Language(isChinese), string.Join(' ', numbers.Order()) + isLargest, prompt, Invariant($"{result}"), AnswerCheck.Exact, Invariant($"{result}"));
    }

    public static Instruction Reverse(Draw draw, bool isChinese)
    {
        var nouns = draw.Several(Words.Nouns, draw.Between(2, 5));
        string[] words = [.. nouns.Select(noun => isChinese ? noun.Zh : noun.En)];
        var separator = isChinese ? "、" : ", ";
        var listed = string.Join(separator, words);
        return Exact("reversing", isChinese, listed, isChinese ? draw.Of($"把顺序倒过来：{listed}", $"倒序写出：{listed}") : draw.Of($"Reverse the order: {listed}", $"Write backwards: {listed}", $"Turn this list round: {listed}"), string.Join(separator, words.Reverse()));
    }

    public static Instruction Pick(Draw draw, bool isChinese)
    {
        var nouns = draw.Several(Words.Nouns, draw.Between(3, 6));
        string[] words = [.. nouns.Select(noun => isChinese ? noun.Zh : noun.En)];
        var listed = string.Join(isChinese ? "、" : ", ", words);
        var (index, name, nameZh) = draw.Of((0, "first", "第一个"), (1, "second", "第二个"), (2, "third", "第三个"), (words.Length - 1, "last", "最后一个"));
        return Exact("picking", isChinese, Invariant($"{listed} {index}"), isChinese ? draw.Of($"{nameZh}词是什么：{listed}？", $"{listed}，{nameZh}是什么？") : draw.Of($"What is the {name} word: {listed}?", $"Which is the {name} of these: {listed}?"), words[index]);
    }

    /// <summary>Questions about numbers that yes, no or one word answers.</summary>
    public static Instruction Compare(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Between(1, draw.Of(20, 100, 999)), draw.Between(1, draw.Of(20, 100, 999)));
        if (a == b) b++;
        if (draw.Chance(0.35))
        {
            var isEven = a % 2 == 0;
            return isChinese
                ? new Instruction("yes or no", "zh", Invariant($"parity {a}"), draw.Of(Invariant($"{a}是奇数还是偶数？"), Invariant($"{a}是单数还是双数？")), Invariant($"{a}的末位是{a % 10}，是{(isEven ? "偶数" : "奇数")}。"), AnswerCheck.Contains, isEven ? "偶数" : "奇数")
                : new Instruction("yes or no", "en", Invariant($"parity {a}"), draw.Of(Invariant($"Is {a} even or odd?"), Invariant($"Even or odd: {a}?")), Invariant($"{a} ends in {a % 10}, so it is {(isEven ? "even" : "odd")}."), AnswerCheck.Contains, isEven ? "even" : "odd");
        }

        var asksGreater = draw.Chance(0.5);
        var isTrue = asksGreater ? a > b : a < b;
        var key = Invariant($"compare {Math.Min(a, b)} {Math.Max(a, b)}");
        return isChinese
            ? new Instruction("yes or no", "zh", key, draw.Of(Invariant($"{a}比{b}{(asksGreater ? "大" : "小")}吗？"), Invariant($"{a}{(asksGreater ? "大于" : "小于")}{b}吗？")), Invariant($"{(isTrue ? "是" : "不是")}，{a}比{b}{(a > b ? "大" : "小")}。"), AnswerCheck.Exact, Invariant($"{(isTrue ? "是" : "不是")}，{a}比{b}{(a > b ? "大" : "小")}。"))
            : new Instruction("yes or no", "en", key, draw.Of(Invariant($"Is {a} {(asksGreater ? "greater" : "less")} than {b}?"), Invariant($"Is {a} {(asksGreater ? "larger" : "smaller")} than {b}?")), Invariant($"{(isTrue ? "Yes" : "No")}, {a} is {(a > b ? "greater" : "less")} than {b}."), AnswerCheck.Contains, isTrue ? "Yes" : "No");
    }

    public static Instruction Next(Draw draw, bool isChinese)
    {
        if (draw.Chance(0.5))
        {
            var (n, isNext) = (draw.Between(2, 998), draw.Chance(0.6));
            var result = isNext ? n + 1 : n - 1;
            var prompt = isChinese ? draw.Of(Invariant($"{n}{(isNext ? "后面" : "前面")}的数是几？")) : draw.Of(Invariant($"Which number comes {(isNext ? "after" : "before")} {n}?"), Invariant($"What comes {(isNext ? "after" : "before")} {n}?"));
            return new Instruction("next in order", Tasks.Language(isChinese), Invariant($"{n} {isNext}"), prompt, Invariant($"{result}"), AnswerCheck.Exact, Invariant($"{result}"));
        }

        var series = isChinese ? draw.Of(Words.DaysZh, Words.MonthsZh, Words.SeasonsZh) : draw.Of(Words.Days, Words.Months, Words.Seasons);
        var at = draw.Next(series.Length);
        var isAfter = draw.Chance(0.6);
        var other = series[(at + (isAfter ? 1 : series.Length - 1)) % series.Length];
        return isChinese
            ? Exact("next in order", true, $"{series[at]} {isAfter}", $"{series[at]}的{(isAfter ? draw.Of("后面", "下一个") : draw.Of("前面", "上一个"))}是什么？", $"{other}。")
            : Exact("next in order", false, $"{series[at]} {isAfter}", $"{draw.Of("What comes", "What is", "Tell me what comes")} {(isAfter ? "after" : "before")} {series[at]}{draw.Of("?", "")}", $"{other}.");
    }

    public static Instruction NumberWord(Draw draw, bool isChinese)
    {
        var n = draw.Between(0, 99);
        var (word, toWord) = (isChinese ? Chinese(n) : English(n), draw.Chance(0.5));
        return isChinese
            ? Exact("number words", true, Invariant($"{n} {toWord}"), toWord ? draw.Of(Invariant($"用汉字写出{n}"), Invariant($"{n}用中文怎么写？")) : draw.Of($"{word}用数字怎么写？", $"把{word}写成数字"), toWord ? word : Invariant($"{n}"))
            : Exact("number words", false, Invariant($"{n} {toWord}"), toWord ? draw.Of(Invariant($"Write {n} in words."), Invariant($"How do you write {n} as a word?")) : draw.Of($"Write {word} as a number.", $"Write {word} in digits."), toWord ? word : Invariant($"{n}"));
    }

    private static string English(int n)
    {
        string[] small = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"];
        string[] tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
        return n < 20 ? small[n] : n % 10 == 0 ? tens[n / 10] : $"{tens[n / 10]}-{small[n % 10]}";
    }

    private static string Chinese(int n)
    {
        const string Digits = "零一二三四五六七八九";
        if (n < 10) return Digits[n].ToString();
        return (n < 20 ? "十" : $"{Digits[n / 10]}十") + (n % 10 == 0 ? "" : Digits[n % 10].ToString());
    }

    private static int[] Distinct(Draw draw, int count)
    {
        var numbers = new HashSet<int>();
        var most = draw.Of(20, 99, 99, 999);
        while (numbers.Count < count) numbers.Add(draw.Between(0, most));
        return [.. numbers];
    }

    private static Instruction Exact(string kind, bool isChinese, string key, string prompt, string answer) =>
        new(kind, Tasks.Language(isChinese), $"{kind} {key}", prompt, answer, AnswerCheck.Exact, answer);
}
