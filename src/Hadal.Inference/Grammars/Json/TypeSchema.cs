using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Hadal.Inference.Grammars.Json;

/// <summary>The schema of a C# type, narrowed to what the serializer reads: what its schema exporter leaves open (no other members, ranges, texts of dates,
/// keys of dictionaries) is said here, and what the serializer would refuse whatever is written is refused by name.</summary>
internal static class TypeSchema
{
    /// <summary>A keyword of our own, for numbers as <c>pattern</c> is for strings; it counts only where <see cref="JsonGrammarOptions.ReadsNumberPatterns"/> says so.</summary>
    public const string NumberPattern = "numberPattern";

    private static readonly JsonSchemaExporterOptions ExporterOptions = new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Narrow };

    private static readonly string[] Constraints = ["type", "enum", "const", "anyOf", "properties", "$ref", "not", "pattern"];

    private static readonly Type[] UntypedTypes = [typeof(object), typeof(JsonElement), typeof(JsonDocument), typeof(JsonNode)];

    /// <summary>The schema of a type.</summary>
    /// <exception cref="GrammarException">The serializer cannot read the type, or a converter does not say what it reads.</exception>
    public static string Of(JsonTypeInfo type)
    {
        try
        {
            return type.GetJsonSchemaAsNode(ExporterOptions).ToJsonString();
        }
        catch (Exception fault) when (fault is NotSupportedException or InvalidOperationException)
        {
            throw new GrammarException($"C# type {type.Type}: the serializer cannot read it ({fault.Message.ReplaceLineEndings(" ")})", fault);
        }
    }

    private static JsonNode Narrow(JsonSchemaExporterContext context, JsonNode schema)
    {
        var type = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;
        if (schema is not JsonObject keywords || !Constraints.Any(keywords.ContainsKey))
        {
            CheckUntyped(context, type);
            return schema;
        }

        if (keywords.ContainsKey("$ref"))
        {
            return schema;
        }

        if (keywords["not"] is JsonValue)
        {
            throw Refused(context, "the serializer does not read such values; leave the member out with [JsonIgnore], or give it another type");
        }

        if (type.IsEnum)
        {
            NarrowEnum(context, type, keywords);
        }
        else if (TypeTexts.Numbers(type) is { } numbers)
        {
            NarrowNumber(context, type, numbers, keywords);
        }
        else if (TypeTexts.Strings(type) is { } strings && Types(keywords).Contains("string"))
        {
            Remove(keywords, "format", "minLength", "maxLength");
            keywords["pattern"] = Whole(strings);
        }
        else if (context.TypeInfo.Kind == JsonTypeInfoKind.Dictionary)
        {
            NarrowKeys(context, keywords);
        }
        else if (context.TypeInfo.Kind == JsonTypeInfoKind.Object)
        {
            NarrowObject(context, keywords);
        }

        return schema;
    }

    /// <summary>Anything goes where the type holds any JSON; a converter that says nothing of its texts may refuse whatever is written.</summary>
    private static void CheckUntyped(JsonSchemaExporterContext context, Type type)
    {
        if (!UntypedTypes.Contains(type))
        {
            var converter = context.PropertyInfo?.CustomConverter ?? context.TypeInfo.Converter;
            throw Refused(context, $"the converter {converter.GetType()} does not say which texts it reads; give the member a type that the serializer knows");
        }

        CheckRepeats(context);
    }

    /// <summary>Keys that are free can be written twice.</summary>
    private static void CheckRepeats(JsonSchemaExporterContext context)
    {
        if (!context.TypeInfo.Options.AllowDuplicateProperties)
        {
            throw Refused(context, "its keys are free, so that one can be written twice, which AllowDuplicateProperties forbids; allow duplicates, or name the members");
        }
    }

    private static void NarrowObject(JsonSchemaExporterContext context, JsonObject keywords)
    {
        var type = context.TypeInfo;
        var isPolymorphic = type.PolymorphismOptions is { DerivedTypes.Count: > 0 };
        if (!isPolymorphic && type.CreateObject is null && !type.Properties.Any(property => property.AssociatedParameter is not null))
        {
            throw Refused(context, "the serializer cannot make one: expected a constructor that it may call, or [JsonDerivedType] for what is abstract");
        }

        if (!keywords.ContainsKey("additionalProperties") && (keywords.ContainsKey("properties") || !keywords.ContainsKey("anyOf")))
        {
            keywords["additionalProperties"] = false;
        }
    }

    private static void NarrowNumber(JsonSchemaExporterContext context, Type type, string numbers, JsonObject keywords)
    {
        var known = Types(keywords);
        if (keywords["anyOf"] is JsonArray options)
        {
            known = [.. options.OfType<JsonObject>().SelectMany(Types), .. known];
        }

        var isNamed = TypeTexts.IsFloating(type) && keywords.ToJsonString().Contains("NaN", StringComparison.Ordinal);
        var readsStrings = known.Contains("string");
        if (readsStrings && (Handling(context) & (JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)) == JsonNumberHandling.WriteAsString)
        {
            throw Refused(context, "its numbers are written as strings, which are not read; add JsonNumberHandling.AllowReadingFromString");
        }

        var isNullable = known.Contains("null") || Nullable.GetUnderlyingType(context.TypeInfo.Type) is not null;
        var types = new JsonArray("number");
        foreach (var more in (ReadOnlySpan<string?>)[readsStrings || isNamed ? "string" : null, isNullable ? "null" : null])
        {
            if (more is not null)
            {
                types.Add((JsonNode?)more);
            }
        }

        Remove(keywords, "anyOf", "enum", "format", "pattern", "minimum", "maximum");
        keywords["type"] = types;
        keywords[NumberPattern] = numbers;
        if (readsStrings || isNamed)
        {
            keywords["pattern"] = Whole(!isNamed ? numbers : readsStrings ? $"{numbers}|{TypeTexts.NamedFloats}" : TypeTexts.NamedFloats);
        }
    }

    private static JsonNumberHandling Handling(JsonSchemaExporterContext context)
    {
        var options = context.TypeInfo.Options;
        var declaring = context.PropertyInfo is { } property && options.TryGetTypeInfo(property.DeclaringType, out var found) ? found.NumberHandling : null;
        return context.PropertyInfo?.NumberHandling ?? declaring ?? context.TypeInfo.NumberHandling ?? options.NumberHandling;
    }

    private static void NarrowEnum(JsonSchemaExporterContext context, Type type, JsonObject keywords)
    {
        var types = Types(keywords);
        if (types.Contains("integer"))
        {
            keywords["type"] = types.Contains("null") ? new JsonArray("number", "null") : new JsonArray("number");
            keywords[NumberPattern] = TypeTexts.Numbers(Enum.GetUnderlyingType(type));
        }
        else if (types.Contains("string"))
        {
            // Flags: the names of those that are set, with commas between. No flag at all is a number unless it has a name.
            keywords["type"] = types.Contains("null") ? new JsonArray("string", "number", "null") : new JsonArray("string", "number");
            keywords["pattern"] = Whole(Flags(Names(type, context.TypeInfo.Options, context.PropertyInfo?.CustomConverter)));
            keywords[NumberPattern] = IsZeroANumber(context, type) ? "0" : "[]";
        }
    }

    /// <summary>The keys of a dictionary, as its key type is written.</summary>
    private static void NarrowKeys(JsonSchemaExporterContext context, JsonObject keywords)
    {
        CheckRepeats(context);
        if (context.TypeInfo.KeyType is not { } key || key == typeof(string))
        {
            return;
        }

        var pattern = key.IsEnum ? EnumKeys(key, context.TypeInfo.Options) : TypeTexts.Keys(key);
        keywords["propertyNames"] = new JsonObject
        {
            ["pattern"] = Whole(pattern ?? throw Refused(context, $"keys of type {key} are not read; use strings, numbers, enumerations, dates or Guid")),
        };
    }

    private static string EnumKeys(Type type, JsonSerializerOptions options) =>
        type.IsDefined(typeof(FlagsAttribute), false) ? Flags(Names(type, options, null)) : string.Join('|', Names(type, options, null).Select(Literally));

    private static string Flags(List<string> names)
    {
        if (names.Count == 0)
        {
            return "[]";
        }

        var name = $"(?:{string.Join('|', names.Select(Literally))})";
        return string.Create(CultureInfo.InvariantCulture, $"{name}(?:, {name}){{0,{names.Count - 1}}}");
    }

    /// <summary>The names of an enumeration as the serializer writes them, which a naming policy or an attribute may have changed.</summary>
    private static List<string> Names(Type type, JsonSerializerOptions options, JsonConverter? converter)
    {
        var names = new List<string>();
        foreach (var value in Enum.GetValuesAsUnderlyingType(type))
        {
            var constant = Enum.ToObject(type, value);
            if (!(Written(constant, type, options, converter) is JsonValue text && text.TryGetValue<string>(out var name)))
            {
                name = Enum.GetName(type, constant)!;
            }

            if (!names.Contains(name))
            {
                names.Add(name);
            }
        }

        return names;
    }

    private static bool IsZeroANumber(JsonSchemaExporterContext context, Type type)
    {
        try
        {
            return Written(Enum.ToObject(type, 0), type, context.TypeInfo.Options, context.PropertyInfo?.CustomConverter)?.GetValueKind() == JsonValueKind.Number;
        }
        catch (JsonException)
        {
            // The converter was told to write no numbers.
            return false;
        }
    }

    /// <summary>A value as the serializer writes it; null where it does not know the type by itself.</summary>
    private static JsonNode? Written(object value, Type type, JsonSerializerOptions options, JsonConverter? converter)
    {
        if (converter is not null)
        {
            options = new JsonSerializerOptions(options);
            options.Converters.Insert(0, converter);
        }

        return options.TryGetTypeInfo(type, out var info) ? JsonSerializer.SerializeToNode(value, info) : null;
    }

    private static List<string> Types(JsonObject keywords) => keywords["type"] switch
    {
        JsonArray types => [.. types.Select(name => name!.GetValue<string>())],
        JsonValue name => [name.GetValue<string>()],
        _ => [],
    };

    /// <summary>A text as a pattern that matches nothing else.</summary>
    private static string Literally(string text) => string.Concat(text.Select(character => "^$\\.*+?()[]{}|/".Contains(character, StringComparison.Ordinal) ? $"\\{character}" : $"{character}"));

    private static string Whole(string pattern) => $"^(?:{pattern})$";

    private static void Remove(JsonObject keywords, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            keywords.Remove(name);
        }
    }

    private static GrammarException Refused(JsonSchemaExporterContext context, string reason)
    {
        var place = context.Path.IsEmpty ? "" : $", #/{string.Join('/', context.Path.ToArray())}";
        return new GrammarException($"C# type {context.TypeInfo.Type}{place}: {reason}");
    }
}
