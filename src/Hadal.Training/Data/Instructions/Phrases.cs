namespace Hadal.Training.Data.Instructions;

/// <summary>The many ways in which people put the same request: what is asked for, put together with how it is begun and ended.</summary>
internal static class Phrases
{
    private static readonly string[]
        Questions = ["what is {0}", "what's {0}", "how much is {0}", "what is the result of {0}", "what does {0} make", "what does {0} give", "what do I get for {0}", "what do you get for {0}", "do you know what {0} is", "can you tell me what {0} is", "could you tell me {0}", "{0} is how much", "{0} equals what", "so {0} is what", "what would {0} be", "and what is {0}", "can you work out {0}", "could you calculate {0} for me"],
        Orders = ["calculate {0}", "compute {0}", "work out {0}", "evaluate {0}", "solve {0}", "find {0}", "tell me {0}", "give me {0}", "give me the result of {0}", "I need {0}", "I want to know {0}", "I would like to know {0}", "answer this: {0}", "solve: {0}", "calculate: {0}", "do this for me: {0}", "show me how to work out {0}", "help me with {0}", "let us work out {0}", "write down the result of {0}"],
        QuestionsZh = ["{0}等于多少", "{0}等于几", "{0}是多少", "{0}是几", "{0}得多少", "{0}得几", "{0}的结果是多少", "{0}的答案是什么", "你知道{0}是多少吗", "能告诉我{0}等于多少吗", "{0}怎么算", "{0}应该是多少", "{0}一共是多少", "那么{0}呢"],
        OrdersZh = ["计算{0}", "算一下{0}", "算一算{0}", "帮我算{0}", "求{0}", "求{0}的结果", "算出{0}", "告诉我{0}", "告诉我{0}的结果", "我想知道{0}等于多少", "我要算{0}", "计算：{0}", "口算{0}", "写出{0}的结果"];

    private static readonly string[]
        Before = ["", "", "", "", "", "", "please ", "hey, ", "hi, ", "hello, ", "ok, ", "now ", "quick question: ", "next: ", "sorry, ", "thanks. ", "one more: "],
        After = ["", "", "", "", "", "", " please", ", please", " now", " for me", ", thanks", " - thank you"],
        BeforeZh = ["", "", "", "", "", "", "请", "请你", "请帮我", "麻烦你", "你好，", "那个，", "再来一题：", "现在", "好，"],
        AfterZh = ["", "", "", "", "", "谢谢", "，谢谢", "，谢谢你", "，快点"];

    /// <summary>A sum in somebody's words.</summary>
    /// <param name="draw">Chooses.</param>
    /// <param name="isChinese">Whose language.</param>
    /// <param name="expression">Ways to write it down, "3 + 4" or "3 plus 4" or "the sum of 3 and 4".</param>
    /// <param name="orders">Ways to ask for it outright, "add 3 and 4".</param>
    public static string Calculation(Draw draw, bool isChinese, string[] expression, string[] orders)
    {
        var form = draw.Of(expression);
        if (orders.Length > 0 && draw.Chance(0.2)) return Order(draw, isChinese, draw.Of(orders));
        if (draw.Chance(0.15)) return form + (isChinese ? draw.Of("", "=?", "=", "＝？", "？", " = ") : draw.Of("", " = ?", " =", "=?", "?", "="));
        return draw.Chance(0.55)
            ? Question(draw, isChinese, Filled(draw.Of(isChinese ? QuestionsZh : Questions), form))
            : Order(draw, isChinese, Filled(draw.Of(isChinese ? OrdersZh : Orders), form));
    }

    /// <summary>A question, begun and ended as people do.</summary>
    public static string Question(Draw draw, bool isChinese, string question) => isChinese
        ? draw.Of("", "", "", "请问", "请问一下，", "你好，", "我问你，", "那", "问题：") + question + draw.Of("？", "？", "?", "", "。", "呢？", "，谢谢")
        : Cased(draw, draw.Of("", "", "", "", "please, ", "hey, ", "hi, ", "ok, ", "now ", "question: ", "tell me, ") + question) + draw.Of("?", "?", "?", "", "", " please?", ", please", "??");

    /// <summary>What somebody is told to do, begun and ended as people do.</summary>
    public static string Order(Draw draw, bool isChinese, string order)
    {
        if (isChinese) return draw.Of(BeforeZh) + order + draw.Of(AfterZh) + draw.Of("", "", "。", "！");
        if (draw.Chance(0.12)) return Cased(draw, $"{draw.Of("can you", "could you", "would you", "will you", "can you please")} {order}") + draw.Of("?", "", " please?");
        return Cased(draw, draw.Of(Before) + order + draw.Of(After)) + draw.Of("", "", ".", ".", "!");
    }

    /// <summary>Something done to what follows or precedes, with the thing itself left as it is: "repeat: …", "… - repeat that".</summary>
    /// <param name="draw">Chooses.</param>
    /// <param name="isChinese">Whose language.</param>
    /// <param name="orders">What to do, the thing's place marked by {0} or else behind it.</param>
    /// <param name="thing">What it is done to.</param>
    public static string With(Draw draw, bool isChinese, string[] orders, string thing)
    {
        var order = draw.Of(orders);
        if (order.Contains("{0}", StringComparison.Ordinal))
        {
            var (begin, end) = (order[..order.IndexOf("{0}", StringComparison.Ordinal)], order[(order.IndexOf("{0}", StringComparison.Ordinal) + 3)..]);
            return (begin.Length == 0 ? "" : isChinese ? draw.Of(BeforeZh) + begin : Cased(draw, draw.Of(Before) + begin)) + thing + end;
        }

        var (opening, closing) = isChinese ? (draw.Of(BeforeZh), draw.Of("：", "：", "：\n", ":", " ")) : (draw.Of(Before), draw.Of(": ", ": ", ": ", ":\n", " ", " - "));
        if (draw.Chance(0.2)) return isChinese ? $"{thing}{draw.Of("\n", "，", "。")}{draw.Of("", "请", "帮我")}{order}{draw.Of("", "。")}" : $"{thing}{draw.Of("\n", ". ", " - ")}{Cased(draw, order)}{draw.Of("", ".")}";
        return (isChinese ? opening + order : Cased(draw, opening + order)) + closing + thing;
    }

    /// <summary>With a capital letter at its start, mostly.</summary>
    public static string Cased(Draw draw, string text) => draw.Chance(0.65) ? KnowledgeTasks.Capitalised(text) : text;

    /// <summary>A list as people write lists.</summary>
    public static string Listed(Draw draw, bool isChinese, IReadOnlyList<string> items)
    {
        if (isChinese) return string.Join(draw.Of("、", "、", "，", "和", ",", " "), items) is var zh && draw.Chance(0.2) && items.Count > 2 ? $"{string.Join('、', items.SkipLast(1))}和{items[^1]}" : zh;
        return draw.Next(6) switch
        {
            0 when items.Count > 1 => $"{string.Join(", ", items.SkipLast(1))} and {items[^1]}",
            1 when items.Count > 1 => $"{string.Join(", ", items.SkipLast(1))}, and {items[^1]}",
            2 => string.Join(' ', items),
            3 => string.Join(draw.Of("; ", ",", "\n", " / "), items),
            _ => string.Join(", ", items),
        };
    }

    private static string Filled(string frame, string part) => frame.Replace("{0}", part, StringComparison.Ordinal);
}
