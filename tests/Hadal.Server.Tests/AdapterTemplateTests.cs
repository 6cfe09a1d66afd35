using System.Text.Json;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>An adapter is asked as it was trained: with its own chat template where it brings one.</summary>
public sealed class AdapterTemplateTests
{
    private const string Q = "base_model.model.model.layers.0.self_attn.q_a_proj";

    [Fact]
    public async Task An_adapter_is_asked_with_its_own_chat_template_and_the_model_without_it()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-adapter-");
        var adapters = new Dictionary<string, string> { ["plain"] = Path.Combine(folder.FullName, "plain"), ["talker"] = Path.Combine(folder.FullName, "talker") };
        foreach (var directory in adapters.Values)
        {
            Directory.CreateDirectory(directory);
            File.WriteAllText(Path.Combine(directory, "adapter_config.json"), """{"peft_type":"LORA","r":1,"lora_alpha":1}""");
            SafetensorsWriter.Write(Path.Combine(directory, "adapter_model.safetensors"), [Zeros(".lora_A.weight", [1, 256]), Zeros(".lora_B.weight", [128, 1])]);
        }

        File.WriteAllText(Path.Combine(adapters["talker"], "chat_template.jinja"), "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}<｜User｜><｜User｜>{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>{% endif %}");
        var model = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");
        await using var server = await TestServer.StartAsync(null, new ModelSource("hadal-mini", () => ServedModel.Open("hadal-mini", model, adapters: adapters), [.. adapters.Keys]));

        var alone = await PromptTokensAsync("hadal-mini");
        Assert.Equal(alone, await PromptTokensAsync("plain"));
        Assert.Equal(alone + 4, await PromptTokensAsync("talker"));

        // The list of models says so too.
        var models = JsonElement.Parse(await server.Client.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().ToDictionary(entry => entry.GetProperty("id").GetString()!, entry => entry.GetProperty("chat_template").GetBoolean());
        Assert.Equal([false, false, true], new[] { "hadal-mini", "plain", "talker" }.Select(name => models[name]));
        folder.Delete(recursive: true);

        async Task<int> PromptTokensAsync(string name) =>
            (await server.PostAsync("/v1/chat/completions", ChatCompletionsTests.Body(name, "\"max_tokens\":2,\"temperature\":0"))).GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
    }

    private static TensorToWrite Zeros(string part, int[] shape) => new(Q + part, DType.F32, shape, new byte[4 * shape[0] * shape[1]]);
}
