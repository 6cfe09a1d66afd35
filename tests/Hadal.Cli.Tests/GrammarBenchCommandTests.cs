using System.Text;
using System.Text.Json;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary><c>grammar-bench</c> over small files of MaskBench's form, and the JSON it feeds to grammars.</summary>
public sealed class GrammarBenchCommandTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");

    private readonly string _folder = Directory.CreateTempSubdirectory("hadal-grammar-bench").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Schemas_are_counted_by_what_went_wrong()
    {
        const string Ages = """{"type":"object","properties":{"age":{"type":"integer","maximum":150}},"required":["age"],"additionalProperties":false}""";
        Write("good---1.json", Ages, (true, """{"age": 7}"""), (false, """{"age": 151}"""), (false, """{"age": "7"}"""));
        Write("good---2.json", """{"type":"array","items":{"enum":["é","b"]},"minItems":1}""", (true, """["é", "b"]"""), (false, "[]"));
        Write("bad---1.json", Ages, (false, """{"age": 7}"""));
        Write("bad---2.json", Ages, (true, """{"age": 151}"""));
        Write("bad---3.json", """{"type":"object","properties":{"a":{"$ref":"#/missing"}},"required":["a"]}""", (true, "{}"));

        var outcome = new TestShell { CurrentDirectory = _folder }.Run("grammar-bench", ".", "--tokenizer", Model, "--failures", "--json");
        Assert.Equal(0, outcome.ExitCode);
        var json = outcome.Json;
        Assert.Equal(
            ["tokenizer", "vocab_size", "schemas", "passing", "compile_errors", "validation_errors", "invalidation_errors", "first_mask_ms", "mask_us", "tokens", "sources"],
            json.EnumerateObject().Select(field => field.Name));
        Assert.Equal([5, 2, 1, 1, 1], new[] { "schemas", "passing", "compile_errors", "validation_errors", "invalidation_errors" }.Select(name => json.GetProperty(name).GetInt32()));
        Assert.Equal(["mean", "p50", "p99"], json.GetProperty("first_mask_ms").EnumerateObject().Select(field => field.Name));
        Assert.Equal(["mean", "p50", "p99", "max"], json.GetProperty("mask_us").EnumerateObject().Select(field => field.Name));
        Assert.True(json.GetProperty("tokens").GetInt32() > 20);
        Assert.Equal([("bad", 3, 0), ("good", 2, 2)], json.GetProperty("sources").EnumerateArray().Select(row => (row.GetProperty("name").GetString()!, row.GetProperty("schemas").GetInt32(), row.GetProperty("passing").GetInt32())));
        Assert.Equal(3, outcome.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("bad---1.json: invalidationerror: test 0: accepted", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_and_files_of_another_form_are_named()
    {
        Assert.Contains("is no folder", TestShell.Run("", "grammar-bench", Path.Combine(_folder, "none"), "--tokenizer", Model).Fault(1), StringComparison.Ordinal);
        Assert.Contains("no .json files", TestShell.Run("", "grammar-bench", _folder, "--tokenizer", Model).Fault(1), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_folder, "x.json"), "{}");
        Assert.Contains("'schema'", TestShell.Run("", "grammar-bench", _folder, "--tokenizer", Model).Fault(1), StringComparison.Ordinal);
        foreach (var text in (string[])["[]", "{\"schema\":true,\"tests\":[3]}", "{\"schema\":true,\"tests\":[{\"valid\":1,\"data\":2}]}", "{\"schema\":true,\"tests\":[{\"valid\":true}]}", "{\"schema\":true,\"tests\":[{\"valid\":true,\"data\":\"\\ud800\"}]}"])
        {
            File.WriteAllText(Path.Combine(_folder, "x.json"), text);
            Assert.Matches("x.json(, test 0)?: (expected an object|a string holds half)", TestShell.Run("", "grammar-bench", _folder, "--tokenizer", Model).Fault(1));
        }
        File.WriteAllText(Path.Combine(_folder, "x.json"), "{");
        Assert.Contains("is no JSON", TestShell.Run("", "grammar-bench", _folder, "--tokenizer", Model).Fault(1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"a":1,"b":[true,null,"x"],"a":2}""", """{"a": 2, "b": [true, null, "x"]}""")]
    [InlineData("""["é\u0007\n\"\\\/\u007f😀"]""", "[\"é\\u0007\\n\\\"\\\\/\u007f😀\"]")]
    [InlineData("[0,-0,12345678901234567890123,1.0,1.50,-0.0,100.0]", "[0, 0, 12345678901234567890123, 1.0, 1.5, -0.0, 100.0]")]
    [InlineData("[1e5,1E16,1.5e300,123456789012345680.0,0.0001,0.00001234,5e-324,1e400,0.1]", "[100000.0, 1e+16, 1.5e+300, 1.2345678901234568e+17, 0.0001, 1.234e-05, 5e-324, Infinity, 0.1]")]
    [InlineData("{}", "{}")]
    public void Instances_are_written_as_Python_writes_them(string json, string expected) =>
        Assert.Equal(expected, PythonJson.Write(JsonElement.Parse(json)));

    [Fact]
    public void An_answer_can_be_bound_to_a_grammar()
    {
        File.WriteAllText(Path.Combine(_folder, "schema.json"), """{"enum":[{"answer":"yes"}]}""");
        File.WriteAllText(Path.Combine(_folder, "terms.txt"), "# diseases\nmeasles\n");
        File.WriteAllText(Path.Combine(_folder, "rules.gbnf"), "root ::= \"yes\" \"!\"");
        File.WriteAllText(Path.Combine(_folder, "rules.lark"), "start: \"no\" \"!\"");
        Assert.Equal("yes", JsonElement.Parse(Answer("--schema", "schema.json")).GetProperty("answer").GetString());
        Assert.Equal("abab", Answer("--regex", "(ab){2}"));
        Assert.Equal("yes!", Answer("--grammar", "rules.gbnf"));
        Assert.Equal("no!", Answer("--grammar", "rules.lark"));
        Assert.Equal("measles", Answer("--terms", "terms.txt"), ignoreCase: true);

        File.WriteAllText(Path.Combine(_folder, "integer.json"), "{\"type\":\"integer\",\"minimum\":7,\"maximum\":7}", new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        Assert.Equal("7", Answer("--schema", "integer.json"));

        var shell = new TestShell { CurrentDirectory = _folder };
        Assert.Contains("--regex (a\u240Ab: ", shell.Run("run", Model, "-p", "x", "--regex", "(a\nb").Fault(1), StringComparison.Ordinal);
        Assert.Contains("--regex (a: ", shell.Run("run", Model, "-p", "x", "--regex", "(a").Fault(1), StringComparison.Ordinal);
        Assert.Contains("expected one of them", shell.Run("run", Model, "-p", "x", "--regex", "a", "--schema", "schema.json").Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void Best_effort_leaves_out_what_cannot_be_enforced_and_tells_it()
    {
        File.WriteAllText(Path.Combine(_folder, "regex.json"), "{\"const\":7,\"format\":\"regex\"}");
        var shell = new TestShell { CurrentDirectory = _folder };
        string[] options = ["run", Model, "-p", "x", "--max-tokens", "20", "--threads", "1", "--context", "128"];
        Assert.Contains("--schema regex.json: JSON Schema, #/format: 'regex' cannot be enforced", shell.Run([.. options, "--schema", "regex.json"]).Fault(1), StringComparison.Ordinal);
        var answer = shell.Run([.. options, "--schema", "regex.json", "--best-effort"]);
        Assert.Equal((0, "7"), (answer.ExitCode, answer.Text.TrimEnd()));
        Assert.StartsWith("hadal: not enforced: JSON Schema, #/format: 'regex' cannot be enforced", answer.Error, StringComparison.Ordinal);
        Assert.Contains("--best-effort: expected --schema", shell.Run([.. options, "--regex", "a", "--best-effort"]).Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_of_grammars_that_cannot_be_read_are_named_with_their_option()
    {
        File.WriteAllBytes(Path.Combine(_folder, "latin.txt"), [0x63, 0x61, 0x66, 0xE9]);
        var shell = new TestShell { CurrentDirectory = _folder };
        Assert.Contains("--schema missing.json: expected a file", shell.Run("run", Model, "-p", "x", "--schema", "missing.json").Fault(1), StringComparison.Ordinal);
        Assert.Contains("--grammar .: expected a file", shell.Run("run", Model, "-p", "x", "--grammar", ".").Fault(1), StringComparison.Ordinal);
        Assert.Contains("--terms latin.txt: expected text in UTF-8", shell.Run("run", Model, "-p", "x", "--terms", "latin.txt").Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_that_is_cut_before_it_is_whole_fails()
    {
        var shell = new TestShell { CurrentDirectory = _folder };
        string[] options = ["run", Model, "-p", "x", "--max-tokens", "4", "--threads", "1", "--context", "128"];
        var cut = shell.Run([.. options, "--regex", "[a-z]{300}"]);
        Assert.Equal(1, cut.ExitCode);
        Assert.Contains("cut after 4 tokens", cut.Error, StringComparison.Ordinal);
        Assert.Matches("^[a-z]+\n$", shell.Run([.. options, "--regex", "[a-z]{1,300}"]).Done().Text);
    }

    private string Answer(string option, string value) => new TestShell { CurrentDirectory = _folder }
        .Run("run", Model, "-p", "Hello", "--max-tokens", "60", "--threads", "1", "--context", "128", option, value, "--json").Done().Json.GetProperty("text").GetString()!;

    private void Write(string name, string schema, params (bool Valid, string Data)[] tests) => File.WriteAllText(
        Path.Combine(_folder, name),
        $$"""{"schema":{{schema}},"tests":[{{string.Join(",", tests.Select(test => $$"""{"valid":{{(test.Valid ? "true" : "false")}},"data":{{test.Data}}}"""))}}]}""");
}
