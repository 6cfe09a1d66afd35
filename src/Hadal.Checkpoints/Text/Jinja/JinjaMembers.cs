namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Attributes and methods of values. This list is all there is: nothing of Python or of the host can be reached.</summary>
internal static class JinjaMembers
{
    /// <summary><c>value.name</c>, or <c>value['name']</c> where <paramref name="preferKey"/>; what is not there is undefined.</summary>
    public static JinjaValue Find(JinjaRun run, JinjaValue value, string name, bool preferKey = false)
    {
        switch (value)
        {
            case NamespaceValue space: return space.Attributes.GetValueOrDefault(name) ?? JinjaSequences.Missing(run, value, name);
            case LoopValue loop: return loop.Attribute(name) ?? JinjaSequences.Missing(run, value, name);
            case MappingValue mapping:
                var method = MappingMethod(mapping, name);
                if ((preferKey || method is null) && mapping.TryGet(name, out var item)) return item;
                return method ?? JinjaSequences.Missing(run, value, name);
            case ArgumentsValue { Parsed: MappingValue parsed } when MappingMethod(parsed, name) is not null || parsed.TryGet(name, out _):
                return Find(run, parsed, name, preferKey);
            case TextValue text: return TextMethod(text, name) ?? JinjaSequences.Missing(run, value, name);
            case ListValue list: return ListMethod(list, name) ?? JinjaSequences.Missing(run, value, name);
            default: return JinjaSequences.Missing(run, value, name);
        }
    }

    private static CallableValue? MappingMethod(MappingValue mapping, string name) => name switch
    {
        "get" => Method(name, (run, arguments) => mapping.Items.TryGetValue(run.Key(Required(run, arguments, 0, "key")), out var value)
            ? value : arguments.Get(1, "default") ?? NoneValue.Instance),
        "items" => Method(name, (run, _) => Pairs(run, mapping)),
        "keys" => Method(name, (run, _) => run.List([.. mapping.Items.Keys])),
        "values" => Method(name, (run, _) => run.List([.. mapping.Items.Values])),
        "copy" => Method(name, (_, _) => mapping),
        "pop" or "popitem" or "update" or "clear" or "setdefault" => Refused(name, "dict"),
        _ => null,
    };

    private static CallableValue? ListMethod(ListValue list, string name) => name switch
    {
        "count" => Method(name, (run, arguments) =>
        {
            var sought = Required(run, arguments, 0, "value");
            return new IntegerValue(list.Items.LongCount(item => JinjaOperators.AreEqual(run, item, sought)));
        }),
        "index" => Method(name, (run, arguments) =>
        {
            var sought = Required(run, arguments, 0, "value");
            for (var i = 0; i < list.Items.Count; i++)
                if (JinjaOperators.AreEqual(run, list.Items[i], sought)) return new IntegerValue(i);
            throw run.Fail("the value is not in the list");
        }),
        "copy" => Method(name, (_, _) => list),
        "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" => Refused(name, "list"),
        _ => null,
    };

    private static CallableValue? TextMethod(TextValue text, string name) => name switch
    {
        "upper" => Map(name, text, TextMethods.Upper),
        "lower" => Map(name, text, TextMethods.Lower),
        "title" => Map(name, text, TextMethods.Title),
        "capitalize" => Map(name, text, TextMethods.Capitalize),
        "strip" => Method(name, (run, arguments) => TextMethods.Strip(run, text, OptionalText(run, arguments, 0, "chars"), true, true)),
        "lstrip" => Method(name, (run, arguments) => TextMethods.Strip(run, text, OptionalText(run, arguments, 0, "chars"), true, false)),
        "rstrip" => Method(name, (run, arguments) => TextMethods.Strip(run, text, OptionalText(run, arguments, 0, "chars"), false, true)),
        "split" => Method(name, (run, arguments) => TextMethods.Split(
            run, text, OptionalText(run, arguments, 0, "sep"), OptionalInteger(run, arguments, 1, "maxsplit") ?? -1)),
        "rsplit" => Method(name, (run, arguments) => TextMethods.SplitFromEnd(
            run, text, OptionalText(run, arguments, 0, "sep"), OptionalInteger(run, arguments, 1, "maxsplit") ?? -1)),
        "splitlines" => Method(name, (run, arguments) => TextMethods.SplitLines(run, text, arguments.Get(0, "keepends")?.IsTrue ?? false)),
        "replace" => Method(name, (run, arguments) => TextMethods.Replace(
            run, text, RequiredText(run, arguments, 0, "old"), RequiredText(run, arguments, 1, "new"), OptionalInteger(run, arguments, 2, "count") ?? -1)),
        "startswith" => Method(name, (run, arguments) => Affix(run, arguments, affix => TextMethods.StartsWith(run, text, affix))),
        "endswith" => Method(name, (run, arguments) => Affix(run, arguments, affix => TextMethods.EndsWith(run, text, affix))),
        "removeprefix" => Method(name, (run, arguments) => TextMethods.RemovePrefix(run, text, RequiredText(run, arguments, 0, "prefix"))),
        "removesuffix" => Method(name, (run, arguments) => TextMethods.RemoveSuffix(run, text, RequiredText(run, arguments, 0, "suffix"))),
        "find" => Method(name, (run, arguments) => TextMethods.Find(run, text, RequiredText(run, arguments, 0, "sub"), false)),
        "rfind" => Method(name, (run, arguments) => TextMethods.Find(run, text, RequiredText(run, arguments, 0, "sub"), true)),
        "count" => Method(name, (run, arguments) => TextMethods.Count(run, text, RequiredText(run, arguments, 0, "sub"))),
        "join" => Method(name, (run, arguments) => TextMethods.Join(run, JinjaSequences.Items(run, Required(run, arguments, 0, "iterable")), text, strict: true)),
        "isdigit" => Check(name, text, char.IsDigit),
        "isalpha" => Check(name, text, char.IsLetter),
        "isalnum" => Check(name, text, char.IsLetterOrDigit),
        "isspace" => Check(name, text, JinjaLexer.IsSpace),
        "isupper" => Method(name, (run, _) => BooleanValue.Of(TextMethods.IsUpper(run, text))),
        "islower" => Method(name, (run, _) => BooleanValue.Of(TextMethods.IsLower(run, text))),
        _ => null,
    };

    /// <summary>The pairs of a mapping as tuples.</summary>
    public static ListValue Pairs(JinjaRun run, MappingValue mapping)
    {
        run.Charge(mapping.Items.Count * 2L);
        var pairs = new List<JinjaValue>(mapping.Items.Count);
        foreach (var (key, value) in mapping.Items) pairs.Add(run.List([key, value], isTuple: true));
        return run.List(pairs);
    }

    public static JinjaValue Required(JinjaRun run, JinjaArguments arguments, int index, string name) =>
        arguments.Get(index, name) ?? throw run.Fail($"missing argument '{name}'");

    public static TextValue RequiredText(JinjaRun run, JinjaArguments arguments, int index, string name) =>
        Required(run, arguments, index, name) as TextValue ?? throw run.Fail($"argument '{name}' must be str, not {Required(run, arguments, index, name).TypeName}");

    public static TextValue? OptionalText(JinjaRun run, JinjaArguments arguments, int index, string name) => arguments.Get(index, name) switch
    {
        null or NoneValue => null,
        TextValue text => text,
        var other => throw run.Fail($"argument '{name}' must be str or None, not {other.TypeName}"),
    };

    public static long? OptionalInteger(JinjaRun run, JinjaArguments arguments, int index, string name) => arguments.Get(index, name) switch
    {
        null or NoneValue => null,
        var value => JinjaOperators.Integer(value) ?? throw run.Fail($"argument '{name}' must be int, not {value.TypeName}"),
    };

    private static CallableValue Method(string name, Func<JinjaRun, JinjaArguments, JinjaValue> call) => new(name, call);

    private static CallableValue Map(string name, TextValue text, Func<JinjaRun, TextValue, TextValue> map) => new(name, (run, _) => map(run, text));

    private static CallableValue Check(string name, TextValue text, Func<char, bool> isIn) =>
        new(name, (run, _) => BooleanValue.Of(TextMethods.IsAll(run, text, isIn)));

    private static CallableValue Refused(string name, string type) =>
        new(name, (run, _) => throw run.Fail($"{type}.{name}() would change its value, which templates cannot"));

    private static BooleanValue Affix(JinjaRun run, JinjaArguments arguments, Func<TextValue, bool> matches)
    {
        var affix = Required(run, arguments, 0, "prefix");
        if (affix is ListValue { IsTuple: true } several)
        {
            run.Charge(several.Items.Count);
            return BooleanValue.Of(several.Items.OfType<TextValue>().Any(matches));
        }

        return affix is TextValue text ? BooleanValue.Of(matches(text)) : throw run.Fail($"expected str or a tuple of str, not {affix.TypeName}");
    }
}
