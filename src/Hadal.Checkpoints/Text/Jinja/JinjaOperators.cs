namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Operators with the meaning they have in Python.</summary>
internal static class JinjaOperators
{
    public static JinjaValue Binary(JinjaRun run, string name, JinjaValue left, JinjaValue right)
    {
        switch (name)
        {
            case "~": return run.Join(PythonText.Of(run, left), PythonText.Of(run, right));
            case "+" when left is TextValue a && right is TextValue b: return run.Join(a, b);
            case "+" when left is ListValue a && right is ListValue b && a.IsTuple == b.IsTuple:
                run.Charge((long)a.Items.Count + b.Items.Count);
                return run.List([.. a.Items, .. b.Items], a.IsTuple);
            case "*" when left is TextValue or ListValue && Integer(right) is { } count: return Repeat(run, left, count);
            case "*" when right is TextValue or ListValue && Integer(left) is { } count: return Repeat(run, right, count);
        }

        if (left is UndefinedValue missing || (missing = (right as UndefinedValue)!) is not null) throw run.Fail(missing.What);
        if (Integer(left) is { } x && Integer(right) is { } y) return Integers(run, name, x, y);
        if (Number(left) is { } p && Number(right) is { } q) return Floats(run, name, p, q);
        if (name == "+" && left is TextValue)
            throw run.Fail($"can only concatenate str (not \"{right.TypeName}\") to str");
        throw run.Fail($"unsupported operand types for {name}: '{left.TypeName}' and '{right.TypeName}'");
    }

    public static JinjaValue Plus(JinjaRun run, JinjaValue value) => value is FloatValue ? value
        : new IntegerValue(Integer(value) ?? throw run.Fail($"bad operand type for unary +: '{value.TypeName}'"));

    public static JinjaValue Negate(JinjaRun run, JinjaValue value) => value switch
    {
        FloatValue f => new FloatValue(-f.Value),
        _ when Integer(value) is { } i => i == long.MinValue ? throw Overflow(run) : new IntegerValue(-i),
        _ => throw run.Fail($"bad operand type for unary -: '{value.TypeName}'"),
    };

    /// <summary>The value of an integer or of true and false, else null.</summary>
    public static long? Integer(JinjaValue value) => value switch
    {
        IntegerValue i => i.Value,
        BooleanValue b => b.Value ? 1 : 0,
        _ => null,
    };

    /// <summary>The value of any number, else null.</summary>
    public static double? Number(JinjaValue value) => value is FloatValue f ? f.Value : Integer(value);

    public static bool AreEqual(JinjaRun run, JinjaValue left, JinjaValue right)
    {
        run.Charge(1);
        if (ReferenceEquals(left, right)) return true;
        switch (left, right)
        {
            case (TextValue a, TextValue b):
                if (a.Text.Length == b.Text.Length) run.Charge(a.Text.Length / 64);
                return string.Equals(a.Text, b.Text, StringComparison.Ordinal);
            case (ListValue a, ListValue b):
                if (a.IsTuple != b.IsTuple || a.Items.Count != b.Items.Count) return false;
                for (var i = 0; i < a.Items.Count; i++)
                    if (!AreEqual(run, a.Items[i], b.Items[i])) return false;
                return true;
            case (MappingValue a, MappingValue b):
                if (a.Items.Count != b.Items.Count) return false;
                foreach (var (key, value) in a.Items)
                    if (!b.Items.TryGetValue(key, out var other) || !AreEqual(run, value, other)) return false;
                return true;
            case (UndefinedValue, UndefinedValue): return true;
        }

        if (Integer(left) is { } x && Integer(right) is { } y) return x == y;
        return Number(left) is { } p && Number(right) is { } q && p == q;
    }

    public static bool Compare(JinjaRun run, string name, JinjaValue left, JinjaValue right) => name switch
    {
        "==" => AreEqual(run, left, right),
        "!=" => !AreEqual(run, left, right),
        "in" => Contains(run, right, left),
        "not in" => !Contains(run, right, left),
        _ when HasNaN(left, right) => false,
        "<" => Order(run, left, right) < 0,
        "<=" => Order(run, left, right) <= 0,
        ">" => Order(run, left, right) > 0,
        _ => Order(run, left, right) >= 0,
    };

    /// <summary>Order of two numbers, texts (by code point) or lists.</summary>
    public static int Order(JinjaRun run, JinjaValue left, JinjaValue right)
    {
        run.Charge(1);
        switch (left, right)
        {
            case (UndefinedValue missing, _): throw run.Fail(missing.What);
            case (_, UndefinedValue missing): throw run.Fail(missing.What);
            case (TextValue a, TextValue b):
                run.Charge(Math.Min(a.Text.Length, b.Text.Length) / 64);
                return OrderOfText(a.Text, b.Text);
            case (ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                for (var i = 0; i < Math.Min(a.Items.Count, b.Items.Count); i++)
                    if (!AreEqual(run, a.Items[i], b.Items[i])) return Order(run, a.Items[i], b.Items[i]);
                return a.Items.Count.CompareTo(b.Items.Count);
        }

        if (Integer(left) is { } x && Integer(right) is { } y) return x.CompareTo(y);
        if (Number(left) is { } p && Number(right) is { } q) return p.CompareTo(q);
        throw run.Fail($"'{left.TypeName}' and '{right.TypeName}' have no order");
    }

    public static bool Contains(JinjaRun run, JinjaValue container, JinjaValue item)
    {
        switch (container)
        {
            case TextValue text:
                if (item is not TextValue part) throw run.Fail($"'in <string>' requires string as left operand, not {item.TypeName}");
                run.ChargeSearch(text.Text.Length, part.Text.Length);
                return text.Text.Contains(part.Text, StringComparison.Ordinal);
            case MappingValue mapping: return mapping.Items.ContainsKey(run.Key(item));
            case UndefinedValue: return false;
            default:
                foreach (var candidate in JinjaSequences.Items(run, container))
                    if (AreEqual(run, candidate, item)) return true;
                return false;
        }
    }

    /// <summary>UTF-16 order differs from code-point order where surrogates meet U+E000 to U+FFFF.</summary>
    private static int OrderOfText(string left, string right)
    {
        var common = Math.Min(left.Length, right.Length);
        var i = left.AsSpan(0, common).CommonPrefixLength(right.AsSpan(0, common));
        if (i == common) return left.Length.CompareTo(right.Length);
        var (a, b) = (left[i], right[i]);
        if (char.IsSurrogate(a) != char.IsSurrogate(b)) return char.IsSurrogate(a) ? 1 : b > '\udfff' || !char.IsSurrogate(b) ? a.CompareTo(b) : -1;
        return a.CompareTo(b);
    }

    private static bool HasNaN(JinjaValue left, JinjaValue right) =>
        left is FloatValue { Value: double.NaN } || right is FloatValue { Value: double.NaN };

    private static JinjaValue Integers(JinjaRun run, string name, long x, long y)
    {
        try
        {
            checked
            {
                switch (name)
                {
                    case "+": return new IntegerValue(x + y);
                    case "-": return new IntegerValue(x - y);
                    case "*": return new IntegerValue(x * y);
                    case "**" when y >= 0: return Power(x, y);
                    case "//" or "%" when y == 0: throw run.Fail("integer division or modulo by zero");
                    case "//": return new IntegerValue(x / y - (x % y != 0 && x < 0 != y < 0 ? 1 : 0));
                    case "%": return new IntegerValue(y == -1 ? 0 : x % y + (x % y != 0 && x < 0 != y < 0 ? y : 0));
                    default: return Floats(run, name, x, y);
                }
            }
        }
        catch (OverflowException)
        {
            throw Overflow(run);
        }
    }

    private static IntegerValue Power(long x, long y)
    {
        if (y > 64 && x is not (0 or 1 or -1)) throw new OverflowException();
        if (y > 64) return new IntegerValue(x == -1 && y % 2 == 0 ? 1 : x);
        long power = 1;
        for (var i = 0; i < y; i++) power = checked(power * x);
        return new IntegerValue(power);
    }

    private static FloatValue Floats(JinjaRun run, string name, double p, double q)
    {
        if (name is "/" or "//" or "%" && q == 0) throw run.Fail("division by zero");
        return new FloatValue(name switch
        {
            "+" => p + q,
            "-" => p - q,
            "*" => p * q,
            "/" => p / q,
            "//" => Math.Floor(p / q),
            "%" => p - q * Math.Floor(p / q),
            _ => Math.Pow(p, q),
        });
    }

    private static JinjaValue Repeat(JinjaRun run, JinjaValue value, long count)
    {
        count = Math.Max(count, 0);
        if (value is TextValue text)
        {
            run.ChargeText(Product(text.Text.Length, count));
            var builder = new TextBuilder();
            for (var i = 0; i < count && text.Text.Length > 0; i++) builder.Append(text);
            return builder.ToValue();
        }

        var list = (ListValue)value;
        run.Charge(Product(list.Items.Count, count));
        var items = new List<JinjaValue>();
        for (var i = 0; i < count && list.Items.Count > 0; i++) items.AddRange(list.Items);
        return run.List(items, list.IsTuple);
    }

    private static long Product(long length, long count) => Math.BigMul(length, count, out var low) == 0 && low >= 0 ? low : int.MaxValue;

    private static JinjaFault Overflow(JinjaRun run) => run.Fail("the number does not fit 64 bits");
}

/// <summary>Equality and hash of mapping keys: texts by content, numbers by value, as in Python. A tuple is a key if it holds no other list:
/// tuples within tuples could take time without end.</summary>
internal sealed class JinjaKeys : IEqualityComparer<JinjaValue>
{
    public static JinjaKeys Instance { get; } = new();

    public bool Equals(JinjaValue? x, JinjaValue? y) => (x, y) switch
    {
        (TextValue a, TextValue b) => string.Equals(a.Text, b.Text, StringComparison.Ordinal),
        (ListValue { IsTuple: true } a, ListValue { IsTuple: true } b) => a.Items.SequenceEqual(b.Items, this),
        (not null, not null) when JinjaOperators.Number(x) is { } p && JinjaOperators.Number(y) is { } q => p.Equals(q),
        _ => ReferenceEquals(x, y),
    };

    public int GetHashCode(JinjaValue obj) => obj switch
    {
        TextValue text => string.GetHashCode(text.Text, StringComparison.Ordinal),
        ListValue list => list.Items.Aggregate(list.Items.Count, (hash, item) => HashCode.Combine(hash, GetHashCode(item))),
        _ => JinjaOperators.Number(obj)?.GetHashCode() ?? obj.GetType().GetHashCode(),
    };

    /// <summary>Whether a value can be a key.</summary>
    public static bool IsHashable(JinjaValue value) => IsScalar(value) || (value is ListValue { IsTuple: true } tuple && tuple.Items.All(IsScalar));

    private static bool IsScalar(JinjaValue value) => value is TextValue or NoneValue or BooleanValue or IntegerValue or FloatValue;
}
