using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>Damaged templates and conversations: a text or a typed error, nothing else.</summary>
public sealed class ChatTemplateFuzzTests
{
    private const int Rounds = 400;

    private static readonly string[] Pieces =
    [
        "{%", "%}", "{{", "}}", "{#", "#}", "-%}", "{%-", "{%+", " if ", " else ", "{% endif %}", "{% endfor %}", "{% for m in messages %}", "{% set ns.x = 1 %}", "{% break %}", "{% macro f(a, b=1) %}",
        "{% endmacro %}", "{% call f() %}", "{% filter upper %}", "{% raw %}", "loop.index", "loop.", "namespace(a=[])", "messages", "message", "tools", "|tojson", "|tojson(indent=2)", "| trim", "|length", "|join(',')",
        "|map(attribute='x.y.0')", "|selectattr('role', 'in', messages)", "|sort", "|unique", "|sum", "|round(20)", "|indent(none)", "|replace('', 'x')", ".split('')", ".strip(1)", ".items()", ".get()", "[::-1]", "[1:2:0]", "[none]", "(",
        ")", "[", "]", "{", "}", ",", ":", ".", "~", "+", "-", "*", "**", "//", "%", "==", "<", " in ", " not in ", " is ", " is not ", "defined", "none", "true", "'", "\"", "\\", "\\u12", "0", "-1", "9223372036854775807", "1e308",
        "1_000", "'x' * 100000000", "range(100001)", "*messages", "**message", "raise_exception('x')", "strftime_now('%Q')", "self", "caller()", "varargs", "kwargs", "\ud800", "\0", "😀", "\r\n", "\u2028",
    ];

    public static TheoryData<string, int> Templates { get; } = new()
    {
        { "deepseek-r1", 1 }, { "deepseek-v2", 2 }, { "deepseek-v3", 3 }, { "deepseek-v3.1", 4 }, { "deepseek-vl2", 5 }, { "llama-3.1", 6 }, { "qwen", 7 },
    };

    [Theory]
    [MemberData(nameof(Templates))]
    public void Damaged_templates_render_or_fail_with_a_template_error(string name, int seed)
    {
        var source = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Templates", name + ".jinja"));
        var conversations = Conversations();
        var limits = new ChatTemplateLimits { MaxSteps = 50_000 };
        var random = new Random(seed);
        var (rendered, failed) = (0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            var damaged = Damage(source, random);
            try
            {
                var template = ChatTemplate.Parse(damaged, limits);
                Assert.NotNull(template.Render(Conversation(conversations[random.Next(conversations.Length)])));
                rendered++;
            }
            catch (ChatTemplateException fault)
            {
                Assert.NotEmpty(fault.Message);
                failed++;
            }
        }

        Assert.InRange(rendered, 20, Rounds);
        Assert.InRange(failed, 20, Rounds);
    }

    [Fact]
    public void Damaged_conversations_are_read_and_rendered_or_refused()
    {
        var template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Templates", "qwen.jinja")));
        string[] pieces = ["null", "1", "true", "[]", "{}", "\"\"", "\"role\":", "\"content\":", "\"type\":\"text\",", "\"tool_calls\":[", "\"arguments\":", "\"\\ud800\"", "1e999", ",", "]", "}", "{", "[", "\"user\""];
        var conversations = Conversations();
        var random = new Random(8);
        var (read, refused) = (0, 0);
        for (var round = 0; round < 4000; round++)
        {
            var text = conversations[random.Next(conversations.Length)].GetRawText();
            var at = random.Next(text.Length);
            var cut = Math.Min(random.Next(3) == 0 ? random.Next(40) : 0, text.Length - at);
            JsonDocument document;
            try
            {
                document = JsonDocument.Parse(Encoding.UTF8.GetBytes(text[..at] + pieces[random.Next(pieces.Length)] + text[(at + cut)..]));
            }
            catch (JsonException)
            {
                continue;
            }

            using (document)
            {
                try
                {
                    template.Render(Conversation(document.RootElement));
                    read++;
                }
                catch (Exception fault) when (fault is ArgumentException or ChatTemplateException)
                {
                    refused++;
                }
            }
        }

        Assert.InRange(read, 20, 4000);
        Assert.InRange(refused, 5, 4000);
    }

    private static string Damage(string source, Random random)
    {
        var text = new StringBuilder(source);
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var at = random.Next(text.Length);
            var length = Math.Min(random.Next(1, 30), text.Length - at);
            switch (random.Next(5))
            {
                case 0: text[at] = (char)random.Next(32, 127); break;
                case 1: text.Remove(at, length); break;
                case 2: text.Insert(random.Next(text.Length), text.ToString(at, length)); break;
                case 3: text.Insert(at, Pieces[random.Next(Pieces.Length)]); break;
                default:
                    // At the border of a word, where more of the insertions are still a template.
                    while (at > 0 && char.IsLetterOrDigit(text[at - 1])) at--;
                    text.Insert(at, Pieces[random.Next(Pieces.Length)]);
                    break;
            }
        }

        return text.ToString();
    }

    private static ChatConversation Conversation(JsonElement chat) => new()
    {
        Messages = ChatMessage.ReadMessages(chat.ValueKind == JsonValueKind.Object && chat.TryGetProperty("messages", out var messages) ? messages : chat),
        Tools = chat.ValueKind == JsonValueKind.Object && chat.TryGetProperty("tools", out var tools) ? tools : null,
        BosToken = "<s>",
        EosToken = "</s>",
    };

    private static JsonElement[] Conversations()
    {
        var path = Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Fixtures", "conversations.json");
        return [.. JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("conversations").EnumerateArray()];
    }
}
