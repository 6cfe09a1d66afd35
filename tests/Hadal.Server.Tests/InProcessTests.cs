using System.ComponentModel;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Hadal.Server.Tests;

/// <summary>The same engine within an application, through Microsoft.Extensions.AI as it is.</summary>
public sealed class InProcessTests
{
    [Fact]
    public async Task An_answer_streams_and_is_the_server_s()
    {
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m"));
        var expected = await server.PostAsync("/v1/chat/completions", """{"model":"m","messages":[{"role":"user","content":"The sea"}],"temperature":0,"max_tokens":20}""");
        await using var model = TestModel.Source("m").Open();
        using var client = new HadalChatClient(model);
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 20 };
        var whole = await client.GetResponseAsync("The sea", options);
        Assert.Equal(ChatCompletionsTests.Content(expected), whole.Text);
        Assert.Equal(ChatFinishReason.Length, whole.FinishReason);
        Assert.Equal(20, whole.Usage!.OutputTokenCount);
        Assert.Equal("m", whole.ModelId);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync("The sea", options)) updates.Add(update);
        Assert.True(updates.Count > 5);
        Assert.Equal(whole.Text, updates.ToChatResponse().Text);
        Assert.Equal("m", client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(client, client.GetService<HadalChatClient>());
        Assert.Null(client.GetService<string>());
    }

    [Fact]
    public void A_model_without_a_name_is_called_as_its_directory_dots_included()
    {
        var parent = Directory.CreateTempSubdirectory("hadal-");
        Assert.Equal("deepseek-v3.1", HadalServices.NameOf(parent.CreateSubdirectory("deepseek-v3.1").FullName));
        Assert.Equal("r1.q4", HadalServices.NameOf(Path.Combine(parent.FullName, "r1.q4.gguf")));
        parent.Delete(recursive: true);
    }

    [Fact]
    public async Task A_function_is_called_and_its_result_comes_back()
    {
        await using var model = TestModel.Source("chat", "deepseek-v3.1").Open();
        var asked = new List<bool>();
        var function = AIFunctionFactory.Create(([Description("Whether the unit is old")] bool isOld) =>
        {
            asked.Add(isOld);
            return isOld ? "112 cycles left" : "900 cycles left";
        }, "get_rul", "Remaining useful life");
        using var client = new HadalChatClient(model).AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [function], ToolMode = ChatToolMode.RequireSpecific("get_rul"), MaxOutputTokens = 40 };
        var response = await client.GetResponseAsync("How long will unit 7 last?", options);
        Assert.Single(asked);
        var call = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal(("get_rul", asked[0]), (call.Name, ((JsonElement)call.Arguments!["isOld"]!).GetBoolean()));
        Assert.Equal(call.CallId, Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>()).CallId);
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
    }

    [Fact]
    public async Task What_a_tool_that_is_not_strict_need_not_keep_is_told()
    {
        await using var model = TestModel.Source("chat", "deepseek-v3.1").Open();
        using var client = new HadalChatClient(model);
        var tool = AIFunctionFactory.CreateDeclaration("find", "Finds texts.", JsonElement.Parse("{\"type\":\"object\",\"properties\":{\"pattern\":{\"const\":\"a\",\"format\":\"regex\"}},\"required\":[\"pattern\"],\"additionalProperties\":false}"));
        var answer = await client.GetResponseAsync("Find a.", new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 40 });
        var told = Assert.IsAssignableFrom<IReadOnlyList<string>>(answer.AdditionalProperties![HadalChatClient.NotEnforced]);
        Assert.Contains("tool 'find': JSON Schema, #/properties/pattern/format: 'regex' cannot be enforced", Assert.Single(told), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_type_is_filled_in()
    {
        await using var model = TestModel.Source("m").Open();
        using var client = new HadalChatClient(model);
        var response = await client.GetResponseAsync<Report>("How is unit 7?", new ChatOptions { Seed = 1 }, useJsonSchemaResponseFormat: true);
        Assert.InRange((int)response.Result.State, 0, 1);
    }

    [Fact]
    public async Task Thoughts_come_apart_and_go_back()
    {
        await using var model = TestModel.Source("reasoner", "deepseek-r1").Open();
        using var client = new HadalChatClient(model);
        var response = await client.GetResponseAsync("Whales", new ChatOptions { MaxOutputTokens = 8 });
        Assert.NotEmpty(response.Messages[0].Contents.OfType<TextReasoningContent>());
        List<ChatMessage> messages = [new(ChatRole.User, "Whales"), .. response.Messages, new(ChatRole.User, "Go on")];
        Assert.Equal(3, (await client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 3 })).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_by_name_and_what_is_cancelled_ends()
    {
        await using var model = TestModel.Source("m").Open();
        using var client = new HadalChatClient(model);
        Assert.Contains("temperature", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", new ChatOptions { Temperature = 3 }))).Message, StringComparison.Ordinal);
        Assert.Contains("ConversationId", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", new ChatOptions { ConversationId = "1" }))).Message, StringComparison.Ordinal);
        Assert.Contains("nonsense", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", new ChatOptions { AdditionalProperties = new() { ["nonsense"] = 1 } }))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync(new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")])));
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync("x", new ChatOptions { MaxOutputTokens = 900, AdditionalProperties = new() { ["ignore_eos"] = true } }, cancel.Token)) await cancel.CancelAsync();
        });
    }

    [Fact]
    public async Task An_application_gets_its_clients_from_its_services()
    {
        var services = new ServiceCollection();
        services.AddHadal(options => (options.Model, options.MaxContext) = (Path.Combine(Hadal.Tests.SharedData.RepositoryRoot, "models", "hadal-mini"), 256));
        using var provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<IChatClient>();
        Assert.Equal("hadal-mini", (await client.GetResponseAsync("The", new ChatOptions { MaxOutputTokens = 2 })).ModelId);
        var embeddings = await provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GenerateAsync(["one", "two"]);
        Assert.Equal(2, embeddings.Count);
        Assert.Equal(1, embeddings[0].Vector.ToArray().Sum(value => value * value), 1e-5);
        Assert.Same(provider.GetRequiredService<ServedModel>(), client.GetService(typeof(ServedModel)));
    }

    [Theory]
    [InlineData(null, 0, "Model: expected a checkpoint directory")]
    [InlineData("hadal-mini", 0, "MaxConcurrent")]
    [InlineData("hadal-nothing", 8, "hadal-nothing")]
    [InlineData("../docs", 8, "docs")]
    public void Options_that_cannot_be_kept_are_told_when_the_application_starts_and_when_a_service_is_asked_for(string? model, int maxConcurrent, string expected)
    {
        var services = new ServiceCollection();
        services.AddHadal(options => (options.Model, options.MaxConcurrent) = (model is null ? "" : Path.Combine(Hadal.Tests.SharedData.RepositoryRoot, "models", model), maxConcurrent));
        using var provider = services.BuildServiceProvider();

        // What a host asks at its start.
        Assert.Contains(expected, Assert.Throws<OptionsValidationException>(provider.GetRequiredService<IStartupValidator>().Validate).Message, StringComparison.Ordinal);
        Assert.Contains(expected, Assert.Throws<OptionsValidationException>(provider.GetRequiredService<IChatClient>).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3_000)]
    [InlineData(300_000)]
    public async Task A_prompt_that_does_not_fit_is_a_fault_that_callers_know(int words)
    {
        await using var model = TestModel.Source("m").Open();
        using var client = new HadalChatClient(model);
        var text = string.Join(' ', Enumerable.Repeat("whale", words));
        Assert.Equal(GenerationFault.PromptTooLong, (await Assert.ThrowsAsync<GenerationException>(() => client.GetResponseAsync(text))).Fault);
        using var generator = new HadalEmbeddingGenerator(model);
        Assert.Equal(GenerationFault.PromptTooLong, (await Assert.ThrowsAsync<GenerationException>(() => generator.GenerateAsync([text]))).Fault);
    }

    [Fact]
    public async Task A_conversation_that_the_template_refuses_is_a_fault_of_the_conversation()
    {
        await using var model = TestModel.Source("m", "llama-3.1").Open();
        using var client = new HadalChatClient(model);
        ChatMessage[] messages = [new(ChatRole.User, "x"), new(ChatRole.Assistant, [new FunctionCallContent("1", "f"), new FunctionCallContent("2", "f")]), new(ChatRole.Tool, [new FunctionResultContent("1", "y"), new FunctionResultContent("2", "z")])];
        Assert.Contains("single tool-calls", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync(messages))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_is_closed_says_so()
    {
        var model = TestModel.Source("m").Open();
        using var client = new HadalChatClient(model);
        await model.DisposeAsync();
        Assert.Equal(GenerationFault.Closed, (await Assert.ThrowsAsync<GenerationException>(() => client.GetResponseAsync("x"))).Fault);
    }

    [Fact]
    public void The_example_of_the_readme_is_that_of_a_sample()
    {
        var readme = File.ReadAllText(Path.Combine(Hadal.Tests.SharedData.RepositoryRoot, "README.md"));
        var begin = readme.IndexOf("```csharp\n", StringComparison.Ordinal) + "```csharp\n".Length;
        var sample = File.ReadAllText(Path.Combine(Hadal.Tests.SharedData.RepositoryRoot, "samples", "MinimalApi", "Program.cs"));
        Assert.Contains(readme[begin..readme.IndexOf("```", begin, StringComparison.Ordinal)], sample, StringComparison.Ordinal);
    }

    private enum State
    {
        Good,
        Worn,
    }

    private sealed record Report(State State);
}
