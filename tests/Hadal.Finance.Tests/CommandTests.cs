using System.Diagnostics;
using System.Text;
using Hadal.Tests;

namespace Hadal.Finance.Tests;

/// <summary>The program as it is called.</summary>
[Collection(nameof(SentimentClassifierTests.Trained))]
public sealed class CommandTests(SentimentClassifierTests.Trained trained) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-finance-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("train a.jsonl b.jsonl", "train: expected one file of labelled news or none, got a.jsonl and b.jsonl")]
    [InlineData("classify a --news b.csv", "--news: unknown to classify; expected one of --model, --explain, --threads")]
    [InlineData("classify", "classify: expected a classifier's folder")]
    [InlineData("classify a --threads 99999", "--threads: expected at most 1024, got 99999")]
    [InlineData("train --threads -1", "--threads: expected a whole number, got '-1'")]
    [InlineData("train --seed", "--seed: expected a value")]
    public async Task What_a_command_cannot_be_told_is_said_in_a_line(string arguments, string fault) =>
        Assert.Equal((1, "", $"hadal-finance: {fault}\n"), await RunAsync([], arguments.Split(' ')));

    [Fact]
    public async Task An_empty_value_is_none() => Assert.Equal((1, "", "hadal-finance: -o: expected a value\n"), await RunAsync([], "train", "-o", ""));

    [Fact]
    public async Task Few_texts_are_said_without_names_of_the_program()
    {
        var news = Path.Combine(_folder.FullName, "a.csv");
        await File.WriteAllTextAsync(news, "text,label\nSales rose,2\n", TestContext.Current.CancellationToken);
        Assert.Equal((1, "", "hadal-finance: texts: expected at least 20 with two labels or more, got 1 with 1\n"), await RunAsync([], "train", news, "-o", _folder.FullName));
    }

    [Fact]
    public async Task Texts_are_answered_until_one_is_no_utf8_and_another_model_can_be_named()
    {
        byte[] input = [.. "\uFEFFCorda 's operating profit rose to EUR 31.5 mn from EUR 12.1 mn\n\n"u8, .. "利润下降\n"u8, 0xFF, (byte)'\n'];
        var (code, output, error) = await RunAsync(input, "classify", trained.Folder, "--threads", "1");
        Assert.Equal((1, "hadal-finance: standard input:4: is no UTF-8; convert it, for example with iconv -t UTF-8\n"), (code, error));
        var lines = output.TrimEnd('\n').Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Matches("^2 positive +[0-9]+ ?%  Corda 's operating profit rose to EUR 31.5 mn from EUR 12.1 mn$", lines[0]);
        Assert.EndsWith("%  利润下降", lines[1], StringComparison.Ordinal);
        Assert.StartsWith($"hadal-finance: {Path.Combine(_folder.FullName, "none")}", (await RunAsync(input, "classify", trained.Folder, "--model", Path.Combine(_folder.FullName, "none"))).Error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(byte[] input, params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "hadal-finance.dll");
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["exec", program, .. arguments])
        {
            WorkingDirectory = SharedData.RepositoryRoot, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.BaseStream.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, (await output).TrimStart('\uFEFF').ReplaceLineEndings("\n"), (await error).ReplaceLineEndings("\n"));
    }
}
