using System.Net;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>hadal-mini that writes, three adapters with heads on it, and a whole model with a head, in one server.</summary>
public sealed class LabelServer : IAsyncLifetime
{
    private const string Q = "base_model.model.model.layers.0.self_attn.q_a_proj";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-labels-");

    internal static string Base { get; } = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");

    internal TestServer Server { get; private set; } = null!;

    /// <summary>Directory of an adapter, or of the whole model <c>merged</c>.</summary>
    internal string PathOf(string name) => Path.Combine(_folder.FullName, name);

    public async ValueTask InitializeAsync()
    {
        Write("news", "SEQ_CLS", ["negative", "neutral", "positive"], seed: 1);
        Write("price", "SEQ_CLS", ["value"], seed: 2);
        Write("terms", "TOKEN_CLS", ["O", "B-Drug", "I-Drug"], seed: 3);
        using (var start = Checkpoint.Open(Base))
        using (var adapter = LoraAdapter.Open(PathOf("news"), start.Config)) new AdapterMerger(start, adapter).Write(PathOf("merged"), 2);
        var adapters = new[] { "news", "price", "terms" }.ToDictionary(name => name, PathOf);
        var engine = new EngineOptions { ThreadCount = 2, MaxContext = 512, MaxSequences = 2 };
        Server = await TestServer.StartAsync(
            null,
            new ModelSource("hadal-mini", () => ServedModel.Open("hadal-mini", Base, new TextGeneratorOptions { MaxBatchTokens = 48 }, engine, adapters), [.. adapters.Keys]),
            new ModelSource("merged", () => ServedModel.Open("merged", PathOf("merged"), engineOptions: engine)));
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private void Write(string name, string task, string[] labels, int seed)
    {
        var random = new Random(seed);
        Directory.CreateDirectory(PathOf(name));
        var names = string.Join(',', labels.Select((label, id) => $"\"{id}\":\"{label}\""));
        File.WriteAllText(Path.Combine(PathOf(name), "adapter_config.json"), $"{{\"peft_type\":\"LORA\",\"task_type\":\"{task}\",\"r\":1,\"lora_alpha\":1,\"modules_to_save\":[\"score\"],\"id2label\":{{{names}}}}}");
        SafetensorsWriter.Write(
            Path.Combine(PathOf(name), "adapter_model.safetensors"),
            [Drawn(Q + ".lora_A.weight", 1, 256), Drawn(Q + ".lora_B.weight", 128, 1), Drawn("base_model.model.score.weight", labels.Length, 256)]);

        TensorToWrite Drawn(string tensor, int rows, int columns)
        {
            var numbers = new float[rows * columns];
            for (var i = 0; i < numbers.Length; i++) numbers[i] = ((float)random.NextDouble() - 0.5f) / 4;
            return new TensorToWrite(tensor, DType.F32, [rows, columns], System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray());
        }
    }
}

/// <summary>Heads for labels are served beside models that write.</summary>
public sealed class ClassifyTests(LabelServer labels) : IClassFixture<LabelServer>
{
    private static readonly string Long = string.Concat(Enumerable.Repeat("Operating profit rose to EUR 13.1 mn from EUR 8.7 mn. ", 6));
    private readonly TestServer _server = labels.Server;

    [Fact]
    public async Task Texts_get_the_probabilities_that_the_label_model_gives_them()
    {
        var answer = await _server.PostAsync("/classify", $"{{\"model\":\"news\",\"input\":[\"Profit rose.\",\"{Long}\"]}}");
        Assert.Equal(("list", "news"), (answer.GetProperty("object").GetString(), answer.GetProperty("model").GetString()));
        var (scores, tokens) = (Scores("news", "Profit rose.", out var first), Scores("news", Long, out var second));
        Assert.Equal([0, 1], answer.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("index").GetInt32()));
        Check(answer.GetProperty("data")[0], scores);
        Check(answer.GetProperty("data")[1], tokens);
        Assert.Equal(first.Length + second.Length, answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());

        // A text alone, the same as tokens, and the whole model with the adapter worked into it.
        Check((await _server.PostAsync("/v1/classify", """{"model":"news","input":"Profit rose."}""")).GetProperty("data")[0], scores);
        Check((await _server.PostAsync("/v1/classify", $"{{\"model\":\"news\",\"input\":[{string.Join(',', first)}]}}")).GetProperty("data")[0], scores);
        Check((await _server.PostAsync("/v1/classify", """{"model":"merged","input":"Profit rose."}""")).GetProperty("data")[0], scores, 1e-3);

        static void Check(JsonElement item, float[] scores, double within = 1e-6)
        {
            var expected = LabelHead.Probabilities(scores);
            var found = item.GetProperty("probs").EnumerateArray().Select(probability => probability.GetDouble()).ToArray();
            Assert.Equal(3, item.GetProperty("num_classes").GetInt32());
            Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, within));
            Assert.Equal(new[] { "negative", "neutral", "positive" }[Array.IndexOf(expected, expected.Max())], item.GetProperty("label").GetString());
        }
    }

    [Fact]
    public async Task A_model_of_values_gives_the_value()
    {
        var item = (await _server.PostAsync("/v1/classify", """{"model":"price","input":["Profit rose."]}""")).GetProperty("data")[0];
        Assert.Equal(["index", "value"], item.EnumerateObject().Select(member => member.Name));
        Assert.Equal(Scores("price", "Profit rose.", out _)[0], item.GetProperty("value").GetSingle(), 1e-5f);
    }

    [Fact]
    public async Task A_tagger_labels_every_token_of_a_text_of_several_passes_beside_others_and_when_asked_again()
    {
        var scores = Scores("terms", Long, out var ids);
        Assert.True(ids.Length > 2 * 48, "the text is read in one or two passes only");
        var body = $"{{\"model\":\"terms\",\"input\":[\"{Long}\",\"aspirin\"]}}";
        var writing = _server.PostAsync("/v1/completions", """{"model":"hadal-mini","prompt":"It was","max_tokens":40,"temperature":0}""");
        var alone = await _server.PostAsync("/v1/classify", body);
        await writing;
        foreach (var answer in (JsonElement[])[alone, await _server.PostAsync("/v1/classify", body)])
        {
            var item = answer.GetProperty("data")[0];
            var tokens = item.GetProperty("tokens").EnumerateArray().ToList();
            Assert.Equal(Long, string.Concat(tokens.Select(token => token.GetProperty("text").GetString())));
            Assert.Equal(3, item.GetProperty("num_classes").GetInt32());
            for (var i = 1; i <= tokens.Count; i++)
            {
                // The last tokens: the text begins behind its start token.
                var expected = LabelHead.Probabilities(scores.AsSpan((ids.Length - i) * 3, 3));
                Assert.Equal(new[] { "O", "B-Drug", "I-Drug" }[Array.IndexOf(expected, expected.Max())], tokens[^i].GetProperty("label").GetString());
                Assert.Equal(expected.Max(), tokens[^i].GetProperty("prob").GetDouble(), 1e-6);
            }
        }
    }

    [Fact]
    public async Task Many_texts_in_any_company_get_the_same_scores()
    {
        string[] texts = [.. Enumerable.Range(1, 24).Select(number => $"Sales of {number} plants fell by {number * 7} %.")];
        var input = JsonSerializer.Serialize(texts);
        var together = await Task.WhenAll(((string[])["news", "price", "news", "price"]).Select(model => _server.PostAsync("/v1/classify", $"{{\"model\":\"{model}\",\"input\":{input}}}")));
        for (var i = 0; i < texts.Length; i++)
        {
            var probabilities = LabelHead.Probabilities(Scores("news", texts[i], out _));
            Assert.Equal(together[0].GetProperty("data")[i].GetRawText(), together[2].GetProperty("data")[i].GetRawText());
            Assert.Equal(together[1].GetProperty("data")[i].GetRawText(), together[3].GetProperty("data")[i].GetRawText());
            Assert.All(probabilities.Zip(together[0].GetProperty("data")[i].GetProperty("probs").EnumerateArray()), pair => Assert.Equal(pair.First, pair.Second.GetDouble(), 1e-6));
        }
    }

    [Theory]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]")]
    [InlineData("/v1/completions", "\"prompt\":\"x\"")]
    [InlineData("/v1/responses", "\"input\":\"x\"")]
    public async Task A_head_asked_to_write_says_what_it_does_and_where(string path, string field)
    {
        foreach (var model in (string[])["news", "price", "terms", "merged"])
        {
            var (status, error) = await _server.FaultAsync(path, $"{{\"model\":\"{model}\",{field}}}");
            Assert.Equal((400, "model", "unsupported_model"), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
            Assert.Contains($"'{model}' scores labels", error.GetProperty("message").GetString(), StringComparison.Ordinal);
            Assert.Contains("POST /v1/classify", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_model_that_writes_has_no_labels_and_says_so()
    {
        var (status, error) = await _server.FaultAsync("/v1/classify", """{"model":"hadal-mini","input":"x"}""");
        Assert.Equal((400, "model", "unsupported_model"), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        Assert.Contains("/v1/chat/completions", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("input", "")]
    [InlineData("input", ",\"input\":\"\"")]
    [InlineData("input", ",\"input\":[]")]
    [InlineData("input", ",\"input\":[\"x\",\"\"]")]
    [InlineData("input", ",\"input\":[\"x\",7]")]
    [InlineData("input", ",\"input\":[[]]")]
    [InlineData("input", ",\"input\":{\"text\":\"x\"}")]
    [InlineData("input", ",\"input\":[-1]")]
    [InlineData("input", ",\"input\":[99999999]")]
    [InlineData("input", ",\"input\":[1e400]")]
    [InlineData("messages", ",\"input\":\"x\",\"messages\":[]")]
    [InlineData("stream", ",\"input\":\"x\",\"stream\":true")]
    public async Task What_cannot_be_scored_is_named(string field, string fields)
    {
        var (status, error) = await _server.FaultAsync("/v1/classify", $"{{\"model\":\"news\"{fields}}}");
        Assert.Equal((400, field), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Texts_too_long_too_many_or_with_too_many_tokens_to_tag_are_refused()
    {
        var tooLong = string.Concat(Enumerable.Repeat(Long, 20));
        var (status, error) = await _server.FaultAsync("/v1/classify", $"{{\"model\":\"news\",\"input\":[\"x\",\"{tooLong}\"]}}");
        Assert.Equal((400, "input", "context_length_exceeded"), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        (status, error) = await _server.FaultAsync("/v1/classify", $"{{\"model\":\"news\",\"input\":{JsonSerializer.Serialize(Enumerable.Repeat("x", 2049))}}}");
        Assert.Equal((400, "input"), (status, error.GetProperty("param").GetString()));
        (status, error) = await _server.FaultAsync("/v1/classify", $"{{\"model\":\"terms\",\"input\":{JsonSerializer.Serialize(Enumerable.Repeat(Long, 1000))}}}");
        Assert.Equal((400, "input"), (status, error.GetProperty("param").GetString()));
        Assert.Contains("at most 65536 tokens", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_leaves_frees_the_engine()
    {
        using var leaves = new CancellationTokenSource();
        var sent = _server.SendAsync("/v1/classify", $"{{\"model\":\"terms\",\"input\":{JsonSerializer.Serialize(Enumerable.Repeat(Long, 300))}}}", leaves.Token);
        while (await _server.MetricAsync("hadal_requests_running") == 0) await Task.Yield();
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sent);
        while (await _server.MetricAsync("hadal_requests_running") + await _server.MetricAsync("hadal_requests_waiting") > 0) await Task.Yield();
        Assert.Equal(3, (await _server.PostAsync("/v1/classify", """{"model":"news","input":"x"}""")).GetProperty("data")[0].GetProperty("num_classes").GetInt32());
    }

    [Fact]
    public async Task The_list_of_models_says_what_each_is_for()
    {
        var models = JsonElement.Parse(await _server.Client.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().ToDictionary(model => model.GetProperty("id").GetString()!);
        Assert.Equal(
            ["generation", "classification", "regression", "tagging", "classification"],
            ((string[])["hadal-mini", "news", "price", "terms", "merged"]).Select(name => models[name].GetProperty("task").GetString()!));
        Assert.Equal(["negative", "neutral", "positive"], models["news"].GetProperty("labels").EnumerateArray().Select(label => label.GetString()!));
        Assert.Equal("hadal-mini", models["news"].GetProperty("parent").GetString());
        Assert.False(models["news"].TryGetProperty("chat_template", out _));
        Assert.Equal("tagging", JsonElement.Parse(await _server.Client.GetStringAsync("/v1/models/terms")).GetProperty("task").GetString());
    }

    [Fact]
    public async Task Scoring_is_measured_like_other_work()
    {
        var before = await Count();
        await _server.PostAsync("/v1/classify", """{"model":"news","input":["a b c","d"]}""");
        Assert.Equal(before + 1, await Count());
        Assert.Contains("gen_ai_operation_name=\"classify\"", await _server.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);

        async Task<int> Count() => (await _server.Client.GetStringAsync("/metrics")).Split('\n')
            .Where(line => line.StartsWith("gen_ai_server_request_duration_seconds_count{", StringComparison.Ordinal) && line.Contains("\"classify\"", StringComparison.Ordinal) && line.Contains("\"news\"", StringComparison.Ordinal) && !line.Contains("error", StringComparison.Ordinal))
            .Sum(line => int.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_key_is_asked_for_and_a_deadline_kept()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("secret"u8)) + " desk\n");
        await using var server = await TestServer.StartAsync(
            new ServerOptions { ApiKeyFile = file, RequestTimeout = TimeSpan.FromMilliseconds(300) },
            new ModelSource("merged", () => ServedModel.Open("merged", labels.PathOf("merged"), engineOptions: new EngineOptions { ThreadCount = 1, MaxContext = 512, MaxSequences = 1 })));
        using var refused = await server.SendAsync("/v1/classify", """{"model":"merged","input":"x"}""");
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var late = await server.SendAsync("/v1/classify", $"{{\"model\":\"merged\",\"input\":{JsonSerializer.Serialize(Enumerable.Range(0, 2000).Select(number => number + Long))}}}", default, ("Authorization", "Bearer secret"));
        Assert.Equal("request_timeout", (await TestServer.ErrorAsync(late)).GetProperty("code").GetString());
        File.Delete(file);
    }

    private float[] Scores(string name, string text, out int[] ids)
    {
        using var checkpoint = Checkpoint.Open(LabelServer.Base);
        using var adapter = LoraAdapter.Open(labels.PathOf(name), checkpoint.Config);
        using var model = LabelModel.Open(checkpoint, adapter, new EngineOptions { ThreadCount = 1, MaxContext = 512, MaxBatchTokens = 31 });
        ids = [.. checkpoint.LoadTokenizer().Encode(text)];
        return model.Scores(ids);
    }
}
