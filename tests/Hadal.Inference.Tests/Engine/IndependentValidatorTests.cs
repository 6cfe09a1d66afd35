using System.Diagnostics;
using System.Text.Json.Nodes;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Answers of a model with random weights under schemas, judged by ajv (npm), which shares nothing with Hadal. The small form of <c>bench/grammar-validity</c>.</summary>
public sealed class IndependentValidatorTests(ITestOutputHelper output)
{
    private const int AnswersPerSchema = 4;

    [Fact]
    public async Task Every_whole_answer_under_a_schema_is_valid()
    {
        var packages = PackagesOrSkip();
        var keywords = JsonNode.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Hadal.Inference.Tests/Grammars/Fixtures/json-schema-keywords.json")))!.AsArray();
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 4 });
        var closing = Enumerable.Range(0, TinyEngine.VocabSize).Where(id => !TinyEngine.Tokenizer.IsControl(id) && TinyEngine.Tokenizer.TokenBytes(id).ContainsAny("\"]}"u8)).ToDictionary(id => id, _ => 4.0);
        var lines = new List<string>();
        var answers = 0;
        foreach (var entry in keywords)
        {
            var schema = entry!["schema"]!.ToJsonString();
            if (!TryCompile(schema, out var grammar)) continue;
            var results = await Task.WhenAll(Enumerable.Range(0, AnswersPerSchema).Select(seed => engine.CompleteAsync(
                TinyEngine.Prompt(4, seed), new GenerationOptions { Grammar = grammar, MaxTokens = 120, Sampling = new SamplingOptions { Seed = (ulong)seed, LogitBias = closing } })));
            var whole = results.Where(result => result.FinishReason == FinishReason.Stop).Select(result => (JsonNode)result.Text).ToArray();
            answers += whole.Length;
            lines.Add(new JsonObject { ["schema"] = schema, ["outputs"] = new JsonArray(whole) }.ToJsonString());
        }

        var verdicts = Judge(packages, lines);
        output.WriteLine($"{lines.Count} schemas, {answers} answers; ajv refuses {verdicts.Count(verdict => !verdict["compiled"]!.GetValue<bool>())} schemas");
        Assert.Equal(lines.Count, verdicts.Count);
        Assert.True(answers > lines.Count * 2, $"{answers} whole answers");
        Assert.True(verdicts.Count(verdict => verdict["compiled"]!.GetValue<bool>()) * 10 > lines.Count * 8);
        Assert.All(verdicts, verdict => Assert.Equal("[]", verdict["invalid"]!.ToJsonString()));
    }

    private static bool TryCompile(string schema, out Grammar? grammar)
    {
        try
        {
            grammar = JsonSchemaGrammar.Compile(schema).Grammar;
            return true;
        }
        catch (GrammarException)
        {
            grammar = null;
            return false;
        }
    }

    private static List<JsonNode> Judge(string packages, List<string> lines)
    {
        var info = new ProcessStartInfo("node", [Path.Combine(SharedData.RepositoryRoot, "bench", "grammar-validity", "validate.mjs"), packages]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using var process = Process.Start(info)!;
        foreach (var line in lines) process.StandardInput.Write(line + "\n");
        process.StandardInput.Close();
        return [.. process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
    }

    /// <summary>Where ajv is installed, by npm at the first run.</summary>
    private static string PackagesOrSkip()
    {
        Assert.SkipUnless(Has("node") && Has("npm"), "needs node and npm; on Debian: apt-get install nodejs npm");
        var packages = Path.Combine(SharedData.RepositoryRoot, "artifacts", "grammar-validity");
        Directory.CreateDirectory(packages);
        File.Copy(Path.Combine(SharedData.RepositoryRoot, "bench", "grammar-validity", "package.json"), Path.Combine(packages, "package.json"), overwrite: true);
        if (Directory.Exists(Path.Combine(packages, "node_modules", "ajv-formats"))) return packages;
        using var install = Process.Start(new ProcessStartInfo("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", packages]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        install.WaitForExit();
        Assert.SkipUnless(install.ExitCode == 0, "needs the npm packages ajv and ajv-formats, which could not be installed");
        return packages;
    }

    private static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
