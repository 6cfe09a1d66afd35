using static System.FormattableString;

namespace Hadal.Training.Data.Instructions;

/// <summary>Copying, counting, sorting, turning round: what needs no knowledge, only looking back.</summary>
internal static class ListTasks
{
    public static Instruction Copy(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        if (isChinese)
        {
            var text = string.Concat(vocabulary.Several(draw, true, draw.Between(1, 4)));
            return Exact("copying", true, text, Phrases.With(draw, true, ["重复", "请重复", "照抄", "抄写", "把这几个字再写一遍", "跟我说", "再说一遍", "说“{0}”", "写出{0}", "原样输出", "复述", "重复一遍“{0}”", "照着写", "把下面的话重复一遍", "念{0}"], text), text);
        }

        if (draw.Chance(0.3))
        {
            var (word, times) = (vocabulary.Any(draw, false), draw.Of((2, "twice"), (3, "three times"), (4, "four times"), (2, "two times"), (3, "3 times"), (4, "4 times"), (5, "five times")));
            return Exact("copying", false, FormattableString.Invariant($"{word}|{times.Item1}"), Phrases.Order(draw, false, $"{draw.Of("write", "say", "repeat", "type", "print", "write down", "write the word", "repeat the word", "say the word")} {draw.Of(word, word, $"\"{word}\"")} {times.Item2}"), string.Join(' ', Enumerable.Repeat(word, times.Item1)));
        }

        var words = string.Join(' ', vocabulary.Several(draw, false, draw.Between(1, 6)));
        return Exact("copying", false, words, Phrases.With(draw, false, ["repeat", "say this again", "copy these words", "repeat after me", "say", "write", "copy", "echo", "print", "type", "copy this", "repeat this exactly", "write this down", "say it again", "repeat \"{0}\"", "say \"{0}\"", "write \"{0}\"", "the words are {0}. Say them", "please say {0} back to me", "repeat the following", "give this back to me as it is", "copy the line", "write the same"], words), words);
    }

    public static Instruction Count(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var count = draw.Between(2, 7);
        var items = Things(draw, isChinese, vocabulary, count);
        var key = string.Join(' ', items);
        var listed = isChinese ? string.Join(draw.Of("、", "、", "，", " "), items) : Phrases.Listed(draw, false, items);
        if (isChinese)
        {
            var counted = string.Join('，', items.Select((item, index) => Invariant($"{item}{index + 1}")));
            return new Instruction("counting", "zh", key, Phrases.With(draw, true, ["这里有几样东西", "数一数", "{0}，一共几样？", "数一下有几个", "一共有几样", "有多少个词", "下面有几个词", "{0}，有几个？", "{0}有几样东西？", "帮我数数有几样", "列表里有几项", "数数这些", "{0}。这里一共有多少样？", "清单上有几样东西", "几个"], listed), Invariant($"{counted}。\n一共{count}样。"), AnswerCheck.Number, Invariant($"{count}"));
        }

        var steps = string.Join(", ", items.Select((item, index) => Invariant($"{item} {index + 1}")));
        string[] orders =
        [
            "how many words are these", "count the words", "how many things are in this list", "count", "how many items", "count these", "how many are there", "how many things are there", "count them", "what is the number of items in", "how many words", "how long is this list", "count the items in the list", "how many entries does this list have", "tell me how many these are", "{0}: how many is that?", "{0}. How many things did I name?", "I have {0}. How many things do I have?", "how many different things are {0}?",
            "the list is {0}. How many items are on it?", "number of items",
        ];
        return new Instruction("counting", "en", key, Phrases.With(draw, false, orders, listed) + draw.Of("", "", "?"), Invariant($"{steps}.\nThat is {count}."), AnswerCheck.Number, Invariant($"{count}"));
    }

    /// <summary>The least of what is left, again and again.</summary>
    public static Instruction Sort(Draw draw, bool isChinese)
    {
        var numbers = Distinct(draw, draw.Between(3, 5));
        var isFalling = draw.Chance(0.3);
        int[] sorted = [.. isFalling ? numbers.OrderDescending() : numbers.Order()];
        var steps = new List<string>();
        var left = numbers.ToList();
        foreach (var next in sorted.SkipLast(1))
        {
            left.Remove(next);
            steps.Add(isChinese ? $"最{(isFalling ? "大" : "小")}{next}，剩{string.Join('、', left)}。" : $"{(isFalling ? "Largest" : "Smallest")} {next}, left {string.Join(", ", left)}.");
        }

        // A choice of one, so that the records stay those that the weights were made from.
        var result = string.Join(isChinese ? draw.Of(", ") : ", ", sorted);
        var listed = draw.Chance(0.7) ? string.Join(", ", numbers) : Phrases.Listed(draw, isChinese, [.. numbers.Select(number => Invariant($"{number}"))]);
        string[] orders = (isChinese, isFalling) switch
        {
            (true, false) => ["从小到大排列", "把这些数从小到大排序", "排序", "从小到大排", "按从小到大的顺序排列", "升序排列", "由小到大排一下", "将{0}从小到大排列", "把{0}按从小到大排好", "给这些数字排序", "从最小的开始排", "{0}从小到大怎么排？"],
            (true, true) => ["从大到小排列", "把这些数从大到小排序", "从大到小排", "按从大到小的顺序排列", "降序排列", "由大到小排一下", "将{0}从大到小排列", "把{0}按从大到小排好", "从最大的开始排"],
            (false, false) => ["sort these numbers", "sort from small to large", "put in order", "sort", "sort ascending", "sort in ascending order", "order these from smallest to largest", "arrange from low to high", "put these in order, smallest first", "arrange these numbers", "sort {0} from lowest to highest", "sort the list {0}", "rank these from small to big", "put {0} in order", "give these in increasing order", "order", "smallest to largest", "line these up from least to greatest", "sort this list ascending"],
            _ => ["sort from large to small", "sort these numbers, the largest first", "sort descending", "sort in descending order", "order these from largest to smallest", "arrange from high to low", "put these in order, biggest first", "sort {0} from highest to lowest", "give these in decreasing order", "largest to smallest", "rank these from big to small", "sort this list descending"],
        };
        return new Instruction("sorting", Tasks.Language(isChinese), $"sorting {string.Join(' ', sorted.Order())} {isFalling}", Phrases.With(draw, isChinese, orders, listed), $"{string.Join('\n', steps)}\n{result}", AnswerCheck.LastLine, result);
    }

    /// <summary>The larger or smaller of two, then of that and the next.</summary>
    public static Instruction Extreme(Draw draw, bool isChinese)
    {
        var numbers = Distinct(draw, draw.Between(2, 5));
        var isLargest = draw.Chance(0.6);
        var listed = draw.Chance(0.6) ? string.Join(", ", numbers) : Phrases.Listed(draw, isChinese, [.. numbers.Select(number => Invariant($"{number}"))]);
        var result = isLargest ? numbers.Max() : numbers.Min();
        string[] orders = isChinese
            ? isLargest
                ? ["{0} 中哪个数最大？", "找出最大的数", "哪个最大", "最大的是哪个", "{0}里最大的是多少？", "{0}，哪个数最大", "最大值是多少", "求最大值", "选出最大的数", "这些数中最大的是几"]
                : ["{0} 中哪个数最小？", "找出最小的数", "哪个最小", "最小的是哪个", "{0}里最小的是多少？", "{0}，哪个数最小", "最小值是多少", "求最小值", "选出最小的数", "这些数中最小的是几"]
            : isLargest
                ? ["which number is the largest", "find the largest", "what is the maximum of {0}?", "which is biggest", "which is the biggest number", "what is the largest of {0}?", "pick the largest", "the greatest of {0}?", "max of {0}", "which of these is the greatest", "{0}: which is larger?", "{0}. Which one is the biggest?", "tell me the highest number", "give me the maximum", "largest number", "biggest of {0}"]
                : ["which number is the smallest", "find the smallest", "what is the minimum of {0}?", "which is smallest", "which is the smallest number", "what is the smallest of {0}?", "pick the smallest", "the least of {0}?", "min of {0}", "which of these is the least", "{0}: which is smaller?", "{0}. Which one is the smallest?", "tell me the lowest number", "give me the minimum", "smallest number", "lowest of {0}"];
        var (steps, best) = (new List<string>(), numbers[0]);
        foreach (var number in numbers.Skip(1))
        {
            var winner = isLargest ? Math.Max(best, number) : Math.Min(best, number);
            steps.Add(isChinese ? $"{best}和{number}：{winner}。" : $"{best} and {number}: {winner}.");
            best = winner;
        }

        return new Instruction("largest and smallest", Tasks.Language(isChinese), string.Join(' ', numbers.Order()) + isLargest, Phrases.With(draw, isChinese, orders, listed), $"{string.Join('\n', steps)}\n{result}", AnswerCheck.Number, Invariant($"{result}"));
    }

    public static Instruction Reverse(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var count = draw.Between(2, 5);
        var words = Things(draw, isChinese, vocabulary, count);
        var separator = isChinese ? draw.Of("、", "、", "，") : draw.Of(", ", ", ", " ");
        var listed = string.Join(separator, words);
        string[] orders = isChinese
            ? ["把顺序倒过来", "倒序写出", "反过来写", "把{0}的顺序反过来", "倒着写", "颠倒顺序", "逆序排列", "从后往前写", "把这些词倒过来排", "反序输出"]
            : ["reverse the order", "write backwards", "turn this list round", "reverse", "reverse this list", "reverse the list {0}", "put these in reverse order", "write these the other way round", "list these from last to first", "give me this in reverse", "backwards", "flip the order of {0}", "say these in reverse order", "reverse the words"];
        return Exact("reversing", isChinese, string.Join(' ', words), Phrases.With(draw, isChinese, orders, listed), string.Join(separator, words.Reverse()));
    }

    public static Instruction Pick(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var count = draw.Between(3, 6);
        var words = Things(draw, isChinese, vocabulary, count);
        var listed = string.Join(isChinese ? draw.Of("、", "、", "，") : draw.Of(", ", ", ", " "), words);
        (int, string, string)[] places = [(0, "first", "第一个"), (1, "second", "第二个"), (2, "third", "第三个"), (count - 1, "last", "最后一个"), .. count > 3 ? new[] { (3, "fourth", "第四个") } : [], .. count > 4 ? new[] { (4, "fifth", "第五个") } : []];
        var (index, name, nameZh) = draw.From(places);
        string[] orders = isChinese
            ? [$"{nameZh}词是什么", $"{nameZh}是什么", $"{{0}}，{nameZh}是什么？", $"{{0}}里{nameZh}是哪个？", $"写出{nameZh}词", $"给我{nameZh}", $"找出{nameZh}词", $"选出{nameZh}", $"{{0}}中{nameZh}词是哪个？", $"列表的{nameZh}是什么", $"只写{nameZh}词"]
            : [$"what is the {name} word", $"which is the {name} of these", $"what is the {name} word: {{0}}?", $"give me the {name} word", $"pick the {name} one", $"the {name} of {{0}}?", $"tell me the {name} word", $"which word is {name}", $"which comes {name} in {{0}}?", $"{{0}}: what is the {name} one?", $"what is the {name} item in this list", $"write only the {name} word", $"find the {name} item", $"name the {name} thing in {{0}}", $"{name} word"];
        return Exact("picking", isChinese, Invariant($"{string.Join(' ', words)} {index}"), Phrases.With(draw, isChinese, orders, listed) + (isChinese ? "" : draw.Of("", "", "?")), words[index]);
    }

    /// <summary>Questions about numbers that yes, no or one word answers, behind what decides it: the first digits that differ, or the last one.</summary>
    public static Instruction Compare(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Between(1, draw.Of(20, 100, 999)), draw.Between(1, draw.Of(20, 100, 999)));
        if (a == b) b++;
        if (draw.Chance(0.35))
        {
            var isEven = a % 2 == 0;
            if (draw.Chance(0.4))
            {
                var asksEven = draw.Chance(0.5);
                var isRight = asksEven == isEven;
                return isChinese
                    ? new Instruction("yes or no", "zh", Invariant($"parity {a}"), Phrases.Question(draw, true, draw.Of(Invariant($"{a}是{(asksEven ? "偶数" : "奇数")}吗"), Invariant($"{a}是不是{(asksEven ? "偶数" : "奇数")}"), Invariant($"{a}是{(asksEven ? "双数" : "单数")}吗"))), Invariant($"{a}的末位为{a % 10}，{(isRight ? "是" : "不是")}{(asksEven ? "偶数" : "奇数")}。"), AnswerCheck.Contains, isRight ? "，是" : "不是")
                    : new Instruction("yes or no", "en", Invariant($"parity {a}"), Phrases.Question(draw, false, draw.Of(Invariant($"is {a} {(asksEven ? "even" : "odd")}"), Invariant($"is {a} an {(asksEven ? "even" : "odd")} number"), Invariant($"would you say {a} is {(asksEven ? "even" : "odd")}"))), Invariant($"{a} ends in {a % 10}. {(isRight ? "Yes" : "No")}, it is {(isEven ? "even" : "odd")}."), AnswerCheck.Contains, isRight ? "Yes" : "No");
            }

            return isChinese
                ? new Instruction("yes or no", "zh", Invariant($"parity {a}"), Phrases.Question(draw, true, draw.Of(Invariant($"{a}是奇数还是偶数"), Invariant($"{a}是单数还是双数"), Invariant($"数字{a}是奇是偶"), Invariant($"判断{a}是奇数还是偶数"))), Invariant($"{a}的末位为{a % 10}，是{(isEven ? "偶数" : "奇数")}。"), AnswerCheck.Contains, isEven ? "偶数" : "奇数")
                : new Instruction("yes or no", "en", Invariant($"parity {a}"), Phrases.Question(draw, false, draw.Of(Invariant($"is {a} even or odd"), Invariant($"even or odd: {a}"), Invariant($"is the number {a} odd or even"), Invariant($"{a}, even or odd"))), Invariant($"{a} ends in {a % 10}, so it is {(isEven ? "even" : "odd")}."), AnswerCheck.Contains, isEven ? "even" : "odd");
        }

        var asksGreater = draw.Chance(0.5);
        var isTrue = asksGreater ? a > b : a < b;
        var key = Invariant($"compare {Math.Min(a, b)} {Math.Max(a, b)}");
        return isChinese
            ? new Instruction("yes or no", "zh", key, Phrases.Question(draw, true, draw.Of(Invariant($"{a}比{b}{(asksGreater ? "大" : "小")}吗"), Invariant($"{a}{(asksGreater ? "大于" : "小于")}{b}吗"), Invariant($"{a}是不是比{b}{(asksGreater ? "大" : "小")}"), Invariant($"{a}{(asksGreater ? ">" : "<")}{b}对吗"), Invariant($"{a}比{b}{(asksGreater ? "多" : "少")}吗"), Invariant($"是不是{a}{(asksGreater ? "大于" : "小于")}{b}"))), Invariant($"{Decided(a, b, true)}{a}比{b}{(a > b ? "大" : "小")}，{(isTrue ? "是" : "不是")}。"), AnswerCheck.Contains, isTrue ? "，是" : "不是")
            : new Instruction("yes or no", "en", key, Phrases.Question(draw, false, draw.Of(Invariant($"is {a} {(asksGreater ? "greater" : "less")} than {b}"), Invariant($"is {a} {(asksGreater ? "larger" : "smaller")} than {b}"), Invariant($"is {a} {(asksGreater ? "bigger" : "smaller")} than {b}"), Invariant($"is {a} {(asksGreater ? "more" : "less")} than {b}"), Invariant($"is {a} {(asksGreater ? "above" : "below")} {b}"), Invariant($"is it true that {a} {(asksGreater ? ">" : "<")} {b}"), Invariant($"{a} {(asksGreater ? ">" : "<")} {b}, yes or no"), Invariant($"yes or no: {a} is {(asksGreater ? "greater" : "less")} than {b}"))), Invariant($"{Decided(a, b, false)}{(isTrue ? "Yes" : "No")}, {a} is {(a > b ? "greater" : "less")} than {b}."), AnswerCheck.Contains, isTrue ? "Yes" : "No");
    }

    /// <summary>The first digit in which two numbers differ, or how many digits they have.</summary>
    private static string Decided(int a, int b, bool isChinese)
    {
        string left = Invariant($"{a}"), right = Invariant($"{b}");
        if (left.Length != right.Length) return isChinese ? $"{left}有{left.Length}位，{right}有{right.Length}位，" : $"{left} has {left.Length} digit{(left.Length == 1 ? "" : "s")}, {right} has {right.Length}. ";
        var place = Enumerable.Range(0, left.Length).First(index => left[index] != right[index]);
        return isChinese ? $"{left[place]}{(left[place] > right[place] ? ">" : "<")}{right[place]}，" : $"{left[place]} {(left[place] > right[place] ? ">" : "<")} {right[place]}. ";
    }

    public static Instruction NextNumber(Draw draw, bool isChinese)
    {
        var (n, isNext) = (draw.Between(2, draw.Of(99, 998)), draw.Chance(0.6));
        var result = isNext ? n + 1 : n - 1;
        var prompt = isChinese
            ? Phrases.Question(draw, true, isNext ? draw.Of($"{n}后面的数是几", $"{n}的后一个数是多少", $"{n}之后是几", $"比{n}大1的数是几", $"{n}的下一个数是什么", $"紧接着{n}的数是多少", $"数到{n}，下一个是几") : draw.Of($"{n}前面的数是几", $"{n}的前一个数是多少", $"{n}之前是几", $"比{n}小1的数是几", $"{n}的上一个数是什么"))
            : Phrases.Question(draw, false, isNext ? draw.Of($"which number comes after {n}", $"what comes after {n}", $"what is the next number after {n}", $"what number follows {n}", $"what is one more than {n}", $"which number is next after {n}", $"{n}, and then", $"I count to {n}, what is next") : draw.Of($"which number comes before {n}", $"what comes before {n}", $"what is the number before {n}", $"what number is just before {n}", $"what is one less than {n}"));
        return new Instruction("next number", Tasks.Language(isChinese), Invariant($"{n} {result}"), prompt, Invariant($"{result}"), AnswerCheck.Number, Invariant($"{result}"));
    }

    /// <summary>Days, months and seasons: learnt by heart, so that the wording is held out and not the fact.</summary>
    public static Instruction Next(Draw draw, bool isChinese)
    {
        var series = isChinese ? draw.Of(Words.DaysZh, Words.MonthsZh, Words.SeasonsZh) : draw.Of(Words.Days, Words.Months, Words.Seasons);
        var at = draw.Next(series.Length);
        var isAfter = draw.Chance(0.6);
        var (it, other) = (series[at], series[(at + (isAfter ? 1 : series.Length - 1)) % series.Length]);
        var unit = isChinese ? series.Length == 7 ? "天" : series.Length == 12 ? "个月" : "个季节" : series.Length == 7 ? "day" : series.Length == 12 ? "month" : "season";
        var prompt = isChinese
            ? Phrases.Question(draw, true, isAfter ? draw.Of($"{it}的后面是什么", $"{it}的下一个是什么", $"{it}之后是什么", $"{it}的后一{unit}是什么", $"{it}过了是什么", $"{it}后面是哪一{unit}", $"什么在{it}之后", $"{it}的下一{unit}是") : draw.Of($"{it}的前面是什么", $"{it}的上一个是什么", $"{it}之前是什么", $"{it}的前一{unit}是什么", $"{it}前面是哪一{unit}", $"什么在{it}之前"))
            : Phrases.Question(draw, false, isAfter ? draw.Of($"what comes after {it}", $"what is after {it}", $"tell me what comes after {it}", $"which {unit} comes after {it}", $"what {unit} follows {it}", $"what is the {unit} after {it}", $"which {unit} is next after {it}", $"after {it} comes what", $"what is the next {unit} after {it}", $"today is {it}, what is next") : draw.Of($"what comes before {it}", $"what is before {it}", $"which {unit} comes before {it}", $"what is the {unit} before {it}", $"which {unit} is just before {it}", $"before {it} comes what"));
        return new Instruction("next in order", Tasks.Language(isChinese), Tasks.Wording(prompt), prompt, other + (isChinese ? "。" : "."), AnswerCheck.Contains, other);
    }

    public static Instruction NumberWord(Draw draw, bool isChinese)
    {
        var n = draw.Between(0, 99);
        var (word, toWord) = (isChinese ? Chinese(n) : English(n), draw.Chance(0.5));
        return isChinese
            ? Exact("number words", true, Invariant($"{n} {toWord}"), Phrases.Order(draw, true, toWord ? draw.Of(Invariant($"用汉字写出{n}"), Invariant($"{n}用中文怎么写"), Invariant($"把{n}写成汉字"), Invariant($"{n}的汉字写法"), Invariant($"{n}怎么读")) : draw.Of($"{word}用数字怎么写", $"把{word}写成数字", $"写出{word}的数字", $"{word}是哪个数字")), toWord ? word : Invariant($"{n}"))
            : Exact("number words", false, Invariant($"{n} {toWord}"), Phrases.Order(draw, false, toWord ? draw.Of(Invariant($"write {n} in words"), Invariant($"tell me how you write {n} as a word"), Invariant($"spell out {n}"), Invariant($"write the number {n} in letters"), Invariant($"say {n} in words"), Invariant($"write {n} as a word")) : draw.Of($"write {word} as a number", $"write {word} in digits", $"give me {word} as a number", $"write {word} in figures", $"turn {word} into a number")), toWord ? word : Invariant($"{n}"));
    }

    /// <summary>Different words: mostly things, of which a list is made in earnest, or any.</summary>
    private static string[] Things(Draw draw, bool isChinese, Vocabulary vocabulary, int count) =>
        draw.Chance(0.6) ? [.. draw.Several(Words.Nouns, count).Select(noun => isChinese ? noun.Zh : noun.En)] : vocabulary.Several(draw, isChinese, count);

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
