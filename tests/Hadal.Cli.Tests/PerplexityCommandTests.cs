using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class PerplexityCommandTests : IDisposable
{
    private const string Text = "The harbour master keeps a paper log.\nWhat is the level at noon? 世界 é\n";
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>By the definition: −log2 of the softmax of the logits command at each token of the text, the start token in front.</summary>
    [Fact]
    public void It_is_the_code_length_under_the_logits()
    {
        var ids = Golden.Ints(TestShell.Run(Text, "tokenize", Model, "--add-special", "--json").Done().Json.GetProperty("token_ids"));
        var logits = TestShell.Run("", "logits", Model, "--token-ids", string.Join(',', ids), "--json").Done().Json.GetProperty("logits");
        var bits = 0.0;
        for (var position = 0; position + 1 < ids.Length; position++)
        {
            var row = logits[position].EnumerateArray().Select(logit => logit.GetDouble()).ToArray();
            bits -= Math.Log2(Math.Exp(row[ids[position + 1]]) / row.Sum(Math.Exp));
        }

        var json = TestShell.Run("", "perplexity", Model, "--file", Write(Text), "--json").Done().Json;
        Assert.Equal(["perplexity", "bits_per_byte", "tokens", "bytes"], json.EnumerateObject().Select(field => field.Name));
        Assert.Equal(ids.Length - 1, json.GetProperty("tokens").GetInt64());
        Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(Text), json.GetProperty("bytes").GetInt64());
        Assert.Equal(bits / json.GetProperty("bytes").GetInt64(), json.GetProperty("bits_per_byte").GetDouble(), 1e-4);
        Assert.Equal(Math.Pow(2, bits / (ids.Length - 1)), json.GetProperty("perplexity").GetDouble(), 0.1);
    }

    [Fact]
    public void Shorter_windows_see_less_and_people_get_a_table()
    {
        var file = Write(Text);
        var whole = TestShell.Run("", "perplexity", Model, "--file", file, "--json").Done().Json;
        var windows = TestShell.Run("", "perplexity", Model, "--file", file, "--context", "4", "--json").Done().Json;
        Assert.Equal(whole.GetProperty("tokens").GetInt64(), windows.GetProperty("tokens").GetInt64());
        Assert.NotEqual(whole.GetProperty("bits_per_byte").GetDouble(), windows.GetProperty("bits_per_byte").GetDouble());
        Assert.Contains("bits per byte", TestShell.Run("", "perplexity", Model, "--file", file).Done().Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_are_no_text_are_refused()
    {
        var file = Write("");
        Assert.Equal($"hadal: {file}: expected a text, found an empty file", TestShell.Run("", "perplexity", Model, "--file", file).Fault(1));
        File.WriteAllBytes(file, [(byte)'a', 0xFF, 0xFE]);
        Assert.Equal($"hadal: {file}: expected UTF-8, found other bytes", TestShell.Run("", "perplexity", Model, "--file", file).Fault(1));
        Assert.Equal($"hadal: {_folder.FullName} is a directory, expected a file", TestShell.Run("", "perplexity", Model, "--file", _folder.FullName).Fault(1));
        Assert.Equal($"hadal: {file}x: no such file", TestShell.Run("", "perplexity", Model, "--file", file + "x").Fault(1));
        Assert.Equal("hadal: the name of the file is empty", TestShell.Run("", "perplexity", Model, "--file", "").Fault(2));
    }

    private string Write(string text)
    {
        var path = Path.Combine(_folder.FullName, "text.txt");
        File.WriteAllText(path, text);
        return path;
    }
}
