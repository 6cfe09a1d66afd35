// What an instructed model can do, by kind of task and language: answers judged by rule, with Wilson intervals.
//   hadal-train instructions models/hadal-mini/pretrain.json -o artifacts/hadal-mini-chat/records
//   dotnet run -c Release bench/instruct.cs -- artifacts/hadal-mini-chat/records/test.jsonl [--model artifacts/hadal-mini-chat/model] [--learnt artifacts/hadal-mini-chat/records/train.jsonl] [--threads 1] [--show KIND]
//   dotnet run -c Release bench/instruct.cs -- bench/other-words.jsonl --model models/hadal-mini-chat --show all
// --learnt leaves out every task of which a question in these records has the same words, or the same numbers in any order and an answer that would be right here (any question with the answer, of an order without numbers).
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
var (file, model, learnt, threads, show) = ("", Path.Combine("artifacts", "hadal-mini-chat", "model"), "", 1, "");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--model" when i + 1 < args.Length: model = args[++i]; break;
        case "--learnt" when i + 1 < args.Length: learnt = args[++i]; break;
        case "--threads" when i + 1 < args.Length: threads = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--show" when i + 1 < args.Length: show = args[++i]; break;
        case var path when file.Length == 0 && path[0] != '-': file = path; break;
        default: Console.Error.WriteLine($"instruct.cs: unknown option '{args[i]}'; there are TEST.jsonl, --model DIR, --learnt TRAIN.jsonl, --threads N and --show KIND"); return 2;
    }
}

using var checkpoint = Checkpoint.Open(model);
await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = Together }, new EngineOptions { ThreadCount = threads, MaxSequences = Together });
var chat = new ChatPrompt(checkpoint.ChatTemplate ?? throw new InvalidOperationException($"{model}: has no chat template"), generator.Tokenizer);
var tasks = File.ReadLines(file).Select(line => JsonElement.Parse(line)).ToList();
if (learnt.Length > 0) tasks = NeverLearnt(tasks, learnt);
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
        if (kind == show || show == "all") Console.WriteLine($"{(isRight ? "right" : "WRONG")}: {messages[^1].Content}\n  -> {result.Text.ReplaceLineEndings("\n     ")}");
    }
}

// A number may stand before a full stop; of "不是，" (no) "是，" (yes) is no part.
static bool IsRight(string check, string[] expected, string answer) => check switch
{
    "exact" => answer == expected[0],
    "last_line" => expected.Contains(answer.Split('\n')[^1].Trim()),
    "number" => Regex.Matches(answer, "-?[0-9]+([.][0-9]+)?") is { Count: > 0 } numbers && numbers[^1].Value == expected[0],
    "json" => IsJson(answer, expected[0]),
    _ => expected.Any(text => Regex.IsMatch(answer, "(?<!不)" + Regex.Escape(text))),
};

// The tasks of which neither the words nor the question were learnt, and a line on the others.
static List<JsonElement> NeverLearnt(List<JsonElement> tasks, string path)
{
    var words = new HashSet<string>();
    var answers = new HashSet<string>();
    var byNumbers = new Dictionary<string, List<string>>();
    foreach (var line in File.ReadLines(path))
    {
        var said = JsonElement.Parse(line).GetProperty("messages").EnumerateArray().Where(message => Role(message) != "system").Select(Content).ToList();
        for (var at = 0; at + 1 < said.Count; at += 2)
        {
            // A question alone, and after what was said just before it.
            words.Add(Wording(said[at]));
            if (at > 0) words.Add(Wording(said[at - 2] + said[at]));
            answers.Add(said[at + 1]);
            if (Numbers(said[at]) is not { Length: > 0 } numbers) continue;
            if (!byNumbers.TryGetValue(numbers, out var list)) byNumbers[numbers] = list = [];
            list.Add(said[at + 1]);
        }
    }

    var (kept, inWords, inQuestion) = (new List<JsonElement>(), new SortedDictionary<string, int>(), new SortedDictionary<string, int>());
    foreach (var task in tasks)
    {
        var kind = task.GetProperty("kind").GetString()!;
        var asked = task.GetProperty("messages").EnumerateArray().Where(message => Role(message) == "user").Select(Content).ToList();
        var (check, expected) = (task.GetProperty("check").GetString()!, task.GetProperty("expected").EnumerateArray().Select(text => text.GetString()!).ToArray());
        var numbers = Numbers(asked[^1]);
        if (words.Contains(Wording(string.Concat(asked)))) inWords[kind] = inWords.GetValueOrDefault(kind) + 1;
        else if (numbers.Length > 0 ? byNumbers.GetValueOrDefault(numbers, []).Any(answer => IsRight(check, expected, answer)) : kind == "next in order" && answers.Contains(expected[0])) inQuestion[kind] = inQuestion.GetValueOrDefault(kind) + 1;
        else kept.Add(task);
    }

    Console.WriteLine($"{tasks.Count} tasks, {kept.Count} kept; the same words were learnt of {List(inWords)}; the same question of {List(inQuestion)}");
    return kept;

    static string Role(JsonElement message) => message.GetProperty("role").GetString()!;
    static string Content(JsonElement message) => message.GetProperty("content").GetString()!;
    static string Wording(string text) => Regex.Replace(text, @"[\s.?!。？！""“”]", "").ToLowerInvariant();
    static string Numbers(string text) => string.Join(' ', Regex.Matches(text, "[0-9]+").Select(match => match.Value).Order(StringComparer.Ordinal));
    static string List(SortedDictionary<string, int> counts) => counts.Count == 0 ? "none" : $"{counts.Values.Sum()} ({string.Join(", ", counts.Select(count => $"{count.Value} {count.Key}"))})";
}

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
