using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Grammars;

/// <content>Grammars of C# types.</content>
public sealed partial class Grammar
{
    /// <summary>The JSON texts that a serializer reads as a type: every one of the grammar is read, and what the serializer writes is in it. Members stand in the
    /// order of the type, and those that it does not have are not written.</summary>
    /// <param name="type">What the serializer knows about the type; a generated <c>JsonSerializerContext</c> has it, so that this works where code is compiled ahead of time.</param>
    /// <param name="options">White space and limits; the defaults where null. Whole numbers are written with digits only.</param>
    /// <exception cref="GrammarException">The serializer does not read the type, a converter does not say what it reads, or a limit is passed; the message names the type and its place.</exception>
    /// <remarks>What is left out, and why: <c>docs/json-schema.md</c>.</remarks>
    public static Grammar FromType(JsonTypeInfo type, JsonGrammarOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        return JsonSchemaGrammar.Compile(
            TypeSchema.Of(type),
            (options ?? JsonGrammarOptions.Default) with { IntegersAsDigits = true, PropertyOrder = JsonPropertyOrder.Declared, ReadsNumberPatterns = true }).Grammar;
    }

    /// <summary>The JSON texts that a serializer reads as a type, found by reflection.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="serializer">How the text will be read; the serializer's defaults where null.</param>
    /// <param name="options">White space and limits; the defaults where null.</param>
    /// <exception cref="GrammarException">The serializer does not read the type, a converter does not say what it reads, or a limit is passed; the message names the type and its place.</exception>
    [RequiresUnreferencedCode("Looks at the members of the type; pass a generated JsonTypeInfo instead.")]
    [RequiresDynamicCode("Looks at the members of the type; pass a generated JsonTypeInfo instead.")]
    public static Grammar FromType<T>(JsonSerializerOptions? serializer = null, JsonGrammarOptions? options = null) =>
        FromType(
            new JsonSerializerOptions(serializer ?? JsonSerializerOptions.Default)
            {
                TypeInfoResolver = serializer?.TypeInfoResolver ?? new DefaultJsonTypeInfoResolver(),
            }.GetTypeInfo(typeof(T)),
            options);
}
