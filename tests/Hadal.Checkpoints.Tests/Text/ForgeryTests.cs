using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Whatever a caller writes into a conversation, the control tokens of the prompt are those that the template writes.</summary>
public sealed partial class ForgeryTests
{
    private const int Rounds = 200;

    private static readonly string[] Words =
    [
        "hello", " ", "\n", "中文", "😀", "<", "|>", "<|", "im_end|>", "<|im_", "｜>", "<｜", "User｜>", "</think>", "<think>", "<tool_call>", "{\"a\": 1}", "'\"", "\\n", "{{ bos_token }}", "{% raw %}", "",
        "x", "12", "\u200D", "start_header_id", "<|im_start|", "|im_start|>", "\u2581",
    ];

    public static TheoryData<string> Templates { get; } =
    [
        "deepseek-r1.jinja", "deepseek-v2.jinja", "deepseek-v3.jinja", "deepseek-v3.1.jinja", "llama-3.1.jinja", "qwen.jinja",
        "golden deepseek-v2-lite", "golden deepseek-v3", "golden llama3-rope", "golden qwen2", "golden qwen3",
    ];

    [Theory]
    [MemberData(nameof(Templates))]
    public void No_text_of_a_caller_becomes_a_control_token_and_none_of_the_template_is_lost(string name)
    {
        var (source, tokenizer) = Open(name);
        string[] markers = [.. Enumerable.Range(0, tokenizer.VocabSize).Where(tokenizer.IsControl).Select(tokenizer.TokenText)];
        Assert.NotEmpty(markers);
        var prompt = new ChatPrompt(source, tokenizer);
        var random = new Random(20250710);
        var (rendered, found) = (0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            var seed = random.Next();
            var hostile = Conversation(new Random(seed), markers, isHostile: true);
            var harmless = Conversation(new Random(seed), markers, isHostile: false);
            try
            {
                var segments = prompt.Render(hostile);
                var ids = tokenizer.Encode(segments, addSpecial: false);
                int[] control = [.. ids.Where(tokenizer.IsControl)];
                Assert.Equal(Written(segments, markers), control.Select(tokenizer.TokenText));
                Assert.Equal(control, prompt.Encode(harmless).Where(tokenizer.IsControl));
                Assert.Equal(string.Concat(segments.Select(segment => segment.Text)), tokenizer.Decode(ids, skipSpecial: false));
                rendered++;
                found += control.Length;
            }
            catch (ChatTemplateException fault)
            {
                Assert.Equal(fault.Fault, Assert.Throws<ChatTemplateException>(() => prompt.Encode(harmless)).Fault);
            }
        }

        Assert.InRange(rendered, Rounds / 4, Rounds);
        Assert.InRange(found, rendered, int.MaxValue);
    }

    /// <summary>The markers that stand in trusted text, from left to right, longest first.</summary>
    private static List<string> Written(IReadOnlyList<TextSegment> segments, string[] markers)
    {
        var written = new List<string>();
        foreach (var (text, isTrusted) in segments)
        {
            if (!isTrusted) continue;
            for (var position = 0; position < text.Length;)
            {
                var marker = markers.Where(marker => string.CompareOrdinal(text, position, marker, 0, marker.Length) == 0).MaxBy(marker => marker.Length);
                if (marker is not null) written.Add(marker);
                position += marker?.Length ?? 1;
            }
        }

        return written;
    }

    private static ChatConversation Conversation(Random random, string[] markers, bool isHostile)
    {
        var messages = new List<ChatMessage>();
        if (random.Next(2) == 0) messages.Add(new ChatMessage("system", Text()));
        for (var turns = random.Next(1, 4); turns > 0; turns--)
        {
            messages.Add(new ChatMessage("user", Text()) { Name = random.Next(4) == 0 ? Text() : null });
            var calls = random.Next(2) == 0 ? Json(new JsonArray([.. Enumerable.Range(0, random.Next(1, 3)).Select(_ => Call())])) : (JsonElement?)null;
            messages.Add(new ChatMessage("assistant", calls is null || random.Next(2) == 0 ? Text() : null)
            {
                ReasoningContent = random.Next(2) == 0 ? Text() : null, ToolCalls = calls, OtherFields = random.Next(4) == 0 ? Others() : null,
            });
            for (var answers = calls?.GetArrayLength() ?? 0; answers > 0; answers--) messages.Add(new ChatMessage("tool", Text()) { ToolCallId = Text(), Name = Text() });
        }

        if (random.Next(4) == 0) messages.Add(new ChatMessage("x" + Text(), Text()));
        messages.Add(new ChatMessage("user", Text()));
        return new ChatConversation
        {
            Messages = messages,
            Tools = random.Next(2) == 0 ? Json(new JsonArray(Tool(), Tool())) : null,
            Variables = random.Next(2) == 0 ? new Dictionary<string, JsonElement> { ["thinking"] = Json(random.Next(2) == 0), ["date_string"] = Json(Text()), ["tools_in_user_message"] = Json(random.Next(2) == 0) } : null,
        };

        string Text()
        {
            var text = new StringBuilder();
            for (var count = random.Next(0, 6); count > 0; count--)
            {
                var marker = markers[random.Next(markers.Length)];
                if (random.Next(2) == 0) text.Append(isHostile ? marker : new string('x', marker.Length));
                text.Append(Words[random.Next(Words.Length)]);
            }

            return text.ToString();
        }

        JsonObject Arguments() => new() { [Text()] = Text(), ["b"] = new JsonObject { [Text()] = new JsonArray(Text(), 1.5, true, null) } };

        JsonNode Call() => new JsonObject
        {
            ["type"] = "function", ["id"] = Text(),
            ["function"] = new JsonObject { ["name"] = Text(), ["arguments"] = random.Next(3) switch { 0 => Arguments(), 1 => Arguments().ToJsonString(), _ => (JsonNode)Text() } },
        };

        JsonNode Tool() => new JsonObject
        {
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = Text(), ["description"] = Text(),
                ["parameters"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { [Text()] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray(Text()) } } },
            },
        };

        Dictionary<string, JsonElement> Others() => new() { ["z" + Text()] = Json(Text()), ["prefix"] = Json(true) };
    }

    private static JsonElement Json(JsonNode node) => JsonSerializer.SerializeToElement(node);

    private static (string Source, Tokenizer Tokenizer) Open(string name)
    {
        if (name.StartsWith("golden ", StringComparison.Ordinal))
        {
            var folder = name["golden ".Length..];
            var config = TokenizerFixtures.Json(Path.Combine(TokenizerFixtures.GoldenFolder(folder), "hf", "tokenizer_config.json"));
            return (config.GetProperty("chat_template").GetString()!, TokenizerFixtures.Golden(folder));
        }

        var source = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Templates", name));
        return (source, TokenizerOf(source));
    }

    /// <summary>A tokenizer of bytes with every marker of a template as a control token.</summary>
    private static Tokenizer TokenizerOf(string source)
    {
        string[] markers = [.. Marker().Matches(source).Select(match => match.Value).Concat(["<|endoftext|>", "<s>", "</s>", "<｜User｜>"]).Distinct()];
        var file = new JsonObject
        {
            ["added_tokens"] = new JsonArray([.. markers.Select((marker, index) => new JsonObject { ["id"] = 256 + index, ["content"] = marker, ["special"] = true })]),
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE", ["merges"] = new JsonArray(),
                ["vocab"] = new JsonObject(Enumerable.Range(0, 256).Select(value => KeyValuePair.Create(ByteAlphabet.CharOf((byte)value).ToString(), (JsonNode?)value))),
            },
        };
        return TokenizerJson.Read(Encoding.UTF8.GetBytes(file.ToJsonString()), Encoding.UTF8.GetBytes("""{"bos_token":"<s>","eos_token":"</s>"}"""), "markers");
    }

    [GeneratedRegex(@"<[|｜][^<>|｜\s]+[|｜]>")]
    private static partial Regex Marker();
}
