using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class UsageTests
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");

    [Fact]
    public void Without_a_command_the_commands_are_named() =>
        Assert.StartsWith("hadal: no command given; there are run, serve, bench, pull, list, remove, inspect, tokenize, render, logits, perplexity, quantize, merge, synth, grammar-bench, doctor, train", TestShell.Run("").Fault(2), StringComparison.Ordinal);

    [Theory]
    [InlineData("unknown command 'chat'", "chat", "model")]
    [InlineData("'--nonsense'; see hadal --help", "--nonsense")]
    [InlineData("unknown option '--nonsense'; see hadal run --help", "run", "--nonsense")]
    [InlineData("'--nonsense'; see hadal run --help", "run", "model", "--nonsense")]
    [InlineData("'second'; see hadal inspect --help", "inspect", "first", "second")]
    [InlineData("Option '--messages' is required; see hadal render --help", "render")]
    [InlineData("--max-tokens: expected a whole number from 1 to 2147483647, found '0'", "run", "--max-tokens", "0")]
    [InlineData("--max-tokens: expected a whole number from 1 to 2147483647, found '99999999999999999999'", "run", "--max-tokens", "99999999999999999999")]
    [InlineData("--max-tokens: expected a whole number from 1 to 2147483647, found '1.5'", "run", "--max-tokens", "1.5")]
    [InlineData("--temperature: expected a number, found 'warm'", "run", "--temperature", "warm")]
    [InlineData("--temperature: expected a number, found '0,5'", "run", "--temperature", "0,5")]
    [InlineData("--arithmetic: expected exact or integer, found 'fast'", "run", "--arithmetic", "fast")]
    [InlineData("--arithmetic: expected exact or integer, found 'Exact'", "perplexity", "--file", "f", "--arithmetic", "Exact")]
    [InlineData("--seed: expected a whole number from 0 to 18446744073709551615, found '-1'", "run", "--seed", "-1")]
    [InlineData("Required argument missing for option: '--seed'", "run", "--seed")]
    public void Wrong_usage_is_one_line(string expected, params string[] arguments) =>
        Assert.Contains(expected, TestShell.Run("", arguments).Fault(2), StringComparison.Ordinal);

    [Theory]
    [InlineData("--temperature: expected 0 to 100, got NaN", "--temperature", "NaN")]
    [InlineData("--temperature: expected 0 to 100, got -1", "--temperature", "-1")]
    [InlineData("--temperature: expected 0 to 100, got", "--temperature", "1e999")]
    [InlineData("--top-p: expected more than 0 and at most 1, got 0", "--top-p", "0")]
    [InlineData("--min-p: expected 0 to 1, got 2", "--min-p", "2")]
    [InlineData("--repetition-penalty: expected 0.01 to 100, got 0", "--repetition-penalty", "0")]
    [InlineData("--presence-penalty: expected -2 to 2, got 3", "--presence-penalty", "3")]
    [InlineData("--frequency-penalty: expected -2 to 2, got -3", "--frequency-penalty", "-3")]
    [InlineData("--stop: expected strings of 1 to 1024 characters", "--stop", "")]
    [InlineData("--context: expected at most 163840 tokens", "--context", "163841")]
    [InlineData("--image: hf (deepseek_v3) reads text only", "--image", "cat.png")]
    [InlineData("--audio: hf (deepseek_v3) reads text only", "--audio", "cat.wav")]
    [InlineData("--series: hf (deepseek_v3) reads text only", "--series", "cat.csv")]
    public void Options_out_of_range_are_wrong_usage(string expected, params string[] options) =>
        Assert.StartsWith($"hadal: {expected}", TestShell.Run("", ["run", Model, "-p", "x", .. options]).Fault(2), StringComparison.Ordinal);

    [Fact]
    public void All_faulty_options_are_named_together() =>
        Assert.Equal(
            "hadal: --temperature: expected 0 to 100, got -1; --min-p: expected 0 to 1, got 7",
            TestShell.Run("", "run", Model, "-p", "x", "--temperature", "-1", "--min-p", "7").Fault(2));

    [Fact]
    public void A_word_that_starts_with_at_is_no_file_of_arguments()
    {
        var fault = TestShell.Run("", "run", "@nobody", "-p", "@nothing").Fault(1);
        Assert.StartsWith("hadal: model '@nobody' was not found", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_without_its_program_says_where_it_looked()
    {
        var fault = new TestShell { ProgramDirectory = "/nowhere", Variables = { ["PATH"] = "/none:/nothing" } }.Run("train", "pretrain", "--resume").Fault(1);
        Assert.StartsWith("hadal: hadal-train was not found beside this program (/nowhere) or on the PATH", fault, StringComparison.Ordinal);
    }
}
