using System.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>What is said about schemas that cannot be kept to the letter, or that allow nothing.</summary>
public class SchemaFaultTests
{
    private static readonly JsonGrammarOptions BestEffort = new() { BestEffort = true };

    [Theory]
    [InlineData("""{"type":"array","items":{"type":"string"},"uniqueItems":true}""", "#/uniqueItems: uniqueItems cannot", """["a", "a"]""", "[1]")]
    [InlineData("""{"type":"array","items":{"$ref":"https://x.org/a"},"uniqueItems":true}""", "#/uniqueItems: uniqueItems cannot", "[1, 1]", "1")]
    [InlineData("""{"type":"array","not":{"uniqueItems":true},"maxItems":1}""", "#/uniqueItems: the opposite of uniqueItems (in the opposite of #/not)", "[]", "[1, 1]", "#/not/uniqueItems")]
    [InlineData("""{"allOf":[{"contains":{"const":1}},{"contains":{"const":2}},{"contains":{"const":3}},{"contains":{"const":4}},{"contains":{"const":5}}]}""", "#/allOf/4/contains: counts of items", "[1, 2, 3, 4]", "[1, 2, 3]")]
    [InlineData("""{"type":"array","contains":{"type":"null"},"minContains":30000}""", "#/contains: counts of items", "[]", "{}")]
    [InlineData("""{"type":"object","minProperties":2}""", "#/minProperties: minProperties of 2", """{"a": 1, "a": 1}""", """{"a": 1}""")]
    [InlineData("""{"type":"object","not":{"maxProperties":1}}""", "#: the opposite of maxProperties", """{"a": 1, "b": 1}""", "{}")]
    [InlineData("""{"type":"object","not":{"additionalProperties":{"type":"string"}}}""", "#: the opposite of additionalProperties or patternProperties (in the opposite of #/not)", """{"a": 1}""", """{"a": "b"}""")]
    [InlineData("""{"type":"string","not":{"pattern":"(a)\\1"}}""", "#/not/pattern: regular expression", "\"aa\"", "1")]
    [InlineData("""{"type":"string","oneOf":[{"pattern":"(a)\\1"},{"maxLength":1}]}""", "#/oneOf/0/pattern: regular expression", "\"aa\"", "1")]
    [InlineData("""{"type":"array","if":{"items":{"pattern":"(a)\\1"}},"then":{"minItems":1},"else":{"minItems":2}}""", "#/if/items/pattern: regular expression", "[1, 1]", "[]")]
    [InlineData("""{"enum":[[1e9999],2]}""", "const: the number 1e9999 is too long", "2", "3")]
    public void Best_effort_leaves_out_and_tells_what_is_refused_otherwise(string schema, string told, string allowed, string forbidden, string place = "#")
    {
        Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema));
        var made = JsonSchemaGrammar.Compile(schema, BestEffort);
        Assert.Contains(made.Ignored, text => text.Contains(told.Replace("#/uniqueItems: the opposite", $"{place}: the opposite", StringComparison.Ordinal), StringComparison.Ordinal));
        Assert.Equal(made.Ignored.Distinct(), made.Ignored);
        var acceptor = new ByteAcceptor(made.Grammar);
        Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(allowed)), allowed);
        Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(forbidden)), forbidden);
    }

    [Theory]
    [InlineData("""{"allOf":[{"type":"object","properties":{"a":{}},"additionalProperties":false},{"required":["b"]}]}""", "#: derives no text; 'b' is required at #/allOf/1 and forbidden by additionalProperties at #/allOf/0")]
    [InlineData("""{"type":"object","properties":{"a":{}},"additionalProperties":false,"required":["b"]}""", "#: derives no text; 'b' is required at # and forbidden by additionalProperties at #")]
    [InlineData("""{"type":"object","properties":{"b":false},"required":["b"]}""", "#: derives no text; 'b' is required at # and forbidden by properties at #")]
    [InlineData("""{"type":"object","propertyNames":{"const":"a"},"required":["b"]}""", "#: derives no text; 'b' is required at # and forbidden by propertyNames at #")]
    [InlineData("""false""", "#: derives no text; the schema is false")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "#: derives no text; minLength leaves no value")]
    [InlineData("""{"type":"string","enum":[1]}""", "#: derives no text; enum leaves no value")]
    [InlineData("""{"type":"array","minItems":3,"maxItems":2}""", "#: derives no text; at least 3 items are needed and at most 2 allowed")]
    [InlineData("""{"type":"object","required":["a","b"],"maxProperties":1}""", "#: derives no text; at least 2 properties are needed and at most 1 allowed")]
    [InlineData("""{"type":"array","items":{"type":"string"},"contains":{"type":"null"}}""", "#: derives no text; an item that is needed is one that no item may be")]
    [InlineData("""{"type":"object","required":["a"],"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"null"}}}]}""", "#/allOf/0/properties/a and #/allOf/1/properties/a: derives no text; #/allOf/0/properties/a and #/allOf/1/properties/a have no value in common")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"required":["x"]}}}""", "each value needs another of its kind within itself")]
    public void A_schema_that_allows_nothing_is_refused_with_the_reason(string schema, string expected) =>
        Assert.Contains(expected, Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema)).Message, StringComparison.Ordinal);

    [Fact]
    public void Faults_of_alternatives_name_the_alternatives()
    {
        var alternatives = string.Join(',', Enumerable.Range(2, 6).Select(n => $$$"""{"type":"array","items":{"multipleOf": {{{n}}} },"minItems":1}"""));
        var fault = Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile("{\"type\":\"object\",\"properties\":{\"p\":{\"oneOf\":[" + alternatives + "]}}}"));
        Assert.Contains("1 of the opposite of alternative 1 of #/properties/p/oneOf", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"oneOf":[{"type":"array","items":{"type":"integer"}},{"type":"array","items":{"type":"number"}},{"type":"array","items":{"type":"string"}}]}""", "[1.5] [1, 1.5] [\"a\"]", "[] [1] [1, 2] [1, \"a\"] [null]")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"allOf":[{"contains":{"const":1}},{"contains":{"minimum":5},"minContains":2},{"contains":{"const":7},"maxContains":1}]}""", "[1, 5, 7] [7, 1, 8, 3]", "[1, 7] [7, 7, 1] [5, 7, 9] [1, 5, 6]")]
    [InlineData("""{"type":"array","maxItems":3,"allOf":[{"contains":{"const":1}},{"not":{"items":{"type":"integer"}}}]}""", "[1, \"a\"] [null, 2, 1]", "[1] [\"a\"] [1, \"a\", 2, 3]")]
    public void Several_conditions_on_items_hold_together(string schema, string valid, string invalid)
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar);
        Assert.All(Texts(valid), text => Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(Texts(invalid), text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));

        static string[] Texts(string line) => [.. line.Replace("] [", "]|[", StringComparison.Ordinal).Split('|')];
    }

    [Theory]
    [InlineData("""{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"https://a.b/c","type":"object","required":["k"],"properties":{"k":{"type":"integer"}}}""", "{\"k\": 1}", "{} 1 {\"k\":\"a\"}")]
    [InlineData("""{"type":"object","properties":{"k":{"$ref":"#/nowhere","type":"integer"}},"required":["k"]}""", "{\"k\": 1}", "{} 1 {\"k\":\"a\"}")]
    [InlineData("""{"type":"object","properties":{"k":{"allOf":[{"$ref":"other.json"},{"type":"integer"}]}},"required":["k"]}""", "{\"k\": 1}", "{} 1 {\"k\":\"a\"}")]
    public void A_reference_to_outside_is_left_out_and_all_else_is_kept(string schema, string valid, string invalid)
    {
        var made = JsonSchemaGrammar.Compile(schema, BestEffort);
        Assert.Contains("leads", Assert.Single(made.Ignored), StringComparison.Ordinal);
        var acceptor = new ByteAcceptor(made.Grammar);
        Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(valid)));
        Assert.All(invalid.Split(' '), text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }

    [Theory]
    [InlineData("""{"type":"str"}""", "#/type: 'str' is no type")]
    [InlineData("""{"type":"object","properties":{"a":{"type":["string","any"]}}}""", "#/properties/a/type: 'any' is no type")]
    [InlineData("""{"anyOf":[{"type":7},{"type":"string"}]}""", "#/anyOf/0/type: expected a name")]
    public void A_type_that_no_draft_knows_is_refused_also_where_best_effort_is_asked_for(string schema, string expected) =>
        Assert.Contains(expected, Assert.Throws<GrammarException>(() => JsonSchemaGrammar.Compile(schema, BestEffort)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("oneOf", true, 400)]
    [InlineData("oneOf", false, 1000)]
    [InlineData("anyOf", true, 400)]
    public void Many_alternatives_that_a_constant_tells_apart_can_be_enforced(string keyword, bool areObjects, int count)
    {
        var alternatives = Enumerable.Range(0, count).Select(n => areObjects
            ? "{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"k" + n + "\"},\"n\":{\"minimum\":" + n + "}},\"required\":[\"kind\",\"n\"],\"additionalProperties\":false}"
            : "{\"const\":\"k" + n + "\",\"title\":\"number\"}");
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile($"{{\"{keyword}\":[{string.Join(',', alternatives)}]}}").Grammar);
        var (first, last, other) = areObjects
            ? ("{\"kind\": \"k0\", \"n\": 0}", $"{{\"kind\": \"k{count - 1}\", \"n\": {count - 1}}}", $"{{\"kind\": \"k{count - 1}\", \"n\": {count - 2}}}")
            : ("\"k0\"", $"\"k{count - 1}\"", $"\"k{count}\"");
        Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(first)));
        Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(last)));
        Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(other)));
    }

    [Theory]
    [InlineData("""{"oneOf":[{"enum":["a","b"]},{"enum":["b","c"]}]}""", "\"a\" \"c\"", "\"b\"")]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}}},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}""", "{} {\"k\":\"a\"} {\"k\":\"b\"}", "{\"k\":\"c\"}")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-07/schema#","oneOf":[{"$ref":"#/definitions/s","const":"a"},{"const":"b"}],"definitions":{"s":{"type":"string"}}}""", "\"a\" \"c\"", "\"b\"")]
    public void Alternatives_are_told_apart_by_constants_only_where_they_exclude_each_other(string schema, string valid, string invalid)
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar);
        Assert.All(valid.Split(' '), text => Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(invalid.Split(' '), text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }

    [Fact]
    public void A_required_part_that_refers_back_to_what_is_being_read_is_no_fault()
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile("""
            {"type":["object","null"],"required":["a"],"properties":{"a":{"$ref":"#"}},"allOf":[{"properties":{"a":{"type":["object","null"]}}}]}
            """).Grammar);
        Assert.True(acceptor.Accepts("{\"a\": {\"a\": null}}"u8));
        Assert.False(acceptor.Accepts("{\"a\": {\"a\": 1}}"u8));
    }

    [Theory]
    [InlineData("""{"type":"string","nullable":true}""", "null", true)]
    [InlineData("""{"type":"string","nullable":true}""", "\"a\"", true)]
    [InlineData("""{"type":"string","nullable":true}""", "1", false)]
    [InlineData("""{"type":"string","nullable":false}""", "null", false)]
    [InlineData("""{"type":"string","nullable":true,"enum":["a"]}""", "null", false)]
    [InlineData("""{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"string","nullable":true}""", "null", false)]
    public void Nullable_beside_type_adds_null_where_no_dialect_is_named(string schema, string text, bool isAllowed) =>
        Assert.Equal(isAllowed, new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar).Accepts(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("email", "a.b@c.de", "a@z \\\"a\\\"@c.de a@[127.0.0.1]")]
    [InlineData("uri", "a:b http://a a:/", "Foo: a:?b a:#b")]
    [InlineData("uri-template", "/a{b,c%20d}/é", "/a'b {a.b}")]
    [InlineData("date", "0001-01-01 2024-02-29", "0000-01-01 0000-02-29")]
    [InlineData("date-time", "0400-02-29T00:00:00Z", "0000-02-29T00:00:00Z")]
    public void Formats_are_written_as_common_validators_read_them_where_asked(string format, string allowed, string cut)
    {
        var schema = $$"""{"type":"string","format":"{{format}}"}""";
        var (portable, all) = (new ByteAcceptor(JsonSchemaGrammar.Compile(schema, new JsonGrammarOptions { Portable = true }).Grammar), new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar));
        Assert.All(allowed.Split(' '), text => Assert.True(portable.Accepts(Encoding.UTF8.GetBytes($"\"{text}\"")), text));
        Assert.All(cut.Split(' '), text => Assert.False(portable.Accepts(Encoding.UTF8.GetBytes($"\"{text}\"")), text));
        Assert.All(cut.Split(' '), text => Assert.True(all.Accepts(Encoding.UTF8.GetBytes($"\"{text}\"")), text));
    }

    [Theory]
    [InlineData("""{"type":"integer"}""", "9223372036854775807 -9223372036854775807 0 999999999999999999", "9223372036854775808 10000000000000000000 9300000000000000000 12345678901234567890")]
    [InlineData("""{"type":"integer","minimum":1}""", "1 9223372036854775807", "0 9223372036854775808")]
    [InlineData("""{"type":"integer","minimum":0,"maximum":18446744073709551615}""", "18446744073709551615", "18446744073709551616")]
    [InlineData("""{"type":"integer","minimum":1e30}""", "1000000000000000000000000000000", "1")]
    [InlineData("""{"type":"number"}""", "12345678901234567890.12345678901234567890 1e99 -0.5E-07", "123456789012345678901 0.123456789012345678901 1e100")]
    [InlineData("""{"type":"number","minimum":0,"maximum":1}""", "0.12345678901234567890", "0.123456789012345678901")]
    [InlineData("""{"enum":[123456789012345678901234567890123456789012345,0.5]}""", "123456789012345678901234567890123456789012345 0.5", "1")]
    [InlineData("{}", "12345678901234567890", "123456789012345678901")]
    public void Numbers_without_bounds_are_short_where_asked(string schema, string allowed, string cut)
    {
        var acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(schema, new JsonGrammarOptions { IntegersAsDigits = true, Portable = true }).Grammar);
        Assert.All(allowed.Split(' '), text => Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
        Assert.All(cut.Split(' '), text => Assert.False(acceptor.Accepts(Encoding.UTF8.GetBytes(text)), text));
    }
}
