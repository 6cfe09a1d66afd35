using System.Text.Json;

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
        var written = new List<ByteRegex>();
        var spelt = new List<ByteRegex>();
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
                    form = form with { Numbers = form.Numbers.Or(Number(value, place), _pool) };
                    break;
                case JsonValueKind.String:
                    written.Add(algebra.Strings.UsualSpellings(Text(value, place)));
                    spelt.Add(algebra.Strings.AllSpellings(Text(value, place)));
                    break;
                case JsonValueKind.Array:
                    arrays.Add(Array(value));
                    break;
                case JsonValueKind.Object:
                    objects.Add(Object(value, place));
                    break;
            }
        }

        if (written.Count > 0)
        {
            form = form with { Strings = new TextSet(_pool.Or(written.ToArray()), algebra.Strings.Complement(_pool.Or(spelt.ToArray()))) };
        }

        return form with { Arrays = arrays, Objects = objects };
    }

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

    private TextSet Number(JsonElement value, string place) => JsonDecimal.Read(value.GetRawText()) is { } number
        ? Written(algebra.Numbers.EqualTo(number), number.IsInteger)
        : throw new GrammarException($"JSON Schema, {place}: the number {Cut(value.GetRawText())} is too long to be enforced");

    private TextSet Written(TextSet number, bool isInteger) =>
        integersAsDigits && isInteger ? number with { In = _pool.And(number.In, algebra.Numbers.Integers(digitsOnly: true).In) } : number;

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
