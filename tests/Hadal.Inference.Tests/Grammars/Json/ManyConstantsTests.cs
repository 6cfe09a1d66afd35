using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Grammars.Lexicons;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Long lists of constants, which automata hold, are the same language as the short ones that expressions hold.</summary>
public sealed class ManyConstantsTests
{
    private static readonly string[] Characters = ["a", "b", "7", " ", "\"", "\\", "/", "\n", "\u0001", "\u007f", "é", "日", "本", "\uffff", "\U0001D11E", "\U0001D11F", "\U0010FFFF"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Strings_are_spelt_alike(int seed)
    {
        var random = new Random(seed);
        var texts = Distinct(() => string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => Characters[random.Next(Characters.Length)])));
        AssertSame(texts.Select(text => (JsonNode)text), form => form.Strings);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void Numbers_are_spelt_alike(int seed, bool integersAsDigits)
    {
        var random = new Random(seed);
        var numbers = Distinct(() => random.Next(4) switch
        {
            0 => random.Next(-300, 300).ToString(CultureInfo.InvariantCulture),
            1 => $"{random.Next(-9, 9)}.{random.Next(200)}",
            2 => $"{random.Next(1, 99)}e{random.Next(-9, 30)}",
            _ => $"-{random.Next(99)}.{random.Next(9)}0E+{random.Next(19)}",
        });
        AssertSame(numbers.Select(number => JsonNode.Parse(number)!), form => form.Numbers, integersAsDigits);
    }

    [Fact]
    public void Alternatives_of_constants_are_an_enumeration()
    {
        string[] texts = [.. Enumerable.Range(0, 700).Select(i => $"code {i:x}é")];
        foreach (var keyword in (string[])["anyOf", "oneOf"])
        {
            var schema = new JsonObject { [keyword] = new JsonArray([.. texts.Select(text => new JsonObject { ["const"] = text, ["type"] = "string", ["title"] = "t" })]) };
            var grammar = JsonSchemaGrammar.Compile(schema.ToJsonString()).Grammar;
            Assert.All(texts.Take(50), text => Assert.True(Accepts(grammar, $"\"{text}\"")));
            Assert.False(Accepts(grammar, "\"code zz\""));
        }

        // Two alike exclude each other, and a type that differs leaves nothing: those stay what they were.
        var twice = new JsonObject { ["oneOf"] = new JsonArray([.. texts.Take(40).Append(texts[3]).Select(text => new JsonObject { ["const"] = text })]) };
        var without = JsonSchemaGrammar.Compile(twice.ToJsonString()).Grammar;
        Assert.False(Accepts(without, $"\"{texts[3]}\""));
        Assert.True(Accepts(without, $"\"{texts[4]}\""));
        var other = new JsonObject { ["anyOf"] = new JsonArray([.. texts.Take(40).Select((text, i) => new JsonObject { ["const"] = text, ["type"] = i == 5 ? "integer" : "string" })]) };
        Assert.False(Accepts(JsonSchemaGrammar.Compile(other.ToJsonString()).Grammar, $"\"{texts[5]}\""));
    }

    [Fact]
    public void Fifty_thousand_constants_stay_within_the_limits_of_a_stranger()
    {
        var limits = GrammarLimits.Default with { MaxMemoryBytes = 64L << 20, MaxRegexTerms = 200_000, MaxNodes = 300_000, MaxStepsToBuild = 20_000_000 };
        string[] texts = [.. Enumerable.Range(0, 50_000).Select(i => $"term {i * 7919} of \"the\" list é")];
        foreach (var type in (string?[])[null, "string"])
        {
            var schema = new JsonObject { ["properties"] = new JsonObject { ["a"] = Enumeration(texts.Select(text => (JsonNode)text), type) }, ["required"] = new JsonArray("a") };
            var grammar = JsonSchemaGrammar.Compile(schema.ToJsonString(), new JsonGrammarOptions { Limits = limits }).Grammar;
            Assert.True(Accepts(grammar, "{\"a\": \"term 7919 of \\\"the\\\" list \\u00e9\"}"));
            Assert.False(Accepts(grammar, "{\"a\": \"term 7918 of \\\"the\\\" list é\"}"));
        }

        foreach (var type in (string?[])[null, "integer", "number"])
        {
            foreach (var asDigits in (bool[])[false, true])
            {
                var grammar = JsonSchemaGrammar.Compile(Enumeration(Enumerable.Range(0, 50_000).Select(i => (JsonNode)(i * 3)), type).ToJsonString(), new JsonGrammarOptions { Limits = limits, IntegersAsDigits = asDigits }).Grammar;
                Assert.True(Accepts(grammar, "149997"));
                Assert.Equal(!asDigits, Accepts(grammar, "149997.0"));
                Assert.False(Accepts(grammar, "149998"));
            }
        }

        Assert.True(Accepts(PlainGrammars.FromChoices(texts, limits), texts[777]));
    }

    private static JsonObject Enumeration(IEnumerable<JsonNode> values, string? type)
    {
        var schema = new JsonObject { ["enum"] = new JsonArray([.. values]) };
        if (type is not null) schema["type"] = type;
        return schema;
    }

    private static List<string> Distinct(Func<string> draw)
    {
        var texts = new HashSet<string>();
        while (texts.Count < AcyclicAutomaton.Many + 20) texts.Add(draw());
        return [.. texts];
    }

    /// <summary>The set of all at once, against the union of its parts, whose texts are written out: equal inside and outside.</summary>
    private static void AssertSame(IEnumerable<JsonNode> values, Func<ValueForm, TextSet> part, bool integersAsDigits = false)
    {
        var pool = new GrammarBuilder().Regexes;
        var expander = new SchemaExpander(SchemaDocument.Parse("true"u8), pool, new JsonGrammarOptions { IntegersAsDigits = integersAsDigits });
        var constants = new ConstantForms(expander.Algebra, expander.Terms, integersAsDigits);
        var all = values.Select(value => JsonElement.Parse(value.ToJsonString())).ToList();
        Assert.True(all.Count >= AcyclicAutomaton.Many);
        var many = part(constants.Of(all, "#"));
        var few = all.Chunk(100).Select(chunk => part(constants.Of(chunk, "#"))).Aggregate((a, b) => a.Or(b, pool));
        foreach (var (a, b) in (ReadOnlySpan<(ByteRegex, ByteRegex)>)[(many.In, few.In), (few.In, many.In), (many.Out, few.Out), (few.Out, many.Out)])
            Assert.True(pool.IsNothing(pool.And(a, pool.Not(b))));
    }

    private static bool Accepts(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Bytes);
        return Encoding.UTF8.GetBytes(text).All(value => matcher.TryAccept(value)) && matcher.IsComplete;
    }

    private static readonly TokenTrie Bytes = new([.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), []], [256]);
}
