using System.Text;
using System.Text.Json;
using CsCheck;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

public sealed class ChatTemplateTests
{
    private const string Bos = "<｜begin▁of▁sentence｜>";
    private const string Eos = "<｜end▁of▁sentence｜>";

    public static TheoryData<string> GoldenFolders => ["deepseek-v2-lite", "deepseek-v3", "deepseek-v32-dsa", "llama-gqa", "llama3-rope", "qwen2", "qwen3"];

    [Theory]
    [MemberData(nameof(GoldenFolders))]
    public void Golden_chats_render_to_their_text(string folder)
    {
        var config = Json(File.ReadAllText(SharedData.PathOrSkip($"golden/{folder}/hf/tokenizer_config.json")));
        var golden = Json(File.ReadAllText(SharedData.PathOrSkip($"golden/{folder}/golden.json")));
        var template = ChatTemplate.Parse(config.GetProperty("chat_template").GetString()!);
        foreach (var chat in golden.GetProperty("chat").EnumerateArray())
        {
            var conversation = new ChatConversation
            {
                Messages = ChatMessage.ReadMessages(chat.GetProperty("messages")), BosToken = Token(config, "bos_token"), EosToken = Token(config, "eos_token"),
            };
            var segments = template.Render(conversation, chat.GetProperty("add_generation_prompt").GetBoolean());
            Assert.Equal(chat.GetProperty("text").GetString(), Text(segments));
        }
    }

    [Fact]
    public void Documented_forms_render_to_their_text()
    {
        var cases = Json(File.ReadAllText(SharedData.PathOrSkip("facts/examples/chat_templates.json"))).GetProperty("cases");
        Assert.Equal(10, cases.GetArrayLength());
        foreach (var chat in cases.EnumerateArray())
        {
            var format = chat.GetProperty("format").GetString()!;
            var (file, variables) = format switch
            {
                "deepseek-v2-chat" => ("deepseek-v2", "{}"),
                "deepseek-v3" => ("deepseek-v3", "{}"),
                "deepseek-vl2" => ("deepseek-vl2", "{}"),
                "deepseek-r1 (original Jan 2025)" => ("deepseek-r1", """{ "think_prompt": false }"""),
                _ when format.StartsWith("deepseek-r1", StringComparison.Ordinal) => ("deepseek-r1", "{}"),
                "deepseek-v3.1 thinking" => ("deepseek-v3.1", """{ "thinking": true }"""),
                _ => ("deepseek-v3.1", "{}"),
            };
            var conversation = new ChatConversation
            {
                Messages = ChatMessage.ReadMessages(WithFunctions(chat.GetProperty("messages"))), BosToken = Bos, EosToken = Eos, Variables = Variables(variables),
            };
            Assert.Equal(chat.GetProperty("text").GetString(), Text(Template(file).Render(conversation, chat.GetProperty("add_generation_prompt").GetBoolean())));
        }
    }

    [Fact]
    public void Conversations_render_as_Jinja_renders_them()
    {
        foreach (var chat in Json(File.ReadAllText(Fixture("conversations.json"))).GetProperty("conversations").EnumerateArray())
        {
            var conversation = new ChatConversation
            {
                Messages = ChatMessage.ReadMessages(chat.GetProperty("messages")), BosToken = "<s>", EosToken = "</s>",
                Tools = chat.GetProperty("tools"), Variables = Variables(chat.GetProperty("variables").GetRawText()),
            };
            var template = Template(Path.GetFileNameWithoutExtension(chat.GetProperty("template").GetString()!));
            var addPrompt = chat.GetProperty("add_generation_prompt").GetBoolean();
            if (chat.TryGetProperty("error", out var error))
            {
                var thrown = Assert.Throws<ChatTemplateException>(() => template.Render(conversation, addPrompt));
                if (error.ValueKind == JsonValueKind.String) Assert.Equal(error.GetString(), thrown.Message);
            }
            else Assert.Equal(chat.GetProperty("text").GetString(), Text(template.Render(conversation, addPrompt)));
        }
    }

    [Fact]
    public void The_language_means_what_it_means_in_Jinja()
    {
        var fixture = Json(File.ReadAllText(Fixture("jinja.json")));
        foreach (var one in fixture.GetProperty("cases").EnumerateArray())
        {
            var source = one.GetProperty("template").GetString()!;
            if (one.TryGetProperty("error", out _))
                Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).RenderVariables(fixture.GetProperty("variables")));
            else
                Assert.Equal(one.GetProperty("text").GetString(), Text(ChatTemplate.Parse(source, null, new FixedClock()).RenderVariables(fixture.GetProperty("variables"))));
        }
    }

    [Fact]
    public void Text_of_the_caller_is_never_trusted_and_text_of_the_template_always_is()
    {
        const string source = """
            {%- set content = messages[0].content -%}
            {{- bos_token -}}<｜User｜>{{ content.split('|')[1] ~ content[2:5] ~ (content | upper | trim) ~ content.replace('a', '<｜User｜>') }}
            {{- '<｜Assistant｜>' + [content, 'x'] | join('-') + {'k': content} | tojson -}}
            {%- for c in content %}{{ c }}{% endfor %}{{ content[::-1] }}{{ tools | tojson }}{{ eos_token }}
            """;
        const string content = "U|aVU|U";
        var segments = ChatTemplate.Parse(source).Render(new ChatConversation
        {
            Messages = [new ChatMessage("user", content)], BosToken = "<s>", EosToken = "</s>", Tools = Json("""[{ "U": "U" }]"""),
        });
        foreach (var (text, isTrusted) in segments)
        {
            if (isTrusted) Assert.DoesNotContain('V', text);
            else Assert.DoesNotContain('<', text);
        }

        Assert.Equal(
            "<s><｜User｜>aVUaVUU|AVU|UU|<｜User｜>VU|U<｜Assistant｜>U|aVU|U-x{\"k\": \"U|aVU|U\"}U|aVU|UU|UVa|U[{\"U\": \"U\"}]</s>", Text(segments));
        Assert.Equal("<s><｜User｜><｜User｜><｜Assistant｜>-x{\"k\": \"\"}[{\"\": \"\"}]</s>", string.Concat(segments.Where(s => s.IsTrusted).Select(s => s.Text)));
    }

    [Fact]
    public void Neighbouring_segments_differ_in_trust()
    {
        var segments = ChatTemplate.Parse("a{{ 'b' }}{{ m }}{{ m }}c{{ '' }}d").RenderVariables(Json("""{ "m": "x" }"""));
        Assert.Equal([new TextSegment("ab", true), new TextSegment("xx", false), new TextSegment("cd", true)], segments);
    }

    [Fact]
    public void Arguments_as_text_and_as_object_render_the_same()
    {
        foreach (var file in (string[])["deepseek-r1", "deepseek-v3.1", "qwen", "llama-3.1"])
        {
            var texts = new[] { "\"{\\\"city\\\": \\\"Köln\\\", \\\"n\\\": 2}\"", "{ \"city\": \"Köln\", \"n\": 2 }" }.Select(arguments =>
                Text(Template(file).Render(new ChatConversation
                {
                    Messages = ChatMessage.ReadMessages(Json($$"""
                        [{ "role": "user", "content": "q" },
                         { "role": "assistant", "content": null, "tool_calls": [{ "type": "function", "function": { "name": "f", "arguments": {{arguments}} } }] }]
                        """)),
                    BosToken = Bos, EosToken = Eos,
                }))).ToArray();
            Assert.Contains("{\"city\": \"Köln\", \"n\": 2}", texts[0], StringComparison.Ordinal);
            Assert.Equal(texts[0], texts[1]);
        }
    }

    [Theory]
    [InlineData("{% for i in range(1000000000) %}x{% endfor %}")]
    [InlineData("{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}{% endfor %}")]
    [InlineData("{{ 'A' * 1000000000 }}")]
    [InlineData("{{ [1] * 1000000000000 }}")]
    [InlineData("{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}")]
    [InlineData("{% set ns = namespace(x='ab') %}{% for i in range(99999) %}{% set ns.x = [ns.x] | join ~ 'c' * 1000 %}{% endfor %}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}")]
    [InlineData("{% set l = range(90000) | list %}{% for i in l %}{{ l | sort | tojson }}{% endfor %}")]
    [InlineData("{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}")]
    [InlineData("{{ ('a' * 10000000).replace('a', 'b' * 10000) }}")]
    [InlineData("{{ ('x' * 16000000) | tojson | tojson | length }}{% for i in range(99999) %}{% set y = ('z' * 8000000) %}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% set d = {'x': 1} %}{% for i in range(99999) %}{{ d[k] }}{{ d.get(k) }}{{ k in d }}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% set n = namespace() %}{% for i in range(99999) %}{{ n[k] }}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% for i in range(99999) %}{{ [k, k ~ 'b'] | sort | length }}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% for i in range(99999) %}{{ k.isalpha() }}{{ k.isupper() }}{{ k is lower }}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% for i in range(99999) %}{{ k.startswith(k) }}{{ k.endswith(k) }}{% endfor %}")]
    [InlineData("{% set k = 'a' * 900000 %}{% for i in range(99999) %}{% set y = k.removeprefix('a') %}{% set z = k.removesuffix('a') %}{% endfor %}")]
    [InlineData("{% set a = 'a' * 400000 %}{{ (a ~ a ~ 'b' * 800000).find(a ~ 'c' ~ a ~ 'b') }}")]
    [InlineData("{% set a = 'a' * 400000 %}{{ a ~ 'c' ~ a ~ 'b' in a ~ a ~ 'b' * 800000 }}")]
    [InlineData("{% set a = 'a' * 400000 %}{{ (a ~ a ~ 'b' * 800000).split(a ~ 'c' ~ a ~ 'b') | length }}")]
    [InlineData("{% set a = 'a' * 400000 %}{{ (a ~ a ~ 'b' * 800000) | replace(a ~ 'c' ~ a ~ 'b', '') | length }}")]
    [InlineData("{% set a = 'a' * 400000 %}{{ (a ~ a ~ 'b' * 800000).count(a ~ 'c' ~ a ~ 'b') }}")]
    [InlineData("{% for i in range(99999) %}{{ ('a' * 900000).strip('b' * 900000 ~ 'a') }}{% endfor %}")]
    [InlineData("{% set l = range(99999) | list %}{% macro m() %}{% endmacro %}{% for i in l %}{{ m(*l, *l, *l, *l) }}{% endfor %}")]
    [InlineData("{% set ns = namespace(d={}) %}{% for i in range(3000) %}{% set ns.d = dict(ns.d, **{'k' ~ i: i}) %}{% endfor %}{% for i in range(9999) %}{{ namespace(ns.d) is defined }}{% endfor %}")]
    [InlineData("{% set l = range(20000) | list %}{{ l | map('upper', *l) | list | length }}{% for i in l %}{{ l | map('default', *l) | list | length }}{% endfor %}")]
    public void Work_without_end_is_stopped_at_a_limit(string source)
    {
        // A tenth of the steps that are allowed, to be quick: each of these would take hours without a limit.
        var template = ChatTemplate.Parse(source, new ChatTemplateLimits { MaxSteps = new ChatTemplateLimits().MaxSteps / 10 });
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(ChatTemplateFault.Limit, Assert.Throws<ChatTemplateException>(() => template.RenderVariables(Json("{}"))).Fault);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 400L << 20);
    }

    [Fact]
    public void Tuples_within_tuples_are_no_keys()
    {
        const string grow = "{% set ns = namespace(x=(1,), y=(1,)) %}{% for i in range(50) %}{% set ns.x = (ns.x, ns.x) %}{% set ns.y = (ns.y, ns.y) %}{% endfor %}";
        foreach (var use in (string[])["{{ {ns.x: 1} }}", "{{ ns.x in {} }}", "{{ [ns.x, ns.y] | unique | list | length }}", "{{ {}.get(ns.x) }}"])
            Assert.Equal(ChatTemplateFault.Evaluation, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(grow + use).RenderVariables(Json("{}"))).Fault);
        Assert.Equal(ChatTemplateFault.Limit, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(grow + "{{ ns.x == ns.y }}").RenderVariables(Json("{}"))).Fault);
        Assert.Equal(ChatTemplateFault.Limit, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(grow + "{{ ns.x | tojson }}").RenderVariables(Json("{}"))).Fault);
        Assert.Equal("", Text(ChatTemplate.Parse(grow + "{{ {}[ns.x] }}{{ {}[[ns.x]] }}").RenderVariables(Json("{}"))));
        Assert.Equal("12", Text(ChatTemplate.Parse("{% set d = {(1, 'a'): 1, (1.0, 'b'): 2} %}{{ d[(1, 'a')] }}{{ d[(1, 'b')] }}").RenderVariables(Json("{}"))));
    }

    [Fact]
    public void Long_sources_are_parsed_in_proportion_to_their_length()
    {
        var texts = string.Concat(Enumerable.Repeat("'a' ", 240_000));
        Assert.Equal(240_000, Text(ChatTemplate.Parse("{{ " + texts + "}}").RenderVariables(Json("{}"))).Length);
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("{{ " + new string('x', 1000) + " }}"));
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{{ x }}", 150_000))));
        Assert.Equal("", Text(ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{# x #}", 140_000))).RenderVariables(Json("{}"))));
    }

    [Fact]
    public void Texts_are_stripped_by_characters_not_by_halves_of_them()
    {
        Assert.Equal("😁x|x😁|a", Text(ChatTemplate.Parse("{{ '😁x'.strip('😀') }}|{{ '😀x😁'.strip('😀') }}|{{ 'ba b'.strip('b ') }}").RenderVariables(Json("{}"))));
    }

    [Fact]
    public void Names_from_a_callers_mapping_stay_the_callers()
    {
        const string source = "{% macro m() %}{% for k in kwargs %}{{ k }}{% endfor %}{% endmacro %}{{ m(**d) }}{{ m(own=1) }}{{ dict(**d) | join }}{{ {'a': 1} | tojson(separators=(s, s)) }}{{ strftime_now(s) }}";
        var segments = ChatTemplate.Parse(source, null, new FixedClock()).RenderVariables(Json("""{ "d": { "U1": 1, "U2": 2 }, "s": "U" }"""));
        Assert.All(segments, segment => Assert.Equal(!segment.IsTrusted, segment.Text.Contains('U', StringComparison.Ordinal)));
        Assert.Equal("U1U2ownU1U2{\"a\"U1}U", Text(segments));
    }

    [Fact]
    public void Deep_nesting_is_refused_without_overflowing_the_stack()
    {
        var succeeded = new List<string>();
        string[] sources =
        [
            "{{ " + new string('(', 100_000) + "1" + new string(')', 100_000) + " }}", "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
            "{{ " + new string('[', 100_000), "{{ " + string.Concat(Enumerable.Repeat("-", 100_000)) + "1 }}", string.Concat(Enumerable.Repeat("{% if 1 %}", 50_000)),
            "{{ 1" + string.Concat(Enumerable.Repeat("+1", 200_000)) + " }}", "{{ x" + string.Concat(Enumerable.Repeat(".x", 200_000)) + " }}",
            "{{ 1" + string.Concat(Enumerable.Repeat(" if 1 else 2", 50_000)) + " }}", "{{ x" + string.Concat(Enumerable.Repeat("|trim", 100_000)) + " }}",
        ];
        var thread = new Thread(() => succeeded.AddRange(sources.Where(source => !Fails(source))), maxStackSize: 1 << 20);
        thread.Start();
        thread.Join();
        Assert.Empty(succeeded);

        static bool Fails(string source)
        {
            try
            {
                ChatTemplate.Parse(source).RenderVariables(Json("{}"));
                return false;
            }
            catch (ChatTemplateException)
            {
                return true;
            }
        }
    }

    [Theory]
    [InlineData("{{ x.__class__ }}{{ ''.__class__.__mro__ }}")]
    [InlineData("{{ range.__globals__ }}{{ namespace.__init__ }}")]
    [InlineData("{{ self }}{{ cycler }}{{ joiner }}{{ lipsum }}{{ request }}{{ config }}")]
    [InlineData("{{ 'x'.format_map }}{{ 'x'.format }}{{ x.GetType }}{{ x.ToString }}")]
    public void Nothing_but_data_can_be_reached(string source)
    {
        try
        {
            Assert.Equal("", Text(ChatTemplate.Parse(source).RenderVariables(Json("""{ "x": { } }"""))));
        }
        catch (ChatTemplateException exception)
        {
            Assert.Equal(ChatTemplateFault.Evaluation, exception.Fault);
        }
    }

    [Theory]
    [InlineData("{{ x|attr('y') }}", 1, 6)]
    [InlineData("a\nb {% if x %}\nc", 2, 3)]
    [InlineData("{% include 'x' %}", 1, 4)]
    [InlineData("line\n  {{ 1 + }}", 2, 10)]
    [InlineData("{{ 'abc }}", 1, 4)]
    [InlineData("{% endif %}", 1, 4)]
    [InlineData("{% for x in y recursive %}{% endfor %}", 1, 15)]
    [InlineData("{# never closed", 1, 1)]
    [InlineData("{{ a ? b }}", 1, 6)]
    [InlineData("{{ (1] }}", 1, 6)]
    public void Syntax_errors_name_line_and_column(string source, int line, int column)
    {
        var exception = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source));
        Assert.Equal((ChatTemplateFault.Syntax, line, column), (exception.Fault, exception.Line, exception.Column));
        Assert.StartsWith($"chat template, line {line}, column {column}: ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_of_the_template_is_its_own_text()
    {
        var exception = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("{{ raise_exception('Roles must alternate: ' ~ messages[0].role) }}")
            .Render(new ChatConversation { Messages = [new ChatMessage("x", "y")] }));
        Assert.Equal((ChatTemplateFault.Refused, "Roles must alternate: x"), (exception.Fault, exception.Message));
    }

    [Fact]
    public void Variables_cannot_replace_what_the_program_sets()
    {
        foreach (var name in (string[])["messages", "tools", "bos_token", "eos_token", "add_generation_prompt"])
            Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("x").Render(new ChatConversation
            {
                Messages = [], Variables = new Dictionary<string, JsonElement> { [name] = Json("1") },
            }));
    }

    [Fact]
    public void Messages_are_read_with_all_faults_at_once()
    {
        var read = ChatMessage.ReadMessages(Json("""
            [{ "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
             { "role": "assistant", "content": null, "tool_calls": [], "reasoning_content": "r" },
             { "role": "tool", "content": "t", "tool_call_id": "7", "name": "f", "extra": [1] }]
            """));
        Assert.Equal(("ab", null, "r", "7", "f"), (read[0].Content, read[1].Content, read[1].ReasoningContent, read[2].ToolCallId, read[2].Name));
        Assert.Equal("[1]", read[2].OtherFields!["extra"].GetRawText());

        var message = Assert.Throws<ArgumentException>(() => ChatMessage.ReadMessages(Json("""
            [{ "content": "x" }, 3, { "role": "user", "content": [{ "type": "image_url" }] }, { "role": "user", "content": 5, "tool_calls": {} }, { "role": "user", "content": "\ud800" }]
            """))).Message;
        foreach (var part in (string[])["messages[0].role", "messages[1]:", "messages[2].content[0].type", "messages[3].content:", "messages[3].tool_calls", "messages[4].content"])
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ChatMessage.ReadMessages(Json("{}")));
    }

    [Fact]
    public void Any_bytes_are_a_template_or_a_typed_error()
    {
        string[] pieces =
        [
            "{%", "%}", "{{", "}}", "{#", "#}", "-", "+", " if ", " for ", " in ", " x ", "else", "endif", "endfor", "set ", "=", "'", "\"", "\\", "(", ")", "[", "]", "{", "}", "|", "tojson",
            "trim", " is ", "not ", "defined", ".", ",", ":", "~", "*", "**", "/", "//", "%", "<", "==", "1", "2.5", "1e999", "\n", " ", "messages", "loop", "macro ", "endmacro", "raw", "endraw",
            "namespace", "range", "call", "join", "sort", "map", "😀", "\ud800", "\0", "split", "[::-1]", "not in", "recursive", "break", "filter", "endset", "9223372036854775807", "round", "indent",
        ];
        var limits = new ChatTemplateLimits { MaxSteps = 20_000 };
        var variables = Json("""{ "x": "a😀", "messages": [{ "role": "user", "content": "hi" }] }""");
        var rendered = 0;
        Gen.OneOf(Gen.Int[0, pieces.Length - 1].Array[0, 25].Select(picks => string.Concat(picks.Select(p => pieces[p]))),
            Gen.Int[0, pieces.Length - 1].Array[1, 9].Select(picks => "{{ " + string.Join(' ', picks.Select(p => pieces[p])) + " }}"),
            Gen.Byte.Array[0, 60].Select(Encoding.UTF8.GetString)).Sample(source =>
        {
            try
            {
                ChatTemplate.Parse(source, limits).RenderVariables(variables);
                Interlocked.Increment(ref rendered);
            }
            catch (ChatTemplateException)
            {
            }
        }, iter: 30_000);
        Assert.True(rendered > 1000, $"only {rendered} were templates");
    }

    private static ChatTemplate Template(string file) =>
        ChatTemplate.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Templates", file + ".jinja")), null, new FixedClock());

    private static string Fixture(string file) => Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Fixtures", file);

    private static string Text(IReadOnlyList<TextSegment> segments) => string.Concat(segments.Select(segment => segment.Text));

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static Dictionary<string, JsonElement> Variables(string json) => Json(json).EnumerateObject().ToDictionary(variable => variable.Name, variable => variable.Value);

    private static string? Token(JsonElement config, string name) => !config.TryGetProperty(name, out var token) || token.ValueKind == JsonValueKind.Null ? null
        : token.ValueKind == JsonValueKind.Object ? token.GetProperty("content").GetString() : token.GetString();

    /// <summary>The documented cases list calls as name and arguments; templates expect the OpenAI form.</summary>
    private static JsonElement WithFunctions(JsonElement messages)
    {
        var node = System.Text.Json.Nodes.JsonNode.Parse(messages.GetRawText())!.AsArray();
        foreach (var message in node)
        {
            if (message!["tool_calls"] is not System.Text.Json.Nodes.JsonArray calls) continue;
            for (var i = 0; i < calls.Count; i++) calls[i] = new System.Text.Json.Nodes.JsonObject { ["type"] = "function", ["function"] = calls[i]!.DeepClone() };
        }

        return Json(node.ToJsonString());
    }

    private sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2025, 7, 10, 12, 0, 0, TimeSpan.Zero);
    }
}
