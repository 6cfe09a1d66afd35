using System.Text;
using System.Text.Json;
using Hadal.Inference.Grammars.Lexicons;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Forms of single values, for <c>const</c> and <c>enum</c>.</summary>
/// <param name="algebra">Where the forms are made.</param>
/// <param name="terms">Their parts.</param>
/// <param name="integersAsDigits">Whether whole numbers are written without a point.</param>
internal sealed class ConstantForms(FormAlgebra algebra, SchemaTerms terms, bool integersAsDigits)
{
    private readonly RegexPool _pool = algebra.Strings.Pool;

    /// <summary>One value.</summary>
    public ValueForm Of(JsonElement value) => Of([value], "const");

    /// <summary>Any of the values.</summary>
    /// <param name="values">The values.</param>
    /// <param name="place">Where they stand, for messages.</param>
    public ValueForm Of(IEnumerable<JsonElement> values, string place)
    {
        var form = algebra.None;
        var (texts, numbers) = (new List<string>(), new List<JsonDecimal>());
        var arrays = new List<ArrayForm>();
        var objects = new List<ObjectForm>();
        foreach (var value in values)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Null:
                    form = form with { Null = true };
                    break;
                case JsonValueKind.False:
                    form = form with { False = true };
                    break;
                case JsonValueKind.True:
                    form = form with { True = true };
                    break;
                case JsonValueKind.Number:
                    numbers.Add(Number(value, place));
                    break;
                case JsonValueKind.String:
                    texts.Add(Text(value, place));
                    break;
                case JsonValueKind.Array:
                    arrays.Add(Array(value));
                    break;
                case JsonValueKind.Object:
                    objects.Add(Object(value, place));
                    break;
            }
        }

        form = texts.Count > 0 ? form with { Strings = Strings(texts) } : form;
        form = numbers.Count > 0 ? form with { Numbers = algebra.Numbers.EqualTo(numbers, integersAsDigits) } : form;
        return form with { Arrays = arrays, Objects = objects };
    }

    /// <summary>The constants of alternatives that say nothing but one constant each, strings or numbers, and its type; null where one says more.</summary>
    /// <param name="alternatives">An array of schemas.</param>
    /// <param name="mustDiffer">Whether two that are equal exclude each other.</param>
    public static List<JsonElement>? Constants(JsonElement alternatives, bool mustDiffer)
    {
        var (constants, seen) = (new List<JsonElement>(), new HashSet<object>());
        foreach (var alternative in alternatives.EnumerateArray())
        {
            if (alternative.ValueKind != JsonValueKind.Object || !alternative.TryGetProperty("const", out var value) || Comparable(value) is not { } comparable
                || alternative.EnumerateObject().Any(keyword => !SaysNoMore(keyword, comparable)) || (!seen.Add(comparable) && mustDiffer))
            {
                return null;
            }

            constants.Add(value);
        }

        return constants;
    }

    private static object? Comparable(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Text(value, "const"),
        JsonValueKind.Number => JsonDecimal.Read(value.GetRawText()),
        _ => null,
    };

    private static bool SaysNoMore(JsonProperty keyword, object value) => keyword.Name switch
    {
        "const" or "title" or "description" or "$comment" => true,
        "type" when keyword.Value.ValueKind == JsonValueKind.String => (keyword.Value.GetString(), value) is ("string", string) or ("number", JsonDecimal) or ("integer", JsonDecimal { IsInteger: true }),
        _ => false,
    };

    /// <summary>A string of the schema; an unpaired surrogate in it is refused, since no JSON text in UTF-8 can hold one.</summary>
    public static string Text(JsonElement value, string place)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException fault)
        {
            throw new GrammarException($"JSON Schema, {place}: a string holds half a surrogate pair", fault);
        }
    }

    private TextSet Strings(List<string> texts)
    {
        ByteRegex written, spelt;
        if (texts.Count < AcyclicAutomaton.Many)
        {
            written = _pool.Or(texts.Select(algebra.Strings.UsualSpellings).ToArray());
            spelt = _pool.Or(texts.Select(algebra.Strings.AllSpellings).ToArray());
        }
        else
        {
            var plain = AcyclicAutomaton.Of(texts.Select(Encoding.UTF8.GetBytes));
            written = _pool.Automaton(new SpelledAutomaton(plain, spellsAll: false));
            spelt = _pool.Automaton(new SpelledAutomaton(plain, spellsAll: true));
        }

        return new TextSet(written, algebra.Strings.Complement(spelt));
    }

    private static JsonDecimal Number(JsonElement value, string place) => JsonDecimal.Read(value.GetRawText())
        ?? throw new GrammarException($"JSON Schema, {place}: the number {Cut(value.GetRawText())} is too long to be enforced");

    private ArrayForm Array(JsonElement value)
    {
        var items = value.EnumerateArray().Select(terms.Value).ToList();
        return algebra.OpenArray with { Prefix = items, Rest = terms.False, Min = items.Count, Max = items.Count };
    }

    private ObjectForm Object(JsonElement value, string place)
    {
        var named = new Dictionary<string, PropertyForm>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            var name = SchemaReader.Name(member, place);
            named[name] = new PropertyForm(name, terms.Value(member.Value), true);
        }

        return algebra.OpenObject with { Named = [.. named.Values], Others = [new KeyForm(algebra.Strings.AnyText, terms.False)], Max = named.Count };
    }

    private static string Cut(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
