using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Cli;

/// <summary>How a schema fared.</summary>
internal enum MaskBenchResult
{
    Passing,

    /// <summary>The schema was refused.</summary>
    CompileError,

    /// <summary>A valid instance was refused, or a mask failed.</summary>
    ValidationError,

    /// <summary>An invalid instance was accepted.</summary>
    InvalidationError,
}

/// <summary>One schema.</summary>
/// <param name="Name">File name.</param>
/// <param name="Result">How it fared.</param>
/// <param name="Fault">Why it does not pass; null if it does.</param>
/// <param name="FirstMaskUs">Microseconds until the grammar and its first mask were there.</param>
/// <param name="MaskUs">Microseconds of every mask with the acceptance of its token.</param>
internal sealed record MaskBenchOutcome(string Name, MaskBenchResult Result, string? Fault, double FirstMaskUs, IReadOnlyList<double> MaskUs)
{
    /// <summary>Where the schema is from: what stands before <c>---</c> in the name, or its letters up to the first other character.</summary>
    public string Source => SourceOf(Name);

    /// <summary>The source that a file name tells.</summary>
    public static string SourceOf(string name) => name.Split("---")[0] is var source && source.Length < name.Length ? source : new string([.. name.TakeWhile(char.IsLetter)]);
}

/// <summary>Runs files of MaskBench (guidance-ai/jsonschemabench, maskbench/runner.py) by its rules: the instance is written as Python writes it and
/// tokenized without special tokens; before every token the mask is computed; an instance counts as accepted when all its tokens were in
/// their masks. The last test that goes wrong decides what the schema counts as.</summary>
/// <remarks>That runner's time to the first mask is the time to compile; here the first mask itself is in it as well.</remarks>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="options">How schemas become grammars; the defaults where null.</param>
internal sealed class MaskBench(Tokenizer tokenizer, JsonGrammarOptions? options = null)
{
    /// <summary>Files that are run before anything is timed, so that the runtime has compiled its code and compiled again what runs often.</summary>
    private const int WarmUpFiles = 200;

    private const int WarmUpRounds = 5;

    private readonly TokenTrie _vocabulary = TokenTrie.Of(tokenizer);
    private readonly ulong[] _mask = new ulong[TokenTrie.Of(tokenizer).MaskLength];

    /// <summary>Runs files from all over a list until a just-in-time compiler has done its work.</summary>
    /// <exception cref="CommandException">A file is not of the form.</exception>
    public void WarmUp(IReadOnlyList<string> paths)
    {
        var count = Math.Min(paths.Count, WarmUpFiles);
        for (var round = 0; round < (RuntimeFeature.IsDynamicCodeCompiled ? WarmUpRounds : 1); round++)
            for (var index = 0; index < count; index++) Run(paths[index * (paths.Count / count)]);
    }

    /// <summary>Runs one file.</summary>
    /// <exception cref="CommandException">The file is not of the form.</exception>
    public MaskBenchOutcome Run(string path)
    {
        using var document = Read(path);
        var name = Path.GetFileName(path);
        var (schema, tests) = PartsOf(document.RootElement, path);
        var text = Encoding.UTF8.GetBytes(schema.GetRawText());
        var masks = new List<double>();
        var start = Stopwatch.GetTimestamp();
        Grammar grammar;
        try
        {
            grammar = JsonSchemaGrammar.Compile(text, options).Grammar;
            new GrammarMatcher(grammar, _vocabulary).ComputeMask(_mask);
        }
        catch (GrammarException exception)
        {
            return new MaskBenchOutcome(name, MaskBenchResult.CompileError, exception.Message, 0, masks);
        }

        var firstMask = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        var (result, fault) = (MaskBenchResult.Passing, default(string));
        var number = 0;
        foreach (var (instance, isValid) in tests)
        {
            var found = RunTest(grammar, instance, isValid, masks);
            if (found.Fault is { } reason) (result, fault) = (found.Result, $"test {number}: {reason}");
            number++;
        }
        return new MaskBenchOutcome(name, result, fault, firstMask, masks);
    }

    private static (JsonElement Schema, List<(string Instance, bool IsValid)> Tests) PartsOf(JsonElement file, string path)
    {
        if (file.ValueKind != JsonValueKind.Object || !file.TryGetProperty("schema", out var schema) || !file.TryGetProperty("tests", out var list) || list.ValueKind != JsonValueKind.Array)
            throw CommandException.Failed($"{path}: expected an object with 'schema' and a list 'tests', as MaskBench has them");

        var tests = new List<(string, bool)>(list.GetArrayLength());
        foreach (var test in list.EnumerateArray())
        {
            if (test.ValueKind != JsonValueKind.Object || !test.TryGetProperty("data", out var data) || !test.TryGetProperty("valid", out var valid) || valid.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                throw CommandException.Failed($"{path}, test {tests.Count}: expected an object with 'data', and 'valid' that is true or false");
            try
            {
                tests.Add((PythonJson.Write(data), valid.GetBoolean()));
            }
            catch (InvalidOperationException fault)
            {
                throw CommandException.Failed($"{path}, test {tests.Count}: a string holds half a surrogate pair, which no text in UTF-8 can be", fault);
            }
        }
        return (schema, tests);
    }

    private (MaskBenchResult Result, string? Fault) RunTest(Grammar grammar, string instance, bool isValid, List<double> masks)
    {
        var matcher = new GrammarMatcher(grammar, _vocabulary);
        var accepted = 0;
        try
        {
            foreach (var token in tokenizer.Encode(instance, addSpecial: false))
            {
                var start = Stopwatch.GetTimestamp();
                matcher.ComputeMask(_mask);
                var isAllowed = TokenMask.Contains(_mask, token) && matcher.TryAccept(token);
                masks.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
                if (!isAllowed)
                {
                    if (!isValid) return (MaskBenchResult.Passing, null);
                    var before = tokenizer.Decode(matcher.Tokens, skipSpecial: false);
                    return (MaskBenchResult.ValidationError, $"refused {tokenizer.TokenText(token)} after {before[Math.Max(0, before.Length - 120)..]}");
                }
                accepted++;
            }
        }
        catch (GrammarException exception)
        {
            return (MaskBenchResult.ValidationError, $"after {accepted} tokens: {exception.Message}");
        }
        return isValid ? (MaskBenchResult.Passing, null) : (MaskBenchResult.InvalidationError, $"accepted {instance[..Math.Min(instance.Length, 200)]}");
    }

    private static JsonDocument Read(string path)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 512 });
        }
        catch (JsonException exception)
        {
            throw CommandException.Failed($"{path} is no JSON: {exception.Message}", exception);
        }
    }
}
