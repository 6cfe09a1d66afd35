using System.Buffers;
using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Text of values as Python's <c>str</c>, <c>repr</c> and <c>json.dumps</c> write it.</summary>
internal static class PythonText
{
    /// <summary><c>str(value)</c>.</summary>
    public static TextValue Of(JinjaRun run, JinjaValue value)
    {
        switch (value)
        {
            case TextValue text: return text;
            case UndefinedValue: return TextValue.Empty;
            case NoneValue: return TextValue.Trusted("None");
        }

        var builder = new TextBuilder();
        Represent(run, value, builder);
        return builder.ToValue();
    }

    /// <summary>A float as Python prints it: shortest digits that read back, exponent form below 1e-4 and from 1e16.</summary>
    public static string Of(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var sign = value < 0 ? "-" : "";
        var (digits, exponent) = Digits(shortest.TrimStart('-'));
        if (exponent is < -4 or >= 16)
        {
            var mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary><c>json.dumps(value, ensure_ascii, indent, separators, sort_keys)</c>.</summary>
    public static TextValue Json(JinjaRun run, JinjaValue value, JsonStyle style)
    {
        var builder = new TextBuilder();
        WriteJson(run, value, style, 0, builder);
        return builder.ToValue();
    }

    /// <summary>Significant digits without zeros at either end, and the decimal exponent of the first.</summary>
    private static (string Digits, int Exponent) Digits(string number)
    {
        var exponent = 0;
        var e = number.IndexOf('E', StringComparison.Ordinal);
        if (e >= 0)
        {
            exponent = int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            number = number[..e];
        }

        var point = number.IndexOf('.', StringComparison.Ordinal);
        var whole = point < 0 ? number : number[..point];
        var all = point < 0 ? number : whole + number[(point + 1)..];
        var leading = all.Length - all.TrimStart('0').Length;
        return (all.Trim('0'), exponent + whole.Length - 1 - leading);
    }

    private static void Represent(JinjaRun run, JinjaValue value, TextBuilder to)
    {
        run.Charge(1);
        if (to.Length > run.Limits.MaxOutputLength) run.ChargeText(to.Length);
        switch (value)
        {
            case TextValue text: Quote(run, text, to); break;
            case NoneValue: to.Append("None", true); break;
            case BooleanValue boolean: to.Append(boolean.Value ? "True" : "False", true); break;
            case IntegerValue integer: to.Append(integer.Value.ToString(CultureInfo.InvariantCulture), true); break;
            case FloatValue number: to.Append(number.Source ?? Of(number.Value), true); break;
            case UndefinedValue: to.Append("Undefined", true); break;
            case ListValue list:
                to.Append(list.IsTuple ? '(' : '[', true);
                for (var i = 0; i < list.Items.Count; i++)
                {
                    if (i > 0) to.Append(", ", true);
                    Represent(run, list.Items[i], to);
                }

                if (list.IsTuple && list.Items.Count == 1) to.Append(',', true);
                to.Append(list.IsTuple ? ')' : ']', true);
                break;
            case MappingValue mapping:
                to.Append('{', true);
                var first = true;
                foreach (var (key, item) in mapping.Items)
                {
                    if (!first) to.Append(", ", true);
                    first = false;
                    Represent(run, key, to);
                    to.Append(": ", true);
                    Represent(run, item, to);
                }

                to.Append('}', true);
                break;
            default: to.Append($"<{value.TypeName}>", true); break;
        }
    }

    private static void Quote(JinjaRun run, TextValue text, TextBuilder to)
    {
        run.ChargeText(text.Text.Length + 2L);
        var quote = text.Text.Contains('\'', StringComparison.Ordinal) && !text.Text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        to.Append(quote, true);
        text.ForEachStretch(0, text.Text.Length, (begin, end, trusted) =>
        {
            for (var i = begin; i < end;)
            {
                var status = Rune.DecodeFromUtf16(text.Text.AsSpan(i, end - i), out var rune, out var length);
                var c = text.Text[i];
                if (c == quote || c == '\\') to.Append(['\\', c], trusted);
                else if (status == OperationStatus.Done && IsPrintable(rune)) to.Append(text.Text.AsSpan(i, length), trusted);
                else to.Append(Escape(status == OperationStatus.Done ? rune.Value : c), trusted);
                i += length;
            }
        });
        to.Append(quote, true);
    }

    private static string Escape(int code) => code switch
    {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        <= 0xFF => string.Create(CultureInfo.InvariantCulture, $"\\x{code:x2}"),
        <= 0xFFFF => string.Create(CultureInfo.InvariantCulture, $"\\u{code:x4}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"\\U{code:x8}"),
    };

    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    private static void WriteJson(JinjaRun run, JinjaValue value, JsonStyle style, int level, TextBuilder to)
    {
        run.Charge(1);
        if (to.Length > run.Limits.MaxOutputLength) run.ChargeText(to.Length);
        switch (value)
        {
            case ArgumentsValue arguments: WriteJson(run, arguments.Parsed, style, level, to); break;
            case TextValue text: WriteJsonText(run, text, style, to); break;
            case NoneValue: to.Append("null", true); break;
            case BooleanValue boolean: to.Append(boolean.Value ? "true" : "false", true); break;
            case IntegerValue integer: to.Append(integer.Value.ToString(CultureInfo.InvariantCulture), true); break;
            case FloatValue number: to.Append(JsonNumber(number), true); break;
            case ListValue list:
                WriteJsonItems(run, '[', ']', list.Items.Count, style, level, to, list.Items, (item, inner) => WriteJson(run, item, style, inner, to));
                break;
            case MappingValue mapping:
                var pairs = style.SortKeys ? mapping.Items.OrderBy(pair => pair.Key, Comparer<JinjaValue>.Create((a, b) => JinjaOperators.Order(run, a, b))) : mapping.Items.AsEnumerable();
                WriteJsonItems(run, '{', '}', mapping.Items.Count, style, level, to, pairs, (pair, inner) =>
                {
                    WriteJsonText(run, JsonKey(run, pair.Key), style, to);
                    to.Append(style.KeySeparator);
                    WriteJson(run, pair.Value, style, inner, to);
                });
                break;
            default: throw run.Fail($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private static void WriteJsonItems<T>(
        JinjaRun run, char open, char close, int count, JsonStyle style, int level, TextBuilder to, IEnumerable<T> items, Action<T, int> write)
    {
        to.Append(open, true);
        var isFirst = true;
        foreach (var item in items)
        {
            if (!isFirst) to.Append(style.ItemSeparator);
            isFirst = false;
            NewLine(run, style, level + 1, to);
            write(item, level + 1);
        }

        if (count > 0) NewLine(run, style, level, to);
        to.Append(close, true);
    }

    private static void NewLine(JinjaRun run, JsonStyle style, int level, TextBuilder to)
    {
        if (style.Indent is not { } indent) return;
        run.ChargeText((long)indent.Text.Length * level);
        to.Append('\n', true);
        for (var i = 0; i < level; i++) to.Append(indent);
    }

    private static TextValue JsonKey(JinjaRun run, JinjaValue key) => key switch
    {
        TextValue text => text,
        NoneValue => TextValue.Trusted("null"),
        BooleanValue boolean => TextValue.Trusted(boolean.Value ? "true" : "false"),
        IntegerValue or FloatValue => Of(run, key),
        _ => throw run.Fail($"keys must be str, int, float, bool or None, not {key.TypeName}"),
    };

    private static string JsonNumber(FloatValue number) => number.Source
        ?? (double.IsNaN(number.Value) ? "NaN" : double.IsInfinity(number.Value) ? number.Value > 0 ? "Infinity" : "-Infinity" : Of(number.Value));

    private static void WriteJsonText(JinjaRun run, TextValue text, JsonStyle style, TextBuilder to)
    {
        run.ChargeText(text.Text.Length + 2L);
        to.Append('"', true);
        text.ForEachStretch(0, text.Text.Length, (begin, end, trusted) =>
        {
            var plain = begin;
            for (var i = begin; i < end; i++)
            {
                var c = text.Text[i];
                var escape = c switch
                {
                    '"' => "\\\"",
                    '\\' => "\\\\",
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    '\b' => "\\b",
                    '\f' => "\\f",
                    < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                    > '~' when style.EnsureAscii => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                    _ => null,
                };
                if (escape is null) continue;
                to.Append(text.Text.AsSpan(plain, i - plain), trusted);
                to.Append(escape, trusted);
                plain = i + 1;
            }

            to.Append(text.Text.AsSpan(plain, end - plain), trusted);
        });
        to.Append('"', true);
    }
}

/// <summary>How JSON is laid out; the defaults are those of Hugging Face's <c>tojson</c>.</summary>
internal sealed record JsonStyle
{
    public TextValue? Indent { get; init; }

    public TextValue ItemSeparator { get; init; } = TextValue.Trusted(", ");

    public TextValue KeySeparator { get; init; } = TextValue.Trusted(": ");

    public bool EnsureAscii { get; init; }

    public bool SortKeys { get; init; }
}
