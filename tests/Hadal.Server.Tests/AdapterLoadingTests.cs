using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>Adapters that are loaded, replaced and unloaded over HTTP while the server answers.</summary>
public sealed class AdapterLoadingTests : IDisposable
{
    private const string Path = "/v1/chat/completions";
    private static readonly string Base = System.IO.Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");

    /// <summary>Long enough for blocks of the cache to be shared.</summary>
    private static readonly string Prompt = string.Join(' ', Enumerable.Repeat("The whale went down into the sea.", 12));

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-adapters-");

    private string Adapters => _folder.CreateSubdirectory("adapters").FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task An_adapter_written_while_the_server_answers_is_loaded_replaced_and_unloaded()
    {
        var expected = await ExpectedAsync();
        Assert.Equal(3, expected.Values.Distinct().Count());
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters }, TestModel.Source("m"));
        var over = new CancellationTokenSource();
        var others = Enumerable.Range(0, 3).Select(async _ =>
        {
            for (var count = 0; ; count++)
            {
                Assert.Equal(expected["m"], await AnswerAsync(server, "m"));
                if (over.IsCancellationRequested) return count;
            }
        }).ToList();

        Assert.Equal(404, (await server.FaultAsync(Path, Body("news"))).Status);
        TestAdapter.Write(Adapters, "monday", 1);
        await LoadAsync(server, "news", "monday");
        for (var i = 0; i < 2; i++) Assert.Equal(expected["monday"], await AnswerAsync(server, "news"));
        Assert.Equal(["m", "news"], (await ModelsAsync(server)).Keys);
        Assert.Equal("m", (await ModelsAsync(server))["news"].GetProperty("parent").GetString());

        // Another one of the name finds nothing of the old one in the cache.
        TestAdapter.Write(Adapters, "tuesday", 2);
        await LoadAsync(server, "news", System.IO.Path.Combine(Adapters, "tuesday"));
        var answer = await server.PostAsync(Path, Body("news"));
        Assert.Equal((expected["tuesday"], 0), (ChatCompletionsTests.Content(answer), CachedTokens(answer)));
        answer = await server.PostAsync(Path, Body("news"));
        Assert.Equal((expected["tuesday"], true), (ChatCompletionsTests.Content(answer), CachedTokens(answer) > 0));

        // The folder may be written anew at any time: what was loaded is in memory.
        Directory.Delete(System.IO.Path.Combine(Adapters, "tuesday"), recursive: true);
        Assert.Equal(expected["tuesday"], await AnswerAsync(server, "news"));
        Assert.Equal("Success: LoRA adapter 'news' removed successfully.", await UnloadAsync(server, "news"));
        var (status, error) = await server.FaultAsync(Path, Body("news"));
        Assert.Equal((404, "model_not_found"), (status, error.GetProperty("code").GetString()));
        Assert.Equal(["m"], (await ModelsAsync(server)).Keys);
        over.Cancel();
        Assert.All(await Task.WhenAll(others), count => Assert.True(count > 0));
    }

    [Fact]
    public async Task Requests_in_flight_keep_the_adapter_they_began_with()
    {
        var expected = await ExpectedAsync();
        foreach (var (name, seed) in new[] { ("monday", 1), ("tuesday", 2) }) TestAdapter.Write(Adapters, name, seed);
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters }, TestModel.Source("m", gate: gate));
        await LoadAsync(server, "news", "monday");
        var first = server.StreamAsync(Path, Body("news", "\"stream\":true"));
        await gate.ArrivedAsync();
        await LoadAsync(server, "news", "tuesday");
        var second = await server.SendAsync(Path, Body("news", "\"stream\":true"));
        await UnloadAsync(server, "news");
        Assert.Equal(404, (await server.FaultAsync(Path, Body("news"))).Status);
        gate.Open();
        Assert.Equal(expected["monday"], Text(await first));
        Assert.Equal(expected["tuesday"], Text(await TestServer.EventsAsync(second)));
        second.Dispose();

        static string Text(List<JsonElement> events) =>
            string.Concat(events.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : ""));
    }

    [Fact]
    public async Task A_request_of_several_generations_ends_with_the_adapter_it_began_with()
    {
        // The name of the tool is one generation, its arguments are another.
        const string tools = "\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"first\"}},{\"type\":\"function\",\"function\":{\"name\":\"second\"}}]";
        TestAdapter.Write(Adapters, "monday", 1);
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters }, TestModel.Source("m", "deepseek-v3.1", gate: gate));
        var answer = server.PostAsync(Path, Body("monday", tools));
        await gate.ArrivedAsync();
        await UnloadAsync(server, "monday");
        gate.Open();
        Assert.Equal("tool_calls", (await answer).GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(404, (await server.FaultAsync(Path, Body("monday"))).Status);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_loaded_changes_nothing()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX links and pipes");
        var expected = await ExpectedAsync();
        TestAdapter.Write(Adapters, "monday", 1);
        WriteBroken();
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters }, TestModel.Source("m"));
        await LoadAsync(server, "news", "monday");
        var names = (await ModelsAsync(server)).Keys;
        foreach (var (status, code, path, said) in new (int, string?, string, string)[]
            {
                (403, "path_not_allowed", "../given", "leads outside"),
                (403, "path_not_allowed", "monday/../../given", "leads outside"),
                (403, "path_not_allowed", "/etc", "leads outside"),
                (403, "path_not_allowed", "link", "leads outside"),
                (403, "path_not_allowed", "link/given", "leads outside"),
                (404, "adapter_not_found", "nowhere", "--adapters"),
                (404, "adapter_not_found", "", "--adapters"),
                (404, "adapter_not_found", "monday\\u0000/../..", "--adapters"),
                (404, "adapter_not_found", "monday/adapter_config.json", "--adapters"),
                (400, null, "empty", "does not exist"),
                (400, null, "cut", "cut/adapter_model.safetensors"),
                (400, null, "spoilt", "not finite"),
                (400, null, "lengths", "o_proj has a number that is not finite"),
                (400, null, "judge", "score has a number that is not finite"),
                (400, null, "garbage", "is not valid"),
                (400, null, "wide", "o_proj"),
                (400, null, "leading", "outside the directory"),
                (400, null, "pipe", "no regular file"),
                (400, null, "template", "lora_path: "),
            })
        {
            var (found, error) = await server.FaultAsync("/v1/load_lora_adapter", $"{{\"lora_name\":\"news\",\"lora_path\":\"{path}\"}}");
            Assert.Equal((path, status, code, "lora_path"), (path, found, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
            var message = error.GetProperty("message").GetString()!;
            Assert.Contains(said, message, StringComparison.Ordinal);
            Assert.DoesNotContain(_folder.FullName, message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }

        Assert.Equal(names, (await ModelsAsync(server)).Keys);
        Assert.Equal(expected["monday"], await AnswerAsync(server, "news"));
    }

    [Fact]
    public async Task What_is_wrong_with_a_request_is_named()
    {
        TestAdapter.Write(Adapters, "monday", 1);
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters }, TestModel.Source("m"));
        foreach (var (verb, status, field, body) in new (string, int, string, string)[]
            {
                ("load", 400, "lora_name", """{"lora_name":"m","lora_path":"monday"}"""),
                ("load", 400, "lora_name", """{"lora_name":"","lora_path":"monday"}"""),
                ("load", 400, "lora_name", """{"lora_name":"a\nb","lora_path":"monday"}"""),
                ("load", 400, "lora_name", """{"lora_name":"monday","lora_path":"monday","load_inplace":false}"""),
                ("load", 400, "lora_path", """{"lora_name":"a"}"""),
                ("load", 400, "nobody", """{"lora_name":"a","lora_path":"monday","nobody":1}"""),
                ("load", 404, "base_model_name", """{"lora_name":"a","lora_path":"monday","base_model_name":"b"}"""),
                ("unload", 404, "lora_name", """{"lora_name":"a"}"""),
                ("unload", 400, "lora_name", """{"lora_name":"m"}"""),
                ("unload", 400, "lora_name", "{}"),
            })
        {
            var (found, error) = await server.FaultAsync($"/v1/{verb}_lora_adapter", body);
            Assert.Equal((body, status, field), (body, found, error.GetProperty("param").GetString()));
        }

        Assert.Equal(["m", "monday"], (await ModelsAsync(server)).Keys);
    }

    [Fact]
    public async Task Without_a_directory_nothing_is_loaded_and_the_option_is_named()
    {
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m"));
        foreach (var (verb, body) in new[] { ("load", "{\"lora_name\":\"a\",\"lora_path\":\"a\"}"), ("unload", "{\"lora_name\":\"a\"}") })
        {
            var (status, error) = await server.FaultAsync($"/v1/{verb}_lora_adapter", body);
            Assert.Equal((403, "adapters_not_allowed"), (status, error.GetProperty("code").GetString()));
            Assert.Contains("--adapters DIR", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Of_several_keys_only_those_may_load_adapters_that_the_operator_named()
    {
        TestAdapter.Write(Adapters, "monday", 1);
        var (file, log) = (System.IO.Path.Combine(_folder.FullName, "keys"), new List<string>());
        await File.WriteAllLinesAsync(file, [Line("one") + " team may=adapters", Line("two") + " other"]);
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = Adapters, ApiKeyFile = file, Log = log.Add }, TestModel.Source("m"));
        const string load = "{\"lora_name\":\"a\",\"lora_path\":\"monday\"}";
        using var refused = await server.SendAsync("/v1/load_lora_adapter", load, default, ("Authorization", "Bearer two"));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("may=adapters", (await TestServer.ErrorAsync(refused)).GetProperty("message").GetString(), StringComparison.Ordinal);
        using var loaded = await server.SendAsync("/v1/load_lora_adapter", load, default, ("Authorization", "Bearer one"));
        Assert.Equal(HttpStatusCode.OK, loaded.StatusCode);
        Assert.Equal("the adapter 'a' of 'm' was loaded from monday by the key team", Assert.Single(log));

        // Whoever has a key may use what was loaded.
        using var answer = await server.SendAsync(Path, Body("a"), default, ("Authorization", "Bearer two"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await File.WriteAllLinesAsync(file, [Line("one") + " team may=everything"]);
        await Assert.ThrowsAsync<FormatException>(() => HadalServer.StartAsync(new ServerOptions { ApiKeyFile = file, Urls = ["http://127.0.0.1:0"] }, [TestModel.Source("m")]));

        static string Line(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
    }

    [Fact]
    public async Task Open_to_other_machines_without_keys_nobody_may_load()
    {
        await using var server = await HadalServer.StartAsync(new ServerOptions { AdapterFolder = Adapters, Urls = ["http://0.0.0.0:0"], AllowAnonymous = true }, [TestModel.Source("m")]);
        await server.Loaded;
        using var client = new HttpClient { BaseAddress = new Uri(server.Urls[0].Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)) };
        using var response = await client.PostAsync("/v1/unload_lora_adapter", new StringContent("{\"lora_name\":\"a\"}", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("--api-key-file", (await TestServer.ErrorAsync(response)).GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Adapters_go_to_the_model_they_were_trained_beside_and_broken_ones_are_left_out()
    {
        foreach (var (name, seed) in new[] { ("any", 1), ("talker", 2), ("broken", 3) }) TestAdapter.Write(Adapters, name, seed);
        var chat = System.IO.Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini-chat");
        using (var checkpoint = Checkpoint.Open(chat)) AdapterBase.Of(checkpoint).Write(System.IO.Path.Combine(Adapters, "talker"));
        File.WriteAllText(System.IO.Path.Combine(Adapters, "broken", "adapter_config.json"), "{");
        var log = new List<string>();
        await using var server = await TestServer.StartAsync(
            new ServerOptions { AdapterFolder = Adapters, Log = log.Add }, TestModel.Source("m"), new ModelSource("chat", () => ServedModel.Open("chat", chat, engineOptions: new EngineOptions { ThreadCount = 2, MaxSequences = 1 })));
        var models = await ModelsAsync(server);
        Assert.Equal(["any", "chat", "m", "talker"], models.Keys.Order());
        Assert.Equal(("m", "chat"), (models["any"].GetProperty("parent").GetString(), models["talker"].GetProperty("parent").GetString()));
        Assert.Contains("the adapter 'broken' is left out", Assert.Single(log), StringComparison.Ordinal);

        // Asked for by name it goes to the other one, and that is said.
        using var loaded = await server.SendAsync("/v1/load_lora_adapter", """{"lora_name":"moved","lora_path":"talker","base_model_name":"m"}""");
        Assert.Contains("trained beside another model than 'm'", await loaded.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("m", (await ModelsAsync(server))["moved"].GetProperty("parent").GetString());
        Assert.Equal(3, log.Count);
        Assert.Contains("talker: was trained beside another model", log[1], StringComparison.Ordinal);
        await UnloadAsync(server, "moved");
        Assert.Equal(["the adapter 'moved' of 'm' was loaded from talker", "the adapter 'moved' was unloaded"], log[2..]);
    }

    [Fact]
    public void An_adapter_larger_than_the_free_memory_is_refused()
    {
        var folder = TestAdapter.Write(Adapters, "monday", 1);
        using var model = TestModel.Source("m").Open();
        Assert.Contains("of memory to be free; unload another one first", Assert.Throws<CheckpointException>(() => model.Load(folder, 4 * 1024 - 1)).Message, StringComparison.Ordinal);
        model.Load(folder, 4 * 1024).Adapter.Dispose();
    }

    [Fact]
    public async Task A_folder_with_the_name_of_a_model_is_told_at_the_start()
    {
        TestAdapter.Write(Adapters, "m", 1);
        var fault = await Assert.ThrowsAsync<ArgumentException>(() => HadalServer.StartAsync(new ServerOptions { AdapterFolder = Adapters, Urls = ["http://127.0.0.1:0"] }, [TestModel.Source("m")]));
        Assert.Contains("'m' is the name of two", fault.Message, StringComparison.Ordinal);
    }

    private static string Body(string model, string fields = "\"stream\":false") =>
        $"{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{Prompt}\"}}],\"max_tokens\":16,\"temperature\":0,{fields}}}";

    private static async Task<string> AnswerAsync(TestServer server, string model) => ChatCompletionsTests.Content(await server.PostAsync(Path, Body(model)));

    private static int CachedTokens(JsonElement answer) => answer.GetProperty("usage").GetProperty("prompt_cache_hit_tokens").GetInt32();

    private static async Task LoadAsync(TestServer server, string name, string folder)
    {
        using var response = await server.SendAsync("/v1/load_lora_adapter", $"{{\"lora_name\":\"{name}\",\"lora_path\":\"{folder}\"}}");
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Equal($"Success: LoRA adapter '{name}' added successfully.", text);
    }

    private static async Task<string> UnloadAsync(TestServer server, string name)
    {
        using var response = await server.SendAsync("/v1/unload_lora_adapter", $"{{\"lora_name\":\"{name}\"}}");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync();
    }

    private static async Task<Dictionary<string, JsonElement>> ModelsAsync(TestServer server) =>
        JsonElement.Parse(await server.Client.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().ToDictionary(entry => entry.GetProperty("id").GetString()!);

    /// <summary>What the model and two adapters answer alone, on a server that has had them from its start.</summary>
    private async Task<Dictionary<string, string>> ExpectedAsync()
    {
        var given = _folder.CreateSubdirectory("given").FullName;
        var adapters = new Dictionary<string, string> { ["monday"] = TestAdapter.Write(given, "monday", 1), ["tuesday"] = TestAdapter.Write(given, "tuesday", 2) };
        await using var server = await TestServer.StartAsync(
            null, new ModelSource("m", () => ServedModel.Open("m", Base, new TextGeneratorOptions(), new EngineOptions { ThreadCount = 2, MaxSequences = 1 }, adapters), [.. adapters.Keys]));
        var answers = new Dictionary<string, string>();
        foreach (var name in (string[])["m", .. adapters.Keys]) answers[name] = await AnswerAsync(server, name);
        return answers;
    }

    private void WriteBroken()
    {
        foreach (var name in (string[])["empty", "cut", "garbage", "wide", "leading", "pipe", "template"])
            if (name == "empty") Directory.CreateDirectory(In(name));
            else TestAdapter.Write(Adapters, name, 3);
        TestAdapter.Write(Adapters, "spoilt", 3, spoil: float.NaN);
        TestAdapter.Write(Adapters, "lengths", 3, length: float.NaN);
        TestAdapter.Write(Adapters, "judge", 3, spoil: float.PositiveInfinity, head: true);
        using (var file = new FileStream(Weights("cut"), FileMode.Open)) file.SetLength(file.Length - 100);
        File.WriteAllText(In("garbage", "adapter_config.json"), "{\"peft_type\":");
        File.WriteAllText(In("wide", "adapter_config.json"), """{"peft_type":"LORA","r":3,"lora_alpha":16}""");
        File.Move(Weights("leading"), System.IO.Path.Combine(_folder.FullName, "weights"));
        File.CreateSymbolicLink(Weights("leading"), "../../weights");
        File.Delete(Weights("pipe"));
        using (var pipe = System.Diagnostics.Process.Start("mkfifo", [Weights("pipe")])) pipe.WaitForExit();
        File.WriteAllText(In("template", "chat_template.jinja"), "{% for %}");
        Directory.CreateSymbolicLink(In("link"), _folder.FullName);

        string In(params string[] parts) => System.IO.Path.Combine([Adapters, .. parts]);
        string Weights(string name) => In(name, "adapter_model.safetensors");
    }
}
