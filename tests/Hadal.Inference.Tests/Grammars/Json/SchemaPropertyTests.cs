using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Random schemas against a validator that shares no code; hostile schemas.</summary>
public class SchemaPropertyTests
{
    private static readonly Gen<string> Key = OneOf("a", "b", "c", "ab");
    private static readonly Gen<string> Scalar = OneOf("null", "true", "0", "1", "2", "-1", "1.5", "7", "\"\"", "\"a\"", "\"ab\"", "\"ba\"");

    [Fact]
    public void What_a_random_schema_allows_is_valid_and_what_is_valid_is_allowed()
    {
        var (compiled, accepted, refused) = (0, 0, 0);
        var tooStrict = new List<string>();
        Gen.Select(Schema(3), Value(3).Array[30]).Sample(
            drawn =>
            {
                var (schema, values) = drawn;
                ByteAcceptor? acceptor = null;
                try
                {
                    acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(schema).Grammar);
                }
                catch (GrammarException fault) when (!fault.Message.Contains("derives no text", StringComparison.Ordinal))
                {
                    return;
                }
                catch (GrammarException)
                {
                }

                Interlocked.Increment(ref compiled);
                var node = JsonNode.Parse(schema);
                foreach (var value in values)
                {
                    var isValid = PlainValidator.IsValid(JsonNode.Parse(value), node);
                    var isAccepted = acceptor is not null && acceptor.Accepts(Encoding.UTF8.GetBytes(value));
                    Assert.True(isValid || !isAccepted, $"{schema} allows {value}");
                    Interlocked.Increment(ref isAccepted ? ref accepted : ref refused);
                    if (isValid && !isAccepted)
                    {
                        lock (tooStrict) tooStrict.Add($"{schema} refuses {value}");
                    }
                }
            },
            iter: 1_000);
        Assert.True(compiled > 700, $"{compiled} schemas compiled");
        Assert.True(accepted > 2_000 && refused > 2_000, $"{accepted} accepted, {refused} refused");
        Assert.True(tooStrict.Count * 25 < accepted, $"{tooStrict.Count} of {accepted}: {tooStrict.FirstOrDefault()}");
    }

    [Fact]
    public void Any_json_as_schema_compiles_or_is_refused() => Gen.Select(Gen.OneOf(Schema(3), Value(3)), Gen.Int[0, 400], Gen.Char).Sample(
        drawn =>
        {
            var (text, at, character) = drawn;
            var damaged = at < text.Length ? text[..at] + character + text[(at + 1)..] : text;
            try
            {
                JsonSchemaGrammar.Compile(damaged);
            }
            catch (GrammarException fault)
            {
                Assert.DoesNotContain('\n', fault.Message);
            }
        },
        iter: 400);

    public static TheoryData<string, string> Hostile() => new()
    {
        { "deep nesting", string.Concat(Enumerable.Repeat("{\"not\":", 5_000)) + "true" + new string('}', 5_000) },
        { "nesting within the depth of JSON", string.Concat(Enumerable.Repeat("{\"items\":", 250)) + "true" + new string('}', 250) },
        { "nested anyOf", string.Concat(Enumerable.Repeat("{\"anyOf\":[", 120)) + "true" + string.Concat(Enumerable.Repeat("]}", 120)) },
        { "product of alternatives", $"{{\"allOf\":[{string.Join(',', Enumerable.Range(0, 24).Select(i => $"{{\"anyOf\":[{{\"required\":[\"a{i}\"]}},{{\"required\":[\"b{i}\"]}}]}}"))}]}}" },
        { "opposites of products", $"{{\"oneOf\":[{string.Join(',', Enumerable.Range(0, 30).Select(i => $"{{\"properties\":{{\"a{i}\":{{\"type\":\"string\"}},\"b{i}\":{{\"minimum\":{i}}}}}}}"))}]}}" },
        { "huge bounds", """{"type":"array","minItems":999999999,"items":{"type":"string","minLength":999999999}}""" },
        { "huge contains", """{"type":"array","contains":{"const":1},"minContains":100000000}""" },
        { "huge counts of properties", """{"type":"object","properties":{"a":{},"b":{}},"minProperties":900000000}""" },
        { "huge numbers", $"{{\"minimum\":1{new string('0', 5_000)}}}" },
        { "huge exponent", """{"maximum":1e999999999}""" },
        { "overlapping patterns", $"{{\"patternProperties\":{{{string.Join(',', Enumerable.Range(0, 16).Select(i => $"\"{(char)('a' + i)}\":{{\"minimum\":{i}}}"))}}}}}" },
        { "catastrophic pattern", """{"type":"string","pattern":"^(([a-z]+)+)+(x+x+)+y$","maxLength":100000}""" },
        { "cyclic references", """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}""" },
        { "growing intersections", """{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}]}}},"b":{"type":"object","properties":{"x":{"allOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/a"}]},"y":{"not":{"$ref":"#/$defs/a"}}}}}}""" },
        { "no end", """{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"required":["x"]}}}""" },
        { "a large enum", $"{{\"enum\":[{string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"value {i * 7919}\""))}]}}" },
        { "many optional properties", $"{{\"type\":\"object\",\"properties\":{{{string.Join(',', Enumerable.Range(0, 3_000).Select(i => $"\"p{i}\":{{\"type\":\"string\"}}"))}}}}}" },
        { "unique items of an enum of enums", """{"type":"array","uniqueItems":true,"items":{"enum":[[1],[2],{"a":1},"x",1,1.0]}}""" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_hostile_schema_compiles_within_the_limits_or_is_refused(string name, string schema)
    {
        try
        {
            Assert.True(JsonSchemaGrammar.Compile(schema).Grammar.RuleCount > 0, name);
        }
        catch (GrammarException fault)
        {
            Assert.DoesNotContain('\n', fault.Message);
            Assert.InRange(fault.Message.Length, 10, 2_000);
        }
    }

    private static Gen<string> OneOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static Gen<string> Value(int depth)
    {
        if (depth == 0) return Scalar;
        var inner = Value(depth - 1);
        return Gen.Frequency(
            (3, Scalar),
            (2, inner.Array[0, 3].Select(items => $"[{string.Join(", ", items)}]")),
            (4, Gen.Select(Key, inner).Array[0, 3].Select(members => $"{{{string.Join(", ", members.DistinctBy(m => m.Item1).Select(m => $"\"{m.Item1}\": {m.Item2}"))}}}")));
    }

    private static Gen<string> Schema(int depth)
    {
        if (depth == 0) return Gen.OneOf(OneOf("true", "false", "{}"), Keywords(0));
        return Gen.Frequency((1, OneOf("true", "false", "{}")), (8, Keywords(depth)));
    }

    private static Gen<string> Keywords(int depth)
    {
        var small = Gen.Int[0, 3];
        var simple = Gen.OneOf(
            OneOf("null", "boolean", "number", "integer", "string", "array", "object").Select(t => $"\"type\": \"{t}\""),
            Scalar.Array[1, 3].Select(v => $"\"enum\": [{string.Join(", ", v)}]"),
            Value(1).Select(v => $"\"const\": {v}"),
            small.Select(n => $"\"minimum\": {n}"),
            small.Select(n => $"\"exclusiveMaximum\": {n}"),
            OneOf("\"multipleOf\": 0.5", "\"multipleOf\": 2"),
            small.Select(n => $"\"minLength\": {n}"),
            small.Select(n => $"\"maxLength\": {n}"),
            OneOf("\"pattern\": \"^a\"", "\"pattern\": \"b\""),
            OneOf("\"required\": [\"a\"]", "\"required\": [\"b\", \"ab\"]"),
            small.Select(n => $"\"minItems\": {n}"),
            small.Select(n => $"\"maxItems\": {n}"),
            small.Select(n => $"\"minProperties\": {n}"),
            small.Select(n => $"\"maxProperties\": {n}"),
            OneOf("\"dependentRequired\": {\"a\": [\"b\"]}", "\"propertyNames\": {\"pattern\": \"a\"}", "\"propertyNames\": {\"enum\": [\"a\", \"c\"]}"));
        var all = simple;
        if (depth > 0)
        {
            var inner = Schema(depth - 1);
            var list = inner.Array[1, 3].Select(s => $"[{string.Join(", ", s)}]");
            all = Gen.Frequency(
                (3, simple),
                (4, Gen.Select(Key, inner).Array[1, 3].Select(p => $"\"properties\": {{{string.Join(", ", p.DistinctBy(m => m.Item1).OrderBy(m => m.Item1, StringComparer.Ordinal).Select(m => $"\"{m.Item1}\": {m.Item2}"))}}}")),
                (1, inner.Select(s => $"\"additionalProperties\": {s}")),
                (1, Gen.Select(OneOf("^a", "b"), inner).Select(p => $"\"patternProperties\": {{\"{p.Item1}\": {p.Item2}}}")),
                (1, inner.Select(s => $"\"items\": {s}")),
                (1, list.Select(s => $"\"prefixItems\": {s}")),
                (1, inner.Select(s => $"\"contains\": {s}")),
                (1, list.Select(s => $"\"allOf\": {s}")),
                (1, list.Select(s => $"\"anyOf\": {s}")),
                (2, list.Select(s => $"\"oneOf\": {s}")),
                (2, inner.Select(s => $"\"not\": {s}")),
                (1, Gen.Select(inner, inner, inner).Select(s => $"\"if\": {s.Item1}, \"then\": {s.Item2}, \"else\": {s.Item3}")));
        }

        return all.Array[1, 4].Select(k => $"{{{string.Join(", ", k.DistinctBy(x => x[..x.IndexOf(':', StringComparison.Ordinal)]))}}}");
    }
}
