using System.Text;

namespace Hadal.Inference.Grammars.Json;

/// <summary>A JSON Schema as a grammar: the JSON texts that the schema allows.</summary>
/// <remarks>
/// <para>Read are the drafts 4, 6, 7, 2019-09 and 2020-12, by <c>$schema</c>; without it, 2020-12. Formats that JSON Schema defines are enforced.
/// What cannot be enforced is refused with its place; nothing that the schema forbids is ever written.</para>
/// <para>Left out of what the schema allows, besides what <see cref="JsonGrammarOptions"/> say: objects whose properties are counted or needed by kind
/// (<c>maxProperties</c> beside free names, opposites of <c>additionalProperties</c>) name them in the order of the schema and others behind them; keys, <c>const</c> and <c>enum</c> write printable ASCII as it is, not as <c>\u0041</c>; bounded numbers are not written with exponents that
/// programs do not write. Keys that a schema does not name can be written twice, but where a count or an opposite would be cheated by it, which is refused.</para>
/// </remarks>
public sealed class JsonSchemaGrammar
{
    private JsonSchemaGrammar(Grammar grammar, IReadOnlyList<string> ignored) => (Grammar, Ignored) = (grammar, ignored);

    /// <summary>The grammar.</summary>
    public Grammar Grammar { get; }

    /// <summary>Keywords that are not enforced, with their places; empty unless best effort was asked for.</summary>
    public IReadOnlyList<string> Ignored { get; }

    /// <summary>Makes the grammar of a schema.</summary>
    /// <param name="schema">JSON text.</param>
    /// <param name="options">White space and strictness; the defaults where null.</param>
    /// <exception cref="GrammarException">The schema is malformed, allows nothing, has what cannot be enforced, or passes a limit; the message names the place.</exception>
    public static JsonSchemaGrammar Compile(string schema, JsonGrammarOptions? options = null) => Compile(Encoding.UTF8.GetBytes(schema), options);

    /// <summary>Makes the grammar of a schema.</summary>
    /// <param name="schema">JSON text in UTF-8.</param>
    /// <param name="options">White space and strictness; the defaults where null.</param>
    /// <exception cref="GrammarException">The schema is malformed, allows nothing, has what cannot be enforced, or passes a limit.</exception>
    public static JsonSchemaGrammar Compile(ReadOnlySpan<byte> schema, JsonGrammarOptions? options = null)
    {
        options ??= JsonGrammarOptions.Default;
        var builder = new GrammarBuilder(options.Limits);
        var expander = new SchemaExpander(SchemaDocument.Parse(schema), builder.Regexes, options);
        try
        {
            return new JsonSchemaGrammar(builder.Build(new JsonGrammarWriter(expander, builder, "").Write()), expander.Ignored);
        }
        catch (GrammarException fault) when (!fault.HasPlace)
        {
            throw fault.DerivesNothing ? Nothing(expander.WhyNothing(), fault) : fault.At("#");
        }
    }

    /// <summary>A schema as a part of a larger grammar.</summary>
    /// <param name="schema">JSON text.</param>
    /// <param name="builder">Where the grammar is built.</param>
    /// <param name="prefix">What its rules' names begin with; different for every schema of a grammar.</param>
    internal static GrammarNode Node(string schema, GrammarBuilder builder, string prefix)
    {
        var expander = new SchemaExpander(SchemaDocument.Parse(Encoding.UTF8.GetBytes(schema)), builder.Regexes, JsonGrammarOptions.ForModels);
        return new JsonGrammarWriter(expander, builder, prefix).Write();
    }

    private static GrammarException Nothing((string Place, string Reason) why, GrammarException fault) => new($"JSON Schema, {why.Place}: derives no text; {why.Reason}", fault);

    /// <summary>The grammar of any JSON value, or of any JSON object.</summary>
    /// <param name="onlyObjects">Whether the value has to be an object.</param>
    /// <param name="options">White space; the defaults where null.</param>
    public static Grammar AnyJson(bool onlyObjects = false, JsonGrammarOptions? options = null) =>
        Compile(onlyObjects ? """{"type":"object"}"""u8 : "true"u8, options).Grammar;
}
