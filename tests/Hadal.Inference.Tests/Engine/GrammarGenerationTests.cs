using System.Text.RegularExpressions;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Answers that a grammar binds, from a model with random weights.</summary>
public sealed class GrammarGenerationTests
{
    private static readonly Regex Expected = new(@"^\{""items"":\[[0-9]{1,3}(,[0-9]{1,3}){0,3}\],""state"":""(open|closed)""\}\z", RegexOptions.CultureInvariant);

    [Fact]
    public async Task Every_answer_is_a_text_of_the_grammar()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var grammar = Record();
        for (ulong seed = 0; seed < 40; seed++)
        {
            var result = await engine.CompleteAsync(TinyEngine.Prompt(5, (int)seed), new GenerationOptions { Grammar = grammar, Sampling = new SamplingOptions { Seed = seed } });
            Assert.Equal(FinishReason.Stop, result.FinishReason);
            Assert.Matches(Expected, result.Text);
        }
    }

    [Fact]
    public async Task Answers_in_company_are_the_answers_alone()
    {
        var grammar = Record();
        var options = Enumerable.Range(0, 12).Select(i => new GenerationOptions
        {
            Grammar = i % 3 == 0 ? null : grammar, MaxTokens = 60, Sampling = new SamplingOptions { Seed = (ulong)i },
        }).ToArray();
        var alone = new List<GenerationResult>();
        await using (var engine = new TinyEngine(TinyEngine.Weights()))
            for (var i = 0; i < options.Length; i++) alone.Add(await engine.CompleteAsync(TinyEngine.Prompt(4, i), options[i]));

        await using var shared = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 5, MaxBatchTokens = 7, MaxUnreadChunks = 2 });
        var together = await Task.WhenAll(options.Select((option, i) => shared.CompleteAsync(TinyEngine.Prompt(4, i), option)));
        for (var i = 0; i < options.Length; i++) Assert.Equal(alone[i].TokenIds, together[i].TokenIds);
    }

    [Fact]
    public async Task Forced_tokens_take_no_pass_of_their_own()
    {
        var passes = 0;
        await using var engine = new TinyEngine(TinyEngine.Weights(), beforeForward: () => passes++);
        var builder = new GrammarBuilder();
        var grammar = builder.Build(builder.Sequence(
            builder.Choice(builder.Literal("x"), builder.Literal("y")), builder.Literal(" and then the same words follow whatever the model says")));
        var result = await engine.CompleteAsync([1, 2, 3], new GenerationOptions { Grammar = grammar, Sampling = SamplingOptions.Greedy });
        Assert.Matches("^[xy] and then the same words follow whatever the model says\\z", result.Text);
        Assert.True(result.TokenIds.Count > 5);
        Assert.Equal(1, passes);
    }

    [Fact]
    public async Task An_answer_that_may_go_on_ends_at_an_end_token_only_where_it_is_whole()
    {
        var end = TinyEngine.Tokenizer.EosTokenIds[0];
        await using var engine = new TinyEngine(TinyEngine.Weights(), endTokenIds: [end]);
        var builder = new GrammarBuilder();
        var grammar = builder.Build(builder.Repeat(builder.Literal("ab "), 2));
        var bias = new Dictionary<int, double> { [end] = 100 };
        var result = await engine.CompleteAsync([1, 2, 3], new GenerationOptions { Grammar = grammar, Sampling = SamplingOptions.Greedy with { LogitBias = bias } });
        Assert.Matches("^(ab ){2,}\\z", result.Text);
        Assert.Equal(FinishReason.Stop, result.FinishReason);
        Assert.Equal(end, result.TokenIds[^1]);

        var cut = await engine.CompleteAsync([1, 2, 3], new GenerationOptions { Grammar = grammar, MaxTokens = 2, Sampling = SamplingOptions.Greedy });
        Assert.Equal((2, FinishReason.Length), (cut.TokenIds.Count, cut.FinishReason));
    }

    [Fact]
    public async Task Reasoning_is_free_until_its_end()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var free = await engine.CompleteAsync([7, 8], TinyEngine.Greedy(6));
        var last = free.TokenIds[3];
        var first = free.TokenIds.ToList().IndexOf(last);
        var builder = new GrammarBuilder();
        var result = await engine.CompleteAsync([7, 8], TinyEngine.Greedy(60) with { Grammar = builder.Build(builder.Literal("42")), GrammarAfterTokenId = last });
        Assert.Equal(free.TokenIds.Take(first + 1), result.TokenIds.Take(first + 1));
        Assert.EndsWith("42", result.Text, StringComparison.Ordinal);
        Assert.Equal(FinishReason.Stop, result.FinishReason);
    }

    [Fact]
    public async Task An_answer_does_not_end_before_its_grammar_has_begun()
    {
        int[] ends = [TinyEngine.Tokenizer.EosTokenIds[0], 9];
        await using var engine = new TinyEngine(TinyEngine.Weights(), endTokenIds: ends);
        var bias = new Dictionary<int, double> { [ends[0]] = 100, [9] = 100, [20] = 5 };
        var builder = new GrammarBuilder();
        var options = new GenerationOptions { Grammar = builder.Build(builder.Literal("42")), GrammarAfterTokenId = 20, Sampling = new SamplingOptions { LogitBias = bias } };
        for (ulong seed = 0; seed < 10; seed++)
        {
            var result = await engine.CompleteAsync([7, 8], options with { Sampling = options.Sampling with { Seed = seed } });
            Assert.Equal(FinishReason.Stop, result.FinishReason);
            Assert.EndsWith("42", result.Text, StringComparison.Ordinal);
            Assert.DoesNotContain(result.TokenIds, id => ends.Contains(id));
        }

        // What ends an answer may also be what begins the grammar, and what the caller wants to stop at is not kept from it.
        var atEnd = await engine.CompleteAsync([7, 8], options with { GrammarAfterTokenId = ends[0] });
        Assert.Equal(ends[0], atEnd.TokenIds[0]);
        var stopped = await engine.CompleteAsync([7, 8], options with { StopTokenIds = [30], Sampling = new SamplingOptions { LogitBias = new Dictionary<int, double> { [30] = 100 } } });
        Assert.Equal(30, stopped.TokenIds[^1]);
    }

    [Fact]
    public async Task A_grammar_that_passes_its_limits_fails_its_own_request_only()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var builder = new GrammarBuilder(new GrammarLimits { MaxStepsPerMask = 10 });
        var grammar = builder.Build(builder.Lexeme(builder.Regexes.Repeat(builder.Regexes.Bytes(ByteSet.All))));
        var fault = await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([1], new GenerationOptions { Grammar = grammar }));
        Assert.Equal(GenerationFault.Grammar, fault.Fault);
        Assert.Contains("MaxStepsPerMask", fault.Message, StringComparison.Ordinal);
        Assert.Equal(5, (await engine.CompleteAsync([1], TinyEngine.Greedy(5))).TokenIds.Count);
        Assert.Throws<ArgumentException>(() => engine.Generator.GenerateAsync([1], new GenerationOptions { Grammar = grammar, IgnoreEos = true }));
    }

    /// <summary>A small record in JSON.</summary>
    private static Grammar Record()
    {
        var builder = new GrammarBuilder();
        var number = builder.Lexeme(builder.Regexes.Repeat(builder.Regexes.Bytes(ByteSet.Range((byte)'0', (byte)'9')), 1, 3));
        return builder.Build(builder.Sequence(
            builder.Literal("{\"items\":["), number, builder.Repeat(builder.Sequence(builder.Literal(","), number), 0, 3),
            builder.Literal("],\"state\":\""), builder.Choice(builder.Literal("open"), builder.Literal("closed")), builder.Literal("\"}")));
    }
}
