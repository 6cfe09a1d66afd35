using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Tests;

/// <summary>What messages say reaches the model, or is refused by name.</summary>
public sealed class MessageTests(MessageTests.OpenModels models) : IClassFixture<MessageTests.OpenModels>
{
    private const string Calls = """{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"{\"a\":2}"}}]}""";

    [Theory]
    [InlineData(null, false)]
    [InlineData("deepseek-v2", false)]
    [InlineData("deepseek-v3", false)]
    [InlineData("deepseek-v3.1", true)]
    [InlineData("deepseek-r1", true)]
    [InlineData("qwen", true)]
    [InlineData("llama-3.1", false)]
    public async Task Ordinary_conversations_are_rendered_as_they_were(string? template, bool callsTools)
    {
        var model = models.Of(template);
        var text = """{"role":"system","content":"Be short."},{"role":"user","content":"One?","name":"anna"},{"role":"assistant","content":"Two.","refusal":null},{"role":"user","content":" Three? "}""";
        Assert.Equal(Rendered(model, $"[{text}]"), await PromptAsync(model, $"[{text}]"));
        if (!callsTools) return;
        var calling = $$"""[{{text}},{{Calls}},{"role":"tool","tool_call_id":"c1","content":"first"},{"role":"tool","tool_call_id":"c2","content":"second"}]""";
        Assert.Equal(Rendered(model, calling), await PromptAsync(model, calling));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("deepseek-v2")]
    public async Task Calls_that_the_template_has_no_place_for_are_refused(string? template)
    {
        var model = models.Of(template);
        var fault = await FaultAsync(model, $$"""[{"role":"user","content":"x"},{{Calls}},{"role":"tool","tool_call_id":"c1","content":"first"}]""");
        Assert.Equal((400, "messages[1].tool_calls"), (fault.Status, fault.Param));
    }

    [Theory]
    [InlineData("{% for message in messages %}{% if message.role == 'user' %}{{ message.content }}{% endif %}{% endfor %}", """[{"role":"system","content":"Be short."},{"role":"user","content":"x"}]""", "messages[0].content")]
    [InlineData("{% for message in messages %}{{ message.content }}{% for call in message.tool_calls or [] %}{{ call.function.arguments }}{% endfor %}{% if message.role == 'tool' %}{% endif %}{% endfor %}", "", null)]
    [InlineData("{% for message in messages if message.role != 'tool' %}{{ message.content or '' }}{% for call in message.tool_calls or [] %}{{ call.function.arguments }}{% endfor %}{% endfor %}", "", "messages[2].content")]
    public void What_a_template_leaves_out_is_found(string template, string messages, string? place)
    {
        if (messages.Length == 0) messages = $$"""[{"role":"user","content":"x"},{{Calls}},{"role":"tool","tool_call_id":"c1","content":"first"}]""";
        var conversation = new ChatConversation { Messages = ChatMessage.ReadMessages(JsonElement.Parse(messages)) };
        var model = models.Of(null);
        var chat = new ChatPrompt(template, model.Generator.Tokenizer);
        var placed = MessageMarks.Placed(chat, conversation, out var lost);
        Assert.Equal(place, lost?.Place);
        if (place is null) Assert.DoesNotContain("None", Text(chat.Render(placed)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_text_is_not_written_as_a_word()
    {
        var model = models.Of(null);
        var prompt = await PromptAsync(model, """[{"role":"user","content":"x"},{"role":"assistant","content":null,"reasoning_content":"Hm."},{"role":"user","content":"None of it"}]""");
        Assert.Equal(1, prompt.Split("None").Length - 1);
    }

    [Fact]
    public async Task Answers_of_tools_stand_in_the_order_of_the_calls()
    {
        var model = models.Of("deepseek-v3.1");
        var prompt = await PromptAsync(model, $$"""[{"role":"user","content":"x"},{{Calls}},{"role":"tool","tool_call_id":"c2","content":"second"},{"role":"tool","tool_call_id":"c1","content":"first"}]""");
        Assert.True(prompt.IndexOf("first", StringComparison.Ordinal) < prompt.IndexOf("second", StringComparison.Ordinal), prompt);
    }

    [Theory]
    [InlineData("\"arguments\":\"\"")]
    [InlineData("\"arguments\":null")]
    [InlineData("\"arguments\":\"{}\",\"parsed_arguments\":{}")]
    [InlineData("\"arguments\":{}")]
    public async Task A_call_without_arguments_has_none(string arguments)
    {
        var model = models.Of("deepseek-v3.1");
        var prompt = await PromptAsync(model, $$"""[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"index":0,"id":"c","function":{"name":"f",{{arguments}} } }]},{"role":"tool","tool_call_id":"c","content":"1"}]""");
        Assert.Contains("<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>", prompt, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "messages[1].tool_calls")]
    [InlineData("deepseek-v2", "messages[1].tool_calls")]
    [InlineData("deepseek-v3", "messages[1].tool_calls")]
    [InlineData("deepseek-vl2", "messages[1].tool_calls")]
    [InlineData("deepseek-v3.1", null)]
    [InlineData("deepseek-r1", null)]
    [InlineData("qwen", null)]
    [InlineData("llama-3.1", "messages[1].tool_calls[0].function.arguments")]
    public async Task A_call_that_a_limit_has_cut_stands_as_it_was_written(string? template, string? place)
    {
        var model = models.Of(template);
        foreach (var cut in (string[])["{", "{\\\"city\\\":\\\"Ro", "{\\\"city\\\":{\\\"name\\\":", "[1]", "Rome", new string('[', 100)])
        {
            var messages = $$"""[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{{cut}}"} }]},{"role":"tool","tool_call_id":"c","content":"no such city"},{"role":"user","content":"Why?"}]""";
            if (place is null)
            {
                var prompt = await PromptAsync(model, messages);
                Assert.Contains(cut.Replace("\\", "", StringComparison.Ordinal), prompt, StringComparison.Ordinal);
                Assert.Contains("no such city", prompt, StringComparison.Ordinal);
            }
            else
            {
                var fault = await FaultAsync(model, messages);
                Assert.Equal((400, place), (fault.Status, fault.Param));
            }
        }
    }

    [Fact]
    public async Task More_messages_than_the_context_has_tokens_are_refused_before_they_are_rendered()
    {
        var messages = $"[{string.Join(',', Enumerable.Repeat("""{"role":"user","content":"x"}""", 50_000))}]";
        var fault = await FaultAsync(models.Of("deepseek-v3.1"), messages);
        Assert.Equal((400, "messages", "context_length_exceeded"), (fault.Status, fault.Param, fault.Code));
        Assert.Contains("found 50000", fault.Message, StringComparison.Ordinal);

        // Fewer, and still too long: that is seen before the marks are looked for, which this template would not have.
        var model = models.Of("deepseek-v2");
        var system = """{"role":"system","content":"x"}""";
        fault = await FaultAsync(model, $"[{system},{{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"x\"}}]");
        Assert.NotEqual("context_length_exceeded", fault.Code);
        fault = await FaultAsync(model, $$"""[{{system}},{{Calls.Replace("\"content\":null", "\"content\":\"\"", StringComparison.Ordinal)}},{"role":"user","content":"{{new string('x', 1_000_000)}}"}]""");
        Assert.Equal("context_length_exceeded", fault.Code);
    }

    [Theory]
    [InlineData("""{"role":"assistant","content":"y","refusal":null,"annotations":[],"audio":null,"function_call":null,"tool_calls":null,"name":"a","reasoning_content":"z","reasoning":"z"}""")]
    [InlineData("""{"role":"assistant","content":"y","annotations":[{"type":"url_citation"}],"parsed":{"a":1},"prefix":false,"tool_calls":[],"provider_specific_fields":null}""")]
    [InlineData("""{"role":"assistant","content":null,"refusal":"y"}""")]
    [InlineData("""{"role":"assistant","content":"y","refusal":"","audio":"","function_call":"","provider_specific_fields":""}""")]
    [InlineData("""{"content":[{"type":"refusal","refusal":"y"}],"role":"assistant"}""")]
    public async Task What_clients_send_along_is_taken(string message)
    {
        var model = models.Of("deepseek-v3.1");
        Assert.Contains("</think>y<", await PromptAsync(model, $$"""[{"role":"user","content":"x"},{{message}},{"role":"user","content":"x"}]"""), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"role":"user","content":"x","mood":"glad"}""", "messages[0].mood")]
    [InlineData("""{"role":"user","content":"x","tool_call_id":"c"}""", "messages[0].tool_call_id")]
    [InlineData("""{"role":"user","content":"x","tool_calls":[{"id":"c","function":{"name":"f"}}]}""", "messages[0].tool_calls")]
    [InlineData("""{"role":"user","content":"x","reasoning_content":"y"}""", "messages[0].reasoning_content")]
    [InlineData("""{"role":"user","content":"x","prefix":true}""", "messages[0].prefix")]
    [InlineData("""{"role":"assistant","content":"x","prefix":"yes"}""", "messages[0].prefix")]
    [InlineData("""{"role":"assistant","content":"x","prefix":true},{"role":"user","content":"x"}""", "messages[0].prefix")]
    [InlineData("""{"role":"user","content":"x"},{"role":"assistant","content":"x","prefix":true,"reasoning_content":"y"}""", "messages[1].reasoning_content")]
    [InlineData("""{"role":"assistant","content":"x","refusal":"y"}""", "messages[0].refusal")]
    [InlineData("""{"role":"user","content":[{"type":"refusal","refusal":"y"}]}""", "messages[0].content[0].type")]
    [InlineData("""{"role":"assistant","content":[{"type":"refusal","text":"y"}]}""", "messages[0].content[0].refusal")]
    [InlineData("""{"role":"assistant","content":"x","audio":{"id":"a"}}""", "messages[0].audio")]
    [InlineData("""{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}""", "messages[0].function_call")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":[1]}}]}""", "messages[0].tool_calls[0].function.arguments")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":7}}]}""", "messages[0].tool_calls[0].function.arguments")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"arguments":"{}"}}]}""", "messages[0].tool_calls[0].function.name")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"x"}}]}""", "messages[0].tool_calls[0].type")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"},"more":1}]}""", "messages[0].tool_calls[0].more")]
    [InlineData("""{"role":"tool","tool_call_id":"c","content":"x"}""", "messages[0].tool_call_id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"d","content":"x"}""", "messages[1].tool_call_id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"c","content":"x"},{"role":"tool","tool_call_id":"c","content":"x"}""", "messages[2].tool_call_id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"user","content":"x"},{"role":"tool","tool_call_id":"c","content":"x"}""", "messages[2].tool_call_id")]
    public async Task What_cannot_be_kept_is_named(string messages, string place)
    {
        var model = models.Of("deepseek-v3.1");
        var fault = await FaultAsync(model, $"[{messages}]");
        Assert.Equal((400, place), (fault.Status, fault.Param));
        Assert.Contains(place, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mood", true)]
    [InlineData("colour", true)]
    [InlineData("moo", false)]
    [InlineData("col", false)]
    [InlineData("shape", true)]
    public void A_member_that_the_template_asks_for_is_its_own(string name, bool isRead) =>
        Assert.Equal(isRead, ServedModel.Reads("{{ message.mood }}{% if 'colour' in message %}{{ message[\"shape\"] }}{% endif %}", name));

    private static string Rendered(ServedModel model, string messages) =>
        Text(model.Chat.Render(new ChatConversation { Messages = ChatMessage.ReadMessages(JsonElement.Parse(messages)), Variables = new Dictionary<string, JsonElement> { ["starts_with_bos"] = JsonElement.Parse("true") } }));

    private static string Text(IEnumerable<TextSegment> segments) => string.Concat(segments.Select(segment => segment.Text));

    private static async Task<string> PromptAsync(ServedModel model, string messages)
    {
        var catalog = new ModelCatalog(model, TimeProvider.System);
        var request = await ChatRequest.ReadAsync(JsonElement.Parse("{\"model\":\"m\",\"messages\":" + messages + "}"), catalog.Find, Caller.Anyone, CancellationToken.None);
        return Text(request.Prompt);
    }

    private static async Task<ApiException> FaultAsync(ServedModel model, string messages) => await Assert.ThrowsAsync<ApiException>(() => PromptAsync(model, messages));

    /// <summary>A model for each template, open while the tests run.</summary>
    public sealed class OpenModels : IDisposable
    {
        private readonly Dictionary<string, ServedModel> _models = [];

        public ServedModel Of(string? template) => _models.TryGetValue(template ?? "", out var model) ? model : _models[template ?? ""] = TestModel.Source("m", template).Open();

        public void Dispose()
        {
            foreach (var model in _models.Values) model.Dispose();
        }
    }
}
