namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Length, iteration, subscripts and slices. Texts are sequences of code points, as in Python.</summary>
internal static class JinjaSequences
{
    /// <summary>Elements of a list, keys of a mapping, characters of a text, nothing of an undefined value.</summary>
    public static IReadOnlyList<JinjaValue> Items(JinjaRun run, JinjaValue value)
    {
        switch (value)
        {
            case ListValue list: return list.Items;
            case ArgumentsValue arguments: return Items(run, arguments.Parsed);
            case MappingValue mapping:
                run.Charge(mapping.Items.Count);
                return [.. mapping.Items.Keys];
            case UndefinedValue: return [];
            case TextValue text:
                run.Charge(text.Text.Length * 2L);
                var items = new List<JinjaValue>(text.Text.Length);
                for (var i = 0; i < text.Text.Length;)
                {
                    var next = Next(text.Text, i);
                    items.Add(text.Slice(i, next));
                    i = next;
                }

                return items;
            default: throw run.Fail($"'{value.TypeName}' object is not iterable");
        }
    }

    public static long Length(JinjaRun run, JinjaValue value) => value switch
    {
        TextValue text => Length(run, text.Text),
        ListValue list => list.Items.Count,
        MappingValue mapping => mapping.Items.Count,
        UndefinedValue => 0,
        _ => throw run.Fail($"object of type '{value.TypeName}' has no len()"),
    };

    /// <summary><c>value[index]</c>; what is not there is undefined.</summary>
    public static JinjaValue Subscript(JinjaRun run, JinjaValue value, JinjaValue index)
    {
        if (index is TextValue) run.Key(index);
        else if (value is MappingValue && !JinjaKeys.IsHashable(index)) return Missing(run, value, index.TypeName);
        switch (value)
        {
            case MappingValue mapping when mapping.Items.TryGetValue(index, out var item): return item;
            case ListValue list when JinjaOperators.Integer(index) is { } at:
                if (at < 0) at += list.Items.Count;
                return at >= 0 && at < list.Items.Count ? list.Items[(int)at] : new UndefinedValue($"list index {at} is out of range");
            case ArgumentsValue arguments when index is TextValue: return Subscript(run, arguments.Parsed, index);
            case TextValue text when JinjaOperators.Integer(index) is { } at:
                var length = Length(run, text.Text);
                if (at < 0) at += length;
                if (at < 0 || at >= length) return new UndefinedValue($"string index {at} is out of range");
                var begin = Offset(text.Text, at, length);
                return text.Slice(begin, Next(text.Text, begin));
        }

        return index is TextValue name ? JinjaMembers.Find(run, value, name.Text, preferKey: true) : Missing(run, value, PythonText.Of(run, index).Text);
    }

    /// <summary><c>value[start:stop:step]</c>.</summary>
    public static JinjaValue Slice(JinjaRun run, JinjaValue value, JinjaValue? start, JinjaValue? stop, JinjaValue? step)
    {
        var by = Bound(run, step) ?? 1;
        if (by == 0) throw run.Fail("slice step cannot be zero");
        if (value is UndefinedValue missing) throw run.Fail(missing.What);
        if (value is not (TextValue or ListValue)) throw run.Fail($"'{value.TypeName}' object cannot be sliced");
        var length = Length(run, value);
        var from = Clip(Bound(run, start), length, by, isStart: true);
        var to = Clip(Bound(run, stop), length, by, isStart: false);
        var count = by > 0 ? from < to ? (to - from - 1) / by + 1 : 0 : from > to ? (from - to - 1) / -by + 1 : 0;
        if (value is TextValue text)
        {
            run.ChargeText(text.Text.Length);
            if (by == 1) return count == 0 ? TextValue.Empty : text.Slice(Offset(text.Text, from, length), Offset(text.Text, to, length));
            var characters = Items(run, text);
            var builder = new TextBuilder();
            for (var i = 0L; i < count; i++) builder.Append((TextValue)characters[(int)(from + i * by)]);
            return builder.ToValue();
        }

        var list = (ListValue)value;
        run.Charge(count);
        var items = new JinjaValue[count];
        for (var i = 0L; i < count; i++) items[i] = list.Items[(int)(from + i * by)];
        return run.List(items, list.IsTuple);
    }

    /// <summary>The undefined value for a member that is not there.</summary>
    public static JinjaValue Missing(JinjaRun run, JinjaValue value, string name) => value is UndefinedValue missing
        ? throw run.Fail(missing.What)
        : new UndefinedValue($"'{value.TypeName} object' has no attribute '{(name.Length > 80 ? name[..80] + "…" : name)}'");

    private static long? Bound(JinjaRun run, JinjaValue? value) => value switch
    {
        null or NoneValue => null,
        _ when JinjaOperators.Integer(value) is { } bound => bound,
        _ => throw run.Fail("slice indices must be integers or None"),
    };

    private static long Clip(long? bound, long length, long by, bool isStart)
    {
        if (bound is not { } value) return by > 0 ? isStart ? 0 : length : isStart ? length - 1 : -1;
        if (value < 0) value = value < -length ? -1 : value + length;
        else if (value > length) value = length;
        return by > 0 ? Math.Max(value, 0) : Math.Min(value, length - 1);
    }

    /// <summary>Offset of the code point after the one at an offset; beyond the end by one at the end.</summary>
    public static int Next(string text, int offset) =>
        offset + (offset + 1 < text.Length && char.IsSurrogatePair(text[offset], text[offset + 1]) ? 2 : 1);

    private static long Length(JinjaRun run, string text)
    {
        if (!HasSurrogates(run, text)) return text.Length;
        var length = 0L;
        for (var i = 0; i < text.Length; i = Next(text, i)) length++;
        return length;
    }

    private static int Offset(string text, long index, long length)
    {
        if (length == text.Length) return (int)index;
        var offset = 0;
        for (var i = 0L; i < index; i++) offset = Next(text, offset);
        return offset;
    }

    private static bool HasSurrogates(JinjaRun run, string text)
    {
        run.Charge(text.Length / 64);
        return text.AsSpan().IndexOfAnyInRange('\ud800', '\udfff') >= 0;
    }
}
