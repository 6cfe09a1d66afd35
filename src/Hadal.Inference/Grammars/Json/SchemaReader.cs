using System.Text.Json;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Reads the keywords of one schema. Every keyword is a form; the schema is their intersection, in the order in which they stand.</summary>
internal sealed partial class SchemaReader(SchemaExpander expander, ConstantForms constants)
{
    private static readonly string[] TypeNames = ["null", "boolean", "number", "integer", "string", "array", "object"];

    private readonly FormAlgebra _algebra = expander.Algebra;
    private readonly SchemaTerms _terms = expander.Terms;
    private readonly SchemaDocument _document = expander.Document;
    private readonly RegexPool _pool = expander.Algebra.Strings.Pool;
    private readonly Dictionary<string, ByteRegex> _patterns = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TextSet?> _formats = new(StringComparer.Ordinal);
    private SchemaLocation? _blamed;
    private string? _emptiedBy;

    /// <summary>The values that a schema allows.</summary>
    /// <exception cref="GrammarException">A keyword is malformed or cannot be enforced; the message has its place.</exception>
    public ValueForm Read(SchemaLocation at)
    {
        if (at.Element.ValueKind != JsonValueKind.Object)
        {
            throw new GrammarException($"JSON Schema, {at.Place}: expected an object, true or false, found {at.Element.ValueKind}");
        }

        // Up to draft 7 a reference hides what stands beside it; one that is left out (best effort) hides nothing.
        if (at.Resource.Draft <= SchemaDraft.Draft7 && at.Element.TryGetProperty("$ref", out var reference) && (!expander.Options.BestEffort || Leads(at, reference)))
        {
            return Narrowed(_algebra.All, at, "$ref", () => Reference(at, "$ref", reference));
        }

        var form = _algebra.All;
        var late = new List<JsonProperty>();
        var hasArrays = false;
        var hasObjects = false;
        var hasProperties = at.Element.TryGetProperty("properties", out _);
        foreach (var keyword in at.Element.EnumerateObject())
        {
            switch (Name(keyword, at.Place))
            {
                case "items" or "prefixItems" or "additionalItems" or "minItems" or "maxItems" or "uniqueItems" or "contains":
                    form = hasArrays ? form : Narrowed(form, at, keyword.Name, () => Arrays(at));
                    hasArrays = true;
                    break;
                case "required" or "patternProperties" or "additionalProperties" or "minProperties" or "maxProperties" when hasProperties:
                    break;
                case "properties" or "required" or "patternProperties" or "additionalProperties" or "minProperties" or "maxProperties":
                    form = hasObjects ? form : Narrowed(form, at, keyword.Name, () => Objects(at));
                    hasObjects = true;
                    break;
                case "dependencies" or "dependentRequired" or "dependentSchemas" or "propertyNames" or "if" or "not" or "unevaluatedProperties" or "unevaluatedItems":
                    late.Add(keyword);
                    break;
                default:
                    form = Narrowed(form, at, keyword.Name, () => Keyword(at, keyword.Name, keyword.Value));
                    break;
            }
        }

        foreach (var keyword in late.OrderBy(k => k.Name.StartsWith("unevaluated", StringComparison.Ordinal)))
        {
            form = keyword.Name switch
            {
                "unevaluatedProperties" when at.Resource.Draft >= SchemaDraft.Draft2019 => Guarded(form, at, keyword.Name, so => UnevaluatedProperties(at, so, keyword.Value)),
                "unevaluatedItems" when at.Resource.Draft >= SchemaDraft.Draft2019 => Guarded(form, at, keyword.Name, so => UnevaluatedItems(at, so, keyword.Value)),
                _ => Narrowed(form, at, keyword.Name, () => Late(at, keyword.Name, keyword.Value)),
            };
        }

        return form;
    }

    /// <summary>The first keyword of a schema behind which no value is left; null where some is. Reads the schema again.</summary>
    public string? KeywordThatEmpties(SchemaLocation at)
    {
        (_blamed, _emptiedBy) = (at, null);
        Read(at);
        _blamed = null;
        return _emptiedBy;
    }

    /// <summary>The name of a member of the schema.</summary>
    public static string Name(JsonProperty member, string place)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException fault)
        {
            throw new GrammarException($"JSON Schema, {place}: a key holds half a surrogate pair", fault);
        }
    }

    private ValueForm Narrowed(ValueForm form, SchemaLocation at, string keyword, Func<ValueForm> read) => Guarded(form, at, keyword, so => _algebra.And(so, read()));

    /// <summary>The form with a keyword. Faults get its place; in best effort they are noted, and the form stays without it.</summary>
    private ValueForm Guarded(ValueForm form, SchemaLocation at, string keyword, Func<ValueForm, ValueForm> narrow)
    {
        try
        {
            var isBlamed = _blamed == at && _emptiedBy is null;
            if (isBlamed)
            {
                _algebra.ClearVoid();
            }

            var narrowed = narrow(form);
            if (isBlamed && expander.IsNone(narrowed))
            {
                _emptiedBy = keyword;
            }

            return narrowed;
        }
        catch (GrammarException fault) when ((expander.Options.BestEffort || !fault.HasPlace) && !(fault.IsNoSchema && fault.HasPlace) && !(fault.IsCyclic && expander.IsProbing))
        {
            var placed = fault.HasPlace ? fault : fault.At(at.At(keyword));
            if (!expander.Options.BestEffort)
            {
                throw placed;
            }

            var place = $"JSON Schema, {at.At(keyword)}: ";
            expander.Tell(placed.Message.StartsWith(place, StringComparison.Ordinal) ? placed.Message : $"{place}left out as a whole, because of {placed.Message}");
            return form with { IsLoose = true };
        }
    }

    private ValueForm Keyword(SchemaLocation at, string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "type":
                return Types(at, value);
            case "enum":
                return value.ValueKind == JsonValueKind.Array
                    ? constants.Of(value.EnumerateArray(), at.At(keyword))
                    : throw Malformed(at, keyword, "an array", value);
            case "const" when at.Resource.Draft >= SchemaDraft.Draft6:
                return constants.Of([value], at.At(keyword));
            case "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf":
                return Numbers(at, keyword, value);
            case "minLength" or "maxLength":
                return Lengths(at, keyword, value);
            case "pattern":
                return Strings(Pattern(at, keyword, Text(at, keyword, value)));
            case TypeSchema.NumberPattern when expander.Options.ReadsNumberPatterns:
                return _algebra.All with { Numbers = _algebra.Numbers.Written(Text(at, keyword, value)) };
            case "format":
                return value.ValueKind == JsonValueKind.String && Format(at, Text(at, keyword, value)) is { } format
                    ? _algebra.All with { Strings = format }
                    : _algebra.All;
            case "contentEncoding" or "contentMediaType" when at.Resource.Draft == SchemaDraft.Draft7 && value.ValueKind == JsonValueKind.String:
                return Content(at, keyword, Text(at, keyword, value));
            case "allOf" or "anyOf" or "oneOf":
                return Combination(at, keyword, value);
            case "$ref":
                return Reference(at, keyword, value);
            case "$dynamicRef" when at.Resource.Draft >= SchemaDraft.Draft2020:
                return DynamicReference(at, keyword, value);
            case "$recursiveRef" when at.Resource.Draft == SchemaDraft.Draft2019:
                return _document.HasRecursiveAnchor
                    ? throw new GrammarException($"JSON Schema, {at.At(keyword)}: $recursiveRef to a $recursiveAnchor cannot be enforced; use $ref")
                    : Reference(at, keyword, value);
            default:
                return _algebra.All;
        }
    }

    private ValueForm Late(SchemaLocation at, string keyword, JsonElement value)
    {
        var draft = at.Resource.Draft;
        return keyword switch
        {
            "not" => expander.Expand(_terms.Not(Schema(at, value, keyword))),
            "if" when draft >= SchemaDraft.Draft7 => Conditional(at, value),
            "propertyNames" when draft >= SchemaDraft.Draft6 => PropertyNames(at, value),
            "dependencies" => Dependencies(at, keyword, value),
            "dependentRequired" or "dependentSchemas" when draft >= SchemaDraft.Draft2019 => Dependencies(at, keyword, value),
            _ => _algebra.All,
        };
    }

    private ValueForm Types(SchemaLocation at, JsonElement value)
    {
        var names = value.ValueKind switch
        {
            JsonValueKind.String => [value],
            JsonValueKind.Array => value.EnumerateArray().ToArray(),
            _ => throw Malformed(at, "type", "a name or an array of names", value),
        };
        var form = _algebra.None with { Null = _document.AllowsNullable && IsTrue(at, "nullable"), NumbersAreListed = false };
        foreach (var item in names)
        {
            var name = item.ValueKind == JsonValueKind.String ? ConstantForms.Text(item, at.At("type")) : item.GetRawText();
            var all = _algebra.All;
            form = name switch
            {
                "null" => form with { Null = true },
                "boolean" => form with { False = true, True = true },
                "number" => form with { Numbers = all.Numbers },
                "integer" => form with { Numbers = form.Numbers.Or(_algebra.Numbers.Integers(expander.Options.IntegersAsDigits || at.Resource.Draft == SchemaDraft.Draft4), _pool) },
                "string" => form with { Strings = all.Strings },
                "array" => form with { Arrays = all.Arrays },
                "object" => form with { Objects = all.Objects },
                _ => throw new GrammarException($"JSON Schema, {at.At("type")}: '{Cut(name)}' is no type; expected {string.Join(", ", TypeNames)}") { IsNoSchema = true },
            };
        }

        return form;
    }

    private ValueForm Numbers(SchemaLocation at, string keyword, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False && keyword.StartsWith("exclusive", StringComparison.Ordinal))
        {
            return _algebra.All;
        }

        var number = Number(at, keyword, value);
        try
        {
            return Numbers(at, keyword, number, value);
        }
        catch (GrammarException fault) when (!fault.TablesAreFull && !fault.Message.StartsWith("JSON Schema", StringComparison.Ordinal))
        {
            throw new GrammarException($"JSON Schema, {at.At(keyword)}: {Cut(value.GetRawText())} cannot be enforced; {fault.Message}", fault);
        }
    }

    private ValueForm Numbers(SchemaLocation at, string keyword, JsonDecimal number, JsonElement value)
    {
        var numbers = _algebra.Numbers;
        switch (keyword)
        {
            case "minimum":
                return _algebra.All with { Numbers = numbers.AtLeast(number, IsTrue(at, "exclusiveMinimum")) };
            case "maximum":
                return _algebra.All with { Numbers = numbers.AtMost(number, IsTrue(at, "exclusiveMaximum")) };
            case "exclusiveMinimum":
                return _algebra.All with { Numbers = numbers.AtLeast(number, isExclusive: true) };
            case "exclusiveMaximum":
                return _algebra.All with { Numbers = numbers.AtMost(number, isExclusive: true) };
            default:
                if (number.Sign <= 0)
                {
                    throw Malformed(at, keyword, "a number above zero", value);
                }

                return _algebra.All with
                {
                    Numbers = numbers.MultipleOf(number)
                        ?? throw new GrammarException($"JSON Schema, {at.At(keyword)}: multiples of {Cut(value.GetRawText())} cannot be enforced; divisors go up to {NumberTexts.ModulusMax} times a power of ten"),
                };
        }
    }

    private ValueForm Strings(ByteRegex members) => _algebra.All with { Strings = new TextSet(members, _algebra.Strings.Complement(members)) };

    /// <summary>Both bounds of the length at once, at the first of them.</summary>
    private ValueForm Lengths(SchemaLocation at, string keyword, JsonElement value)
    {
        var length = Count(at, keyword, value);
        if (keyword == "maxLength")
        {
            return at.Element.TryGetProperty("minLength", out _) ? _algebra.All : Strings(_pool.Repeat(_algebra.Strings.AnyCharacter, 0, length));
        }

        var max = Count(at, "maxLength");
        return Strings(max < length ? ByteRegex.Nothing : _pool.Repeat(_algebra.Strings.AnyCharacter, length, max));
    }

    private ByteRegex Pattern(SchemaLocation at, string keyword, string pattern)
    {
        if (_patterns.TryGetValue(pattern, out var known))
        {
            return known;
        }

        try
        {
            var compiled = PatternCompiler.Search(pattern, _algebra.Strings);
            _patterns.Add(pattern, compiled);
            return compiled;
        }
        catch (GrammarException fault)
        {
            throw new GrammarException($"JSON Schema, {at.At(keyword)}: {fault.Message}", fault);
        }
    }

    private TextSet? Format(SchemaLocation at, string name)
    {
        if (!_formats.TryGetValue(name, out var set))
        {
            if (StringFormats.WhyRefused(name) is { } reason)
            {
                throw new GrammarException($"JSON Schema, {at.At("format")}: '{name}' cannot be enforced ({reason})");
            }

            set = StringFormats.Find(name) is { } pattern ? Set(PatternCompiler.Whole(pattern, _algebra.Strings)) : null;
            if (expander.Options.Portable && StringFormats.Portable(name) is { } written)
            {
                set = set!.Value with { In = PatternCompiler.Whole(written, _algebra.Strings) };
            }

            // Digits, letters and marks of a format stand for themselves: no writer escapes them, and a mark that is the only one possible is forced.
            if (set is { } spelt)
            {
                set = spelt with { In = _pool.And(spelt.In, _algebra.Strings.UsualText) };
            }

            _formats.Add(name, set);
        }

        return set;
    }

    /// <summary>What a string holds, which draft 7 lets validators check; later drafts only note it.</summary>
    private ValueForm Content(SchemaLocation at, string keyword, string name)
    {
        if (keyword == "contentMediaType" && name.StartsWith("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new GrammarException($"JSON Schema, {at.At(keyword)}: '{name}' cannot be enforced (a text within a string that nests is no regular language); leave it out or ask for best effort");
        }

        return keyword == "contentEncoding" && name.Equals("base64", StringComparison.OrdinalIgnoreCase)
            ? _algebra.All with { Strings = Set(PatternCompiler.Whole(StringFormats.Base64, _algebra.Strings)) }
            : _algebra.All;
    }

    private TextSet Set(ByteRegex members) => new(members, _algebra.Strings.Complement(members));

    private ValueForm Reference(SchemaLocation at, string keyword, JsonElement value) =>
        expander.Expand(_terms.Schema(_document.Resolve(at, Text(at, keyword, value), keyword)));

    /// <summary>Whether a reference leads to a part of the document.</summary>
    private bool Leads(SchemaLocation at, JsonElement reference)
    {
        try
        {
            _document.Resolve(at, Text(at, "$ref", reference), "$ref");
            return true;
        }
        catch (GrammarException)
        {
            return false;
        }
    }

    private ValueForm DynamicReference(SchemaLocation at, string keyword, JsonElement value)
    {
        var reference = Text(at, keyword, value);
        var name = reference[(reference.IndexOf('#', StringComparison.Ordinal) + 1)..];
        return _document.DynamicAnchors.GetValueOrDefault(name) > 1
            ? throw new GrammarException($"JSON Schema, {at.At(keyword)}: $dynamicRef to '{Cut(name)}', which stands in several places, cannot be enforced; use $ref")
            : Reference(at, keyword, value);
    }

    private SchemaTerm Schema(SchemaLocation at, JsonElement element, params ReadOnlySpan<string> steps) => _terms.Schema(_document.Child(at, element, steps));

    private static JsonDecimal Number(SchemaLocation at, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number)
        {
            throw Malformed(at, keyword, "a number", value);
        }

        return JsonDecimal.Read(value.GetRawText())
            ?? throw new GrammarException($"JSON Schema, {at.At(keyword)}: the number {Cut(value.GetRawText())} is too long to be enforced");
    }

    /// <summary>A count of things: whole, not negative; what no text can reach is cut to a bound that none reaches either.</summary>
    private static int Count(SchemaLocation at, string keyword, JsonElement value)
    {
        var number = Number(at, keyword, value);
        if (number.Sign < 0 || !number.IsInteger)
        {
            throw Malformed(at, keyword, "a whole number, 0 or more", value);
        }

        return number.IntegerPart.Length > 9 ? 1_000_000_000 : int.Parse(number.IntegerPart, System.Globalization.CultureInfo.InvariantCulture);
    }

    private static int? Count(SchemaLocation at, string keyword) => at.Element.TryGetProperty(keyword, out var value) ? Count(at, keyword, value) : null;

    private static bool IsTrue(SchemaLocation at, string keyword) => at.Element.TryGetProperty(keyword, out var value) && value.ValueKind == JsonValueKind.True;

    private static string Text(SchemaLocation at, string keyword, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? ConstantForms.Text(value, at.At(keyword)) : throw Malformed(at, keyword, "a string", value);

    private static GrammarException Malformed(SchemaLocation at, string keyword, string expected, JsonElement found) =>
        new($"JSON Schema, {at.At(keyword)}: expected {expected}, found {Cut(found.GetRawText())}") { IsNoSchema = keyword == "type" };

    private static string Cut(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length <= 60 ? line : line[..60] + "…";
    }
}
