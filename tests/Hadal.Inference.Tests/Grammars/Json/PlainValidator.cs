using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Validates values against schemas as the specification reads, keyword by keyword; for the schemas that tests draw.</summary>
internal static class PlainValidator
{
    public static bool IsValid(JsonNode? value, JsonNode? schema)
    {
        if (schema is JsonValue constant) return constant.GetValue<bool>();
        return schema!.AsObject().All(keyword => Holds(value, schema.AsObject(), keyword.Key, keyword.Value));
    }

    private static bool Holds(JsonNode? value, JsonObject schema, string keyword, JsonNode? argument) => keyword switch
    {
        "type" => argument is JsonArray types ? types.Any(t => IsType(value, t!.GetValue<string>())) : IsType(value, argument!.GetValue<string>()),
        "enum" => argument!.AsArray().Any(a => JsonNode.DeepEquals(a, value)),
        "const" => JsonNode.DeepEquals(argument, value),
        "minimum" => !IsNumber(value) || Number(value) >= Number(argument),
        "exclusiveMaximum" => !IsNumber(value) || Number(value) < Number(argument),
        "multipleOf" => !IsNumber(value) || Number(value) % Number(argument) == 0,
        "minLength" => !IsText(value) || Text(value).Length >= Number(argument),
        "maxLength" => !IsText(value) || Text(value).Length <= Number(argument),
        "pattern" => !IsText(value) || Regex.IsMatch(Text(value), argument!.GetValue<string>()),
        "items" => value is not JsonArray array || array.Skip(schema["prefixItems"]?.AsArray().Count ?? 0).All(i => IsValid(i, argument)),
        "prefixItems" => value is not JsonArray array || array.Zip(argument!.AsArray()).All(p => IsValid(p.First, p.Second)),
        "minItems" => value is not JsonArray array || array.Count >= Number(argument),
        "maxItems" => value is not JsonArray array || array.Count <= Number(argument),
        "contains" => value is not JsonArray array || array.Any(i => IsValid(i, argument)),
        "properties" => value is not JsonObject members || argument!.AsObject().All(p => !members.ContainsKey(p.Key) || IsValid(members[p.Key], p.Value)),
        "patternProperties" => value is not JsonObject members || argument!.AsObject().All(p => members.Where(m => Regex.IsMatch(m.Key, p.Key)).All(m => IsValid(m.Value, p.Value))),
        "additionalProperties" => value is not JsonObject members || members.Where(m => !IsNamed(schema, m.Key)).All(m => IsValid(m.Value, argument)),
        "propertyNames" => value is not JsonObject members || members.All(m => IsValid(JsonValue.Create(m.Key), argument)),
        "required" => value is not JsonObject members || argument!.AsArray().All(n => members.ContainsKey(n!.GetValue<string>())),
        "minProperties" => value is not JsonObject members || members.Count >= Number(argument),
        "maxProperties" => value is not JsonObject members || members.Count <= Number(argument),
        "dependentRequired" => value is not JsonObject members || argument!.AsObject().All(p => !members.ContainsKey(p.Key) || p.Value!.AsArray().All(n => members.ContainsKey(n!.GetValue<string>()))),
        "allOf" => argument!.AsArray().All(s => IsValid(value, s)),
        "anyOf" => argument!.AsArray().Any(s => IsValid(value, s)),
        "oneOf" => argument!.AsArray().Count(s => IsValid(value, s)) == 1,
        "not" => !IsValid(value, argument),
        "if" => IsValid(value, argument) ? IsValid(value, schema["then"] ?? true) : IsValid(value, schema["else"] ?? true),
        "then" or "else" => true,
        _ => throw new ArgumentException($"the validator does not know {keyword}", nameof(keyword)),
    };

    private static bool IsNamed(JsonObject schema, string key) =>
        schema["properties"]?.AsObject().ContainsKey(key) == true || schema["patternProperties"]?.AsObject().Any(p => Regex.IsMatch(key, p.Key)) == true;

    private static bool IsType(JsonNode? value, string type) => type switch
    {
        "null" => value is null,
        "boolean" => value?.GetValueKind() is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False,
        "number" => IsNumber(value),
        "integer" => IsNumber(value) && Number(value) % 1 == 0,
        "string" => IsText(value),
        "array" => value is JsonArray,
        _ => value is JsonObject,
    };

    private static bool IsNumber(JsonNode? value) => value?.GetValueKind() == System.Text.Json.JsonValueKind.Number;

    private static bool IsText(JsonNode? value) => value?.GetValueKind() == System.Text.Json.JsonValueKind.String;

    private static decimal Number(JsonNode? value) => decimal.Parse(value!.ToJsonString(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture);

    private static string Text(JsonNode? value) => value!.GetValue<string>();
}
