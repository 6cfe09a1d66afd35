using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class TokenizeCommandTests
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");

    private static IEnumerable<(string Text, string[] Flags, int[] Ids)> Cases =>
        Golden.Of("deepseek-v3").GetProperty("tokenization").GetProperty("cases").EnumerateArray().Select(item => (
            item.GetProperty("text").GetString()!,
            new[] { ("add_special", "--add-special"), ("parse_special", "--parse-special") }.Where(flag => item.GetProperty(flag.Item1).GetBoolean()).Select(flag => flag.Item2).ToArray(),
            Golden.Ints(item.GetProperty("ids"))));

    [Fact]
    public void Texts_give_the_ids_of_another_engine()
    {
        foreach (var (text, flags, ids) in Cases)
        {
            var json = TestShell.Run(text, ["tokenize", Model, "--json", .. flags]).Done().Json;
            Assert.Equal(["token_ids", "pieces"], json.EnumerateObject().Select(field => field.Name));
            Assert.Equal(ids, Golden.Ints(json.GetProperty("token_ids")));
            Assert.Equal(ids.Length, json.GetProperty("pieces").GetArrayLength());
        }
    }

    [Fact]
    public void Ids_give_back_the_text_byte_for_byte()
    {
        foreach (var (text, flags, ids) in Cases.Where(item => !item.Flags.Contains("--add-special")))
        {
            var json = TestShell.Run($"[{string.Join(", ", ids)}]", ["tokenize", Model, "--decode", "--json", .. flags]).Done().Json;
            Assert.Equal(["text"], json.EnumerateObject().Select(field => field.Name));
            Assert.Equal(text, json.GetProperty("text").GetString());
            Assert.Equal(Encoding.UTF8.GetBytes(text), TestShell.Run(string.Join(' ', ids), ["tokenize", Model, "--decode", .. flags]).Done().Output);
        }
    }

    /// <summary>The folder has a vocabulary and nothing else.</summary>
    [Fact]
    public void A_tokenizer_needs_no_weights()
    {
        foreach (var item in Golden.Of("qwen2").GetProperty("tokenization").GetProperty("cases").EnumerateArray().Where(item => !item.GetProperty("parse_special").GetBoolean()))
            Assert.Equal(
                string.Join(' ', Golden.Ints(item.GetProperty("ids"))) + "\n",
                TestShell.Run(item.GetProperty("text").GetString()!, ["tokenize", GoldenData.PathOf("qwen2/hf"), .. item.GetProperty("add_special").GetBoolean() ? new[] { "--add-special" } : []]).Done().Text);
    }

    [Fact]
    public void Control_tokens_are_text_unless_they_are_asked_for()
    {
        Assert.DoesNotContain(" 505 ", $" {TestShell.Run("<｜Assistant｜>", "tokenize", Model).Done().Text.TrimEnd()} ", StringComparison.Ordinal);
        Assert.Equal("505\n", TestShell.Run("<｜Assistant｜>", "tokenize", Model, "--parse-special").Done().Text);
        Assert.Equal("", TestShell.Run("505", "tokenize", Model, "--decode").Done().Text);
        Assert.Equal("<｜Assistant｜>", TestShell.Run("505", "tokenize", Model, "--decode", "--parse-special").Done().Text);
    }

    [Fact]
    public void Plain_output_is_one_line_that_decoding_takes_again()
    {
        var ids = TestShell.Run("Hello world", "tokenize", Model).Done().Text;
        Assert.Equal("42 71 290 81 482 424\n", ids);
        Assert.Equal("Hello world", TestShell.Run(ids, "tokenize", Model, "--decode").Done().Text);
        var json = TestShell.Run("Hello world", "tokenize", Model, "--json").Done().Text;
        Assert.Equal("Hello world", TestShell.Run(json, "tokenize", Model, "--decode").Done().Text);
    }

    [Fact]
    public void An_id_that_the_tokenizer_does_not_have_is_refused()
    {
        var count = TokenizerLoader.FromDirectory(Model).VocabSize;
        foreach (var id in (int[])[count, 9999999, int.MaxValue])
            Assert.Equal($"hadal: standard input: expected ids from 0 to {count - 1}, which the tokenizer has, found {id}", TestShell.Run($"1 {id}", "tokenize", Model, "--decode").Fault(1));
        TestShell.Run($"{count - 1}", "tokenize", Model, "--decode", "--parse-special").Done();
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_refused_with_their_place()
    {
        var fault = new TestShell { Input = [(byte)'a', 0xC3, (byte)'(', (byte)'b'] }.Run("tokenize", Model).Fault(1);
        Assert.Equal("hadal: standard input: expected UTF-8, found other bytes at offset 1", fault);
    }

    [Theory]
    [InlineData("1 x 3", "'x'")]
    [InlineData("{\"token_ids\":[1,[2]]}", "'[2]'")]
    [InlineData("{\"token_ids\":\"1\"}", "'\"1\"'")]
    [InlineData("1,-2", "'-2'")]
    [InlineData("99999999999", "'99999999999'")]
    [InlineData("[1, 2", "'[1'")]
    public void What_is_no_id_is_refused(string input, string found) =>
        Assert.Equal($"hadal: standard input: expected token ids such as 1,2,3, found {found}", TestShell.Run(input, "tokenize", Model, "--decode").Fault(1));

    [Theory]
    [InlineData("{", "hadal: standard input: expected token ids: line 1, byte 2: ")]
    [InlineData("{\"text\":\"a\"}", "hadal: standard input: expected token ids, found an object without token_ids")]
    public void An_object_without_ids_is_refused(string input, string expected) =>
        Assert.StartsWith(expected, TestShell.Run(input, "tokenize", Model, "--decode").Fault(1), StringComparison.Ordinal);

    [Fact]
    public void A_terminal_never_gets_control_characters_of_a_text()
    {
        var ids = TestShell.Run("a\e[2Jb\u009Bc", "tokenize", Model).Done().Text;
        var shell = new TestShell { IsTerminal = true, Input = Encoding.UTF8.GetBytes(ids) };
        Assert.Equal("a␛[2Jb\uFFFDc\n", shell.Run("tokenize", Model, "--decode").Text);
    }
}
