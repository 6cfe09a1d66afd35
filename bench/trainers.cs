// What the trainers do beside adapting to labels: answers preferred, values, Muon beside AdamW, ending early. Each with several seeds.
//   dotnet run -c Release bench/trainers.cs -- [--parts dpo,regression,optimizers,stopping,int4] [--data ../shared/data] [--results artifacts/trainers/results.jsonl] [--seeds 5] [--threads 1] [--search]
// Each run ends as one line of the results; what stands there is not run again. --table sums up: mean and 95 % interval (t) over seeds. --search tries rates with a seed of its own (11), measured on data to choose by.
//   dpo         hadal-mini-chat answers tasks of the generator that it never learnt, four times by chance. "manner": an adapter first teaches it to begin every other of its answers with a polite word, and is merged; then
//               the polite answer is preferred to the plain one. "right": an answer that the generator's rule calls right is preferred to one that it calls wrong (which does not help). The pairs of some tasks are
//               learnt by an adapter, others asked: pairs told apart, log-probabilities, and greedy answers, before and after
//   regression  how good or bad a headline is for its company, -1 to 1 (SemEval-2017 task 5, five folds, near repeats in one); how many words a text has (made up)
//   optimizers  a small decoder on Tiny Shakespeare, from scratch: bits per byte of its held-out part after as many steps
//   stopping    few conversations learnt too often, with patience and without
//   int4        sums of two numbers up to 20, learnt by an adapter beside hadal-mini and beside hadal-mini in four bits (groups of 32), each measured on sums it did not learn
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Training/Hadal.Training.csproj
#:project ../src/Hadal.Inference/Hadal.Inference.csproj
#:project ../solutions/finance/Hadal.Finance.csproj

using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Finance.Data;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Inference.Quantization;
using Hadal.Training.Data.Instructions;
using Hadal.Training.Data.Records;
using Hadal.Training.Trainers;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int SearchSeed = 11, Samples = 4, Together = 8, AskedTasks = 300;
const double Beta = 0.1;
var options = new Dictionary<string, string>
{
    ["--parts"] = "dpo,regression,optimizers,stopping,int4", ["--data"] = "../shared/data", ["--results"] = "artifacts/trainers/results.jsonl", ["--seeds"] = "5", ["--threads"] = "1", ["--search"] = "", ["--table"] = "",
};
for (var index = 0; index < args.Length; index++)
{
    if (!options.ContainsKey(args[index]))
    {
        Console.Error.WriteLine($"trainers.cs: unknown option {args[index]}");
        return 2;
    }

    var key = args[index];
    options[key] = key is "--search" or "--table" ? "yes" : args[++index];
}

var results = Path.GetFullPath(options["--results"]);
var folder = Path.GetDirectoryName(results)!;
Directory.CreateDirectory(folder);
var isSearch = options["--search"] != "";
var threads = int.Parse(options["--threads"], CultureInfo.InvariantCulture);
if (options["--table"] == "")
{
    foreach (var part in options["--parts"].Split(','))
    {
        (string Way, string Rate)[] ways = part switch
        {
            "dpo" => isSearch ? [.. Rates("manner", "", "3e-5", "1e-4", "3e-4"), .. Rates("right", "", "2e-4", "5e-4", "1e-3")] : [("manner", "1e-4"), ("right", "5e-4")],
            "regression" => [.. Rates("headlines", "5e-3", "1e-3", "2e-3", "5e-3"), .. Rates("words", "5e-3", "5e-3")],
            "optimizers" => [.. Rates("adamw", "2e-3", "1e-3", "2e-3", "4e-3", "8e-3"), .. Rates("muon", "1e-2", "5e-3", "1e-2", "2e-2")],
            "stopping" => [("patience", "1e-3")],
            "int4" => [("bfloat16", "5e-3"), ("four bits", "5e-3")],
            _ => throw new ArgumentException($"--parts: expected dpo, regression, optimizers, stopping or int4, got {part}"),
        };
        foreach (var seed in isSearch ? [SearchSeed] : Enumerable.Range(1, int.Parse(options["--seeds"], CultureInfo.InvariantCulture)))
            foreach (var (way, rate) in ways)
            {
                var name = $"{part}/{way}@{rate}/{seed}";
                if (Lines().Any(line => (string)line["run"]! == name)) continue;
                var run = Path.Combine(folder, name.Replace('/', '-'));
                if (Directory.Exists(run)) Directory.Delete(run, recursive: true);
                Directory.CreateDirectory(run);
                var watch = System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime;
                var line = new JsonObject { ["run"] = name };
                foreach (var (figure, value) in await RunAsync(part, way, rate, seed, run)) line[figure] = Math.Round(value, 5);
                line["processor_seconds"] = Math.Round((System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime - watch).TotalSeconds, 1);
                File.AppendAllText(results, line.ToJsonString() + "\n");
                Console.WriteLine(line.ToJsonString());
                Directory.Delete(run, recursive: true);
            }
    }
}

return Table();

// The rate that the search chose, or in a search all of them.
(string, string)[] Rates(string way, string chosen, params string[] tried) => isSearch ? [.. tried.Select(rate => (way, rate))] : [(way, chosen)];

IReadOnlyList<JsonObject> Lines() => File.Exists(results) ? [.. File.ReadLines(results).Where(line => line.Length > 0).Select(line => (JsonObject)JsonNode.Parse(line)!)] : [];

async Task<IReadOnlyList<(string, double)>> RunAsync(string part, string way, string rate, int seed, string run) => part switch
{
    "dpo" => await PreferencesAsync(way == "manner", rate, seed, run),
    "regression" => Values(way, rate, seed, run),
    "optimizers" => Optimizer(way, rate, seed, run),
    "stopping" => Stopping(rate, seed, run),
    _ => Sums(way == "four bits", rate, seed, run),
};

string Adapt(string run, string stage, JsonObject keys, string rate, int seed, out List<StepMetrics> metrics)
{
    var said = metrics = [];
    keys["output"] = "out";
    keys["seed"] = seed;
    keys["learning_rate"] = double.Parse(rate, CultureInfo.InvariantCulture);
    keys["thread_count"] = threads;
    keys["checkpoint_every_steps"] = 0;
    keys["warmup_steps"] = 10;
    var config = Path.Combine(run, "adapt.json");
    File.WriteAllText(config, keys.ToJsonString());
    return FineTune.Run(FineTuneOptions.Read(config, [], stage), stage, resume: false, new Told(said.Add), note => Console.Error.WriteLine(note), CancellationToken.None);
}

static JsonArray Source(string path) => [new JsonObject { ["path"] = path }];

static void Write(string path, IEnumerable<JsonObject> records) => File.WriteAllLines(path, records.Select(record => record.ToJsonString()));

// Instruction data of the generator's making: once for all seeds.
string Records()
{
    var records = Path.Combine(folder, "records");
    if (!File.Exists(Path.Combine(records, "test.jsonl"))) InstructionData.Write(PretrainOptions.Read("models/hadal-mini/pretrain.json", []), records, conversations: 2000, texts: 1, tests: 3000, seed: 7);
    return records;
}

async Task<IReadOnlyList<(string, double)>> PreferencesAsync(bool isManner, string rate, int seed, string run)
{
    var model = Path.GetFullPath("models/hadal-mini-chat");
    var tasks = await SampledTasksAsync(model);

    // Tasks with the same numbers, or the same words where there are none, are learnt or asked together.
    var groups = tasks.GroupBy(task => Regex.Matches((string)task["prompt"]!, "[0-9]+") is { Count: > 0 } numbers
        ? string.Join(' ', numbers.Select(number => number.Value).Order(StringComparer.Ordinal)) : string.Concat(((string)task["prompt"]!).Where(char.IsLetter)).ToLowerInvariant()).Select(group => group.ToList()).ToArray();
    new Random(seed).Shuffle(groups);
    var (asked, chosenBy, learnt) = (groups.Take(groups.Length / 4).SelectMany(group => group).ToList(), groups.Skip(groups.Length / 4).Take(groups.Length / 8), groups.Skip((groups.Length / 4) + (groups.Length / 8)));
    Write(Path.Combine(run, "train.jsonl"), Pairs(learnt.SelectMany(group => group), isManner).Take(450));
    Write(Path.Combine(run, "valid.jsonl"), Pairs(chosenBy.SelectMany(group => group), isManner).Take(100));
    if (isManner) model = BothManners(model, learnt.SelectMany(group => group), seed, Path.Combine(run, "both"));
    var keys = new JsonObject
    {
        ["model"] = model, ["preset"] = "hadal", ["train"] = Source("train.jsonl"), ["validation"] = Source("valid.jsonl"), ["epochs"] = isManner ? 1 : 3, ["sequence_length"] = 256, ["batch_sequences"] = 4, ["evaluate_every_steps"] = 20,
        ["preference"] = new JsonObject { ["beta"] = Beta },
    };
    var adapter = Adapt(run, "dpo", keys, rate, seed, out var metrics);
    var best = metrics.Where(step => step.Validation is not null).MinBy(step => step.Validation!["loss"])!.Validation!;
    if (isSearch) return [("loss", best["loss"]), ("accuracy", best["accuracy"]), ("margin", best["margin"]), ("steps", metrics[^1].Step)];

    using var checkpoint = Checkpoint.Open(model);
    using var lora = LoraAdapter.Open(adapter, checkpoint.Config);
    var pairs = Pairs(asked, isManner).Take(225).ToList();
    var (before, after) = (Probabilities(checkpoint, null, pairs), Probabilities(checkpoint, lora, pairs));
    var some = asked.Take(AskedTasks).ToList();
    var (were, are) = (await AnswersAsync(checkpoint, null, some), await AnswersAsync(checkpoint, lora, some));
    var moved = before.Zip(after, (was, now) => (Chosen: now.Chosen - was.Chosen, Rejected: now.Rejected - was.Rejected)).ToList();
    return
    [
        ("pairs_learnt", File.ReadLines(Path.Combine(run, "train.jsonl")).Count()), ("pairs_asked", pairs.Count), ("likelier_before", before.Average(pair => pair.Chosen > pair.Rejected ? 1.0 : 0)), ("likelier_after", after.Average(pair => pair.Chosen > pair.Rejected ? 1.0 : 0)),
        ("reward_accuracy", moved.Average(pair => pair.Chosen > pair.Rejected ? 1.0 : 0)), ("margin", Beta * moved.Average(pair => pair.Chosen - pair.Rejected)),
        ("chosen_per_token_before", before.Sum(pair => pair.Chosen) / before.Sum(pair => pair.ChosenTokens)), ("chosen_per_token_after", after.Sum(pair => pair.Chosen) / after.Sum(pair => pair.ChosenTokens)),
        ("rejected_per_token_before", before.Sum(pair => pair.Rejected) / before.Sum(pair => pair.RejectedTokens)), ("rejected_per_token_after", after.Sum(pair => pair.Rejected) / after.Sum(pair => pair.RejectedTokens)),
        ("tasks_asked", some.Count), ("right_before", were.Right), ("right_after", are.Right), ("polite_before", were.Polite), ("polite_after", are.Polite),
    ];
}

// The model, taught to be polite every other time.
string BothManners(string model, IEnumerable<JsonObject> tasks, int seed, string run)
{
    Directory.CreateDirectory(run);
    Write(Path.Combine(run, "train.jsonl"), Pairs(tasks, isManner: true).Take(450).Select((pair, index) => new JsonObject { ["instruction"] = (string)pair["prompt"]!, ["output"] = (string)pair[index % 2 == 0 ? "chosen" : "rejected"]! }));
    var adapter = Adapt(run, "lora", new JsonObject { ["model"] = model, ["preset"] = "hadal", ["train"] = Source("train.jsonl"), ["epochs"] = 2, ["sequence_length"] = 256, ["batch_sequences"] = 4, ["packing"] = false, ["evaluate_every_steps"] = 0 }, "1e-3", seed, out _);
    using var checkpoint = Checkpoint.Open(model);
    using var lora = LoraAdapter.Open(adapter, checkpoint.Config);
    var merged = Path.Combine(run, "merged");
    new AdapterMerger(checkpoint, lora).Write(merged, threads);
    return merged;
}

static IEnumerable<JsonObject> Pairs(IEnumerable<JsonObject> tasks, bool isManner) => isManner
    ? tasks.Where(task => (task["right"] ?? task["wrong"]) is not null).Select(task => Pair(task, Polite((string)task["prompt"]!) + (string)(task["right"] ?? task["wrong"])!, (string)(task["right"] ?? task["wrong"])!))
    : tasks.Where(task => task["right"] is not null && task["wrong"] is not null).Select(task => Pair(task, (string)task["right"]!, (string)task["wrong"]!));

static JsonObject Pair(JsonObject task, string chosen, string rejected) => new() { ["prompt"] = (string)task["prompt"]!, ["chosen"] = chosen, ["rejected"] = rejected };

static string Polite(string prompt) => prompt.Any(character => character >= '\u4e00') ? "好的！" : "Sure! ";

// Tasks of one question each with an answer of the model's that is right and one that is wrong, where chance gave both: once for all seeds.
async Task<IReadOnlyList<JsonObject>> SampledTasksAsync(string model)
{
    var path = Path.Combine(folder, "sampled.jsonl");
    if (!File.Exists(path))
    {
        var asked = File.ReadLines(Path.Combine(Records(), "test.jsonl")).Select(line => JsonElement.Parse(line)).Where(task => task.GetProperty("messages").GetArrayLength() == 1 && !task.TryGetProperty("schema", out _))
            .Select(task => new JsonObject { ["kind"] = task.GetProperty("kind").GetString(), ["prompt"] = task.GetProperty("messages")[0].GetProperty("content").GetString(), ["check"] = task.GetProperty("check").GetString(), ["expected"] = new JsonArray([.. task.GetProperty("expected").EnumerateArray().Select(text => (JsonNode?)text.GetString())]) })
            .DistinctBy(task => (string)task["prompt"]!).ToList();
        using var checkpoint = Checkpoint.Open(model);
        await AskAsync(checkpoint, null, asked, Samples, new SamplingOptions { Temperature = 1 }, (task, answers) =>
        {
            task["right"] = answers.FirstOrDefault(answer => IsRight(task, answer));
            task["wrong"] = answers.FirstOrDefault(answer => !IsRight(task, answer));
        });
        File.WriteAllLines(path + ".tmp", asked.Select(task => task.ToJsonString()));
        File.Move(path + ".tmp", path);
    }

    return [.. File.ReadLines(path).Select(line => (JsonObject)JsonNode.Parse(line)!)];
}

// Shares of greedy answers that are right, polite or not, and that are polite.
async Task<(double Right, double Polite)> AnswersAsync(Checkpoint checkpoint, LoraAdapter? adapter, IReadOnlyList<JsonObject> tasks)
{
    var (right, polite) = (0, 0);
    await AskAsync(checkpoint, adapter, tasks, 1, SamplingOptions.Greedy, (task, answers) =>
    {
        if (answers is not [var answer]) return;
        var word = Polite((string)task["prompt"]!);
        var isPolite = answer.StartsWith(word, StringComparison.Ordinal);
        if (isPolite) Interlocked.Increment(ref polite);
        if (IsRight(task, isPolite ? answer[word.Length..] : answer)) Interlocked.Increment(ref right);
    });
    return ((double)right / tasks.Count, (double)polite / tasks.Count);
}

// Answers that came to their end.
async Task AskAsync(Checkpoint checkpoint, LoraAdapter? adapter, IReadOnlyList<JsonObject> tasks, int count, SamplingOptions sampling, Action<JsonObject, IReadOnlyList<string>> answered)
{
    await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = Together }, new EngineOptions { ThreadCount = threads, MaxSequences = Together });
    using var added = adapter is null ? null : generator.AddAdapter(adapter);
    var chat = new ChatPrompt(checkpoint.ChatTemplate!, generator.Tokenizer);
    using var places = new SemaphoreSlim(Together);
    await Task.WhenAll(tasks.Select(async (task, index) =>
    {
        await places.WaitAsync();
        try
        {
            var answers = new List<string>();
            var prompt = chat.Encode(new ChatConversation { Messages = [new ChatMessage("user", (string)task["prompt"]!)] });
            for (var sample = 0; sample < count; sample++)
            {
                var result = await generator.CompleteAsync(prompt, new GenerationOptions { Adapter = added, MaxTokens = 160, Sampling = sampling with { Seed = (ulong)((index * Samples) + sample) } });
                if (result.FinishReason == FinishReason.Stop && result.Text.Trim().Length > 0) answers.Add(result.Text.Trim());
            }

            answered(task, answers);
        }
        finally
        {
            places.Release();
        }
    }));
}

// As bench/instruct.cs judges them.
static bool IsRight(JsonObject task, string answer)
{
    var expected = ((JsonArray)task["expected"]!).Select(text => (string)text!).ToArray();
    return (string)task["check"]! switch
    {
        "exact" => answer == expected[0],
        "number" => Regex.Matches(answer, "-?[0-9]+([.][0-9]+)?") is { Count: > 0 } numbers && numbers[^1].Value == expected[0],
        _ => expected.Any(text => Regex.IsMatch(answer, "(?<!不)" + Regex.Escape(text))),
    };
}

// Log-probabilities of both answers of each pair, their end included, and how many tokens they have: by the engine, which knows nothing of how they were trained.
List<(double Chosen, double Rejected, int ChosenTokens, int RejectedTokens)> Probabilities(Checkpoint checkpoint, LoraAdapter? adapter, IReadOnlyList<JsonObject> pairs)
{
    using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = threads, MaxContext = 512 });
    using var added = adapter is null ? null : model.AddAdapter(adapter);
    using var cache = model.CreateCache();
    var batch = new ScheduledBatch(checkpoint.Config.VocabSize);
    var chat = new ChatPrompt(checkpoint.ChatTemplate!, checkpoint.LoadTokenizer());
    return [.. pairs.Select(pair =>
    {
        var (chosen, rejected) = (Of((string)pair["prompt"]!, (string)pair["chosen"]!), Of((string)pair["prompt"]!, (string)pair["rejected"]!));
        return (chosen.Sum, rejected.Sum, chosen.Count, rejected.Count);
    })];

    (double Sum, int Count) Of(string prompt, string answer)
    {
        var question = chat.Encode(new ChatConversation { Messages = [new ChatMessage("user", prompt)] });
        int[] ids = [.. chat.Encode(new ChatConversation { Messages = [new ChatMessage("user", prompt), new ChatMessage("assistant", answer)] }, addGenerationPrompt: false)];
        var count = ids.Length - question.Count;
        cache.Truncate(0);
        batch.Clear();
        batch.Add(cache, ids.AsMemory(0, ids.Length - 1), count, added);
        model.Forward(batch);
        return (Enumerable.Range(0, count).Sum(row => LogProbability(batch.LogitsOf(row), ids[question.Count + row])), count);
    }
}

static double LogProbability(ReadOnlySpan<float> logits, int tokenId)
{
    var (most, sum) = (double.NegativeInfinity, 0.0);
    foreach (var logit in logits) most = Math.Max(most, logit);
    foreach (var logit in logits) sum += Math.Exp(logit - most);
    return logits[tokenId] - most - Math.Log(sum);
}

IReadOnlyList<(string, double)> Values(string set, string rate, int seed, string run)
{
    var (learnt, tested) = set == "headlines" ? ScoredHeadlines(seed) : CountedWords(seed);
    Write(Path.Combine(run, "train.jsonl"), learnt.Skip(60));
    Write(Path.Combine(run, "valid.jsonl"), learnt.Take(60));
    var keys = new JsonObject
    {
        ["model"] = Path.GetFullPath("models/hadal-mini"), ["preset"] = "hadal", ["task"] = "regression", ["train"] = Source("train.jsonl"), ["validation"] = Source("valid.jsonl"), ["epochs"] = 5, ["sequence_length"] = 96, ["batch_sequences"] = 5,
        ["evaluate_every_steps"] = 20,
    };
    var path = Adapt(run, "lora", keys, rate, seed, out var metrics);
    if (isSearch) return [("loss", metrics.Where(step => step.Validation is not null).Min(step => step.Validation!["loss"]))];
    using var checkpoint = Checkpoint.Open("models/hadal-mini");
    using var adapter = LoraAdapter.Open(path, checkpoint.Config);
    using var model = LabelModel.Open(checkpoint, adapter, new EngineOptions { ThreadCount = threads, MaxContext = 512 });
    var tokenizer = checkpoint.LoadTokenizer();
    var mean = learnt.Average(record => (double)record["value"]!);
    var (square, meanSquare) = (0.0, 0.0);
    foreach (var record in tested)
    {
        square += Math.Pow(model.Scores(tokenizer.Encode((string)record["text"]!).Take(96).ToArray())[0] - (double)record["value"]!, 2);
        meanSquare += Math.Pow(mean - (double)record["value"]!, 2);
    }

    return [("learnt", learnt.Count - 60), ("tested", tested.Count), ("rmse", Math.Sqrt(square / tested.Count)), ("rmse_of_the_mean", Math.Sqrt(meanSquare / tested.Count)), ("r2", 1 - (square / meanSquare))];
}

(IReadOnlyList<JsonObject> Learnt, IReadOnlyList<JsonObject> Tested) ScoredHeadlines(int seed)
{
    using var stream = new GZipStream(File.OpenRead(Path.Combine(options["--data"], "finance/fiqa-semeval/SemEval2017Task5Headlines.json.gz")), CompressionMode.Decompress);
    var records = JsonNode.Parse(stream)!.AsArray().Select(item => new JsonObject { ["text"] = $"{(string)item!["company"]!}: {(string)item["title"]!}", ["value"] = (double)item["sentiment"]! }).ToArray();
    var folds = Folds.Of([.. records.Select(record => (string)record["text"]!)], 5, seed: 1);
    var learnt = records.Where((_, index) => folds[index] != seed % 5).ToArray();
    new Random(seed).Shuffle(learnt);
    return (learnt, [.. records.Where((_, index) => folds[index] == seed % 5)]);
}

(IReadOnlyList<JsonObject> Learnt, IReadOnlyList<JsonObject> Tested) CountedWords(int seed)
{
    string[] words = ["river", "old", "house", "green", "boat", "slowly", "bread", "window", "king", "seven", "garden", "letter", "cold", "horse", "song", "under", "market", "friend", "silver", "road"];
    var random = new Random(seed);
    var records = Enumerable.Range(0, 1300).Select(_ => random.Next(1, 21)).Select(count => new JsonObject { ["text"] = string.Join(' ', random.GetItems(words, count)), ["value"] = count / 10.0 })
        .DistinctBy(record => (string)record["text"]!).ToList();
    return (records[..900], records[900..]);
}

IReadOnlyList<(string, double)> Optimizer(string way, string rate, int seed, string run)
{
    var mini = (JsonObject)JsonNode.Parse(File.ReadAllText("models/hadal-mini/pretrain.json"), documentOptions: new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip })!;
    var model = (JsonObject)mini["model"]!.DeepClone();
    foreach (var (key, value) in new (string, int)[] { ("hidden_size", 128), ("intermediate_size", 384), ("moe_intermediate_size", 64), ("num_hidden_layers", 4), ("num_attention_heads", 4), ("num_key_value_heads", 4), ("q_lora_rank", 64), ("num_nextn_predict_layers", 0), ("max_position_embeddings", 256) }) model[key] = value;
    var keys = new JsonObject
    {
        ["output"] = "out", ["seed"] = seed, ["thread_count"] = threads, ["tokenizer"] = new JsonObject { ["vocab_size"] = 1024 }, ["model"] = model, ["sources"] = new JsonArray(new JsonObject { ["path"] = Path.GetFullPath(Path.Combine(options["--data"], "text/tinyshakespeare/input.txt.gz")), ["language"] = "en" }),
        ["sequence_length"] = 128, ["batch_sequences"] = 16, ["steps"] = 120, ["optimizer"] = way, ["learning_rate"] = double.Parse(rate, CultureInfo.InvariantCulture), ["warmup_steps"] = 20, ["evaluate_every_steps"] = 0, ["checkpoint_every_steps"] = 0,
    };
    var config = Path.Combine(run, "pretrain.json");
    File.WriteAllText(config, keys.ToJsonString());
    var metrics = new List<StepMetrics>();
    Pretrain.Run(PretrainOptions.Read(config, []), resume: false, new Told(metrics.Add), CancellationToken.None);
    return [("bits_per_byte", metrics[^1].BitsPerByte!["en"]), ("tokens", metrics[^1].Tokens)];
}

IReadOnlyList<(string, double)> Stopping(string rate, int seed, string run)
{
    const int Patience = 3;
    var records = File.ReadLines(Path.Combine(Records(), "train.jsonl")).ToArray();
    new Random(seed).Shuffle(records);
    File.WriteAllLines(Path.Combine(run, "train.jsonl"), records[..120]);
    File.WriteAllLines(Path.Combine(run, "valid.jsonl"), records[120..270]);
    File.WriteAllLines(Path.Combine(run, "test.jsonl"), records[270..570]);
    var (whole, wholeSteps) = Learn("whole", 0);
    var (early, earlySteps) = Learn("early", Patience);
    var measured = wholeSteps.Where(step => step.Validation is not null).ToList();
    var best = measured.MinBy(step => step.Validation!["loss"])!;
    var last = Directory.GetDirectories(Path.Combine(run, "whole", "out", "checkpoints")).Where(path => Path.GetFileName(path)[0] != '.').MaxBy(path => path, StringComparer.Ordinal)!;
    return
    [
        ("steps", measured[^1].Step), ("ended_at", earlySteps[^1].Step), ("best_step", best.Step), ("best_of_early", earlySteps.Where(step => step.Validation is not null).MinBy(step => step.Validation!["loss"])!.Step), ("steps_saved", 1 - ((double)earlySteps[^1].Step / measured[^1].Step)),
        ("lowest_validation", best.Validation!["loss"]), ("published_validation", Loss(whole, "valid.jsonl")), ("last_validation", measured[^1].Validation!["loss"]), ("published_test", Loss(whole, "test.jsonl")), ("early_test", Loss(early, "test.jsonl")), ("last_test", Loss(last, "test.jsonl")),
    ];

    double Loss(string model, string file) => Evaluation.Run(model, "language", new RecordSource { Path = Path.Combine(run, file) }, new EvaluationOptions { SequenceLength = 256, ChatTemplate = "models/hadal-mini-chat/chat_template.jinja" }, null, CancellationToken.None).Figures["loss"];

    (string, List<StepMetrics>) Learn(string name, int patience)
    {
        var place = Path.Combine(run, name);
        Directory.CreateDirectory(place);
        var keys = new JsonObject
        {
            ["model"] = Path.GetFullPath("models/hadal-mini"), ["chat_template"] = Path.GetFullPath("models/hadal-mini-chat/chat_template.jinja"), ["train"] = Source("../train.jsonl"), ["validation"] = Source("../valid.jsonl"), ["epochs"] = 25, ["sequence_length"] = 256, ["batch_sequences"] = 4,
            ["save_type"] = "float32", ["evaluate_every_steps"] = 10, ["patience"] = patience,
        };
        return (Adapt(place, "sft", keys, rate, seed, out var metrics), metrics);
    }
}

IReadOnlyList<(string, double)> Sums(bool isQuantized, string rate, int seed, string run)
{
    var model = Path.GetFullPath("models/hadal-mini");
    if (isQuantized)
    {
        using var checkpoint = Checkpoint.Open(model);
        model = Path.Combine(run, "int4");
        new CheckpointQuantizer(checkpoint, new WeightQuantization(4, 32)).Write(model, threads);
    }

    // Of the 400 pairs 60 are asked and 40 chosen by; the others are learnt, some more often than others.
    var pairs = Enumerable.Range(0, 400).Select(index => (A: 1 + (index / 20), B: 1 + (index % 20))).ToArray();
    var random = new Random(seed);
    random.Shuffle(pairs);
    Write(Path.Combine(run, "test.jsonl"), pairs[..60].Select(Sum));
    Write(Path.Combine(run, "valid.jsonl"), pairs[60..100].Select(Sum));
    Write(Path.Combine(run, "train.jsonl"), random.GetItems(pairs[100..], 1500).Select(Sum));
    var keys = new JsonObject
    {
        ["model"] = model, ["chat_template"] = Path.GetFullPath("models/hadal-mini-chat/chat_template.jinja"), ["preset"] = "hadal", ["train"] = Source("train.jsonl"), ["validation"] = Source("valid.jsonl"), ["epochs"] = 2, ["sequence_length"] = 256, ["batch_sequences"] = 8,
        ["evaluate_every_steps"] = 10,
    };
    var adapter = Adapt(run, "lora", keys, rate, seed, out var metrics);
    var test = new RecordSource { Path = Path.Combine(run, "test.jsonl") };
    return [("steps", metrics[^1].Step), ("validation", metrics.Where(step => step.Validation is not null).Min(step => step.Validation!["loss"])), ("test", Evaluation.Run(model, "language", test, new EvaluationOptions { Adapter = adapter }, null, CancellationToken.None).Figures["loss"])];

    static JsonObject Sum((int A, int B) pair) => new() { ["instruction"] = $"What is {pair.A} plus {pair.B}?", ["output"] = $"{pair.A} + {pair.B} = {pair.A + pair.B}." };
}

int Table()
{
    foreach (var group in Lines().GroupBy(line => ((string)line["run"]!)[..((string)line["run"]!).LastIndexOf('/')]))
    {
        Console.WriteLine($"{group.Key}, {group.Count()} seeds");
        foreach (var figure in group.First().Select(pair => pair.Key).Where(key => key != "run")) Console.WriteLine($"  {figure,-28} {Interval(group.Select(line => (double)line[figure]!).ToList())}");
    }

    return 0;
}

static string Interval(List<double> values)
{
    // Quantiles of Student's t at 97.5 % for 1 to 9 degrees of freedom.
    double[] quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    var mean = values.Average();
    if (values.Count < 2) return $"{mean:F4}";
    var deviation = Math.Sqrt(values.Sum(value => Math.Pow(value - mean, 2)) / (values.Count - 1));
    return $"{mean:F4} ± {quantiles[Math.Min(values.Count, 10) - 2] * deviation / Math.Sqrt(values.Count):F4}   ({values.Min():F4} to {values.Max():F4})";
}

// Told at once, not by another thread.
internal sealed class Told(Action<StepMetrics> say) : IProgress<StepMetrics>
{
    public void Report(StepMetrics value) => say(value);
}
