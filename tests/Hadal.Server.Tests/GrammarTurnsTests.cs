using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Server.Http;

namespace Hadal.Server.Tests;

/// <summary>Grammars that take long keep those busy who ask for them, and nobody else.</summary>
public sealed class GrammarTurnsTests(SharedServer shared)
{
    private const int Waiting = 40;

    private const string Body = """
        {"model":"hadal-mini","messages":[{"role":"user","content":"x"}],"max_tokens":30,
         "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"passes":{"type":"boolean"}},"required":["passes"],"additionalProperties":false}}}}
        """;

    [Fact]
    public async Task Known_grammars_pass_by_those_that_wait_to_be_compiled()
    {
        using var gate = new ManualResetEventSlim();
        using var entered = new SemaphoreSlim(0);
        using var leaving = new CancellationTokenSource();
        var (inside, most, counting) = (0, 0, new Lock());
        var known = await GrammarCache.OfAsync("turns", "known", PlainOf, "f", default);
        var before = await shared.Server.PostAsync("/v1/chat/completions", Body);

        // As many as may be compiled at once, each of which stays until the gate opens.
        var compiling = Enumerable.Range(0, GrammarCache.MaxTurns).Select(i => Task.Run(() => GrammarCache.OfAsync("turns", $"a{i}", Slowly, "f", default))).ToArray();
        for (var i = 0; i < GrammarCache.MaxTurns; i++) await entered.WaitAsync();
        Assert.True(GrammarCache.MaxTurns < Environment.ProcessorCount || Environment.ProcessorCount == 1);

        // More of them than the pool has threads come back to this thread at once.
        var waiting = Enumerable.Range(0, Waiting).Select(i => GrammarCache.OfAsync("turns", $"b{i % 4}", Slowly, "f", default)).ToArray();
        var left = GrammarCache.OfAsync("turns", "left", Slowly, "f", leaving.Token);
        Assert.All(waiting, task => Assert.False(task.IsCompleted));

        var again = GrammarCache.OfAsync("turns", "known", _ => throw new InvalidOperationException("compiled again"), "f", default);
        Assert.True(again.IsCompletedSuccessfully);
        Assert.Same(known, await again);
        var answer = await shared.Server.PostAsync("/v1/chat/completions", Body);
        Assert.Equal(before.GetProperty("choices")[0].GetProperty("finish_reason").GetString(), answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);

        gate.Set();
        var all = await Task.WhenAll([.. compiling, .. waiting]);
        Assert.InRange(most, 1, GrammarCache.MaxTurns);

        // Who waited for the same grammar got the one that was compiled meanwhile.
        Assert.Equal(GrammarCache.MaxTurns + 4, all.Distinct().Count());

        Grammar Slowly(string source)
        {
            lock (counting) most = Math.Max(most, ++inside);
            entered.Release();
            gate.Wait();
            lock (counting) inside--;
            return PlainOf(source);
        }
    }

    [Fact]
    public async Task A_grammar_that_cannot_be_compiled_is_tried_once()
    {
        var tries = 0;
        for (var i = 0; i < 3; i++)
        {
            var field = $"field{i}";
            var fault = await Assert.ThrowsAsync<ApiException>(() => GrammarCache.OfAsync("turns", "(", Counted, field, default));
            Assert.StartsWith(field + ":", fault.Message, StringComparison.Ordinal);
        }

        Assert.Equal(1, tries);

        Grammar Counted(string source)
        {
            tries++;
            return PlainOf(source);
        }
    }

    private static Grammar PlainOf(string source) => PlainGrammars.FromRegex(source);
}
