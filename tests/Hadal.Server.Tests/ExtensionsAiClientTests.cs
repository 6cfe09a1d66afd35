using System.ClientModel;
using System.ClientModel.Primitives;
using System.ComponentModel;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;
using OpenAI;

namespace Hadal.Server.Tests;

/// <summary>Microsoft.Extensions.AI over the official OpenAI client, as applications use it that know an address and nothing else.</summary>
public sealed class ExtensionsAiClientTests(SharedServer shared)
{
    [Fact]
    public async Task It_streams_what_it_gets_whole_with_usage_and_reason()
    {
        using var client = Chat("hadal-mini");
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 30, Seed = 4, StopSequences = ["zzz"], FrequencyPenalty = 0.5f, PresencePenalty = 0.1f, TopP = 0.9f };
        var whole = await client.GetResponseAsync("It was in July", options);
        var streamed = await client.GetStreamingResponseAsync("It was in July", options).ToChatResponseAsync();
        Assert.NotEqual("", whole.Text);
        Assert.Equal(whole.Text, streamed.Text);
        Assert.Equal((ChatFinishReason.Length, ChatFinishReason.Length), (whole.FinishReason, streamed.FinishReason));
        Assert.Equal((30, 30L), (whole.Usage!.OutputTokenCount, streamed.Usage!.OutputTokenCount));
        Assert.Equal(whole.Usage.InputTokenCount, streamed.Usage.InputTokenCount);
        Assert.Equal("hadal-mini", whole.ModelId);
    }

    [Fact]
    public async Task The_same_code_gets_the_same_answer_within_the_process()
    {
        await using var model = TestModel.Source("chat", "deepseek-v3.1").Open();
        using var near = new HadalChatClient(model);
        using var far = Chat("chat");
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 25, Instructions = "You are brief." };
        Assert.Equal((await far.GetResponseAsync("Whales", options)).Text, (await near.GetResponseAsync("Whales", options)).Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_function_is_called_and_its_result_comes_back(bool isStreamed)
    {
        var asked = new List<bool>();
        var function = AIFunctionFactory.Create(([Description("Whether the unit is old")] bool isOld) =>
        {
            asked.Add(isOld);
            return isOld ? "112 cycles left" : "900 cycles left";
        }, "get_rul", "Remaining useful life");
        using var client = Chat("chat").AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [function], ToolMode = ChatToolMode.RequireSpecific("get_rul"), MaxOutputTokens = 40 };
        var response = isStreamed ? await client.GetStreamingResponseAsync("How long will unit 7 last?", options).ToChatResponseAsync() : await client.GetResponseAsync("How long will unit 7 last?", options);
        Assert.Single(asked);
        var call = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal(call.CallId, Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>()).CallId);
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
    }

    [Fact]
    public async Task A_type_is_filled_in()
    {
        using var client = Chat("hadal-mini");
        var response = await client.GetResponseAsync<Report>("How is unit 7?", new ChatOptions { Seed = 1 });
        Assert.InRange((int)response.Result.State, 0, 1);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Thoughts_come_as_reasoning(bool isStreamed)
    {
        using var client = Chat("reasoner");
        var options = new ChatOptions { MaxOutputTokens = 8 };
        var response = isStreamed ? await client.GetStreamingResponseAsync("Whales", options).ToChatResponseAsync() : await client.GetResponseAsync("Whales", options);
        Assert.NotEmpty(response.Messages[0].Contents.OfType<TextReasoningContent>());
        Assert.Equal(8, response.Usage!.ReasoningTokenCount);
    }

    [Fact]
    public async Task Embeddings_are_those_of_the_process()
    {
        using var far = Client().GetEmbeddingClient("hadal-mini").AsIEmbeddingGenerator();
        await using var model = TestModel.Source("hadal-mini").Open();
        using var near = new HadalEmbeddingGenerator(model);
        var (expected, found) = (await near.GenerateAsync(["one", "two"]), await far.GenerateAsync(["one", "two"]));
        Assert.Equal(expected.Usage!.InputTokenCount, found.Usage!.InputTokenCount);
        Assert.Equal(expected.Select(embedding => embedding.Vector.ToArray()), found.Select(embedding => embedding.Vector.ToArray()));
    }

#pragma warning disable OPENAI001
    [Fact]
    public async Task The_responses_route_answers_the_same_interface()
    {
        // Streams are tried by the clients themselves: this adapter calls a method that version 2.15 of the client no longer has.
        using var client = Client().GetResponsesClient().AsIChatClient("chat");
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 16 };
        var whole = await client.GetResponseAsync("Whales", options);
        Assert.NotEqual("", whole.Text);
        Assert.Equal(16, whole.Usage!.OutputTokenCount);
    }
#pragma warning restore OPENAI001

    [Fact]
    public async Task Errors_carry_the_status_and_name_the_field()
    {
        using var unknown = Chat("gpt");
        Assert.Equal(404, (await Assert.ThrowsAsync<ClientResultException>(() => unknown.GetResponseAsync("x"))).Status);
        using var client = Chat("hadal-mini");
        var fault = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync("x", new ChatOptions { Temperature = 3 }));
        Assert.Equal(400, fault.Status);
        Assert.Contains("temperature", fault.Message, StringComparison.Ordinal);
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync("x", new ChatOptions { MaxOutputTokens = 900 }, cancel.Token)) await cancel.CancelAsync();
        });
    }

    private OpenAIClient Client() => new(
        new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(shared.Server.Server.Urls[0] + "/v1"), RetryPolicy = new ClientRetryPolicy(maxRetries: 0) });

    private IChatClient Chat(string model) => Client().GetChatClient(model).AsIChatClient();

    private enum State
    {
        Good,
        Worn,
    }

    private sealed record Report(State State);
}
