using System.Globalization;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>What may stand after <c>|</c>.</summary>
internal static class JinjaFilters
{
    public delegate JinjaValue Filter(JinjaRun run, JinjaValue value, JinjaArguments arguments);

    private static readonly Dictionary<string, Filter> All = new(StringComparer.Ordinal)
    {
        ["abs"] = (run, value, _) => value switch
        {
            FloatValue f => new FloatValue(Math.Abs(f.Value)),
            _ when JinjaOperators.Integer(value) is { } i && i != long.MinValue => new IntegerValue(Math.Abs(i)),
            _ => throw run.Fail($"bad operand type for abs(): '{value.TypeName}'"),
        },
        ["capitalize"] = OfText(TextMethods.Capitalize),
        ["count"] = (run, value, _) => new IntegerValue(JinjaSequences.Length(run, value)),
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = DictSort,
        ["escape"] = Escape,
        ["e"] = Escape,
        ["first"] = (run, value, _) => JinjaSequences.Items(run, value) is { Count: > 0 } items ? items[0] : new UndefinedValue("No first item, sequence was empty."),
        ["float"] = (run, value, arguments) => ToFloat(value) ?? arguments.Get(0, "default") ?? new FloatValue(0),
        ["indent"] = Indent,
        ["int"] = (run, value, arguments) => ToInteger(value) ?? arguments.Get(0, "default") ?? new IntegerValue(0),
        ["items"] = (run, value, _) => value switch
        {
            UndefinedValue => run.List([]),
            MappingValue mapping => JinjaMembers.Pairs(run, mapping),
            ArgumentsValue { Parsed: MappingValue mapping } => JinjaMembers.Pairs(run, mapping),
            _ => throw run.Fail("Can only get item pairs from a mapping."),
        },
        ["join"] = Join,
        ["last"] = (run, value, _) => JinjaSequences.Items(run, value) is { Count: > 0 } items ? items[^1] : new UndefinedValue("No last item, sequence was empty."),
        ["length"] = (run, value, _) => new IntegerValue(JinjaSequences.Length(run, value)),
        ["list"] = (run, value, _) => run.List(JinjaSequences.Items(run, value)),
        ["lower"] = OfText(TextMethods.Lower),
        ["map"] = Map,
        ["max"] = (run, value, arguments) => SortedDown(run, value, arguments) is { Count: > 0 } items ? items[0] : new UndefinedValue("No aggregated item, sequence was empty."),
        ["min"] = (run, value, arguments) => Sorted(run, value, arguments) is { Count: > 0 } items ? items[0] : new UndefinedValue("No aggregated item, sequence was empty."),
        ["reject"] = (run, value, arguments) => Select(run, value, arguments, byAttribute: false, keep: false),
        ["rejectattr"] = (run, value, arguments) => Select(run, value, arguments, byAttribute: true, keep: false),
        ["replace"] = (run, value, arguments) => TextMethods.Replace(run, PythonText.Of(run, value),
            PythonText.Of(run, JinjaMembers.Required(run, arguments, 0, "old")), PythonText.Of(run, JinjaMembers.Required(run, arguments, 1, "new")),
            JinjaMembers.OptionalInteger(run, arguments, 2, "count") ?? -1),
        ["reverse"] = (run, value, _) => value is TextValue
            ? JinjaSequences.Slice(run, value, null, null, new IntegerValue(-1))
            : run.List([.. JinjaSequences.Items(run, value).Reverse()]),
        ["round"] = Round,
        ["safe"] = (run, value, _) => PythonText.Of(run, value),
        ["select"] = (run, value, arguments) => Select(run, value, arguments, byAttribute: false, keep: true),
        ["selectattr"] = (run, value, arguments) => Select(run, value, arguments, byAttribute: true, keep: true),
        ["sort"] = Sort,
        ["string"] = (run, value, _) => PythonText.Of(run, value),
        ["sum"] = Sum,
        ["title"] = OfText(TextMethods.TitleWords),
        ["tojson"] = ToJson,
        ["trim"] = (run, value, arguments) => TextMethods.Strip(run, PythonText.Of(run, value), JinjaMembers.OptionalText(run, arguments, 0, "chars"), true, true),
        ["unique"] = Unique,
        ["upper"] = OfText(TextMethods.Upper),
        ["wordcount"] = (run, value, _) => TextMethods.CountWords(run, PythonText.Of(run, value)),
    };

    public static Filter? Find(string name) => All.GetValueOrDefault(name);

    private static Filter OfText(Func<JinjaRun, TextValue, TextValue> map) => (run, value, _) => map(run, PythonText.Of(run, value));

    private static JinjaValue Default(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var alsoFalse = arguments.Get(1, "boolean")?.IsTrue ?? false;
        return value is UndefinedValue || (alsoFalse && !value.IsTrue) ? arguments.Get(0, "default_value") ?? TextValue.Empty : value;
    }

    private static TextValue Escape(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var text = PythonText.Of(run, value);
        foreach (var (plain, escaped) in (ReadOnlySpan<(string, string)>)[("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")])
            text = TextMethods.Replace(run, text, TextValue.Trusted(plain), TextValue.Trusted(escaped), -1);
        return text;
    }

    private static TextValue Join(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var items = JinjaSequences.Items(run, value);
        if (arguments.Get(1, "attribute") is { } attribute and not NoneValue) items = [.. items.Select(item => Attribute(run, item, attribute))];
        return TextMethods.Join(run, items, arguments.Get(0, "d") is { } separator ? PythonText.Of(run, separator) : TextValue.Empty);
    }

    private static TextValue Indent(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var width = arguments.Get(0, "width");
        var spaces = width as TextValue ?? (TextValue)JinjaOperators.Binary(run, "*", TextValue.Trusted(" "), width ?? new IntegerValue(4));
        var first = arguments.Get(1, "first")?.IsTrue ?? false;
        var blank = arguments.Get(2, "blank")?.IsTrue ?? false;
        var text = PythonText.Of(run, value);
        var lines = TextMethods.SplitLines(run, run.Join(text, TextValue.Trusted("\n")), keepEnds: false).Items;
        var indented = new List<JinjaValue>(lines.Count);
        for (var i = 0; i < lines.Count; i++)
            indented.Add((i == 0 ? first : blank || lines[i].IsTrue) ? run.Join(spaces, (TextValue)lines[i]) : lines[i]);
        return TextMethods.Join(run, indented, TextValue.Trusted("\n"));
    }

    private static JinjaValue? ToFloat(JinjaValue value) => value switch
    {
        FloatValue => value,
        TextValue text when double.TryParse(text.Text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => new FloatValue(number),
        _ => JinjaOperators.Number(value) is { } number ? new FloatValue(number) : null,
    };

    private static IntegerValue? ToInteger(JinjaValue value) => value switch
    {
        TextValue text when long.TryParse(text.Text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer) => new IntegerValue(integer),
        IntegerValue or BooleanValue => new IntegerValue(JinjaOperators.Integer(value) ?? 0),
        _ => ToFloat(value) is FloatValue { Value: > -9.2e18 and < 9.2e18 } f ? new IntegerValue((long)f.Value) : null,
    };

    private static JinjaValue Round(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var number = JinjaOperators.Number(value) ?? throw run.Fail($"cannot round {value.TypeName}");
        var digits = JinjaMembers.OptionalInteger(run, arguments, 0, "precision") ?? 0;
        if (digits is < 0 or > 15) throw run.Fail("round: precision must be from 0 to 15");
        var scale = Math.Pow(10, digits);
        return JinjaMembers.OptionalText(run, arguments, 1, "method")?.Text switch
        {
            null or "common" when JinjaOperators.Integer(value) is { } integer => new IntegerValue(integer),
            null or "common" => new FloatValue(Math.Round(number, (int)digits, MidpointRounding.ToEven)),
            "ceil" => new FloatValue(Math.Ceiling(number * scale) / scale),
            "floor" => new FloatValue(Math.Floor(number * scale) / scale),
            _ => throw run.Fail("method must be common, ceil or floor"),
        };
    }

    private static JinjaValue Sum(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var sum = arguments.Get(1, "start") ?? new IntegerValue(0);
        foreach (var item in JinjaSequences.Items(run, value))
            sum = JinjaOperators.Binary(run, "+", sum, arguments.Get(0, "attribute") is { } attribute and not NoneValue ? Attribute(run, item, attribute) : item);
        return sum;
    }

    private static TextValue ToJson(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var indent = arguments.Get(0, "indent") switch
        {
            null or NoneValue => null,
            TextValue text => text,
            var width when JinjaOperators.Integer(width) is { } count => TextValue.Trusted(new string(' ', (int)Math.Clamp(count, 0, 64))),
            var other => throw run.Fail($"indent must be int, not {other.TypeName}"),
        };
        var style = new JsonStyle
        {
            Indent = indent,
            ItemSeparator = TextValue.Trusted(indent is null ? ", " : ","),
            EnsureAscii = arguments.Named.GetValueOrDefault("ensure_ascii")?.IsTrue ?? false,
            SortKeys = arguments.Named.GetValueOrDefault("sort_keys")?.IsTrue ?? false,
        };
        if (arguments.Named.GetValueOrDefault("separators") is ListValue { Items: [TextValue item, TextValue key] })
            style = style with { ItemSeparator = item, KeySeparator = key };
        return PythonText.Json(run, value, style);
    }

    private static ListValue Map(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        // As in Jinja: whatever is false, null included, has no elements here.
        var items = value.IsTrue ? JinjaSequences.Items(run, value) : [];
        run.Charge(items.Count);
        if (arguments.Named.TryGetValue("attribute", out var attribute))
        {
            var missing = arguments.Named.GetValueOrDefault("default");
            return run.List([.. items.Select(item => Attribute(run, item, attribute)).Select(found => found is UndefinedValue ? missing ?? found : found)]);
        }

        var name = JinjaMembers.RequiredText(run, arguments, 0, "filter").Text;
        var filter = Find(name) ?? throw run.Fail($"no filter named '{name}'");
        var rest = arguments.Skip(1);
        return run.List([.. items.Select(item => filter(run, item, rest))]);
    }

    private static ListValue Select(JinjaRun run, JinjaValue value, JinjaArguments arguments, bool byAttribute, bool keep)
    {
        var attribute = byAttribute ? JinjaMembers.Required(run, arguments, 0, "attribute") : null;
        var rest = arguments.Skip(byAttribute ? 1 : 0);
        JinjaTests.Test? test = null;
        if (rest.Positional.Count > 0)
        {
            var name = JinjaMembers.RequiredText(run, rest, 0, "test").Text;
            test = JinjaTests.Find(name) ?? throw run.Fail($"no test named '{name}'");
            rest = rest.Skip(1);
        }

        var kept = new List<JinjaValue>();
        foreach (var item in value.IsTrue ? JinjaSequences.Items(run, value) : [])
        {
            run.Charge(1);
            var subject = attribute is null ? item : Attribute(run, item, attribute);
            if ((test is null ? subject.IsTrue : test(run, subject, rest)) == keep) kept.Add(item);
        }

        return run.List(kept);
    }

    private static ListValue Sort(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var items = Sorted(run, value, new JinjaArguments([.. arguments.Positional.Skip(1)], arguments.Named));
        if (arguments.Get(0, "reverse")?.IsTrue ?? false) items = SortedDown(run, value, new JinjaArguments([.. arguments.Positional.Skip(1)], arguments.Named));
        return run.List(items);
    }

    private static List<JinjaValue> Sorted(JinjaRun run, JinjaValue value, JinjaArguments arguments) =>
        [.. Keyed(run, value, arguments).OrderBy(pair => pair.Key, Order(run)).Select(pair => pair.Item)];

    private static List<JinjaValue> SortedDown(JinjaRun run, JinjaValue value, JinjaArguments arguments) =>
        [.. Keyed(run, value, arguments).OrderByDescending(pair => pair.Key, Order(run)).Select(pair => pair.Item)];

    private static IEnumerable<(JinjaValue Key, JinjaValue Item)> Keyed(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var caseSensitive = arguments.Get(0, "case_sensitive")?.IsTrue ?? false;
        var attribute = arguments.Get(1, "attribute");
        foreach (var item in JinjaSequences.Items(run, value))
        {
            run.Charge(1);
            var key = attribute is null or NoneValue ? item : Attribute(run, item, attribute);
            yield return (caseSensitive || key is not TextValue text ? key : TextMethods.Lower(run, text), item);
        }
    }

    private static ListValue DictSort(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        if (value is ArgumentsValue parsed) value = parsed.Parsed;
        if (value is not MappingValue mapping) throw run.Fail($"dictsort needs a mapping, found {value.TypeName}");
        var byValue = JinjaMembers.OptionalText(run, arguments, 1, "by")?.Text == "value";
        var named = new Dictionary<string, JinjaValue>(StringComparer.Ordinal)
        {
            ["case_sensitive"] = arguments.Get(0, "case_sensitive") ?? BooleanValue.False,
            ["attribute"] = new IntegerValue(byValue ? 1 : 0),
        };
        var pairs = JinjaMembers.Pairs(run, mapping);
        var keyed = new JinjaArguments([], named);
        return run.List(arguments.Get(2, "reverse")?.IsTrue ?? false ? SortedDown(run, pairs, keyed) : Sorted(run, pairs, keyed));
    }

    private static ListValue Unique(JinjaRun run, JinjaValue value, JinjaArguments arguments)
    {
        var seen = new HashSet<JinjaValue>(JinjaKeys.Instance);
        var kept = new List<JinjaValue>();
        foreach (var (key, item) in Keyed(run, value, arguments))
        {
            if (seen.Add(run.Key(key))) kept.Add(item);
        }

        return run.List(kept);
    }

    private static Comparer<JinjaValue> Order(JinjaRun run) => Comparer<JinjaValue>.Create((a, b) => JinjaOperators.AreEqual(run, a, b) ? 0 : JinjaOperators.Order(run, a, b));

    /// <summary>A member by name, by index, or by a path with dots.</summary>
    private static JinjaValue Attribute(JinjaRun run, JinjaValue item, JinjaValue path)
    {
        if (path is not TextValue text) return JinjaSequences.Subscript(run, item, path);
        foreach (var range in text.Text.AsSpan().Split('.'))
        {
            var part = text.Text.AsSpan(range);
            run.ChargeText(part.Length);
            item = int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                ? JinjaSequences.Subscript(run, item, new IntegerValue(index))
                : JinjaMembers.Find(run, item, part.ToString(), preferKey: true);
        }

        return item;
    }
}
