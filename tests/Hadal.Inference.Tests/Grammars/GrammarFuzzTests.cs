using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Inference.Grammars.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Schemas, patterns and grammars that were damaged or blown up at random: each gives masks that can be followed, or an error of one line.</summary>
/// <remarks>The environment variables <c>HADAL_FUZZ_ITERATIONS</c> and <c>HADAL_FUZZ_SEED</c> set how many are tried for each door and where they begin. Work is
/// bounded by counted steps; what is not counted would show as allocation.</remarks>
public sealed class GrammarFuzzTests(ITestOutputHelper output)
{
    private const int DefaultIterations = 400;

    /// <summary>Bytes that one text may allocate, garbage included.</summary>
    private const long AllocationMax = 400L << 20;

    /// <summary>Steps at which every token is tried, to compare with the mask.</summary>
    private const int TriedSteps = 8;

    private static readonly GrammarLimits Limits = new() { MaxStepsToBuild = 20_000_000, MaxStepsPerMask = 3_000_000, MaxMemoryBytes = 32L << 20 };

    private static readonly TokenTrie Vocabulary = new(
        [
            [], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }),
            .. new[] { "\":", "\",", ", \"", "{\"", "\"}", "[]", "[[", "aaaa", "abab", "((((", "  ", "true", "null", "0.", "1e", "\\u00", "é", "日本", "\n\n", "aé", "-1", "99" }.Select(Encoding.UTF8.GetBytes),
        ], [0]);

    private static readonly string[] Patterns =
    [
        "^[a-z]+$", "(a|b)*c{2,5}", "\\d{4}-\\d{2}-\\d{2}", "^(?!.*foo).*bar$", "(a*)*b", "(x+x+)+y", "\\p{Lu}\\w*\\b", "^(?=.*\\d)(?=.*[a-z]).{8,64}$", "[^\\x00-\\x1f\"]{0,300}",
        "(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}", "(((a{1,9}){1,9}){1,9}){1,9}", "(.{0,50}a){10}", "[\\u0100-\\uFFFF]+", "(?i:abc)|\\s\\S\\D\\W", "a?a?a?a?a?a?aaaaaa",
    ];

    private static readonly string[] PatternParts =
        ["{1000000}", "{0,2147483647}", "{3,}", "*", "+", "?", "(?=", "(?!", "(?:", ")", "|", "[^", "]", "\\p{L}", "\\b", "^", "$", ".", "(.*a)", "(a|aa)+", "\\u{10FFFF}", "\\1", "(?<n>", "(?<=a)", "\\", "\uD800", "\0"];

    private static readonly string[] Gbnfs =
    [
        "root ::= expr \"=\" [0-9]+\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z]+ | \"(\" expr \")\"", "root ::= \"a\" root \"b\" | \"\"", "root ::= (\"x\"{2,4} | [^\\n]){1,3}",
        "root ::= a | b\na ::= b \"a\"\nb ::= a \"b\" | \"c\"", "root ::= root root | \"a\" | \"\"",
    ];

    private static readonly string[] GbnfParts =
        ["{1000000000}", "{0,}", "*", "+", "?", "(", ")", "|", "[^", "]", "\"", "root", " a ", "::=", "\n", "\nroot ::= ", "\"a\"", "[a-z]", "\\x", "\\U0010FFFF", "#", "((((((((", "{2}{2}{2}{2}{2}"];

    private static readonly string[] Larks =
    [
        "start: sum\nsum: product | sum \"+\" product\nproduct: NUMBER | \"(\" sum \")\"\n%import common.NUMBER\n%ignore \" \"", "start: \"a\" start? \"b\"", "start: x~2..5\nx: /[a-z]{1,9}/i | \"é\"",
        "start: %json {\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}", "start: A+ B*\nA: \"a\"..\"f\"\nB: /(x|y)+/ | A A",
    ];

    private static readonly string[] LarkParts =
        ["~1..1000000", "*", "+", "?", "(", ")", "|", "[", "]", "\"", "/", "start", "A", ":", "\n", "\nstart: ", "%ignore ", "%import common.WS\n", "%json {", "..", "->", "/a*/", "((((((((", "~9~9~9"];

    private static readonly string[] SchemaParts =
    [
        "{\"$ref\":\"#\"}", "{\"$ref\":\"#/properties/a\"}", "{\"type\":\"string\",\"minLength\":1000000000}", "{\"type\":\"string\",\"maxLength\":100000}", "{\"pattern\":\"(a*)*$\"}",
        "{\"pattern\":\"^(?=.*a)(?=.*b)(?=.*c).{3,90}$\"}", "{\"type\":\"array\",\"minItems\":1000000,\"items\":{\"$ref\":\"#\"}}", "{\"uniqueItems\":true}", "{\"contains\":{\"const\":1},\"minContains\":500}",
        "{\"multipleOf\":0.0001}", "{\"multipleOf\":1e-300}", "{\"minimum\":-1e308,\"maximum\":1e308}", "{\"type\":\"integer\",\"minimum\":123456789012345678901234567890}", "{\"not\":{\"$ref\":\"#\"}}",
        "{\"patternProperties\":{\"a\":true,\"^b\":false,\".*c\":{\"type\":\"null\"}},\"additionalProperties\":false}", "{\"propertyNames\":{\"maxLength\":3}}", "{\"minProperties\":900}", "{\"format\":\"uri\"}",
        "{\"format\":\"hostname\"}", "{\"dependentRequired\":{\"a\":[\"b\"],\"b\":[\"c\"]}}", "{\"if\":{\"type\":\"object\"},\"then\":{\"required\":[\"a\"]},\"else\":false}", "{\"unevaluatedProperties\":false}", "true", "false", "1e999999999", "[]", "\"\"",
    ];

    [Fact]
    public void Regular_expressions() => Fuzz("patterns", random => Mutated(random, Patterns, PatternParts), text => PlainGrammars.FromRegex(text, Limits));

    [Fact]
    public void Gbnf_grammars() => Fuzz("GBNF", random => random.Next(2) == 0 ? Mutated(random, Gbnfs, GbnfParts) : Composed(random, "root ::= {0}\na ::= {1}\nb ::= {2}", ["root", "a", "b", "\"x\"", "\"yz\"", "[a-z]", "[^\\n]", "\"\""]), text => GbnfGrammar.Compile(text, Limits));

    [Fact]
    public void Lark_grammars() => Fuzz("Lark", random => random.Next(2) == 0 ? Mutated(random, Larks, LarkParts) : Composed(random, "start: {0}\na: {1}\nb: {2}\nT: \"q\"+", ["start", "a", "b", "T", "\"x\"i", "/[a-z]*/", "/(x|y){{2,9}}/", "\"a\"..\"f\""]), text => LarkGrammar.Compile(text, Limits));

    [Fact]
    public void Json_schemas()
    {
        var keywords = JsonNode.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Hadal.Inference.Tests/Grammars/Fixtures/json-schema-keywords.json")))!.AsArray();
        var schemas = keywords.Select(entry => entry!["schema"]!.ToJsonString()).Concat(SchemaParts).ToArray();
        Fuzz("schemas", random => random.Next(3) == 0 ? Mutated(random, schemas, SchemaParts) : Grown(random, schemas), text => JsonSchemaGrammar.Compile(text, new JsonGrammarOptions { Limits = Limits }).Grammar);
    }

    private void Fuzz(string door, Func<Random, string> draw, Func<string, Grammar> compile)
    {
        var (first, iterations) = (Number("HADAL_FUZZ_SEED", 0), Number("HADAL_FUZZ_ITERATIONS", DefaultIterations));
        var (followed, refused, limited, most) = (0, 0, 0, 0L);
        for (var seed = first; seed < first + iterations; seed++)
        {
            var random = new Random(seed);
            var text = draw(random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Follow(compile(text), random);
                followed++;
            }
            catch (GrammarException fault)
            {
                Assert.False(string.IsNullOrWhiteSpace(fault.Message) || fault.Message.Contains('\n', StringComparison.Ordinal), $"seed {seed}: {text}: {fault.Message}");
                if (fault.Message.Contains("or raise Max", StringComparison.Ordinal)) limited++;
                else refused++;
            }
            catch (Exception fault) when (fault is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}: {text}: {fault}");
            }
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < AllocationMax, $"seed {seed}: {allocated >> 20} MiB for {text}");
            most = Math.Max(most, allocated);
        }
        output.WriteLine($"{door}: {iterations} texts, {followed} followed, {refused} refused, {limited} over a limit; at most {most >> 20} MiB allocated");
        Assert.True(followed * 8 > iterations && (refused + limited) * 12 > iterations, $"{followed} followed, {refused} refused of {iterations}");
    }

    /// <summary>Takes what masks allow, now and then back: a mask is never empty, and it allows exactly what is accepted.</summary>
    private static void Follow(Grammar grammar, Random random)
    {
        var matcher = new GrammarMatcher(grammar, Vocabulary);
        var mask = new ulong[Vocabulary.MaskLength];
        for (var step = 0; step < 40 && !matcher.HasEnded; step++)
        {
            matcher.ComputeMask(mask);
            var allowed = Enumerable.Range(0, Vocabulary.VocabSize).Where(id => TokenMask.Contains(mask, id)).ToArray();
            Assert.NotEmpty(allowed);
            if (step < TriedSteps) Assert.Equal(allowed, Enumerable.Range(0, Vocabulary.VocabSize).Where(id => IsTaken(matcher, id)));
            Assert.True(matcher.TryAccept(allowed[random.Next(allowed.Length)]));
            if (step % 8 == 7) matcher.Rollback(random.Next(4));
            matcher.ForcedTokens();
        }
        Assert.InRange(grammar.CurrentTables().Bytes, 0, Limits.MaxMemoryBytes + (16L << 20));
    }

    private static bool IsTaken(GrammarMatcher matcher, int tokenId)
    {
        if (!matcher.TryAccept(tokenId)) return false;
        matcher.Rollback(1);
        return true;
    }

    /// <summary>A text with pieces taken out, doubled, exchanged, or put in.</summary>
    private static string Mutated(Random random, string[] texts, string[] parts)
    {
        var text = texts[random.Next(texts.Length)];
        for (var change = random.Next(1, 5); change > 0; change--)
        {
            var at = random.Next(text.Length + 1);
            var length = random.Next(Math.Min(20, text.Length - at) + 1);
            text = random.Next(6) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, string.Concat(Enumerable.Repeat(text.Substring(at, length), random.Next(1, 40)))),
                2 => text.Insert(at, texts[random.Next(texts.Length)]),
                3 => text.Remove(at, length).Insert(at, ((char)random.Next(1, 0x250)).ToString()),
                _ => text.Insert(at, parts[random.Next(parts.Length)]),
            };
        }
        return text;
    }

    /// <summary>Rules of random expressions over some symbols, ambiguous and recursive as they come.</summary>
    private static string Composed(Random random, string rules, string[] symbols)
    {
        return string.Format(CultureInfo.InvariantCulture, rules, Expression(4), Expression(3), Expression(3));

        string Expression(int depth)
        {
            if (depth == 0 || random.Next(5) == 0) return symbols[random.Next(symbols.Length)];
            return random.Next(6) switch
            {
                0 or 1 => $"{Expression(depth - 1)} {Expression(depth - 1)}",
                2 or 3 => $"({Expression(depth - 1)} | {Expression(depth - 1)})",
                4 => $"({Expression(depth - 1)}){"*+?"[random.Next(3)]}",
                _ => $"({Expression(depth - 1)} {Expression(depth - 1)})?",
            };
        }
    }

    /// <summary>A schema put together from others by what combines schemas.</summary>
    private static string Grown(Random random, string[] schemas)
    {
        var schema = schemas[random.Next(schemas.Length)];
        for (var level = random.Next(1, 6); level > 0; level--)
        {
            var others = Enumerable.Range(0, random.Next(1, 4)).Select(_ => schemas[random.Next(schemas.Length)]);
            var list = string.Join(",", others.Append(schema));
            schema = random.Next(10) switch
            {
                0 => $"{{\"allOf\":[{list}]}}",
                1 => $"{{\"anyOf\":[{list}]}}",
                2 => $"{{\"oneOf\":[{list}]}}",
                3 => $"{{\"not\":{schema}}}",
                4 => $"{{\"type\":\"array\",\"prefixItems\":[{list}],\"items\":{schema}}}",
                5 => $"{{\"type\":\"object\",\"properties\":{{\"a\":{schema},\"b\":{{\"$ref\":\"#/properties/a\"}}}},\"required\":[\"b\"]}}",
                6 => $"{{\"if\":{schema},\"then\":{schemas[random.Next(schemas.Length)]},\"else\":{{\"$ref\":\"#\"}}}}",
                7 => $"{{\"additionalProperties\":{schema},\"propertyNames\":{{\"pattern\":\"^[a-c]{{1,3}}$\"}},\"minProperties\":1}}",
                8 => $"{{\"contains\":{schema},\"minItems\":2}}",
                _ => $"{{\"unevaluatedProperties\":{schema},\"anyOf\":[{list}]}}",
            };
        }
        return schema;
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
}
