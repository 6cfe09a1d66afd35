using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

namespace Hadal.Server.Tests;

/// <summary>The official OpenAI client for .NET, as it is.</summary>
public sealed class OpenAiClientTests(SharedServer shared)
{
    private readonly TestServer _server = shared.Server;

    [Fact]
    public async Task It_gets_an_answer_with_usage()
    {
        var answer = (await Chat("hadal-mini").CompleteChatAsync([new UserChatMessage("It was in July")], new ChatCompletionOptions { MaxOutputTokenCount = 9, Temperature = 0 })).Value;
        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        Assert.Equal(9, answer.Usage.OutputTokenCount);
        Assert.NotEqual("", answer.Content[0].Text);
    }

    [Fact]
    public async Task It_streams_the_same_text_and_the_usage()
    {
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 30, Temperature = 0, StopSequences = { "zzz" }, FrequencyPenalty = 0.5f };
        var whole = (await Chat("hadal-mini").CompleteChatAsync([new UserChatMessage("It was in July")], options)).Value;
        var text = new StringBuilder();
        ChatTokenUsage? usage = null;
        ChatFinishReason? reason = null;
        await foreach (var update in Chat("hadal-mini").CompleteChatStreamingAsync([new UserChatMessage("It was in July")], options))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            usage = update.Usage ?? usage;
            reason = update.FinishReason ?? reason;
        }

        Assert.Equal(whole.Content[0].Text, text.ToString());
        Assert.Equal(whole.Usage.OutputTokenCount, usage!.OutputTokenCount);
        Assert.Equal(ChatFinishReason.Length, reason);
    }

    [Fact]
    public async Task It_reads_log_probabilities()
    {
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 4, IncludeLogProbabilities = true, TopLogProbabilityCount = 2 };
        var answer = (await Chat("hadal-mini").CompleteChatAsync([new UserChatMessage("It was")], options)).Value;
        Assert.Equal(4, answer.ContentTokenLogProbabilities.Count);
        Assert.All(answer.ContentTokenLogProbabilities, token => Assert.Equal(2, token.TopLogProbabilities.Count));
    }

    [Fact]
    public async Task It_calls_a_tool_and_brings_the_result_back()
    {
        var tool = ChatTool.CreateFunctionTool("get_rul", "Remaining useful life", BinaryData.FromString("""{"type":"object","properties":{"unit":{"type":"integer","minimum":1,"maximum":99}},"required":["unit"],"additionalProperties":false}"""), functionSchemaIsStrict: true);
        var options = new ChatCompletionOptions { Tools = { tool }, ToolChoice = ChatToolChoice.CreateRequiredChoice(), MaxOutputTokenCount = 50 };
        List<ChatMessage> messages = [new SystemChatMessage("You help."), new UserChatMessage("How long will unit 7 last?")];
        var answer = (await Chat("chat").CompleteChatAsync(messages, options)).Value;
        Assert.Equal(ChatFinishReason.ToolCalls, answer.FinishReason);
        var call = Assert.Single(answer.ToolCalls);
        Assert.Equal("get_rul", call.FunctionName);
        Assert.InRange(JsonElement.Parse(call.FunctionArguments.ToString()).GetProperty("unit").GetInt32(), 1, 99);

        messages.Add(new AssistantChatMessage(answer));
        messages.Add(new ToolChatMessage(call.Id, "112 cycles"));
        var last = (await Chat("chat").CompleteChatAsync(messages, new ChatCompletionOptions { Tools = { tool }, ToolChoice = ChatToolChoice.CreateNoneChoice(), MaxOutputTokenCount = 5 })).Value;
        Assert.Equal(5, last.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task It_joins_the_deltas_of_a_call()
    {
        var tool = ChatTool.CreateFunctionTool("note", null, BinaryData.FromString("""{"type":"object","properties":{"text":{"type":"string","maxLength":12}},"required":["text"],"additionalProperties":false}"""));
        var options = new ChatCompletionOptions { Tools = { tool }, ToolChoice = ChatToolChoice.CreateFunctionChoice("note") };
        var (arguments, ids, names) = (new StringBuilder(), new List<string>(), new List<string>());
        await foreach (var update in Chat("reasoner").CompleteChatStreamingAsync([new UserChatMessage("Note it")], options))
            foreach (var delta in update.ToolCallUpdates)
            {
                Assert.Equal(0, delta.Index);
                if (delta.ToolCallId is { Length: > 0 } id) ids.Add(id);
                if (delta.FunctionName is { Length: > 0 } name) names.Add(name);
                arguments.Append(delta.FunctionArgumentsUpdate);
            }

        Assert.Equal("note", Assert.Single(names));
        Assert.StartsWith("call_", Assert.Single(ids), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.String, JsonElement.Parse(arguments.ToString()).GetProperty("text").ValueKind);
    }

    [Fact]
    public async Task It_gets_what_a_schema_says()
    {
        var format = ChatResponseFormat.CreateJsonSchemaFormat("state", BinaryData.FromString("""{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}"""), jsonSchemaIsStrict: true);
        var answer = (await Chat("hadal-mini").CompleteChatAsync([new UserChatMessage("Is it well?")], new ChatCompletionOptions { ResponseFormat = format })).Value;
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Contains(JsonElement.Parse(answer.Content[0].Text).GetProperty("ok").ValueKind, new[] { JsonValueKind.True, JsonValueKind.False });
    }

    [Fact]
    public async Task It_lists_models_and_reads_errors()
    {
        var models = (await Client().GetOpenAIModelClient().GetModelsAsync()).Value;
        Assert.Contains(models, model => model.Id == "hadal-mini");
        var fault = await Assert.ThrowsAsync<ClientResultException>(() => Chat("gpt").CompleteChatAsync([new UserChatMessage("x")]));
        Assert.Equal(404, fault.Status);
        Assert.Contains("The model 'gpt' does not exist", fault.Message, StringComparison.Ordinal);
    }

    private OpenAIClient Client() => new(
        new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(_server.Server.Urls[0] + "/v1"), RetryPolicy = new ClientRetryPolicy(maxRetries: 0) });

    private ChatClient Chat(string model) => Client().GetChatClient(model);
}
