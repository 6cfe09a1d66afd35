using System.Text;
using System.Text.Json;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Schemas as grammars, on small cases of our own for every keyword.</summary>
public class JsonSchemaGrammarTests
{
    public static TheoryData<string, string, string> TooMuch()
    {
        var alternatives = string.Join(',', Enumerable.Range(0, 12).Select(i => $$$$$"""{"anyOf":[{"required":["a{{{{{i}}}}}"]},{"required":["b{{{{{i}}}}}"]}]}"""));
        var patterns = string.Join(',', Enumerable.Range(0, 20).Select(i => $$$$$"""
            "{{{{{(char)('a' + i)}}}}}{{{{{i}}}}}":{"minimum":{{{{{i}}}}}}
            """));
        var values = string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"value {i * 7919}\""));
        return new TheoryData<string, string, string>
        {
            { $$$$$"""{"properties":{"p":{"allOf":[{{{{{alternatives}}}}}]}}}""", "/properties/p/allOf", "2000 shapes" },
            { $$$$$"""{"properties":{"p":{"patternProperties":{{{{{{patterns}}}}}}}}}""", "/properties/p/patternProperties", "anchor them" },
            { $$$$$"""{"properties":{"p":{"enum":[{{{{{values}}}}}]}}}""", "/properties/p/enum", "MaxRegexTerms" },
        };
    }

    [Theory]
    [MemberData(nameof(TooMuch))]
    public void What_costs_too_much_is_refused_with_its_place_before_the_budget_is_gone(string schema, string place, string limit)
    {
        var limits = new GrammarLimits { MaxStepsToBuild = 100_000_000, MaxRegexTerms = limit == "MaxRegexTerms" ? 1_000 : 500_000 };
        var fault = Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema, new JsonGrammarOptions { Limits = limits }));
        Assert.Contains(place, fault.Message, StringComparison.Ordinal);
        Assert.Contains(limit, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("date", "2024-02-29")]
    [InlineData("date-time", "2024-02-29T10:00:00Z")]
    [InlineData("email", "a@b.org")]
    [InlineData("uuid", "123e4567-e89b-12d3-a456-426614174000")]
    [InlineData("uri", "http://a/b?c")]
    public void Formats_write_printable_ascii_as_itself(string format, string text)
    {
        foreach (var options in new[] { JsonGrammarOptions.Default, JsonGrammarOptions.ForModels })
        {
            var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile($$"""{"type":"string","format":"{{format}}"}""", options).Grammar);
            Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes($"\"{text}\"")));
            for (var i = 0; i < text.Length; i++)
                Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes($"\"{text[..i]}\\u{(int)text[i]:x4}{text[(i + 1)..]}\"")), text[i..]);
        }
    }

    [Fact]
    public void A_format_may_be_forbidden_in_every_spelling()
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile("""{"type":"string","not":{"format":"date"}}""").Grammar);
        Assert.True(acceptor.Accepts("\"2024-02-30\""u8));
        Assert.False(acceptor.Accepts("\"2024-02-29\""u8));
        Assert.False(acceptor.Accepts("\"\\u0032024-02-29\""u8));
    }

    [Fact]
    public void Ten_open_objects_exclude_each_other()
    {
        var options = string.Join(',', Enumerable.Range(0, 10).Select(i => $$$$$"""{"properties":{"p{{{{{i}}}}}":{"type":"integer"}},"required":["p{{{{{i}}}}}"]}"""));
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile($$$$$"""{"type":"object","oneOf":[{{{{{options}}}}}]}""").Grammar);
        Assert.All(["{\"p3\": 1}", "{\"p9\": 1, \"x\": 2}", "{\"p1\": 1, \"p0\": \"a\"}"], text => Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(["{}", "{\"p3\": \"a\"}", "{\"p3\": 1, \"p4\": 2}", "{\"x\": 1}"], text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }

    [Fact]
    public void A_union_of_many_kinds_is_told_apart_by_a_constant()
    {
        var options = string.Join(',', Enumerable.Range(0, 40).Select(i => $$$$$"""{"properties":{"kind":{"const":"k{{{{{i}}}}}"},"a{{{{{i}}}}}":{"type":"integer"},"b{{{{{i}}}}}":{"type":"string"}},"required":["kind","a{{{{{i}}}}}"]}"""));
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile($$$$$"""{"type":"object","oneOf":[{{{{{options}}}}}]}""").Grammar);
        Assert.True(acceptor.Accepts("{\"kind\": \"k7\", \"a7\": 1}"u8));
        Assert.True(acceptor.Accepts("{\"a7\": 1, \"kind\": \"k7\"}"u8));
        Assert.False(acceptor.Accepts("{\"kind\": \"k7\", \"a8\": 1}"u8));
    }

    [Fact]
    public void Ten_conditions_hold_beside_each_other()
    {
        var conditions = string.Join(',', Enumerable.Range(0, 10).Select(i => $$$$$"""{"if":{"properties":{"k{{{{{i}}}}}":{"const":1}},"required":["k{{{{{i}}}}}"]},"then":{"required":["n{{{{{i}}}}}"]}}"""));
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile($$$$$"""{"type":"object","allOf":[{{{{{conditions}}}}}]}""").Grammar);
        Assert.All(["{}", "{\"k1\": 2}", "{\"k1\": 1, \"n1\": 0}", "{\"k1\": 1, \"n1\": 0, \"k9\": 3}"], text => Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(["{\"k1\": 1}", "{\"k1\": 1, \"n2\": 0}"], text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }

    [Fact]
    public void Properties_stand_in_the_order_of_the_schema_where_asked()
    {
        const string Schema = """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},"required":["a","b"],"additionalProperties":false}""";
        var declared = JsonSchemaGrammar.Compile(Schema, new JsonGrammarOptions { PropertyOrder = JsonPropertyOrder.Declared }).Grammar;
        var any = JsonSchemaGrammar.Compile(Schema).Grammar;
        Assert.Equal((true, true), (new ByteAcceptor(declared).Accepts("{\"a\": 1, \"b\": null}"u8), new ByteAcceptor(any).Accepts("{\"a\": 1, \"b\": null}"u8)));
        Assert.Equal((false, true), (new ByteAcceptor(declared).Accepts("{\"b\": null, \"a\": 1}"u8), new ByteAcceptor(any).Accepts("{\"b\": null, \"a\": 1}"u8)));
    }

    public static TheoryData<int, string> Cases()
    {
        var data = new TheoryData<int, string>();
        foreach (var (index, item) in Fixtures().Index()) data.Add(index, item.GetProperty("keyword").GetString()!);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_keyword_allows_what_it_should_and_nothing_else(int index, string keyword)
    {
        var item = Fixtures()[index];
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(item.GetProperty("schema").GetRawText()).Grammar);
        Assert.NotEqual(0, item.GetProperty("valid").GetArrayLength() * item.GetProperty("invalid").GetArrayLength());
        foreach (var text in item.GetProperty("valid").EnumerateArray()) Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text.GetString()!)), $"{keyword} refuses {text}");
        foreach (var text in item.GetProperty("invalid").EnumerateArray()) Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text.GetString()!)), $"{keyword} allows {text}");
    }

    [Theory]
    [InlineData("""{"type":"array","uniqueItems":true}""", "#/uniqueItems")]
    [InlineData("""{"properties":{"a/b":{"multipleOf":0.031769}}}""", "/properties/a~1b/multipleOf")]
    [InlineData("""{"$ref":"https://example.com/other.json"}""", "/$ref: 'https://example.com/other.json' leads outside")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "leads nowhere")]
    [InlineData("""{"$ref":"#"}""", "refers to itself")]
    [InlineData("""{"anyOf":[{"$ref":"#/anyOf/1"},{"$ref":"#/anyOf/0"}]}""", "refers to itself")]
    [InlineData("""{"type":"strin"}""", "/type: 'strin' is no type")]
    [InlineData("""{"required":"a"}""", "/required: expected an array of names")]
    [InlineData("""{"minLength":-1}""", "/minLength: expected a whole number")]
    [InlineData("""{"pattern":"(a)\\1"}""", "/pattern: regular expression '(a)\\1'")]
    [InlineData("""{"pattern":"(?<=a)b"}""", "lookbehind")]
    [InlineData("""{"pattern":"\\p{Script=Han}"}""", "#/pattern: regular expression '\\p{Script=Han}', character 15: the Unicode property 'Script=Han' is not known; expected a general category")]
    [InlineData("""{"format":"regex"}""", "/format: 'regex' cannot be enforced")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-07/schema#","contentMediaType":"application/json"}""", "/contentMediaType: 'application/json' cannot be enforced")]
    [InlineData("""{"anyOf":[]}""", "/anyOf: expected at least one schema")]
    [InlineData("""{"properties":[1]}""", "/properties: expected an object")]
    [InlineData("""{"items":3}""", "expected an object, true or false")]
    [InlineData("""{"type":"\ud800"}""", "/type: a string holds half a surrogate pair")]
    [InlineData("""{"items":{"type":["\ud800"]}}""", "/items/type: a string holds half a surrogate pair")]
    [InlineData("""{"type":"object","minProperties":2}""", "#/minProperties: minProperties of 2")]
    [InlineData("""{"properties":{"o":{"propertyNames":{"const":"a"},"minProperties":2}}}""", "#/properties/o/minProperties: minProperties of 2")]
    [InlineData("""{"not":{"maxProperties":1}}""", "#: the opposite of maxProperties (a minProperties of 2 in the opposite of #/not)")]
    [InlineData("""{"not":{"additionalProperties":{"type":"string"}}}""", "#: the opposite of additionalProperties")]
    [InlineData("""{"not":{"patternProperties":{"^x":{"type":"string"}}}}""", "#: the opposite of additionalProperties or patternProperties")]
    [InlineData("""{"properties":{"n":{"maximum":1e400}}}""", "/properties/n/maximum: 1e400 cannot be enforced")]
    [InlineData("""false""", "#: derives no text")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "#: derives no text")]
    [InlineData("""{"properties":{"a":{"type":"object","properties":{"b":{"type":"string","enum":[1]}},"required":["b"]}},"required":["a"],"type":"object"}""", "#/properties/a/properties/b: derives no text")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"required":["x"]}}}""", "#: derives no text")]
    [InlineData("""{"properties":{"u":{"type":"string","pattern":"a","enum":["b"]}},"type":"object","required":["u"]}""", "#/properties/u: derives no text")]
    [InlineData("""{"type":""", "not valid JSON")]
    [InlineData("""{"a":1} x""", "not valid JSON")]
    public void What_cannot_be_enforced_is_refused_with_its_place(string schema, string expected)
    {
        var fault = Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema));
        Assert.Contains(expected.Replace("#|", "", StringComparison.Ordinal), fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
    }

    [Theory]
    [InlineData("""{"type":"object","minProperties":1}""", """{"x": 1, "x": 2}""")]
    [InlineData("""{"required":["a"],"minProperties":2}""", """{"a": 1, "x": 2, "x": 3}""")]
    [InlineData("""{"not":{"additionalProperties":false}}""", """{"x": 1, "x": "a"}""")]
    [InlineData("""{"not":{"const":{"a":1}}}""", """{"x": 1, "x": 2}""")]
    [InlineData("""{"additionalProperties":{"type":"string"}}""", """{"x": "a", "x": "b"}""")]
    public void A_free_name_may_stand_twice_where_that_cheats_nothing(string schema, string text) =>
        Assert.True(new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar).Accepts(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Best_effort_keeps_counts_that_repeated_names_cheat()
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile("""{"type":"object","minProperties":2}""", new JsonGrammarOptions { BestEffort = true }).Grammar);
        Assert.True(acceptor.Accepts("{\"a\": 1, \"b\": 2}"u8));
        Assert.False(acceptor.Accepts("{\"a\": 1}"u8));
    }

    [Fact]
    public void Best_effort_leaves_out_what_cannot_be_enforced_and_lists_it()
    {
        var made = JsonSchemaGrammar.Compile("""{"type":"array","items":{"type":"string","format":"regex","minLength":1}}""", new JsonGrammarOptions { BestEffort = true });
        Assert.Contains("/items/format", Assert.Single(made.Ignored), StringComparison.Ordinal);
        var acceptor = new ByteAcceptor(made.Grammar);
        Assert.True(acceptor.Accepts("[\"a\"]"u8));
        Assert.False(acceptor.Accepts("[\"\"]"u8));
    }

    [Theory]
    [InlineData(JsonWhitespace.Spaced, "{\"a\": [1, 2]}", true)]
    [InlineData(JsonWhitespace.Spaced, "{\"a\":[1,2]}", true)]
    [InlineData(JsonWhitespace.Spaced, "{\"a\":  [1]}", false)]
    [InlineData(JsonWhitespace.Spaced, "{\n\"a\": [1]}", false)]
    [InlineData(JsonWhitespace.Compact, "{\"a\":[1,2]}", true)]
    [InlineData(JsonWhitespace.Compact, "{\"a\": [1,2]}", false)]
    [InlineData(JsonWhitespace.Flexible, "{\n  \"a\" : [\n    1 ,\t2\r\n  ]\n}", true)]
    [InlineData(JsonWhitespace.Flexible, "{                                          \"a\":[1]}", false)]
    [InlineData(JsonWhitespace.Flexible, " {\"a\":[1]}", false)]
    public void White_space_stands_where_the_options_say(JsonWhitespace whitespace, string text, bool isAllowed)
    {
        const string Schema = """{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}}}""";
        var grammar = JsonSchemaGrammar.Compile(Schema, new JsonGrammarOptions { Whitespace = whitespace }).Grammar;
        Assert.Equal(isAllowed, new ByteAcceptor(grammar).Accepts(Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void Integers_are_written_with_digits_only_where_asked()
    {
        var grammar = JsonSchemaGrammar.Compile("""{"type":"integer","minimum":5}""", new JsonGrammarOptions { IntegersAsDigits = true }).Grammar;
        Assert.True(new ByteAcceptor(grammar).Accepts("17"u8));
        Assert.False(new ByteAcceptor(grammar).Accepts("17.0"u8));
        Assert.False(new ByteAcceptor(grammar).Accepts("1e+20"u8));
        var named = new ByteAcceptor(JsonSchemaGrammar.Compile("""{"enum":[12, 1.5, 3.0]}""", new JsonGrammarOptions { IntegersAsDigits = true }).Grammar);
        Assert.All(["12", "1.5", "1.50", "3"], text => Assert.True(named.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(["12.0", "3.0", "1.2e1", "1"], text => Assert.False(named.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }

    [Fact]
    public void Any_json_is_json()
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.AnyJson());
        foreach (var text in (string[])["1", "\"a\"", "[{}, [], null]", "{\"a\": {\"b\": [true, -1.5e3]}}"]) Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text);
        foreach (var text in (string[])["", "[", "{\"a\"}", "[1,]", "tru", "{a:1}"]) Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text);
        Assert.False(new ByteAcceptor(JsonSchemaGrammar.AnyJson(onlyObjects: true)).Accepts("[]"u8));
    }

    private static List<JsonElement> Fixtures()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "Grammars", "Fixtures", "json-schema-keywords.json");
        return [.. JsonElement.Parse(File.ReadAllBytes(path)).EnumerateArray()];
    }
}
