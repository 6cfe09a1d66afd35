using System.Diagnostics;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>Every sample once, as a process of its own.</summary>
public sealed partial class SamplesTests
{
    private static readonly string Mini = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");

    [Fact]
    public async Task The_console_converses_until_an_empty_line()
    {
        using var sample = Start("ConsoleChat", Mini);
        await sample.StandardInput.WriteAsync("It was in July\nAnd then\n\n");
        var output = await sample.StandardOutput.ReadToEndAsync();
        await EndAsync(sample);
        var answers = output.Split("> ");
        Assert.Equal(4, answers.Length);
        Assert.All(answers[1..3], answer => Assert.True(answer.Length > 5, output));
    }

    [Fact]
    public async Task The_web_application_streams_fills_a_type_and_finds_the_nearest()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX signals");
        using var sample = Start("MinimalApi", $"--Hadal:Model={Mini}", "--Hadal:MaxContext=512", "--urls=http://127.0.0.1:0");
        string? address = null;
        const string mark = "Now listening on: ";
        while (address is null)
        {
            var line = await sample.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException(await sample.StandardError.ReadToEndAsync());
            if (line.IndexOf(mark, StringComparison.Ordinal) is var at and >= 0) address = line[(at + mark.Length)..].Trim();
        }

        var rest = sample.StandardOutput.ReadToEndAsync();
        using var client = new HttpClient { BaseAddress = new Uri(address) };
        var events = (await client.GetStringAsync("/continue?text=It+was+in+July")).Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal));
        Assert.True(events.Count() > 5);
        using var ticket = await client.PostAsJsonAsync("/tickets", "The pump in hall 3 leaks.");
        Assert.Contains(JsonElement.Parse(await ticket.Content.ReadAsStringAsync()).GetProperty("needsVisit").ValueKind, new[] { JsonValueKind.True, JsonValueKind.False });
        using var nearest = await client.PostAsJsonAsync("/nearest", new { text = "The pump leaks.", among = new[] { "Whales", "The pump leaks." } });
        Assert.Contains("The pump leaks.", await nearest.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(0, Kill(sample.Id, 15));
        await EndAsync(sample);
        await rest;
    }

    [Fact]
    public async Task Semantic_Kernel_fills_its_prompt_and_streams()
    {
        using var sample = Start("SemanticKernel", Mini);
        var output = await sample.StandardOutput.ReadToEndAsync();
        await EndAsync(sample);
        Assert.True(output.Trim().Length > 20, output);
    }

    [Fact]
    public async Task A_tool_of_an_mcp_server_is_called()
    {
        using var sample = Start("McpTools", TestModel.Folder("deepseek-v3.1"));
        var output = await sample.StandardOutput.ReadToEndAsync();
        await EndAsync(sample);
        Assert.Matches(@"(?m)^calls remaining_cycles\(machine: (Pump|Fan|Press)\)$", output);
        Assert.Matches(@"(?m)^gets .*(Pump|Fan|Press): [1-3]12 cycles left", output);
    }

    [Fact]
    public async Task Answers_are_bound_to_a_schema_a_type_and_terms()
    {
        using var sample = Start("ConstrainedDecoding", Mini);
        var output = await sample.StandardOutput.ReadToEndAsync();
        await EndAsync(sample);
        Assert.Matches(@"(?m)^not enforced: .*idn-hostname", output);
        Assert.Matches(@"(?m)^schema: \{ ?""urgent"": ?(true|false).*\}$", output);
        Assert.Matches(@"(?m)^type: seen on \d{4}-\d\d-\d\d, grade \d+$", output);
        Assert.Matches(@"(?m)^term: .+ F:[123]$", output);
        Assert.Matches(@"(?m)^term in JSON: \{""finding"":"".+""\}$", output);
        Assert.Matches(@"(?m)^forced: \{", output);
        Assert.Matches(@"(?m)^fork: .*true\}, complete True; the other: \d+ tokens, complete False$", output);
        Assert.Contains($"rolled back: {Regex.Match(output, "(?m)^forced: (.*)$").Groups[1].Value}", output, StringComparison.Ordinal);
    }

    private static Process Start(string name, params string[] arguments)
    {
        var configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))!;
        var program = Path.Combine(SharedData.RepositoryRoot, "samples", name, "bin", configuration, "net10.0", name + ".dll");
        return Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["exec", program, .. arguments])
        {
            WorkingDirectory = SharedData.RepositoryRoot, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
    }

    private static async Task EndAsync(Process sample)
    {
        var error = await sample.StandardError.ReadToEndAsync();
        await sample.WaitForExitAsync();
        Assert.True(sample.ExitCode == 0, error);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
