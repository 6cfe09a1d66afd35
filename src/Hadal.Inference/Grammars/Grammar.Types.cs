using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Grammars;

/// <content>Grammars of C# types.</content>
public sealed partial class Grammar
{
    private static readonly JsonSchemaExporterOptions ExporterOptions = new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Narrow };

    /// <summary>The JSON texts that a serializer reads as a type. Members stand in the order of the type, those that it does not have are not written, and whole numbers fit.</summary>
    /// <param name="type">What the serializer knows about the type; a generated <c>JsonSerializerContext</c> has it, so that this works where code is compiled ahead of time.</param>
    /// <param name="options">White space and limits; the defaults where null. Whole numbers are written with digits only.</param>
    /// <exception cref="GrammarException">The type has what a grammar cannot hold.</exception>
    public static Grammar FromType(JsonTypeInfo type, JsonGrammarOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        var schema = type.GetJsonSchemaAsNode(ExporterOptions);
        return JsonSchemaGrammar.Compile(schema.ToJsonString(), (options ?? JsonGrammarOptions.Default) with { IntegersAsDigits = true, PropertyOrder = JsonPropertyOrder.Declared }).Grammar;
    }

    /// <summary>The JSON texts that a serializer reads as a type, found by reflection.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="serializer">How the text will be read; the serializer's defaults where null.</param>
    /// <param name="options">White space and limits; the defaults where null.</param>
    /// <exception cref="GrammarException">The type has what a grammar cannot hold.</exception>
    [RequiresUnreferencedCode("Looks at the members of the type; pass a generated JsonTypeInfo instead.")]
    [RequiresDynamicCode("Looks at the members of the type; pass a generated JsonTypeInfo instead.")]
    public static Grammar FromType<T>(JsonSerializerOptions? serializer = null, JsonGrammarOptions? options = null) =>
        FromType(
            new JsonSerializerOptions(serializer ?? JsonSerializerOptions.Default)
            {
                TypeInfoResolver = serializer?.TypeInfoResolver ?? new DefaultJsonTypeInfoResolver(),
            }.GetTypeInfo(typeof(T)),
            options);

    /// <summary>Adds what the exporter leaves out: no other members, and the ranges of whole numbers.</summary>
    private static JsonNode Narrow(JsonSchemaExporterContext context, JsonNode schema)
    {
        if (schema is not JsonObject keywords)
        {
            return schema;
        }

        if (keywords.ContainsKey("properties") && !keywords.ContainsKey("additionalProperties"))
        {
            keywords["additionalProperties"] = false;
        }

        var type = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;
        foreach (var (name, min, max) in (ReadOnlySpan<(Type, BigInteger, BigInteger)>)
            [
                (typeof(byte), byte.MinValue, byte.MaxValue), (typeof(sbyte), sbyte.MinValue, sbyte.MaxValue), (typeof(short), short.MinValue, short.MaxValue),
                (typeof(ushort), ushort.MinValue, ushort.MaxValue), (typeof(int), int.MinValue, int.MaxValue), (typeof(uint), uint.MinValue, uint.MaxValue),
                (typeof(long), long.MinValue, long.MaxValue), (typeof(ulong), ulong.MinValue, ulong.MaxValue),
            ])
        {
            if (type == name && keywords.ContainsKey("type"))
            {
                keywords["minimum"] = JsonNode.Parse(min.ToString(System.Globalization.CultureInfo.InvariantCulture));
                keywords["maximum"] = JsonNode.Parse(max.ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        return schema;
    }
}
