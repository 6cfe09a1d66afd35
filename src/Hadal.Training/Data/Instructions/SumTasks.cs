using static System.FormattableString;

namespace Hadal.Training.Data.Instructions;

/// <summary>Sums, differences, products and quotients, digit by digit from the last one, each carry written down: a small model learns the table of two digits, not that of two numbers.</summary>
internal static class SumTasks
{
    private static readonly string[] Places = ["Ones", "Tens", "Hundreds", "Thousands"], PlacesZh = ["个位", "十位", "百位", "千位"];

    public static Instruction Addition(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Number(), draw.Number());
        return Of("addition", isChinese, Invariant($"{Math.Min(a, b)}+{Math.Max(a, b)}"), AdditionWords(draw, isChinese, Invariant($"{a}"), Invariant($"{b}")), SumSteps(a, b, isChinese), a + b);
    }

    public static Instruction Subtraction(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Number(), draw.Number());
        if (a < b && !draw.Chance(0.1)) (a, b) = (b, a);
        return Of("subtraction", isChinese, Invariant($"{a}-{b}"), SubtractionWords(draw, isChinese, Invariant($"{a}"), Invariant($"{b}")), DifferenceSteps(a, b, isChinese), a - b);
    }

    public static Instruction Multiplication(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Chance(0.35) ? draw.Between(1, 9) : draw.Between(10, 99), draw.Between(2, 9));
        var (left, right) = draw.Chance(0.3) ? (b, a) : (a, b);
        return Of("multiplication", isChinese, Invariant($"{Math.Min(a, b)}*{Math.Max(a, b)}"), MultiplicationWords(draw, isChinese, Invariant($"{left}"), Invariant($"{right}")), ProductSteps(a, b, isChinese), a * b);
    }

    public static Instruction Division(Draw draw, bool isChinese)
    {
        var (b, q) = (draw.Between(2, 9), draw.Between(1, 10));
        var a = b * q;
        string[] forms = isChinese
            ? [Invariant($"{a}除以{b}"), Invariant($"{a}÷{b}"), Invariant($"{a} ÷ {b}"), Invariant($"{a}/{b}"), Invariant($"{a} / {b}"), Invariant($"{a}除{b}")]
            : [Invariant($"{a} / {b}"), Invariant($"{a}/{b}"), Invariant($"{a} ÷ {b}"), Invariant($"{a} divided by {b}"), Invariant($"{a} over {b}"), Invariant($"the quotient of {a} and {b}")];
        string[] orders = isChinese
            ? [Invariant($"把{a}平均分成{b}份，每份多少"), Invariant($"用{a}除以{b}"), Invariant($"{a}里面有几个{b}")]
            : [Invariant($"divide {a} by {b}"), Invariant($"split {a} into {b} equal parts"), Invariant($"tell me how many times {b} goes into {a}"), Invariant($"share {a} among {b}")];
        var answer = isChinese ? Invariant($"{b}×{q}={a}，所以\n{a}÷{b}={q}") : Invariant($"{b} × {q} = {a}, so\n{a} / {b} = {q}");
        return Of("division", isChinese, Invariant($"{a}/{b}"), Phrases.Calculation(draw, isChinese, forms, orders), answer, q);
    }

    /// <summary>Sums with a number below zero: which sum of numbers above zero it is, that sum, and its sign.</summary>
    public static Instruction Negative(Draw draw, bool isChinese)
    {
        var (a, b, kind) = (draw.Between(1, draw.Of(9, 20, 99)), draw.Between(1, draw.Of(9, 20, 99)), draw.Next(5));
        var (left, right) = Signs();
        if (kind == 4)
        {
            (a, b) = (draw.Between(1, draw.Of(9, 20)), draw.Between(2, 9));
            (left, right) = Signs();
        }

        // The smaller less the larger.
        if (kind == 3) (left, right) = (Math.Min(a, b), Math.Max(a, b) + (a == b ? 1 : 0));
        var isSpoken = draw.Chance(0.2);
        var (first, second) = (Told(left, isFirst: true), Told(right, isFirst: false));
        var (result, words, symbol) = kind switch
        {
            < 2 => (left + right, AdditionWords(draw, isChinese, first, second), "+"),
            < 4 => (left - right, SubtractionWords(draw, isChinese, first, second), "-"),
            _ => (left * right, MultiplicationWords(draw, isChinese, first, second), "×"),
        };
        var written = right < 0 ? Invariant($"({right})") : Invariant($"{right}");
        var whole = isChinese ? Invariant($"{left}{symbol}{written}") : Invariant($"{left} {symbol} {written}");
        return Of("negative numbers", isChinese, Key(result, left, right), words, kind == 3 ? DifferenceSteps(left, right, isChinese) : $"{Steps()}\n{(isChinese ? Invariant($"{whole}={result}") : Invariant($"{whole} = {result}"))}", result);

        (int Left, int Right) Signs() => draw.Next(3) switch { 0 => (-a, b), 1 => (a, -b), _ => (-a, -b) };

        string Told(int number, bool isFirst) => number >= 0 ? Invariant($"{number}")
            : isSpoken ? isChinese ? Invariant($"负{-number}") : Invariant($"{draw.Of("minus", "negative")} {-number}")
            : isFirst || draw.Chance(0.5) ? Invariant($"{number}") : Invariant($"({number})");

        string Steps()
        {
            var (x, y, areBoth) = (Math.Abs(left), Math.Abs(right), left < 0 && right < 0);
            if (symbol == "×")
                return $"{ProductSteps(x, y, isChinese)}\n{(areBoth ? isChinese ? "两个负号，结果为正。" : "Two minus signs give plus." : isChinese ? "一个负号，结果为负。" : "One minus sign gives minus.")}";

            // -x - y is -(x + y), x - -y is x + y; what is left are differences: -x + y is y - x, x + -y is x - y, -x - -y is y - x.
            if (symbol == "-" ? left < 0 && right >= 0 : areBoth)
                return $"{(isChinese ? Invariant($"{whole}就是负的({x}+{y})。") : Invariant($"{whole} is minus ({x} + {y})."))}\n{SumSteps(x, y, isChinese)}";
            if (symbol == "-" && left >= 0)
                return $"{(isChinese ? Invariant($"{whole}就是{x}+{y}。") : Invariant($"{whole} is {x} + {y}."))}\n{SumSteps(x, y, isChinese)}";
            var (p, q) = left < 0 ? (y, x) : (x, y);
            return $"{(isChinese ? Invariant($"{whole}就是{p}-{q}。") : Invariant($"{whole} is {p} - {q}."))}\n{DifferenceSteps(p, q, isChinese)}";
        }
    }

    /// <summary>Sums of numbers with a decimal point: counted in tenths or hundredths, which are whole.</summary>
    public static Instruction Decimals(Draw draw, bool isChinese)
    {
        var places = draw.Chance(0.7) ? 1 : 2;
        var unit = places == 1 ? 10 : 100;
        var operation = draw.Next(5) switch { < 2 => '+', < 4 => '-', _ => '×' };
        int a = Drawn(), b = operation == '×' ? draw.Between(2, 9) : draw.Chance(0.25) ? draw.Between(1, 9) * unit : Drawn();
        if (operation == '-' && a < b) (a, b) = (b, a);
        if (operation == '×' && a > 99) a = draw.Between(11, 99);
        if (a % unit == 0) a++;
        var (first, second) = (Written(a), operation == '×' ? Invariant($"{b}") : Written(b));
        var (result, steps, words) = operation switch
        {
            '+' => (a + b, SumSteps(a, b, isChinese), AdditionWords(draw, isChinese, first, second)),
            '-' => (a - b, DifferenceSteps(a, b, isChinese), SubtractionWords(draw, isChinese, first, second)),
            _ => (a * b, ProductSteps(a, b, isChinese), MultiplicationWords(draw, isChinese, first, second)),
        };
        var answer = isChinese
            ? Invariant($"按{(places == 1 ? "0.1" : "0.01")}算：{a}{operation}{b}。\n{steps}\n{result}个{(places == 1 ? "0.1" : "0.01")}\n{first}{operation}{second}={Written(result)}")
            : Invariant($"In {(places == 1 ? "tenths" : "hundredths")}: {a} {operation} {b}.\n{steps}\n{result} {(places == 1 ? "tenths" : "hundredths")}\n{first} {operation} {second} = {Written(result)}");
        return Of("decimals", isChinese, Key(Written(result), first, second), words, answer, Written(result));

        int Drawn() => draw.Between(1, draw.Of(99, 300, 999));
        string Written(int number) => (number / (decimal)unit).ToString("0.##", System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Three numbers and two operations, one after the other as brackets and precedence have it.</summary>
    public static Instruction Several(Draw draw, bool isChinese)
    {
        while (true)
        {
            int a = draw.Between(1, draw.Of(9, 20, 99)), b = draw.Between(1, draw.Of(9, 20, 50)), c = draw.Between(1, draw.Of(9, 20, 50));
            char first = draw.Of('+', '+', '-', '×'), second = draw.Of('+', '-', '×', '×');
            var place = draw.Next(3);

            // 0 without brackets, 1 (a ∘ b) ∘ c, 2 a ∘ (b ∘ c); what comes first is the inner one.
            if (place > 0 && first == second && first != '-') continue;
            var isLeftFirst = place == 1 || (place == 0 && (first == '×' || second != '×'));
            var inner = isLeftFirst ? Result(first, a, b) : Result(second, b, c);
            if (inner is not { } part || Result(isLeftFirst ? second : first, isLeftFirst ? part : a, isLeftFirst ? c : part) is not { } result) continue;
            var steps = isLeftFirst ? $"{Steps(first, a, b)}\n{Steps(second, part, c)}" : $"{Steps(second, b, c)}\n{Steps(first, a, part)}";
            var plain = Shown(" ", "×");
            var close = Shown("", draw.Of("×", "*", "x"));
            string[] forms = place == 0 && draw.Chance(0.25) ? [Spoken()] : [plain, Shown(" ", "*"), close];
            var whole = isChinese ? Shown("", "×") : plain;
            return Of("several operations", isChinese, Key(result, a, b, c), Phrases.Calculation(draw, isChinese, forms, []), isChinese ? Invariant($"{steps}\n{whole}={result}") : Invariant($"{steps}\n{whole} = {result}"), result);

            string Shown(string space, string times)
            {
                string left = Sign(first), right = Sign(second);
                return place switch
                {
                    1 => Invariant($"({a}{left}{b}){right}{c}"),
                    2 => Invariant($"{a}{left}({b}{right}{c})"),
                    _ => Invariant($"{a}{left}{b}{right}{c}"),
                };

                string Sign(char operation) => $"{space}{(operation == '×' ? times : operation.ToString())}{space}";
            }

            string Spoken()
            {
                return isChinese ? Invariant($"{a}{Name(first)}{b}{Name(second)}{c}") : Invariant($"{a} {Name(first)} {b} {Name(second)} {c}");
                string Name(char operation) => operation switch { '+' => isChinese ? "加" : "plus", '-' => isChinese ? "减" : "minus", _ => isChinese ? "乘" : "times" };
            }
        }

        // None where a step would be beyond what is learnt: below zero, or a product of two numbers of two digits.
        static int? Result(char operation, int x, int y) => operation switch
        {
            '+' => x + y,
            '-' => x >= y ? x - y : null,
            _ => x > 99 || y > 99 || (x > 9 && y > 9) || x < 1 || y < 1 ? null : x * y,
        };

        string Steps(char operation, int x, int y) => operation switch
        {
            '+' => SumSteps(x, y, isChinese),
            '-' => DifferenceSteps(x, y, isChinese),
            _ => ProductSteps(Math.Max(x, y), Math.Min(x, y), isChinese),
        };
    }

    public static Instruction Story(Draw draw, bool isChinese)
    {
        var (a, b) = (draw.Between(3, 99), draw.Between(2, 60));
        var which = draw.Next(4);
        if (which == 1 && b > a) (a, b) = (b, a);
        if (which == 2) (a, b) = (draw.Between(2, 9), draw.Between(3, 40));
        if (which == 3) b = draw.Between(2, 9);
        if (which == 3) a = b * draw.Between(2, 10);

        // What is asked are the numbers and what becomes of them, whoever has them.
        var result = which switch { 0 => a + b, 1 => a - b, 2 => a * b, _ => a / b };
        return (isChinese ? StoryZh(draw, which, a, b) : StoryEn(draw, which, a, b)) with { Key = Key(result, a, b) };
    }

    private static string AdditionWords(Draw draw, bool isChinese, string a, string b) => isChinese
        ? Phrases.Calculation(draw, true, [$"{a}加{b}", $"{a}+{b}", $"{a} + {b}", $"{a}加上{b}", $"{a}与{b}的和", $"{a}和{b}的和", $"{a}和{b}相加", $"{a} 加 {b}", $"{a}、{b}之和"], [$"把{a}和{b}加起来", $"{a}和{b}一共是多少", $"将{a}与{b}相加", $"{a}再加{b}"])
        : Phrases.Calculation(draw, false, [$"{a} + {b}", $"{a}+{b}", $"{a} plus {b}", $"the sum of {a} and {b}", $"{a} and {b} together", $"{a} added to {b}", $"the total of {a} and {b}", $"{a} and {b} added up"], [$"add {a} and {b}", $"add {a} to {b}", $"add up {a} and {b}", $"add {a} + {b}", $"sum {a} and {b}", $"put {a} and {b} together", $"add these: {a}, {b}", $"total up {a} and {b}", $"sum up {a}, {b}"]);

    private static string SubtractionWords(Draw draw, bool isChinese, string a, string b) => isChinese
        ? Phrases.Calculation(draw, true, [$"{a}减{b}", $"{a}-{b}", $"{a} - {b}", $"{a}减去{b}", $"{a}与{b}的差", $"{a}和{b}的差", $"{a} 减 {b}", $"{a}去掉{b}"], [$"从{a}里减去{b}", $"从{a}中拿走{b}还剩多少", $"{a}比{b}多多少", $"用{a}减{b}", $"{b}加几等于{a}"])
        : Phrases.Calculation(draw, false, [$"{a} - {b}", $"{a}-{b}", $"{a} minus {b}", $"the difference between {a} and {b}", $"{a} less {b}", $"{a} take away {b}", $"{b} from {a}", $"{b} subtracted from {a}"], [$"subtract {b} from {a}", $"take {b} away from {a}", $"take {b} from {a}", $"deduct {b} from {a}", $"remove {b} from {a}", $"tell me how much is left of {a} after taking {b}", $"tell me how much more {a} is than {b}"]);

    private static string MultiplicationWords(Draw draw, bool isChinese, string a, string b) => isChinese
        ? Phrases.Calculation(draw, true, [$"{a}乘以{b}", $"{a}×{b}", $"{a} × {b}", $"{a}*{b}", $"{a} * {b}", $"{a}乘{b}", $"{a}与{b}的积", $"{a}的{b}倍", $"{b}个{a}", $"{a}x{b}"], [$"把{a}和{b}相乘", $"{b}个{a}加起来", $"用{a}乘{b}", $"将{a}扩大{b}倍"])
        : Phrases.Calculation(draw, false, [$"{a} × {b}", $"{a} * {b}", $"{a}*{b}", $"{a} x {b}", $"{a}x{b}", $"{a} times {b}", $"the product of {a} and {b}", $"{a} multiplied by {b}", $"{b} lots of {a}"], [$"multiply {a} by {b}", $"multiply {a} and {b}", $"take {a} {b} times", $"multiply {a} with {b}", $"multiply these: {a}, {b}"]);

    /// <summary>The numbers in any order, and the result: what is asked, whatever the words.</summary>
    private static string Key(object result, params object[] numbers) =>
        Invariant($"{string.Join(' ', numbers.SelectMany(number => Invariant($"{number}").Split('.', '-').Where(part => part.Length > 0)).Order(StringComparer.Ordinal))} = {result}");

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
        var (name, other, thing) = (draw.Of(Words.Names), draw.Of(Words.Names), draw.Of(Words.Things));
        var ask = draw.Of($"How many {thing} does {name} have now?", $"How many {thing} are there now?", $"How many {thing} is that?", $"How many {thing} in all?", $"How many altogether?", $"What is the total?", $"how many {thing} now", $"How many {thing} does that make?");
        var left = draw.Of($"How many {thing} are left?", $"How many are left?", $"How many {thing} remain?", $"How many does {name} still have?", $"what is left", $"How many {thing} now?");
        var (prompt, steps, result) = which switch
        {
            0 => (draw.Of(
                Invariant($"{name} has {a} {thing} and gets {b} more. {ask}"),
                Invariant($"There are {a} {thing} on the table. {name} brings {b} more. {ask}"),
                Invariant($"{name} found {a} {thing} in the morning and {b} in the evening. {ask}"),
                Invariant($"{name} has {a} {thing}, {other} has {b}. How many do they have together?"),
                Invariant($"{name} buys {a} {thing} on Monday and {b} {thing} on Tuesday. {ask}"),
                Invariant($"I had {a} {thing}, then I got {b} more. {ask}"),
                Invariant($"If you have {a} {thing} and I give you {b}, how many {thing} do you have?"),
                Invariant($"A shop sold {a} {thing} in the morning and {b} in the afternoon. {ask}"),
                Invariant($"A bag holds {a} {thing} and another bag {b}. {ask}"),
                Invariant($"{name} reads {a} pages today and {b} pages tomorrow. How many pages is that?")), SumSteps(a, b, false), a + b),
            1 => (draw.Of(
                Invariant($"{name} has {a} {thing} and gives away {b}. {left}"),
                Invariant($"There were {a} {thing}. {name} took {b} of them. {left}"),
                Invariant($"{name} had {a} {thing} and lost {b}. {left}"),
                Invariant($"{name} had {a} {thing}, and gave {b} to {other}. {left}"),
                Invariant($"I have {a} {thing} and use {b} of them. {left}"),
                Invariant($"Of {a} {thing} {b} are broken. How many are whole?"),
                Invariant($"A shop has {a} {thing} and sells {b}. {left}"),
                Invariant($"{a} people were on the bus and {b} got off. How many are still there?"),
                Invariant($"{name} has {a} dollars and spends {b}. How much is left?"),
                Invariant($"{name} is {a} years old, {other} is {b} years younger. How old is {other}?")), DifferenceSteps(a, b, false), a - b),
            2 => (draw.Of(
                Invariant($"There are {a} boxes with {b} {thing} each. {ask}"),
                Invariant($"{name} buys {a} bags. Each bag holds {b} {thing}. {ask}"),
                Invariant($"{a} children have {b} {thing} each. {ask}"),
                Invariant($"One box holds {b} {thing}. How many do {a} boxes hold?"),
                Invariant($"Each of {a} tables has {b} {thing} on it. {ask}"),
                Invariant($"{name} eats {b} {thing} every day. How many in {a} days?"),
                Invariant($"A book costs {b} dollars. What do {a} books cost?"),
                Invariant($"There are {a} rows of {b} chairs. How many chairs are there?")), ProductSteps(b, a, false), a * b),
            _ => (draw.Of(
                Invariant($"{name} shares {a} {thing} equally among {b} friends. How many does each get?"),
                Invariant($"{a} {thing} are put into {b} bags, the same number in each. How many are in a bag?"),
                Invariant($"{b} children share {a} {thing}. How many does each child get?"),
                Invariant($"{b} books cost {a} dollars. What does one book cost?"),
                Invariant($"How many bags of {b} can be made from {a} {thing}?")), Invariant($"{b} × {a / b} = {a}, so\n{a} / {b} = {a / b}"), a / b),
        };
        return Of("story sum", false, prompt, prompt, Invariant($"{steps}\n{result}."), result);
    }

    private static Instruction StoryZh(Draw draw, int which, int a, int b)
    {
        var (name, other, thing) = (draw.Of(Words.NamesZh), draw.Of(Words.NamesZh), draw.Of(Words.ThingsZh));
        var ask = draw.Of($"现在一共有多少个{thing}？", $"一共有几个{thing}？", "一共有多少？", $"现在有几个{thing}？", "总共多少个？", "合起来是多少个？", "一共多少");
        var left = draw.Of($"还剩多少个{thing}？", "还剩几个？", "剩下多少？", $"现在有几个{thing}？", $"{name}还有多少个？", "还剩多少");
        var (prompt, steps, result) = which switch
        {
            0 => (draw.Of(
                Invariant($"{name}有{a}个{thing}，又得到{b}个，{ask}"),
                Invariant($"桌上有{a}个{thing}，{name}又拿来{b}个，{ask}"),
                Invariant($"{name}有{a}个{thing}，{other}有{b}个，他们一共有多少个？"),
                Invariant($"{name}上午买了{a}个{thing}，下午又买了{b}个，{ask}"),
                Invariant($"我有{a}个{thing}，你再给我{b}个，{ask}"),
                Invariant($"店里上午卖了{a}个{thing}，下午卖了{b}个。{ask}"),
                Invariant($"一个袋子里有{a}个{thing}，另一个袋子里有{b}个，{ask}"),
                Invariant($"树上有{a}只鸟，又飞来{b}只，现在有几只鸟？"),
                Invariant($"{name}昨天看了{a}页书，今天看了{b}页，两天一共看了多少页？")), SumSteps(a, b, true), a + b),
            1 => (draw.Of(
                Invariant($"{name}有{a}个{thing}，送给别人{b}个，{left}"),
                Invariant($"一共有{a}个{thing}，{name}拿走了{b}个，{left}"),
                Invariant($"{name}有{a}个{thing}，给了{other}{b}个，{left}"),
                Invariant($"我有{a}个{thing}，吃了{b}个，{left}"),
                Invariant($"店里有{a}个{thing}，卖了{b}个，{left}"),
                Invariant($"车上有{a}个人，下去了{b}个人，车上还有几个人？"),
                Invariant($"{name}带了{a}元钱，花了{b}元，还剩多少元？"),
                Invariant($"{name}今年{a}岁，{other}比{name}小{b}岁，{other}几岁？"),
                Invariant($"树上有{a}只鸟，飞走了{b}只，还有几只？")), DifferenceSteps(a, b, true), a - b),
            2 => (draw.Of(
                Invariant($"有{a}个盒子，每个盒子里有{b}个{thing}，{ask}"),
                Invariant($"{name}买了{a}袋{thing}，每袋{b}个，{ask}"),
                Invariant($"{a}个孩子，每人有{b}个{thing}，{ask}"),
                Invariant($"一盒有{b}个{thing}，{a}盒有多少个？"),
                Invariant($"{name}每天吃{b}个{thing}，{a}天吃几个？"),
                Invariant($"一本书{b}元，{a}本书多少元？"),
                Invariant($"教室里有{a}排椅子，每排{b}把，一共有多少把椅子？")), ProductSteps(b, a, true), a * b),
            _ => (draw.Of(
                Invariant($"把{a}个{thing}平均分给{b}个人，每人几个？"),
                Invariant($"{name}把{a}个{thing}平均装进{b}个袋子，每袋几个？"),
                Invariant($"{b}个孩子分{a}个{thing}，每人分到多少个？"),
                Invariant($"{b}本书一共{a}元，一本书多少元？"),
                Invariant($"{a}个{thing}，每{b}个装一盒，可以装几盒？")), Invariant($"{b}×{a / b}={a}，所以\n{a}÷{b}={a / b}"), a / b),
        };
        return Of("story sum", true, prompt, prompt, Invariant($"{steps}\n{result}。"), result);
    }

    private static Instruction Of(string kind, bool isChinese, string key, string prompt, string answer, string result) =>
        new(kind, Tasks.Language(isChinese), key, prompt, answer, AnswerCheck.Number, result);

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
