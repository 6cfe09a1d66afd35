using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Real-world schemas with valid and invalid instances, in the form and with the judgement of MaskBench: a schema passes if it compiles, every
/// valid instance is accepted and no invalid one.</summary>
public class SchemaBenchTests(ITestOutputHelper output)
{
    [Fact]
    public void Schemas_of_the_public_bench_are_enforced_and_nothing_invalid_is_accepted()
    {
        using var archive = ZipFile.OpenRead(SharedData.PathOrSkip("data/schema/maskbench-sample/maskbench_sample.zip"));
        var families = new SortedDictionary<string, (int Schemas, int Passing, int Refused, int Strict, int Loose)>(StringComparer.Ordinal);
        var faults = new List<string>();
        var clock = new Stopwatch();
        foreach (var entry in archive.Entries.Where(e => e.Name.EndsWith(".json", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(entry.Open());
            using var file = JsonDocument.Parse(reader.ReadToEnd(), new JsonDocumentOptions { MaxDepth = 300 });
            var family = entry.Name.Split("---")[0];
            var count = families.GetValueOrDefault(family);
            count.Schemas++;
            try
            {
                clock.Start();
                var grammar = JsonSchemaGrammar.Compile(file.RootElement.GetProperty("schema").GetRawText()).Grammar;
                clock.Stop();
                var verdict = Judge(grammar, file.RootElement.GetProperty("tests"));
                if (verdict is null) count.Passing++;
                else if (verdict.StartsWith("strict", StringComparison.Ordinal)) count.Strict++;
                else count.Loose++;
                if (verdict is not null) faults.Add($"{verdict} {entry.Name}");
            }
            catch (GrammarException fault)
            {
                clock.Stop();
                count.Refused++;
                faults.Add($"refused {entry.Name} {fault.Message}");
            }

            families[family] = count;
        }

        foreach (var (family, count) in families) output.WriteLine($"{family}: {count.Passing} of {count.Schemas} pass, {count.Refused} refused, {count.Strict} too strict, {count.Loose} too loose");
        foreach (var fault in faults) output.WriteLine(fault);
        output.WriteLine($"compiled in {clock.Elapsed.TotalMilliseconds / families.Values.Sum(f => f.Schemas):F2} ms a schema");
        output.WriteLine($"{families.Values.Sum(f => f.Passing)} of {families.Values.Sum(f => f.Schemas)}");
        Assert.Equal(0, families.Values.Sum(f => f.Loose));
        Assert.True(families.Values.Sum(f => f.Passing) >= 0.99 * families.Values.Sum(f => f.Schemas));
    }

    private static string? Judge(Grammar grammar, JsonElement tests)
    {
        var acceptor = new ByteAcceptor(grammar);
        string? verdict = null;
        foreach (var test in tests.EnumerateArray())
        {
            var text = PythonJson(test.GetProperty("data"));
            var isAccepted = acceptor.AcceptsPrefix(text);
            if (isAccepted && !test.GetProperty("valid").GetBoolean()) return $"loose {Encoding.UTF8.GetString(text)}";
            if (!isAccepted && test.GetProperty("valid").GetBoolean()) verdict ??= $"strict {Encoding.UTF8.GetString(text)}";
        }

        return verdict;
    }

    /// <summary>What the runner feeds: <c>json.dumps(data, indent=None, ensure_ascii=False)</c>.</summary>
    internal static byte[] PythonJson(JsonElement data)
    {
        var text = new StringBuilder();
        Write(data, text);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void Write(JsonElement value, StringBuilder text)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                var members = new Dictionary<string, JsonElement>();
                foreach (var member in value.EnumerateObject()) members[member.Name] = member.Value;
                foreach (var (index, (name, item)) in members.Index())
                {
                    text.Append(index == 0 ? "" : ", ").Append(Quoted(name)).Append(": ");
                    Write(item, text);
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var (index, item) in value.EnumerateArray().Index())
                {
                    text.Append(index == 0 ? "" : ", ");
                    Write(item, text);
                }

                text.Append(']');
                break;
            case JsonValueKind.String:
                text.Append(Quoted(value.GetString()!));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var character in text)
        {
            quoted.Append(character switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\f' => "\\f",
                '\b' => "\\b",
                < ' ' => $"\\u{(int)character:x4}",
                _ => character.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }
}
