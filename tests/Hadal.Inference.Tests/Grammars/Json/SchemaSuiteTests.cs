using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>The public test suite of JSON Schema, drafts 7 and 2020-12: every case is enforced, or its schema is refused by name.</summary>
public class SchemaSuiteTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("draft2020-12", 1_309)]
    [InlineData("draft7", 1_035)]
    public void Every_case_is_enforced_or_refused_by_name(string draft, int exactMin)
    {
        using var archive = ZipFile.OpenRead(SharedData.PathOrSkip("data/schema/json-schema-test-suite/suite_even_groups.zip"));
        var counts = new SortedDictionary<string, (int Exact, int Refused, int Strict)>(StringComparer.Ordinal);
        var loose = new List<string>();
        foreach (var entry in archive.Entries.Where(e => e.FullName.StartsWith($"tests/{draft}/", StringComparison.Ordinal) && e.Name.EndsWith(".json", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(entry.Open());
            foreach (var group in JsonElement.Parse(reader.ReadToEnd()).EnumerateArray())
            {
                var count = counts.GetValueOrDefault(entry.Name);
                var cases = group.GetProperty("tests");
                if (!TryCompile(group.GetProperty("schema"), draft, out var acceptor)) count.Refused += cases.GetArrayLength();
                else foreach (var item in cases.EnumerateArray()) Judge(item, acceptor, entry.Name, ref count, loose);
                counts[entry.Name] = count;
            }
        }

        foreach (var (name, count) in counts) output.WriteLine($"{name}: {count.Exact} exact, {count.Refused} refused, {count.Strict} not written");
        output.WriteLine($"{counts.Values.Sum(c => c.Exact)} exact, {counts.Values.Sum(c => c.Refused)} refused, {counts.Values.Sum(c => c.Strict)} not written");
        Assert.Empty(loose);
        Assert.True(counts.Values.Sum(c => c.Exact) >= exactMin);
        Assert.True(counts.Values.Sum(c => c.Strict) <= 17);
    }

    private static void Judge(JsonElement item, ByteAcceptor? acceptor, string file, ref (int Exact, int Refused, int Strict) count, List<string> loose)
    {
        byte[] text;
        try
        {
            text = SchemaBenchTests.PythonJson(item.GetProperty("data"));
        }
        catch (InvalidOperationException)
        {
            return; // Half a surrogate pair has no text in UTF-8.
        }

        var isAccepted = acceptor is not null && acceptor.Accepts(text);
        if (isAccepted == item.GetProperty("valid").GetBoolean()) count.Exact++;
        else if (!isAccepted) count.Strict++;
        else loose.Add($"{file}: {item.GetProperty("description")} {Encoding.UTF8.GetString(text)}");
    }

    /// <summary>The acceptor of a schema, null where it allows nothing; false where the schema is refused.</summary>
    private static bool TryCompile(JsonElement schema, string draft, out ByteAcceptor? acceptor)
    {
        var text = schema.GetRawText();
        if (draft == "draft7" && JsonNode.Parse(text) is JsonObject keywords && !keywords.ContainsKey("$schema"))
        {
            keywords.Add("$schema", "http://json-schema.org/draft-07/schema#");
            text = keywords.ToJsonString();
        }

        acceptor = null;
        try
        {
            acceptor = new ByteAcceptor(JsonSchemaGrammar.Compile(text).Grammar);
            return true;
        }
        catch (GrammarException fault)
        {
            Assert.False(string.IsNullOrWhiteSpace(fault.Message));
            return fault.Message.Contains("derives no text", StringComparison.Ordinal);
        }
    }
}
