// What an instructed model can do, by kind of task and language: answers to tasks it never learnt, judged by rule, with Wilson intervals.
//   hadal-train instructions models/hadal-mini/pretrain.json -o artifacts/hadal-mini-chat/records
//   dotnet run -c Release bench/instruct.cs -- artifacts/hadal-mini-chat/records/test.jsonl [--model artifacts/hadal-mini-chat/model] [--threads 1] [--show KIND]
// Greedy answers. A task with a schema is answered twice: freely, and under the schema.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Models;

const int Together = 8, MaxTokens = 160;
var (file, model, threads, show) = ("", Path.Combine("artifacts", "hadal-mini-chat", "model"), 1, "");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--model" when i + 1 < args.Length: model = args[++i]; break;
        case "--threads" when i + 1 < args.Length: threads = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--show" when i + 1 < args.Length: show = args[++i]; break;
        case var path when file.Length == 0 && path[0] != '-': file = path; break;
        default: Console.Error.WriteLine($"instruct.cs: unknown option '{args[i]}'; there are TEST.jsonl, --model DIR, --threads N and --show KIND"); return 2;
    }
}

using var checkpoint = Checkpoint.Open(model);
await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = Together }, new EngineOptions { ThreadCount = threads, MaxSequences = Together });
var chat = new ChatPrompt(checkpoint.ChatTemplate ?? throw new InvalidOperationException($"{model}: has no chat template"), generator.Tokenizer);
var tasks = File.ReadLines(file).Select(line => JsonElement.Parse(line)).ToList();
var results = new SortedDictionary<(string Kind, string Language), (int Right, int Count)>();
using var places = new SemaphoreSlim(Together);
await Task.WhenAll(tasks.Select(async task =>
{
    await places.WaitAsync();
    try
    {
        var kind = task.GetProperty("kind").GetString()!;
        await AnswerAsync(task, kind, null);
        if (task.TryGetProperty("schema", out var schema)) await AnswerAsync(task, kind + " under its schema", JsonSchemaGrammar.Compile(schema.GetString()!, new JsonGrammarOptions { IntegersAsDigits = true }).Grammar);
    }
    finally
    {
        places.Release();
    }
}));

Console.WriteLine("| task | English | 中文 |\n|---|---|---|");
foreach (var kind in results.Keys.Select(key => key.Kind).Distinct())
    Console.WriteLine($"| {kind} | {Rate((kind, "en"))} | {Rate((kind, "zh"))} |");
var all = (Right: results.Values.Sum(result => result.Right), Count: results.Values.Sum(result => result.Count));
Console.WriteLine($"| all {all.Count} answers | {Wilson(all.Right, all.Count)} | |");
return 0;

async Task AnswerAsync(JsonElement task, string kind, Grammar? grammar)
{
    var messages = ChatMessage.ReadMessages(task.GetProperty("messages"));
    var result = await generator.CompleteAsync(chat.Encode(new ChatConversation { Messages = messages }), new GenerationOptions { MaxTokens = MaxTokens, Grammar = grammar, Sampling = new SamplingOptions { Temperature = 0 } });
    var isRight = IsRight(task.GetProperty("check").GetString()!, [.. task.GetProperty("expected").EnumerateArray().Select(text => text.GetString()!)], result.Text.Trim());
    lock (results)
    {
        var key = (kind, task.GetProperty("language").GetString()!);
        var before = results.GetValueOrDefault(key);
        results[key] = (before.Right + (isRight ? 1 : 0), before.Count + 1);
        if (kind == show) Console.WriteLine($"{(isRight ? "right" : "WRONG")}: {messages[^1].Content}\n  -> {result.Text.ReplaceLineEndings("\n     ")}");
    }
}

static bool IsRight(string check, string[] expected, string answer) => check switch
{
    "exact" => answer == expected[0],
    "number" => Regex.Matches(answer, "-?[0-9]+") is { Count: > 0 } numbers && numbers[^1].Value == expected[0],
    "json" => IsJson(answer, expected[0]),
    _ => expected.Any(text => answer.Contains(text, StringComparison.Ordinal)),
};

static bool IsJson(string answer, string expected)
{
    try
    {
        return JsonElement.DeepEquals(JsonElement.Parse(answer), JsonElement.Parse(expected));
    }
    catch (JsonException)
    {
        return false;
    }
}

string Rate((string, string) key) => results.TryGetValue(key, out var result) ? Wilson(result.Right, result.Count) : "";

// Wilson 1927: the interval of 95 % of a share.
static string Wilson(int right, int count)
{
    const double z = 1.959964;
    double share = (double)right / count, middle = (share + (z * z / (2 * count))) / (1 + (z * z / count));
    var half = z / (1 + (z * z / count)) * Math.Sqrt((share * (1 - share) / count) + (z * z / (4.0 * count * count)));
    return string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} % ({100 * Math.Max(0, middle - half):F0} to {100 * Math.Min(1, middle + half):F0}), {right} of {count}");
}
