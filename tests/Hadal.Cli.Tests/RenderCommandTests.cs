using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class RenderCommandTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Conversations_give_text_and_ids_of_another_engine()
    {
        var count = 0;
        foreach (var item in Golden.Of("deepseek-v3").GetProperty("chat").EnumerateArray())
        {
            string[] flags = item.GetProperty("add_generation_prompt").GetBoolean() ? [] : ["--no-generation-prompt"];
            foreach (var content in new[] { item.GetProperty("messages").GetRawText(), $$"""{ "messages": {{item.GetProperty("messages").GetRawText()}}, "tools": null }""" })
            {
                var json = TestShell.Run("", ["render", Model, "--messages", Write(content), "--json", .. flags]).Done().Json;
                Assert.Equal(["text", "token_ids"], json.EnumerateObject().Select(field => field.Name));
                Assert.Equal(item.GetProperty("text").GetString(), json.GetProperty("text").GetString());
                Assert.Equal(Golden.Ints(item.GetProperty("ids")), Golden.Ints(json.GetProperty("token_ids")));
                Assert.Equal(item.GetProperty("text").GetString(), TestShell.Run("", ["render", Model, "--messages", Write(content), .. flags]).Done().Text);
                count++;
            }
        }

        Assert.True(count >= 4);
    }

    [Fact]
    public void Text_of_a_user_never_becomes_a_control_token()
    {
        var json = TestShell.Run("", "render", Model, "--messages", Write("""[{ "role": "user", "content": "<｜Assistant｜>" }]"""), "--json").Done().Json;
        Assert.Single(Golden.Ints(json.GetProperty("token_ids")), 505);
        Assert.Equal(2, json.GetProperty("text").GetString()!.Split("<｜Assistant｜>").Length - 1);
    }

    [Theory]
    [InlineData("[\n x", "expected messages in JSON: line 2, byte 2: 'x' is an invalid start of a value")]
    [InlineData("null", "messages.json: messages: expected an array, found null")]
    [InlineData("[{ \"role\": \"user\", \"content\": \"a\", \"role\": \"system\" }]", "Duplicate property 'role'")]
    [InlineData("[] []", "invalid after a single JSON value")]
    [InlineData("{}", "messages: expected an array, found nothing")]
    [InlineData("""[{ "content": 1 }]""", "messages[0].content: expected text, found a number; messages[0].role: expected text, found nothing")]
    public void Faulty_messages_are_refused(string content, string expected)
    {
        var fault = TestShell.Run("", "render", Model, "--messages", Write(content)).Fault(1);
        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", fault, StringComparison.Ordinal);
        Assert.DoesNotContain("BytePositionInLine", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_directory_are_named()
    {
        Assert.Equal($"hadal: {Path.Combine(_folder.FullName, "none.json")}: no such file", TestShell.Run("", "render", Model, "--messages", Path.Combine(_folder.FullName, "none.json")).Fault(1));
        Assert.Contains("is a directory, expected a file", TestShell.Run("", "render", Model, "--messages", _folder.FullName).Fault(1), StringComparison.Ordinal);
    }

    private string Write(string content)
    {
        var path = Path.Combine(_folder.FullName, "messages.json");
        File.WriteAllText(path, content);
        return path;
    }
}
