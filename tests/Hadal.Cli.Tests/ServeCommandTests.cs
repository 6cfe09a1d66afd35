using System.Net;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary>The server as a process of its own, as an operator starts and stops it.</summary>
public sealed class ServeCommandTests
{
    private const string Json = "{\"model\":\"hadal-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"It was in July, and the\"}],\"max_tokens\":20,\"temperature\":0,\"stream\":true}";

    [Fact]
    public async Task It_answers_until_it_is_told_to_stop_and_ends_well()
    {
        var adapters = Directory.CreateTempSubdirectory("hadal-adapters-");
        using var process = HadalProcess.StartService("serve", "--urls", "http://127.0.0.1:0", "--threads", "1", "--adapters", adapters.FullName);
        var url = (await process.ReadErrorUntilAsync("hadal: listening on "))["hadal: listening on ".Length..];
        Assert.Equal("hadal: ready: hadal-mini", await process.ReadErrorUntilAsync("hadal: ready"));
        using var client = new HttpClient { BaseAddress = new Uri(url) };
        using var response = await client.PostAsync("/v1/chat/completions", new StringContent(Json, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.EndsWith("data: [DONE]\n\n", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var models = JsonElement.Parse(await client.GetStringAsync("/v1/models"));
        Assert.Equal("hadal-mini", models.GetProperty("data")[0].GetProperty("id").GetString());
        using var load = await client.PostAsync("/v1/load_lora_adapter", new StringContent("""{"lora_name":"a","lora_path":"b"}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.NotFound, load.StatusCode);
        Assert.Contains("in the directory that --adapters names", await load.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        process.Terminate();
        Assert.Equal(0, process.End().ExitCode);
        adapters.Delete();
    }

    [Fact]
    public async Task Adapters_go_to_the_model_they_fit_whichever_stands_first()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-adapters-");
        foreach (var name in (string[])["given", "found"])
        {
            var adapter = folder.CreateSubdirectory(name).FullName;
            File.WriteAllText(Path.Combine(adapter, "adapter_config.json"), """{"peft_type":"LORA","r":2,"lora_alpha":2}""");
            SafetensorsWriter.Write(
                Path.Combine(adapter, "adapter_model.safetensors"),
                [.. new (string Part, int[] Shape)[] { ("A", [2, 64]), ("B", [64, 2]) }.Select(part => new TensorToWrite($"base_model.model.model.layers.0.self_attn.o_proj.lora_{part.Part}.weight", DType.F32, part.Shape, new byte[512]))]);
        }

        var (given, found) = (Path.Combine(folder.FullName, "given"), Directory.CreateDirectory(Path.Combine(folder.FullName, "more")).FullName);
        Directory.Move(Path.Combine(folder.FullName, "found"), Path.Combine(found, "found"));
        Assert.Contains("is an adapter itself", TestShell.Run("", "serve", "--adapters", given).Fault(1), StringComparison.Ordinal);
        using var process = HadalProcess.StartService("serve", "hadal-mini", GoldenData.PathOf("deepseek-v3/hf"), "--urls", "http://127.0.0.1:0", "--threads", "1", "--adapter", "given=" + given, "--adapters", found);
        var url = (await process.ReadErrorUntilAsync("hadal: listening on "))["hadal: listening on ".Length..];
        Assert.Equal("hadal: ready: hadal-mini, hf, given, found", await process.ReadErrorUntilAsync("hadal: ready"));
        using var client = new HttpClient { BaseAddress = new Uri(url) };
        foreach (var name in (string[])["given", "found"]) Assert.Equal("hf", JsonElement.Parse(await client.GetStringAsync("/v1/models/" + name)).GetProperty("parent").GetString());
        process.Terminate();
        Assert.Equal(0, process.End().ExitCode);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_queue_that_leaves_others_of_several_keys_few_places_is_said_at_the_start()
    {
        var keys = Path.GetTempFileName();
        await File.WriteAllTextAsync(keys, new string('0', 64) + " one\n" + new string('1', 64) + " two\n");
        using var process = HadalProcess.StartService("serve", "--urls", "http://127.0.0.1:0", "--threads", "1", "--api-key-file", keys, "--parallel", "4", "--queue", "1");
        Assert.Equal("hadal: --queue 1 is smaller than --parallel: while a key that came first fills that, others find 1 places", await process.ReadErrorUntilAsync("hadal: --queue"));
        await process.ReadErrorUntilAsync("hadal: ready");
        process.Terminate();
        Assert.Equal(0, process.End().ExitCode);
        File.Delete(keys);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_second_signal_ends_it_although_answers_go_on(bool isCtrlC)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX signals");
        using var process = HadalProcess.StartService("serve", GoldenData.PathOf("deepseek-v3/hf"), "--urls", "http://127.0.0.1:0", "--threads", "1", "--context", "163840", "--parallel", "1", "--drain", "86400");
        var url = (await process.ReadErrorUntilAsync("hadal: listening on "))["hadal: listening on ".Length..];
        await process.ReadErrorUntilAsync("hadal: ready");
        using var client = new HttpClient { BaseAddress = new Uri(url) };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent("""{"model":"hf","prompt":[5],"max_tokens":100000,"ignore_eos":true,"stream":true}""", Encoding.UTF8, "application/json"),
        };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        process.Terminate();
        await process.ReadErrorUntilAsync("hadal: stopping");

        // The answer goes on until then.
        string? line;
        do Assert.NotNull(line = await reader.ReadLineAsync());
        while (!line.StartsWith("data:", StringComparison.Ordinal));
        if (isCtrlC) process.Interrupt();
        else process.Terminate();
        Assert.Equal(130, process.End().ExitCode);
    }

    [Theory]
    [InlineData("can be reached from other machines", 2, "--urls", "http://0.0.0.0:0")]
    [InlineData("expected http://host:port", 2, "--urls", "localhost")]
    [InlineData("expected NAME=DIR", 2, "--adapter", "folder")]
    [InlineData("is no directory; expected one whose folders are adapters", 1, "--adapters", "/no/such/folder")]
    [InlineData("no such file", 1, "--api-key-file", "/no/such/file")]
    [InlineData("model 'no/such' was not found", 1, "no/such")]
    [InlineData("'deepseek-v3' is the name of two", 2, "{0}", "{0}")]
    public void What_cannot_be_served_is_said_in_one_line(string expected, int exitCode, params string[] arguments)
    {
        string[] known = [.. arguments.Select(word => word.Replace("{0}", GoldenData.PathOf("deepseek-v3/hf/"), StringComparison.Ordinal))];
        Assert.Contains(expected.Replace("deepseek-v3", "hf", StringComparison.Ordinal), TestShell.Run("", ["serve", .. known]).Fault(exitCode), StringComparison.Ordinal);
    }
}
