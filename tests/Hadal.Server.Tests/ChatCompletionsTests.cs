using Hadal.Server.Answers;
using System.Text;
using System.Text.Json;

namespace Hadal.Server.Tests;

public sealed class ChatCompletionsTests(SharedServer shared)
{
    private const string Path = "/v1/chat/completions";
    private readonly TestServer _server = shared.Server;

    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/chat/completions")]
    [InlineData("/beta/chat/completions")]
    public async Task An_answer_has_the_members_that_clients_read(string path)
    {
        var answer = await _server.PostAsync(path, Body("hadal-mini", "\"max_tokens\":8,\"temperature\":0"));
        Assert.StartsWith("chatcmpl-", answer.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", answer.GetProperty("object").GetString());
        Assert.Equal("hadal-mini", answer.GetProperty("model").GetString());
        Assert.True(answer.GetProperty("created").GetInt64() > 1_700_000_000);
        var choice = Assert.Single(answer.GetProperty("choices").EnumerateArray());
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.Equal("assistant", choice.GetProperty("message").GetProperty("role").GetString());
        Assert.NotEqual("", choice.GetProperty("message").GetProperty("content").GetString());
        Assert.False(choice.GetProperty("message").TryGetProperty("tool_calls", out _));
        var usage = answer.GetProperty("usage");
        Assert.Equal(8, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(usage.GetProperty("prompt_tokens").GetInt32() + 8, usage.GetProperty("total_tokens").GetInt32());
        Assert.Equal(
            usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("prompt_cache_hit_tokens").GetInt32() + usage.GetProperty("prompt_cache_miss_tokens").GetInt32());
    }

    [Theory]
    [InlineData("hadal-mini", "\"max_tokens\":40,\"n\":3,\"seed\":7")]
    [InlineData("hadal-mini", "\"max_tokens\":40,\"temperature\":0,\"stop\":[\"the\",\" of\"]")]
    [InlineData("reasoner", "\"max_tokens\":60,\"seed\":3,\"logit_bias\":{\"6\":9}")]
    [InlineData("chat", "\"max_tokens\":60,\"seed\":4,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"depth\":{\"type\":\"integer\"}},\"required\":[\"depth\"]}}},{\"type\":\"function\",\"function\":{\"name\":\"g\",\"parameters\":{}}}],\"tool_choice\":\"required\"")]
    [InlineData("chat", "\"max_tokens\":90,\"seed\":6,\"logit_bias\":{\"12\":100},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"depth\":{\"type\":\"integer\",\"maximum\":99,\"minimum\":0}},\"required\":[\"depth\"],\"additionalProperties\":false}}},{\"type\":\"function\",\"function\":{\"name\":\"go\",\"parameters\":{\"type\":\"object\"}}}]")]
    [InlineData("tagged", "\"max_tokens\":60,\"seed\":4,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"depth\":{\"type\":\"integer\"}},\"required\":[\"depth\"]}}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}")]
    [InlineData("chat", "\"max_tokens\":60,\"seed\":5,\"top_p\":0.9,\"presence_penalty\":1,\"frequency_penalty\":0.5")]
    public async Task Deltas_joined_are_the_answer_given_whole(string model, string fields)
    {
        var whole = await _server.PostAsync(Path, Body(model, fields));
        var chunks = await _server.StreamAsync(Path, Body(model, fields + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks[..^1], chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("usage").ValueKind));
        Assert.Empty(chunks[^1].GetProperty("choices").EnumerateArray());
        foreach (var count in new[] { "prompt_tokens", "completion_tokens", "total_tokens" })
            Assert.Equal(whole.GetProperty("usage").GetProperty(count).GetInt32(), chunks[^1].GetProperty("usage").GetProperty(count).GetInt32());
        foreach (var choice in whole.GetProperty("choices").EnumerateArray())
        {
            var index = choice.GetProperty("index").GetInt32();
            var own = chunks[..^1].Select(chunk => chunk.GetProperty("choices")[0]).Where(item => item.GetProperty("index").GetInt32() == index).ToList();
            Assert.Equal("{\"role\":\"assistant\",\"content\":\"\"}", own[0].GetProperty("delta").GetRawText());
            Assert.Equal("{}", own[^1].GetProperty("delta").GetRawText());
            Assert.Equal(choice.GetProperty("finish_reason").GetString(), own[^1].GetProperty("finish_reason").GetString());
            Assert.All(own[..^1], item => Assert.Equal(JsonValueKind.Null, item.GetProperty("finish_reason").ValueKind));
            var message = choice.GetProperty("message");
            Assert.Equal(message.GetProperty("content").GetString() ?? "", Joined(own, "content"));
            Assert.Equal(message.TryGetProperty("reasoning_content", out var reasoning) ? reasoning.GetString() : "", Joined(own, "reasoning_content"));
            Assert.Equal(Calls(message), JoinedCalls(own));
        }
    }

    [Fact]
    public async Task Answers_at_temperature_zero_are_the_same_alone_and_in_company()
    {
        string[] prompts = ["The sea", "In winter the birds", "Once there was a king who", "Iron is", "He said"];
        var alone = new List<string>();
        foreach (var prompt in prompts) alone.Add(await AnswerAsync(prompt));
        var together = await Task.WhenAll(prompts.Select(AnswerAsync));
        Assert.Equal(alone, together);

        async Task<string> AnswerAsync(string prompt) => Content(await _server.PostAsync(
            Path, $"{{\"model\":\"hadal-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"temperature\":0,\"max_tokens\":30}}"));
    }

    [Fact]
    public async Task An_answer_whose_call_does_not_fit_the_context_ends_with_length()
    {
        var empty = await PromptTokensAsync(10);
        var perWord = (await PromptTokensAsync(20) - empty) / 10;
        var end = await _server.PostAsync(Path, Asking(10 + ((1022 - empty) / perWord), 40));
        Assert.InRange(end.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), 1020, 1022);
        Assert.Equal("length", end.GetProperty("choices")[0].GetProperty("finish_reason").GetString());

        async Task<int> PromptTokensAsync(int words) => (await _server.PostAsync(Path, Asking(words, 1))).GetProperty("usage").GetProperty("prompt_tokens").GetInt32();

        // The bias makes the model begin a call at once.
        static string Asking(int words, int maxTokens) => "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"" + string.Concat(Enumerable.Repeat(" the", words))
            + "\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_rul\",\"parameters\":{}}}],\"max_tokens\":" + maxTokens + ",\"logit_bias\":{\"10\":100}}";
    }

    [Theory]
    [InlineData("chat", "12")]
    [InlineData("chat", "10")]
    [InlineData("reasoner", "10")]
    public async Task Calls_that_the_model_begins_itself_follow_the_schemas_one_after_the_other(string model, string mark)
    {
        // The bias makes the model write the mark wherever it is free; a thought would have to end before.
        const string tools = """[{"type":"function","function":{"name":"get_rul","strict":true,"parameters":{"type":"object","properties":{"unit":{"type":"integer","minimum":1,"maximum":9}},"required":["unit"],"additionalProperties":false}}}]""";
        var thought = model == "reasoner" ? """{"role":"assistant","content":"Let me see.","prefix":true}""" : """{"role":"user","content":"Now"}""";
        var body = "{\"model\":\"" + model + "\",\"messages\":[{\"role\":\"user\",\"content\":\"How long?\"}," + thought + "],\"tools\":" + tools + ",\"max_tokens\":40,\"logit_bias\":{\"" + mark + "\":100}";
        var one = (await _server.PostAsync(Path, body + ",\"parallel_tool_calls\":false}")).GetProperty("choices")[0];
        Assert.Equal("tool_calls", one.GetProperty("finish_reason").GetString());
        Check(Assert.Single(one.GetProperty("message").GetProperty("tool_calls").EnumerateArray()));
        Assert.Equal(JsonValueKind.Null, one.GetProperty("message").GetProperty("content").ValueKind);
        if (mark == "10") return;
        var several = (await _server.PostAsync(Path, body + "}")).GetProperty("choices")[0];
        var calls = several.GetProperty("message").GetProperty("tool_calls").EnumerateArray().ToList();
        var isLastWhole = calls[^1].GetProperty("function").GetProperty("arguments").GetString()!.EndsWith('}');
        Assert.Equal(isLastWhole ? "tool_calls" : "length", several.GetProperty("finish_reason").GetString());
        Assert.True(calls.Count > 2);
        Assert.All(calls[..^1], Check);
        Assert.Equal(calls.Count, calls.Select(call => call.GetProperty("id").GetString()).Distinct().Count());

        static void Check(JsonElement call)
        {
            Assert.Equal("get_rul", call.GetProperty("function").GetProperty("name").GetString());
            Assert.InRange(JsonElement.Parse(call.GetProperty("function").GetProperty("arguments").GetString()!).GetProperty("unit").GetInt32(), 1, 9);
        }
    }

    [Fact]
    public async Task An_answer_that_is_cut_behind_whole_calls_ends_with_tool_calls_and_within_one_with_length()
    {
        const string tools = """[{"type":"function","function":{"name":"get_rul","strict":true,"parameters":{"type":"object","properties":{"unit":{"type":"integer","minimum":1,"maximum":9}},"required":["unit"],"additionalProperties":false}}}]""";
        var reasons = new List<string>();
        for (var maxTokens = 1; maxTokens <= 24; maxTokens++)
        {
            var choice = (await _server.PostAsync(Path, "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"How long?\"},{\"role\":\"user\",\"content\":\"Now\"}],\"tools\":" + tools + ",\"max_tokens\":" + maxTokens + ",\"temperature\":0,\"logit_bias\":{\"12\":100}}")).GetProperty("choices")[0];
            var calls = choice.GetProperty("message").TryGetProperty("tool_calls", out var list) ? list.EnumerateArray().ToList() : [];
            reasons.Add(choice.GetProperty("finish_reason").GetString()!);
            var areWhole = calls.Count > 0 && calls.All(call => call.GetProperty("function").GetProperty("arguments").GetString()!.EndsWith('}'));
            Assert.Equal(areWhole ? "tool_calls" : "length", reasons[^1]);
        }

        Assert.Contains("tool_calls", reasons);
        Assert.Contains("length", reasons);
    }

    [Fact]
    public async Task A_seed_repeats_an_answer_and_answers_of_one_request_differ()
    {
        var first = await _server.PostAsync(Path, Body("hadal-mini", "\"max_tokens\":20,\"seed\":11,\"n\":2"));
        var second = await _server.PostAsync(Path, Body("hadal-mini", "\"max_tokens\":20,\"seed\":11,\"n\":2"));
        Assert.Equal(first.GetProperty("choices").GetRawText(), second.GetProperty("choices").GetRawText());
        Assert.NotEqual(Content(first, 0), Content(first, 1));
    }

    [Fact]
    public async Task Log_probabilities_come_with_bytes_and_alternatives_in_whole_and_streamed_answers()
    {
        const string fields = "\"max_tokens\":6,\"temperature\":0,\"logprobs\":true,\"top_logprobs\":3";
        var whole = (await _server.PostAsync(Path, Body("hadal-mini", fields))).GetProperty("choices")[0];
        var tokens = whole.GetProperty("logprobs").GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(6, tokens.Count);
        foreach (var token in tokens)
        {
            Assert.True(token.GetProperty("logprob").GetDouble() <= 0);
            Assert.Equal(3, token.GetProperty("top_logprobs").GetArrayLength());
            Assert.Equal(token.GetProperty("logprob").GetDouble(), token.GetProperty("top_logprobs")[0].GetProperty("logprob").GetDouble());
        }

        var bytes = tokens.SelectMany(token => token.GetProperty("bytes").EnumerateArray().Select(item => item.GetByte())).ToArray();
        Assert.Equal(whole.GetProperty("message").GetProperty("content").GetString(), Encoding.UTF8.GetString(bytes));
        var chunks = await _server.StreamAsync(Path, Body("hadal-mini", fields + ",\"stream\":true"));
        var streamed = chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs")).Where(item => item.ValueKind == JsonValueKind.Object)
            .SelectMany(item => item.GetProperty("content").EnumerateArray()).Select(item => item.GetRawText());
        Assert.Equal(tokens.Select(token => token.GetRawText()), streamed);
    }

    [Fact]
    public async Task What_was_computed_before_is_told_and_not_shared_with_others()
    {
        var fields = "\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"" + string.Join(' ', Enumerable.Repeat("whale", 150)) + "\"}]";
        foreach (var (isCached, salt) in new[] { (false, "a"), (true, "a"), (false, "b") })
        {
            var usage = (await _server.PostAsync(Path, "{\"model\":\"hadal-mini\",\"user_id\":\"" + salt + "\"," + fields + "}")).GetProperty("usage");
            var expected = isCached ? usage.GetProperty("prompt_tokens").GetInt32() - 1 : 0;
            Assert.Equal(isCached, expected > 0);
            Assert.Equal(expected, usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
            Assert.Equal(expected, usage.GetProperty("prompt_cache_hit_tokens").GetInt32());
        }
    }

    [Fact]
    public async Task Who_says_the_same_in_other_fields_shares_nothing()
    {
        var fields = "\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"" + string.Join(' ', Enumerable.Repeat("salt", 150)) + "\"}]";
        foreach (var (isCached, salt) in new[] { (false, """ "user_id":"a\u0000b","cache_salt":"c" """), (true, """ "user_id":"a\u0000b","cache_salt":"c" """), (false, """ "user_id":"a","cache_salt":"b\u0000c" """) })
        {
            var usage = (await _server.PostAsync(Path, "{\"model\":\"hadal-mini\"," + salt + "," + fields + "}")).GetProperty("usage");
            Assert.Equal(isCached, usage.GetProperty("prompt_cache_hit_tokens").GetInt32() > 0);
        }
    }

    [Theory]
    [InlineData("hadal-mini")]
    [InlineData("chat")]
    [InlineData("reasoner")]
    public async Task A_schema_is_kept_also_behind_reasoning(string model)
    {
        // The bias makes a random thought end.
        const string schema = """{"type":"object","properties":{"unit":{"type":"integer","minimum":1,"maximum":9},"state":{"enum":["good","worn"]}},"required":["unit","state"],"additionalProperties":false}""";
        var answer = await _server.PostAsync(Path, Body(model, "\"seed\":2,\"max_tokens\":300,\"logit_bias\":{\"6\":14},\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"report\",\"schema\":" + schema + "}}"));
        Assert.Equal("stop", answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var report = JsonElement.Parse(Content(answer));
        Assert.InRange(report.GetProperty("unit").GetInt32(), 1, 9);
        Assert.Contains(report.GetProperty("state").GetString(), new[] { "good", "worn" });
        Assert.Equal(model == "reasoner", answer.GetProperty("choices")[0].GetProperty("message").TryGetProperty("reasoning_content", out _));
        if (model == "reasoner") Assert.True(answer.GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32() > 0);
    }

    [Theory]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"}},\"required\":[\"a\"],\"additionalProperties\":false}}}")]
    [InlineData("\"structured_outputs\":{\"choice\":[\"north\",\"south\"]}")]
    public async Task A_model_that_would_end_within_its_thought_still_gives_the_form(string form)
    {
        // The bias makes the model end at once, where it may.
        var answer = await _server.PostAsync(Path, Body("reasoner", "\"seed\":2,\"max_tokens\":200,\"logit_bias\":{\"1\":100,\"6\":14}," + form));
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        Assert.Matches("^(north|south|\\{.*\\})$", Content(answer));
        Assert.NotEqual("", choice.GetProperty("message").GetProperty("reasoning_content").GetString());
    }

    [Fact]
    public async Task What_is_not_enforced_is_told_where_a_schema_is_not_strict()
    {
        const string form = """ "response_format":{"type":"json_schema","json_schema":{"name":"x","strict":false,"schema":{"const":7,"format":"regex","title":"ä"}}}""";
        using var body = new StringContent(Body("hadal-mini", "\"seed\":1,\"max_tokens\":20," + form), System.Text.Encoding.UTF8, "application/json");
        using var response = await _server.Client.PostAsync(Path, body);
        Assert.Equal(System.Net.HttpStatusCode.OK, response.StatusCode);
        var told = JsonElement.Parse(Assert.Single(response.Headers.GetValues("x-hadal-not-enforced")));
        Assert.Contains("/format: 'regex' cannot be enforced", Assert.Single(told.EnumerateArray()).GetString(), StringComparison.Ordinal);
        Assert.Equal("7", Content(JsonElement.Parse(await response.Content.ReadAsStringAsync())));

        using var strict = new StringContent(Body("hadal-mini", "\"seed\":1,\"max_tokens\":20," + form.Replace("\"strict\":false,", "", StringComparison.Ordinal)), System.Text.Encoding.UTF8, "application/json");
        using var refused = await _server.Client.PostAsync(Path, strict);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("'regex' cannot be enforced", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_json_object_is_one()
    {
        var answer = await _server.PostAsync(Path, Body("hadal-mini", "\"seed\":5,\"max_tokens\":400,\"temperature\":0.7,\"logit_bias\":{},\"response_format\":{\"type\":\"json_object\"}"));
        var choice = answer.GetProperty("choices")[0];
        if (choice.GetProperty("finish_reason").GetString() == "stop") Assert.Equal(JsonValueKind.Object, JsonElement.Parse(Content(answer)).ValueKind);
        else Assert.StartsWith("{", Content(answer), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"choice\":[\"north\",\"south\"]}", "^(north|south)$")]
    [InlineData("{\"regex\":\"[0-9]{4}-W[0-5][0-9]\"}", "^[0-9]{4}-W[0-5][0-9]$")]
    [InlineData("{\"grammar\":\"root ::= \\\"a\\\" \\\"b\\\"\"}", "^ab$")]
    [InlineData("{\"json\":{\"type\":\"boolean\"}}", "^(true|false)$")]
    public async Task Structured_outputs_take_every_form(string form, string pattern)
    {
        var answer = await _server.PostAsync(Path, Body("hadal-mini", "\"seed\":1,\"max_tokens\":40,\"structured_outputs\":" + form));
        Assert.Matches(pattern, Content(answer));
    }

    [Theory]
    [InlineData("{\\\"a\\\": \\\"r", "ed\"}", null)]
    [InlineData("{\\\"a\\\": \\\"red\\\"}", "", null)]
    [InlineData("{\\\"b\\\": 1", null, "{\"b")]
    [InlineData("{\\\"é\\\": 1", null, "{\"é")]
    [InlineData("Sure: {", null, "S")]
    [InlineData("\\n\\t {\\r\\n  \\\"a\\\" :\\n \\\"r", "ed\"}", null)]
    [InlineData("{\\n  \\\"a\\\": \\\"red\\\"\\n", "}", null)]
    [InlineData(" {\\\"a\\\":\\\"red\\\"}\\n", "", null)]
    [InlineData("{\\\"a\\\": \\\" red", null, "{\"a\": \" ")]
    [InlineData(" x", null, " ")]
    public async Task A_prefix_is_the_beginning_of_the_form_that_is_asked_for(string prefix, string? rest, string? found)
    {
        const string schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"red\",\"green\"]}},\"required\":[\"a\"],\"additionalProperties\":false}";
        var messages = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"" + prefix + "\",\"prefix\":true}]";
        foreach (var model in new[] { "hadal-mini", "reasoner" })
        {
            var body = $"{{\"model\":\"{model}\",{messages},\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"x\",\"schema\":{schema}}}}}}}";
            if (rest is not null) Assert.Equal(rest, Content(await _server.PostAsync(Path, body)));
            else
            {
                var (status, error) = await _server.FaultAsync(Path, body);
                Assert.Equal((400, "messages[1].content"), (status, error.GetProperty("param").GetString()));
                Assert.StartsWith($"messages[1].content: no text of the grammar begins with '{found}'", error.GetProperty("message").GetString(), StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("{\"a\": 1,\n \"b c\" : [ 1 , true ]\n", "{\"a\":1,\"b c\":[1,true]")]
    [InlineData(" {\"a\\\" \": \"x\\\\\" , ", "{\"a\\\" \":\"x\\\\\",")]
    [InlineData("[\"a  b", "[\"a  b")]
    [InlineData("[\"a ", "[\"a ")]
    [InlineData("[1 2", "[1 2")]
    [InlineData("[true false", "[true false")]
    [InlineData("[12\n", "[12 ")]
    [InlineData("[1.\t", "[1. ")]
    [InlineData("[tru ", "[tru ")]
    [InlineData("[true ", "[true")]
    [InlineData("[null\r\n, ", "[null,")]
    [InlineData(" \n", "")]
    public void White_space_that_says_nothing_is_left_out_of_json_and_no_other(string text, string expected)
    {
        Assert.Equal(expected, JsonBeginning.WithoutWhitespace(text));
        Assert.Equal(expected, JsonBeginning.WithoutWhitespace(expected));
    }

    [Fact]
    public async Task A_number_at_the_end_of_a_prefix_is_gone_on_with_only_where_nothing_stands_behind_it()
    {
        const string format = "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}}}";
        foreach (var (prefix, isTaken) in new[] { ("[1, 2", true), ("[1, 2\\n", false), ("[1\\n, ", true) })
        {
            using var response = await _server.SendAsync(Path, "{\"model\":\"hadal-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"" + prefix + "\",\"prefix\":true}],\"max_tokens\":3," + format + "}");
            Assert.Equal((prefix, isTaken), (prefix, response.StatusCode == System.Net.HttpStatusCode.OK));
            if (!isTaken) Assert.Contains("other than behind a number at the end", (await TestServer.ErrorAsync(response)).GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_choice_is_whole_whatever_characters_are_in_it()
    {
        var answer = await _server.PostAsync(Path, Body("hadal-mini", "\"max_tokens\":40,\"structured_outputs\":{\"choice\":[\"left\\u0000right\"]}"));
        Assert.Equal("left\0right", Content(answer));
    }

    [Fact]
    public async Task A_prefix_is_continued_and_not_repeated()
    {
        var messages = """[{"role":"user","content":"Tell of the sea."},{"role":"assistant","content":"The sea is","prefix":true}]""";
        var answer = await _server.PostAsync("/beta/chat/completions", "{\"model\":\"chat\",\"messages\":" + messages + ",\"max_tokens\":12,\"temperature\":0}");
        var text = await _server.PostAsync("/v1/completions", """{"model":"chat","prompt":"x","max_tokens":1}""");
        Assert.NotEqual(JsonValueKind.Undefined, text.ValueKind);
        Assert.DoesNotContain("The sea is", Content(answer), StringComparison.Ordinal);
        Assert.NotEqual("", Content(answer));
    }

    [Fact]
    public async Task Thinking_is_switched_where_the_template_knows_how()
    {
        var thinking = await _server.PostAsync(Path, Body("chat", "\"max_tokens\":10,\"thinking\":{\"type\":\"enabled\"},\"seed\":1"));
        Assert.NotEqual("", thinking.GetProperty("choices")[0].GetProperty("message").GetProperty("reasoning_content").GetString());
        var plain = await _server.PostAsync(Path, Body("chat", "\"max_tokens\":10,\"reasoning_effort\":\"none\",\"seed\":1"));
        Assert.False(plain.GetProperty("choices")[0].GetProperty("message").TryGetProperty("reasoning_content", out _));
        var (status, error) = await _server.FaultAsync(Path, Body("reasoner", "\"thinking\":{\"type\":\"disabled\"}"));
        Assert.Equal((400, "thinking"), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Metadata_comes_back_and_adapters_and_models_are_listed()
    {
        var answer = await _server.PostAsync(Path, Body("hadal-mini", "\"max_tokens\":1,\"metadata\":{\"case\":\"7\"},\"user\":\"u\",\"store\":false,\"n\":null,\"stop\":null"));
        Assert.Equal("7", answer.GetProperty("metadata").GetProperty("case").GetString());
        var list = JsonElement.Parse(await _server.Client.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString());
        Assert.Equal(["hadal-mini", "chat", "reasoner", "tagged"], list);
        Assert.Equal("chat", JsonElement.Parse(await _server.Client.GetStringAsync("/v1/models/chat")).GetProperty("id").GetString());
    }

    internal static string Content(JsonElement answer, int index = 0) => answer.GetProperty("choices")[index].GetProperty("message").GetProperty("content").GetString()!;

    internal static string Body(string model, string fields) => $"{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me about whales\"}}],{fields}}}";

    private static string Joined(IEnumerable<JsonElement> choices, string name) =>
        string.Concat(choices.Select(choice => choice.GetProperty("delta").TryGetProperty(name, out var text) ? text.GetString() : ""));

    private static string Calls(JsonElement message) => !message.TryGetProperty("tool_calls", out var calls) ? "" : string.Join('|', calls.EnumerateArray()
        .Select(call => call.GetProperty("function").GetProperty("name").GetString() + call.GetProperty("function").GetProperty("arguments").GetString()));

    private static string JoinedCalls(IEnumerable<JsonElement> choices)
    {
        var calls = new SortedDictionary<int, string>();
        foreach (var delta in choices.Select(choice => choice.GetProperty("delta")).Where(delta => delta.TryGetProperty("tool_calls", out _)))
        {
            var call = delta.GetProperty("tool_calls")[0];
            var index = call.GetProperty("index").GetInt32();
            var function = call.GetProperty("function");
            Assert.Equal(call.TryGetProperty("id", out _), function.TryGetProperty("name", out var name));
            calls[index] = calls.GetValueOrDefault(index) + (name.ValueKind == JsonValueKind.String ? name.GetString() : "") + function.GetProperty("arguments").GetString();
        }

        return string.Join('|', calls.Values);
    }
}
