using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Hadal.Server.Tests;

/// <summary>What Microsoft.Extensions.AI and its middleware expect of any client, of the one in the process.</summary>
public sealed class ExtensionsAiConformanceTests(ExtensionsAiConformanceTests.Models models) : IClassFixture<ExtensionsAiConformanceTests.Models>
{
    private static readonly ChatOptions Short = new() { Temperature = 0, MaxOutputTokens = 12 };

    [Fact]
    public async Task Every_update_names_the_response_the_role_and_the_model()
    {
        using var client = Client();
        var updates = await Updates(client, "The sea", Short);
        Assert.All(updates, update => Assert.Equal((ChatRole.Assistant, "m", updates[0].ResponseId, updates[0].MessageId), (update.Role, update.ModelId, update.ResponseId, update.MessageId)));
        Assert.NotNull(updates[0].CreatedAt);
        Assert.Equal(ChatFinishReason.Length, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        var usage = Assert.Single(updates.SelectMany(update => update.Contents).OfType<UsageContent>()).Details;
        Assert.Equal((12, usage.InputTokenCount + 12), (usage.OutputTokenCount, usage.TotalTokenCount));
        Assert.NotEqual(updates[0].ResponseId, (await Updates(client, "The sea", Short))[0].ResponseId);
    }

    [Fact]
    public async Task Options_are_kept()
    {
        using var client = Client();
        var plain = (await client.GetResponseAsync("The sea", Short)).Text;
        Assert.Equal(plain[..4], (await client.GetResponseAsync("The sea", With(options => options.StopSequences = [plain[4..7]]))).Text);
        Assert.Equal(ChatFinishReason.Stop, (await client.GetResponseAsync("The sea", With(options => options.StopSequences = [plain[4..7]]))).FinishReason);
        Assert.Equal(plain, (await client.GetResponseAsync("The sea", With(options => (options.Temperature, options.TopK) = (1, 1)))).Text);
        var seeded = With(options => (options.Temperature, options.Seed) = (1.5f, 7));
        Assert.Equal((await client.GetResponseAsync("The sea", seeded)).Text, (await client.GetResponseAsync("The sea", seeded)).Text);
        Assert.NotEqual((await client.GetResponseAsync("The sea", seeded)).Text, (await client.GetResponseAsync("The sea", With(options => (options.Temperature, options.Seed) = (1.5f, 8)))).Text);
        Assert.NotEqual(plain, (await client.GetResponseAsync("The sea", With(options => options.Instructions = "In winter"))).Text);
        Assert.Equal((await client.GetResponseAsync([new(ChatRole.System, "In winter"), new(ChatRole.User, "The sea")], Short)).Text, (await client.GetResponseAsync("The sea", With(options => options.Instructions = "In winter"))).Text);
        Assert.NotEqual(plain, (await client.GetResponseAsync("The sea", With(options => options.AdditionalProperties = new() { ["logit_bias"] = new Dictionary<string, int> { ["5"] = 100 } }))).Text);
        Assert.Equal("Yes", (await client.GetResponseAsync("The sea", With(options => options.AdditionalProperties = new() { ["structured_outputs"] = new Dictionary<string, object> { ["choice"] = new[] { "Yes" } } }))).Text);
    }

    [Fact]
    public async Task Options_that_cannot_be_kept_are_refused_by_name()
    {
        using var client = Client();
        await RefusedAsync("ModelId", With(options => options.ModelId = "other"), "other");
        await RefusedAsync("AllowBackgroundResponses", With(options => options.AllowBackgroundResponses = true), "AllowBackgroundResponses");
        await RefusedAsync("ContinuationToken", With(options => options.ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 })), "ContinuationToken");
        await RefusedAsync("Tools", With(options => options.Tools = [new HostedWebSearchTool()]), "HostedWebSearchTool");
        await RefusedAsync("Tools", With(options => options.Tools = [AIFunctionFactory.Create(() => 1, "f")]), "tools");
        await RefusedAsync("Reasoning", With(options => options.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High }), "reasoning_effort");
        await RefusedAsync("Reasoning.Output", With(options => options.Reasoning = new ReasoningOptions { Output = ReasoningOutput.Summary }), "Reasoning.Output");
        await RefusedAsync("TopP", With(options => options.TopP = 2), "top_p");

        async Task RefusedAsync(string what, ChatOptions options, string expected) =>
            Assert.True((await Assert.ThrowsAnyAsync<ArgumentException>(() => client.GetResponseAsync("x", options))).Message.Contains(expected, StringComparison.Ordinal), what);
    }

    [Fact]
    public async Task Thoughts_are_left_out_where_nobody_wants_them()
    {
        using var client = new HadalChatClient(models.Reasoner);
        var options = new ChatOptions { MaxOutputTokens = 8, Reasoning = new ReasoningOptions { Output = ReasoningOutput.None } };
        var response = await client.GetResponseAsync("Whales", options);
        Assert.Empty(response.Messages.SelectMany(message => message.Contents).OfType<TextReasoningContent>());
        Assert.Equal(8, response.Usage!.ReasoningTokenCount);
        Assert.NotEmpty((await client.GetResponseAsync("Whales", new ChatOptions { MaxOutputTokens = 8 })).Messages[0].Contents.OfType<TextReasoningContent>());
    }

    [Fact]
    public async Task Neither_messages_nor_options_are_changed()
    {
        using var client = Client();
        List<ChatMessage> messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, [new TextContent("The "), new TextContent("sea")])];
        var options = With(options => options.AdditionalProperties = new() { ["logprobs"] = false });
        var before = JsonSerializer.Serialize((object)messages, AIJsonUtilities.DefaultOptions) + JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions);
        await client.GetResponseAsync(messages, options);
        Assert.Equal(before, JsonSerializer.Serialize((object)messages, AIJsonUtilities.DefaultOptions) + JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions));
    }

    [Fact]
    public async Task What_is_cancelled_before_it_begins_does_not_begin()
    {
        using var client = Client();
        using var generator = new HadalEmbeddingGenerator(models.Plain);
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("x", Short, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["x"], null, cancelled));
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(() => generator.GenerateAsync(null!));
    }

    [Fact]
    public void Services_are_found_through_the_middleware()
    {
        using var client = Client().AsBuilder().UseFunctionInvocation().UseOpenTelemetry().Build();
        Assert.Equal(("hadal", "m"), (client.GetService<ChatClientMetadata>()!.ProviderName, client.GetService<ChatClientMetadata>()!.DefaultModelId));
        Assert.Same(models.Plain, client.GetService<ServedModel>());
        Assert.NotNull(client.GetService<HadalChatClient>());
        Assert.Null(client.GetService<ChatClientMetadata>("key"));
        using var generator = new HadalEmbeddingGenerator(models.Plain);
        var metadata = generator.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.Equal(("hadal", "m", models.Plain.Generator.EmbeddingLength), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answers_can_be_cached(bool isStreamed)
    {
        var counted = new CountingClient(Client());
        using var client = counted.AsBuilder().UseDistributedCache(Cache()).Build();
        Task<ChatResponse> AskAsync(string text) => isStreamed ? client.GetStreamingResponseAsync(text, Short).ToChatResponseAsync() : client.GetResponseAsync(text, Short);
        var first = await AskAsync("The sea");
        var again = await AskAsync("The sea");
        Assert.Equal(1, counted.Calls);
        Assert.Equal((first.Text, first.FinishReason, first.Usage!.OutputTokenCount), (again.Text, again.FinishReason, again.Usage!.OutputTokenCount));
        await AskAsync("The sky");
        Assert.Equal(2, counted.Calls);
    }

    [Fact]
    public async Task Calls_and_thoughts_outlive_a_cache()
    {
        var cache = Cache();
        using var tools = new HadalChatClient(models.Tools).AsBuilder().UseDistributedCache(cache).Build();
        var declaration = AIFunctionFactory.CreateDeclaration("get_rul", "Remaining useful life", JsonElement.Parse("""{"type":"object","properties":{"isOld":{"type":"boolean"}},"required":["isOld"]}"""));
        var options = new ChatOptions { Tools = [declaration], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        var (first, again) = (await tools.GetResponseAsync("Unit 7?", options), await tools.GetResponseAsync("Unit 7?", options));
        var (call, copy) = (first.Messages[0].Contents.OfType<FunctionCallContent>().Single(), again.Messages[0].Contents.OfType<FunctionCallContent>().Single());
        Assert.Equal((call.CallId, call.Name, call.Arguments!["isOld"]!.ToString()), (copy.CallId, copy.Name, copy.Arguments!["isOld"]!.ToString()));
        Assert.Equal(ChatFinishReason.ToolCalls, again.FinishReason);
        using var reasoner = new HadalChatClient(models.Reasoner).AsBuilder().UseDistributedCache(cache).Build();
        Assert.Equal(Thoughts(await reasoner.GetResponseAsync("Whales", Short)), Thoughts(await reasoner.GetResponseAsync("Whales", Short)));

        static string Thoughts(ChatResponse response) => string.Concat(response.Messages[0].Contents.OfType<TextReasoningContent>().Select(thought => thought.Text));
    }

    [Fact]
    public async Task Telemetry_sees_the_model_the_tokens_and_the_faults()
    {
        const string source = "hadal-conformance";
        var seen = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = activity => activity.Name == source,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = seen.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var client = Client().AsBuilder().UseOpenTelemetry(sourceName: source).Build();
        await client.GetResponseAsync("The sea", Short);
        await client.GetStreamingResponseAsync("The sea", Short).ToChatResponseAsync();
        await Assert.ThrowsAnyAsync<ArgumentException>(() => client.GetResponseAsync("x", With(options => options.TopP = 2)));
        Assert.Equal(3, seen.Count);
        Assert.All(seen, activity => Assert.Equal(("chat m", "hadal", "m"), (activity.DisplayName, activity.GetTagItem("gen_ai.provider.name"), activity.GetTagItem("gen_ai.request.model"))));
        Assert.All(seen.Take(2), activity => Assert.Equal(12, Convert.ToInt32(activity.GetTagItem("gen_ai.usage.output_tokens"), System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal(typeof(ArgumentException).FullName, seen.Last().GetTagItem("error.type"));
    }

    [Fact]
    public async Task Embeddings_are_of_unit_length_alike_for_like_texts_cached_and_counted()
    {
        using var generator = new HadalEmbeddingGenerator(models.Plain).AsBuilder().UseDistributedCache(Cache()).UseOpenTelemetry().Build();
        var made = await generator.GenerateAsync(["one", "two", "one"]);
        Assert.Equal(3, made.Count);
        Assert.Equal(made[0].Vector.ToArray(), made[2].Vector.ToArray());
        Assert.Equal(made[1].Vector.ToArray(), (await generator.GenerateVectorAsync("two")).ToArray());
        Assert.All(made, embedding => Assert.Equal(1, embedding.Vector.ToArray().Sum(value => value * value), 1e-5));
        using var plain = new HadalEmbeddingGenerator(models.Plain);
        Assert.Empty(await plain.GenerateAsync([]));
        Assert.True((await plain.GenerateAsync(["one two"])).Usage!.InputTokenCount > 1);
        await Assert.ThrowsAsync<ArgumentException>(() => plain.GenerateAsync([""]));
        await Assert.ThrowsAsync<ArgumentException>(() => plain.GenerateAsync(["x"], new EmbeddingGenerationOptions { Dimensions = 3 }));
        await Assert.ThrowsAsync<ArgumentException>(() => plain.GenerateAsync(["x"], new EmbeddingGenerationOptions { ModelId = "other" }));
    }

    [Fact]
    public async Task Many_callers_at_once_get_what_each_gets_alone()
    {
        using var client = Client();
        var prompts = Enumerable.Range(0, 12).Select(i => $"Number {i} is").ToList();
        var alone = new List<string>();
        foreach (var prompt in prompts) alone.Add((await client.GetResponseAsync(prompt, Short)).Text);
        Assert.Equal(alone, (await Task.WhenAll(prompts.Select(prompt => client.GetResponseAsync(prompt, Short)))).Select(response => response.Text));
    }

    private HadalChatClient Client() => new(models.Plain);

    private static MemoryDistributedCache Cache() => new(Options.Create(new MemoryDistributedCacheOptions()));

    private static ChatOptions With(Action<ChatOptions> change)
    {
        var options = Short.Clone();
        change(options);
        return options;
    }

    private static async Task<List<ChatResponseUpdate>> Updates(IChatClient client, string text, ChatOptions options)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(text, options)) updates.Add(update);
        return updates;
    }

    private sealed class CountingClient(IChatClient inner) : DelegatingChatClient(inner)
    {
        public int Calls { get; private set; }

        public override Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Calls++;
            return base.GetResponseAsync(messages, options, cancellationToken);
        }

        public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Calls++;
            return base.GetStreamingResponseAsync(messages, options, cancellationToken);
        }
    }

    /// <summary>hadal-mini as it is, and with templates that reason and call tools.</summary>
    public sealed class Models : IDisposable
    {
        internal ServedModel Plain { get; } = TestModel.Source("m").Open();

        internal ServedModel Reasoner { get; } = TestModel.Source("reasoner", "deepseek-r1").Open();

        internal ServedModel Tools { get; } = TestModel.Source("chat", "deepseek-v3.1").Open();

        public void Dispose()
        {
            Plain.Dispose();
            Reasoner.Dispose();
            Tools.Dispose();
        }
    }
}
