using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Functions every template can call, and the caller's JSON as values.</summary>
internal static class JinjaGlobals
{
    private const int MaxTimeFormat = 1000;

    public static void AddTo(JinjaScope scope)
    {
        foreach (var function in (CallableValue[])
            [new("range", Range), new("namespace", Namespace), new("dict", Dict), new("raise_exception", Raise), new("strftime_now", StrftimeNow)])
            scope.Set(function.Name, function);
    }

    /// <summary>A value of the caller's JSON; its texts are not trusted.</summary>
    public static JinjaValue FromJson(JinjaRun run, JsonElement element)
    {
        run.Charge(1);
        run.EnsureStack();
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return Text(run, element);
            case JsonValueKind.True: return BooleanValue.True;
            case JsonValueKind.False: return BooleanValue.False;
            case JsonValueKind.Number: return Number(element);
            case JsonValueKind.Array:
                var items = new List<JinjaValue>();
                foreach (var item in element.EnumerateArray()) items.Add(FromJson(run, item));
                return run.List(items);
            case JsonValueKind.Object:
                var mapping = MappingValue.Empty();
                foreach (var property in element.EnumerateObject()) mapping[TextValue.Untrusted(property.Name)] = FromJson(run, property.Value);
                return run.Mapping(mapping);
            default: return NoneValue.Instance;
        }
    }

    private static TextValue Text(JinjaRun run, JsonElement element)
    {
        try
        {
            var text = element.GetString()!;
            run.ChargeText(text.Length);
            return TextValue.Untrusted(text);
        }
        catch (InvalidOperationException)
        {
            throw run.Fail("a text of the conversation has half of a surrogate pair");
        }
    }

    private static JinjaValue Number(JsonElement element)
    {
        if (element.TryGetInt64(out var integer) && !element.GetRawText().AsSpan().ContainsAny('.', 'e', 'E')) return new IntegerValue(integer);
        var source = element.GetRawText();
        return new FloatValue(element.GetDouble(), source.AsSpan().ContainsAny('.', 'e', 'E') ? null : source);
    }

    private static ListValue Range(JinjaRun run, JinjaArguments arguments)
    {
        var numbers = arguments.Positional.Select(value => JinjaOperators.Integer(value) ?? throw run.Fail($"range needs integers, found {value.TypeName}")).ToArray();
        var (start, stop, step) = numbers switch
        {
            [var only] => (0, only, 1),
            [var from, var to] => (from, to, 1),
            [var from, var to, var by] => (from, to, by),
            _ => throw run.Fail("range needs 1 to 3 arguments"),
        };
        if (step == 0) throw run.Fail("range() arg 3 must not be zero");
        var span = (Int128)stop - start;
        var count = span == 0 || span > 0 != step > 0 ? 0 : (span - Math.Sign(step)) / step + 1;
        if (count > run.Limits.MaxRange)
            throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"range is limited to {run.Limits.MaxRange} elements"));
        run.Charge((long)count);
        var items = new JinjaValue[(int)count];
        for (var i = 0; i < items.Length; i++) items[i] = new IntegerValue(start + i * step);
        return run.List(items);
    }

    private static NamespaceValue Namespace(JinjaRun run, JinjaArguments arguments)
    {
        var space = new NamespaceValue();
        run.Charge(arguments.Named.Count);
        if (arguments.Positional is [MappingValue mapping])
        {
            run.Charge(mapping.Items.Count);
            foreach (var (key, value) in mapping.Items) space.Attributes[PythonText.Of(run, run.Key(key)).Text] = value;
        }

        foreach (var (name, value) in arguments.Named) space.Attributes[name] = value;
        return space;
    }

    private static MappingValue Dict(JinjaRun run, JinjaArguments arguments)
    {
        var mapping = MappingValue.Empty();
        if (arguments.Positional is [MappingValue source])
            foreach (var (key, value) in source.Items) mapping[run.Key(key)] = value;
        foreach (var (name, value) in arguments.Named) mapping[run.Key(arguments.NameText(name))] = value;
        return run.Mapping(mapping);
    }

    private static JinjaValue Raise(JinjaRun run, JinjaArguments arguments) =>
        throw new JinjaFault(ChatTemplateFault.Refused, PythonText.Of(run, JinjaMembers.Required(run, arguments, 0, "message")).Text);

    private static TextValue StrftimeNow(JinjaRun run, JinjaArguments arguments)
    {
        var given = JinjaMembers.RequiredText(run, arguments, 0, "format");
        var format = given.Text;
        if (format.Length > MaxTimeFormat) throw run.Fail($"strftime_now: the format has more than {MaxTimeFormat} characters");
        var now = run.Clock.GetLocalNow();
        var text = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            run.Charge(1);
            if (format[i] != '%' || i + 1 >= format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            var plain = format[++i] == '-' && i + 1 < format.Length;
            var part = Part(now, format[plain ? ++i : i]) ?? throw run.Fail($"strftime_now does not know %{format[i]}");
            text.Append(plain ? part.TrimStart('0').PadLeft(1, '0') : part);
        }

        return given.IsTrusted ? TextValue.Trusted(text.ToString()) : TextValue.Untrusted(text.ToString());
    }

    private static string? Part(DateTimeOffset now, char code)
    {
        var format = code switch
        {
            'a' => "ddd",
            'A' => "dddd",
            'b' or 'h' => "MMM",
            'B' => "MMMM",
            'd' => "dd",
            'm' => "MM",
            'Y' => "yyyy",
            'y' => "yy",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            'D' => "MM/dd/yy",
            'R' => "HH:mm",
            'f' => "ffffff",
            'c' => "ddd MMM d HH:mm:ss yyyy",
            _ => null,
        };
        if (format is not null) return now.ToString(format, CultureInfo.InvariantCulture);
        return code switch
        {
            '%' => "%",
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'z' => now.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal),
            _ => null,
        };
    }
}
