using System.Text;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Text operations that keep the trust of every character. Upper and lower case map one character to one character.</summary>
internal static class TextMethods
{
    public static TextValue Upper(JinjaRun run, TextValue text) => Each(run, text, static (c, _) => char.ToUpperInvariant(c));

    public static TextValue Lower(JinjaRun run, TextValue text) => Each(run, text, static (c, _) => char.ToLowerInvariant(c));

    public static TextValue Capitalize(JinjaRun run, TextValue text) =>
        Each(run, text, static (c, previous) => previous == '\0' ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c));

    /// <summary><c>str.title</c>: a letter is upper case unless a letter is before it.</summary>
    public static TextValue Title(JinjaRun run, TextValue text) =>
        Each(run, text, static (c, previous) => char.IsLetter(previous) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));

    /// <summary>The filter <c>title</c>: upper case after whitespace, hyphen and opening brackets.</summary>
    public static TextValue TitleWords(JinjaRun run, TextValue text) => Each(run, text, static (c, previous) =>
        previous is '\0' or '-' or '(' or '{' or '[' or '<' || JinjaLexer.IsSpace(previous) ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c));

    public static TextValue Strip(JinjaRun run, TextValue text, TextValue? characters, bool atBegin, bool atEnd)
    {
        run.ChargeText(text.Text.Length);
        run.ChargeText(characters?.Text.Length ?? 0);
        HashSet<Rune>? set = characters is null ? null : [.. characters.Text.EnumerateRunes()];
        var (begin, end) = (0, text.Text.Length);
        while (atBegin && begin < end)
        {
            Rune.DecodeFromUtf16(text.Text.AsSpan(begin, end - begin), out var rune, out var length);
            if (!IsStripped(rune)) break;
            begin += length;
        }

        while (atEnd && begin < end)
        {
            Rune.DecodeLastFromUtf16(text.Text.AsSpan(begin, end - begin), out var rune, out var length);
            if (!IsStripped(rune)) break;
            end -= length;
        }

        return text.Slice(begin, end);

        bool IsStripped(Rune rune) => set?.Contains(rune) ?? (rune.IsBmp && JinjaLexer.IsSpace((char)rune.Value));
    }

    public static bool StartsWith(JinjaRun run, TextValue text, TextValue affix)
    {
        run.Charge(affix.Text.Length / 64 + 1);
        return text.Text.StartsWith(affix.Text, StringComparison.Ordinal);
    }

    public static bool EndsWith(JinjaRun run, TextValue text, TextValue affix)
    {
        run.Charge(affix.Text.Length / 64 + 1);
        return text.Text.EndsWith(affix.Text, StringComparison.Ordinal);
    }

    public static TextValue RemovePrefix(JinjaRun run, TextValue text, TextValue prefix)
    {
        if (!StartsWith(run, text, prefix)) return text;
        run.ChargeText(text.Text.Length - prefix.Text.Length);
        return text.Slice(prefix.Text.Length, text.Text.Length);
    }

    public static TextValue RemoveSuffix(JinjaRun run, TextValue text, TextValue suffix)
    {
        if (!EndsWith(run, text, suffix)) return text;
        run.ChargeText(text.Text.Length - suffix.Text.Length);
        return text.Slice(0, text.Text.Length - suffix.Text.Length);
    }

    /// <summary>True if there is a character and all of them belong to a kind.</summary>
    public static bool IsAll(JinjaRun run, TextValue text, Func<char, bool> isIn)
    {
        run.ChargeText(text.Text.Length);
        return text.Text.Length > 0 && text.Text.All(isIn);
    }

    public static bool IsUpper(JinjaRun run, TextValue text)
    {
        run.ChargeText(text.Text.Length);
        return text.Text.Any(char.IsUpper) && !text.Text.Any(char.IsLower);
    }

    public static bool IsLower(JinjaRun run, TextValue text)
    {
        run.ChargeText(text.Text.Length);
        return text.Text.Any(char.IsLower) && !text.Text.Any(char.IsUpper);
    }

    public static ListValue Split(JinjaRun run, TextValue text, TextValue? separator, long maxSplit)
    {
        if (separator is null) return SplitAtSpace(run, text, maxSplit);
        if (separator.Text.Length == 0) throw run.Fail("empty separator");
        run.ChargeText(text.Text.Length);
        run.ChargeSearch(text.Text.Length, separator.Text.Length);
        var parts = new List<JinjaValue>();
        var begin = 0;
        while (maxSplit < 0 || parts.Count < maxSplit)
        {
            var end = text.Text.IndexOf(separator.Text, begin, StringComparison.Ordinal);
            if (end < 0) break;
            run.Charge(1);
            parts.Add(text.Slice(begin, end));
            begin = end + separator.Text.Length;
        }

        parts.Add(text.Slice(begin, text.Text.Length));
        return run.List(parts);
    }

    public static ListValue SplitFromEnd(JinjaRun run, TextValue text, TextValue? separator, long maxSplit)
    {
        var whole = Split(run, text, separator, -1);
        if (maxSplit < 0 || whole.Items.Count - 1 <= maxSplit) return whole;
        if (separator is null) throw run.Fail("rsplit with maxsplit needs a separator");
        var tail = whole.Items.Skip(whole.Items.Count - (int)maxSplit).ToList();
        var head = text.Text.Length - tail.Sum(part => ((TextValue)part).Text.Length + separator.Text.Length);
        return run.List([text.Slice(0, head), .. tail]);
    }

    public static ListValue SplitLines(JinjaRun run, TextValue text, bool keepEnds)
    {
        run.ChargeText(text.Text.Length);
        var lines = new List<JinjaValue>();
        var begin = 0;
        while (begin < text.Text.Length)
        {
            var end = begin;
            while (end < text.Text.Length && text.Text[end] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029')) end++;
            var next = end < text.Text.Length ? end + (text.Text[end] == '\r' && end + 1 < text.Text.Length && text.Text[end + 1] == '\n' ? 2 : 1) : end;
            run.Charge(1);
            lines.Add(text.Slice(begin, keepEnds ? next : end));
            begin = next;
        }

        return run.List(lines);
    }

    /// <summary>Replaces occurrences, all where <paramref name="count"/> is negative; an empty text occurs between all characters.</summary>
    public static TextValue Replace(JinjaRun run, TextValue text, TextValue old, TextValue with, long count)
    {
        run.ChargeText(text.Text.Length);
        run.ChargeSearch(text.Text.Length, old.Text.Length);
        var builder = new TextBuilder();
        var begin = 0;
        for (var replaced = 0L; count < 0 || replaced < count; replaced++)
        {
            var at = old.Text.Length > 0 ? text.Text.IndexOf(old.Text, begin, StringComparison.Ordinal) : replaced == 0 ? 0 : JinjaSequences.Next(text.Text, begin);
            if (at < 0 || at > text.Text.Length) break;
            run.ChargeText(with.Text.Length);
            if (builder.Length > run.Limits.MaxOutputLength) run.ChargeText(builder.Length);
            builder.Append(text, begin, at);
            builder.Append(with);
            begin = at + old.Text.Length;
        }

        builder.Append(text, begin, text.Text.Length);
        run.ChargeText(builder.Length);
        return builder.ToValue();
    }

    public static IntegerValue Find(JinjaRun run, TextValue text, TextValue sought, bool last)
    {
        run.ChargeSearch(text.Text.Length, sought.Text.Length);
        var at = last ? text.Text.LastIndexOf(sought.Text, StringComparison.Ordinal) : text.Text.IndexOf(sought.Text, StringComparison.Ordinal);
        if (at <= 0) return new IntegerValue(at);
        run.ChargeText(at);
        return new IntegerValue(JinjaSequences.Length(run, text.Slice(0, at)));
    }

    public static IntegerValue Count(JinjaRun run, TextValue text, TextValue sought)
    {
        run.ChargeSearch(text.Text.Length, sought.Text.Length);
        return new IntegerValue(sought.Text.Length == 0 ? JinjaSequences.Length(run, text) + 1 : text.Text.AsSpan().Count(sought.Text));
    }

    /// <summary>Runs of letters, numbers and underscores.</summary>
    public static IntegerValue CountWords(JinjaRun run, TextValue text)
    {
        run.ChargeText(text.Text.Length);
        var (count, wasWord) = (0L, false);
        foreach (var rune in text.Text.EnumerateRunes())
        {
            var isWord = Rune.IsLetter(rune) || Rune.IsNumber(rune) || rune.Value == '_';
            if (isWord && !wasWord) count++;
            wasWord = isWord;
        }

        return new IntegerValue(count);
    }

    /// <summary>Joins items; <paramref name="strict"/> as <c>str.join</c>, which takes texts only.</summary>
    public static TextValue Join(JinjaRun run, IReadOnlyList<JinjaValue> items, TextValue separator, bool strict = false)
    {
        var builder = new TextBuilder();
        for (var i = 0; i < items.Count; i++)
        {
            if (strict && items[i] is not TextValue) throw run.Fail($"sequence item {i}: expected str instance, {items[i].TypeName} found");
            var part = PythonText.Of(run, items[i]);
            run.ChargeText(part.Text.Length + separator.Text.Length);
            if (builder.Length + (long)part.Text.Length > run.Limits.MaxOutputLength) run.ChargeText(builder.Length + (long)part.Text.Length);
            if (i > 0) builder.Append(separator);
            builder.Append(part);
        }

        return builder.ToValue();
    }

    private static ListValue SplitAtSpace(JinjaRun run, TextValue text, long maxSplit)
    {
        run.ChargeText(text.Text.Length);
        var parts = new List<JinjaValue>();
        var at = 0;
        while (true)
        {
            while (at < text.Text.Length && JinjaLexer.IsSpace(text.Text[at])) at++;
            if (at >= text.Text.Length) return run.List(parts);
            var begin = at;
            if (maxSplit >= 0 && parts.Count >= maxSplit) at = text.Text.Length;
            while (at < text.Text.Length && !JinjaLexer.IsSpace(text.Text[at])) at++;
            run.Charge(1);
            parts.Add(text.Slice(begin, at));
        }
    }

    private static TextValue Each(JinjaRun run, TextValue text, Func<char, char, char> map)
    {
        run.ChargeText(text.Text.Length);
        return text.WithText(string.Create(text.Text.Length, (text.Text, map), static (to, state) =>
        {
            var previous = '\0';
            for (var i = 0; i < to.Length; i++)
            {
                to[i] = state.map(state.Text[i], previous);
                previous = state.Text[i];
            }
        }));
    }
}
