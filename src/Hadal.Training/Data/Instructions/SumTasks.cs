using static System.FormattableString;

namespace Hadal.Training.Data.Instructions;

/// <summary>Sums, differences, products and quotients, digit by digit from the last one, each carry written down: a small model learns the table of two digits, not that of two numbers.</summary>
internal static class SumTasks
{
    private static readonly string[] Places = ["Ones", "Tens", "Hundreds", "Thousands"], PlacesZh = ["个位", "十位", "百位", "千位"];

    public static Instruction Addition(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Number(), draw.Number());
        var prompt = isChinese
            ? draw.Of(Invariant($"{a}加{b}等于多少？"), Invariant($"{a}+{b}=?"), Invariant($"计算 {a} + {b}"), Invariant($"请问{a}加{b}是多少？"), Invariant($"{a} + {b} 等于几？"), Invariant($"求{a}与{b}的和。"), Invariant($"{a}加上{b}是多少"))
            : draw.Of(Invariant($"What is {a} + {b}?"), Invariant($"{a} + {b} = ?"), Invariant($"{a}+{b}"), Invariant($"Calculate {a} + {b}."), Invariant($"What is {a} plus {b}?"), Invariant($"Add {a} and {b}."), Invariant($"How much is {a} + {b}?"), Invariant($"What is the sum of {a} and {b}?"), Invariant($"what is {a}+{b}"));
        return Of("addition", isChinese, Invariant($"{Math.Min(a, b)}+{Math.Max(a, b)}"), prompt, SumSteps(a, b, isChinese), a + b);
    }

    public static Instruction Subtraction(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Number(), draw.Number());
        if (a < b && !draw.Chance(0.1)) (a, b) = (b, a);
        var prompt = isChinese
            ? draw.Of(Invariant($"{a}减{b}等于多少？"), Invariant($"{a}-{b}=?"), Invariant($"计算 {a} - {b}"), Invariant($"请问{a}减{b}是多少？"), Invariant($"{a} - {b} 等于几？"), Invariant($"{a}减去{b}是多少"))
            : draw.Of(Invariant($"What is {a} - {b}?"), Invariant($"{a} - {b} = ?"), Invariant($"{a}-{b}"), Invariant($"Calculate {a} - {b}."), Invariant($"What is {a} minus {b}?"), Invariant($"Subtract {b} from {a}."), Invariant($"How much is {a} - {b}?"));
        return Of("subtraction", isChinese, Invariant($"{a}-{b}"), prompt, DifferenceSteps(a, b, isChinese), a - b);
    }

    public static Instruction Multiplication(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Chance(0.35) ? draw.Between(1, 9) : draw.Between(10, 99), draw.Between(2, 9));
        var (left, right) = draw.Chance(0.3) ? (b, a) : (a, b);
        var prompt = isChinese
            ? draw.Of(Invariant($"{left}乘以{right}等于多少？"), Invariant($"{left}×{right}=?"), Invariant($"计算 {left} × {right}"), Invariant($"{left} * {right} 等于几？"), Invariant($"{left}乘{right}是多少"))
            : draw.Of(Invariant($"What is {left} × {right}?"), Invariant($"{left} * {right} = ?"), Invariant($"{left}*{right}"), Invariant($"Calculate {left} x {right}."), Invariant($"What is {left} times {right}?"), Invariant($"Multiply {left} by {right}."), Invariant($"How much is {left} × {right}?"));
        return Of("multiplication", isChinese, Invariant($"{Math.Min(a, b)}*{Math.Max(a, b)}"), prompt, ProductSteps(a, b, isChinese), a * b);
    }

    public static Instruction Division(Draw draw, bool isChinese)
    {
        var (b, q) = (draw.Between(2, 9), draw.Between(1, 10));
        var a = b * q;
        var prompt = isChinese
            ? draw.Of(Invariant($"{a}除以{b}等于多少？"), Invariant($"{a}÷{b}=?"), Invariant($"计算 {a} / {b}"), Invariant($"{a}除以{b}是几？"))
            : draw.Of(Invariant($"What is {a} / {b}?"), Invariant($"{a} / {b} = ?"), Invariant($"Calculate {a} ÷ {b}."), Invariant($"What is {a} divided by {b}?"), Invariant($"Divide {a} by {b}."));
        var answer = isChinese ? Invariant($"{b}×{q}={a}，所以\n{a}÷{b}={q}") : Invariant($"{b} × {q} = {a}, so\n{a} / {b} = {q}");
        return Of("division", isChinese, Invariant($"{a}/{b}"), prompt, answer, q);
    }

    public static Instruction Story(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Between(3, 99), draw.Between(2, 60));
        var which = draw.Next(3);
        if (which == 1 && b > a) (a, b) = (b, a);
        if (which == 2) (a, b) = (draw.Between(2, 9), draw.Between(3, 40));

        // What is asked are the numbers and what becomes of them, whoever has them.
        var key = which == 0 ? Invariant($"{Math.Min(a, b)}+{Math.Max(a, b)}") : which == 1 ? Invariant($"{a}-{b}") : Invariant($"{Math.Min(a, b)}*{Math.Max(a, b)}");
        return (isChinese ? StoryZh(draw, which, a, b) : StoryEn(draw, which, a, b)) with { Key = key };
    }

    /// <summary>What is beyond what was learnt is said to be.</summary>
    public static Instruction TooLong(Draw draw, bool isChinese)
    {
        var isProduct = draw.Chance(0.5);
        var (a, b) = isProduct ? (draw.Between(11, 999), draw.Between(11, 999)) : (draw.Between(1000, 999999), draw.Between(1000, 999999));
        var prompt = isChinese
            ? Invariant($"{draw.Of("", "计算")}{a}{(isProduct ? "×" : draw.Of("+", "-", "加", "减"))}{b}{draw.Of("", "等于多少？", "=?")}")
            : Invariant($"{draw.Of("What is ", "Calculate ", "")}{a} {(isProduct ? draw.Of("×", "*", "times") : draw.Of("+", "-", "plus", "minus"))} {b}{draw.Of("", "?")}");
        var answer = isChinese
            ? "这些数对我来说太长了。我会算三位以内的加减，以及两位数乘一位数。"
            : "These numbers are too long for me. I add and subtract up to three digits, and multiply two digits by one.";
        return new Instruction("refusal", Tasks.Language(isChinese), Invariant($"{Math.Min(a, b)} {isProduct} {Math.Max(a, b)}"), prompt, answer, AnswerCheck.Contains, isChinese ? "太长" : "too long");
    }

    private static Instruction StoryEn(Draw draw, int which, int a, int b)
    {
        var (name, thing) = (draw.Of(Words.Names), draw.Of(Words.Things));
        var (prompt, steps, result) = which switch
        {
            0 => (draw.Of(
                Invariant($"{name} has {a} {thing} and gets {b} more. How many {thing} does {name} have now?"),
                Invariant($"There are {a} {thing} on the table. {name} brings {b} more. How many {thing} are there?"),
                Invariant($"{name} found {a} {thing} in the morning and {b} in the evening. How many {thing} is that?")), SumSteps(a, b, false), a + b),
            1 => (draw.Of(
                Invariant($"{name} has {a} {thing} and gives away {b}. How many {thing} are left?"),
                Invariant($"There were {a} {thing}. {name} took {b} of them. How many {thing} are left?"),
                Invariant($"{name} had {a} {thing} and lost {b}. How many {thing} are left?")), DifferenceSteps(a, b, false), a - b),
            _ => (draw.Of(
                Invariant($"There are {a} boxes with {b} {thing} each. How many {thing} is that?"),
                Invariant($"{name} buys {a} bags. Each bag holds {b} {thing}. How many {thing} does {name} have?")), ProductSteps(b, a, false), a * b),
        };
        return Of("story sum", false, prompt, prompt, Invariant($"{steps}\n{result} {thing}."), result);
    }

    private static Instruction StoryZh(Draw draw, int which, int a, int b)
    {
        var (name, thing) = (draw.Of(Words.NamesZh), draw.Of(Words.ThingsZh));
        var (prompt, steps, result) = which switch
        {
            0 => (draw.Of(
                Invariant($"{name}有{a}个{thing}，又得到{b}个，现在一共有多少个{thing}？"),
                Invariant($"桌上有{a}个{thing}，{name}又拿来{b}个，一共有几个{thing}？")), SumSteps(a, b, true), a + b),
            1 => (draw.Of(
                Invariant($"{name}有{a}个{thing}，送给别人{b}个，还剩多少个{thing}？"),
                Invariant($"一共有{a}个{thing}，{name}拿走了{b}个，还剩几个{thing}？")), DifferenceSteps(a, b, true), a - b),
            _ => (draw.Of(
                Invariant($"有{a}个盒子，每个盒子里有{b}个{thing}，一共有多少个{thing}？"),
                Invariant($"{name}买了{a}袋{thing}，每袋{b}个，一共有几个{thing}？")), ProductSteps(b, a, true), a * b),
        };
        return Of("story sum", true, prompt, prompt, Invariant($"{steps}\n{result}个{thing}。"), result);
    }

    private static Instruction Of(string kind, bool isChinese, string key, string prompt, string answer, int result) =>
        new(kind, Tasks.Language(isChinese), key, prompt, answer, AnswerCheck.Number, Invariant($"{result}"));

    /// <summary>a + b, digit by digit.</summary>
    internal static string SumSteps(int a, int b, bool isChinese)
    {
        var steps = new List<string>();
        var carry = 0;
        var columns = Math.Max(Digits(a), Digits(b));
        for (var place = 0; columns > 1 && place < columns; place++)
        {
            int x = Digit(a, place), y = Digit(b, place), sum = x + y + carry;
            var more = carry == 0 ? "" : isChinese ? Invariant($"+{carry}") : Invariant($" + {carry}");
            var term = isChinese ? Invariant($"{PlacesZh[place]}：{x}+{y}{more}={sum}") : Invariant($"{Places[place]}: {x} + {y}{more} = {sum}");
            carry = sum / 10;
            steps.Add(term + Written(sum, carry, isChinese));
        }

        if (columns > 1 && carry > 0) steps.Add(isChinese ? Invariant($"{PlacesZh[columns]}：写{carry}。") : Invariant($"{Places[columns]}: write {carry}."));
        steps.Add(isChinese ? Invariant($"{a}+{b}={a + b}") : Invariant($"{a} + {b} = {a + b}"));
        return string.Join('\n', steps);
    }

    /// <summary>a − b, digit by digit; of the larger number the smaller.</summary>
    internal static string DifferenceSteps(int a, int b, bool isChinese)
    {
        if (a < b)
        {
            return isChinese
                ? Invariant($"{b}更大。\n{DifferenceSteps(b, a, true)}\n{a}-{b}=-{b - a}")
                : Invariant($"{b} is larger.\n{DifferenceSteps(b, a, false)}\n{a} - {b} = -{b - a}");
        }

        var steps = new List<string>();
        var borrow = 0;
        for (var place = 0; Digits(a) > 1 && place < Digits(a); place++)
        {
            int x = Digit(a, place), y = Digit(b, place), left = x - borrow;
            var taken = borrow == 0 ? "" : isChinese ? Invariant($"{x}-1={left}，") : Invariant($"{x} - 1 = {left}, ");
            borrow = left < y ? 1 : 0;
            var whole = left + (10 * borrow);
            var need = borrow == 0 ? "" : isChinese ? "借1，" : "borrow 1, ";
            steps.Add(isChinese ? Invariant($"{PlacesZh[place]}：{taken}{need}{whole}-{y}={whole - y}。") : Invariant($"{Places[place]}: {taken}{need}{whole} - {y} = {whole - y}."));
        }

        steps.Add(isChinese ? Invariant($"{a}-{b}={a - b}") : Invariant($"{a} - {b} = {a - b}"));
        return string.Join('\n', steps);
    }

    /// <summary>a · b for b of one digit, digit by digit.</summary>
    internal static string ProductSteps(int a, int b, bool isChinese)
    {
        var steps = new List<string>();
        var carry = 0;
        var columns = Digits(a);
        for (var place = 0; columns > 1 && place < columns; place++)
        {
            int x = Digit(a, place), product = x * b, sum = product + carry;
            var term = isChinese ? Invariant($"{PlacesZh[place]}：{x}×{b}={product}") : Invariant($"{Places[place]}: {x} × {b} = {product}");
            if (carry > 0) term += isChinese ? Invariant($"，{product}+{carry}={sum}") : Invariant($", {product} + {carry} = {sum}");
            carry = sum / 10;
            steps.Add(term + Written(sum, carry, isChinese));
        }

        if (columns > 1 && carry > 0) steps.Add(isChinese ? Invariant($"{PlacesZh[columns]}：写{carry}。") : Invariant($"{Places[columns]}: write {carry}."));
        steps.Add(isChinese ? Invariant($"{a}×{b}={a * b}") : Invariant($"{a} × {b} = {a * b}"));
        return string.Join('\n', steps);
    }

    private static string Written(int sum, int carry, bool isChinese) => carry == 0
        ? isChinese ? Invariant($"，写{sum}。") : Invariant($", write {sum}.")
        : isChinese ? Invariant($"，写{sum % 10}进{carry}。") : Invariant($", write {sum % 10}, carry {carry}.");

    private static int Digits(int number) => number < 10 ? 1 : 1 + Digits(number / 10);

    private static int Digit(int number, int place) => place == 0 ? number % 10 : Digit(number / 10, place - 1);
}
