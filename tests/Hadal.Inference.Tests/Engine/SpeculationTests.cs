using Hadal.Checkpoints.Config;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Guessed tokens save steps and change no bit of an answer.</summary>
public sealed class SpeculationTests
{
    private static readonly (int[] Prompt, GenerationOptions Options)[] Requests = [.. Enumerable.Range(0, 10).Select(Request)];

    [Theory]
    [InlineData("qwen3")]
    [InlineData("deepseek_v32")]
    [InlineData("deepseek_v2")]
    public async Task Guesses_company_evictions_and_slow_readers_change_no_bit(string family)
    {
        using var weights = WithPredictionLayer(family);
        var expected = new List<string>();
        await using (var engine = Engine(weights, 1, new TextGeneratorOptions { MaxConcurrent = 1, MaxBatchTokens = 64, Speculation = Speculation.Off }, contexts: 1))
            foreach (var (prompt, options) in Requests) expected.Add(await EngineInvarianceTests.ReadAsync(engine, prompt, options));

        var cases = new (int Threads, TextGeneratorOptions Options, int Contexts)[]
        {
            (1, new() { MaxConcurrent = 1, MaxBatchTokens = 64 }, 1),
            (2, new() { MaxConcurrent = 10, MaxBatchTokens = 64 }, 10),
            (3, new() { MaxConcurrent = 4, MaxBatchTokens = 7, MaxUnreadChunks = 1 }, 4),
            (2, new() { MaxConcurrent = 10, MaxBatchTokens = 32, MaxUnreadChunks = 3 }, 1),
        };
        foreach (var (threads, options, contexts) in cases)
        {
            foreach (var mode in new[] { Speculation.Always, Speculation.Auto })
            {
                await using var engine = Engine(weights, threads, options with { Speculation = mode }, contexts);
                var answers = Requests.Select(request => EngineInvarianceTests.ReadAsync(engine, request.Prompt, request.Options)).ToArray();
                for (var i = 0; i < answers.Length; i++) Assert.Equal(expected[i], await answers[i]);
            }
        }
    }

    [Fact]
    public async Task Text_that_repeats_itself_takes_fewer_passes()
    {
        int[] prompt = [.. Enumerable.Range(0, 4).SelectMany(_ => TinyEngine.Prompt(9, 3))];
        var bias = prompt.Distinct().ToDictionary(id => id, _ => 100.0);
        var options = TinyEngine.Greedy(60) with { Sampling = SamplingOptions.Greedy with { LogitBias = bias } };
        var (plainPasses, passes) = (0, 0);
        await using var plain = new TinyEngine(TinyEngine.Weights("qwen3"), new TextGeneratorOptions { Speculation = Speculation.Off }, beforeForward: () => plainPasses++);
        await using var engine = new TinyEngine(TinyEngine.Weights("qwen3"), new TextGeneratorOptions { Speculation = Speculation.Always }, beforeForward: () => passes++);
        var expected = await plain.CompleteAsync(prompt, options);
        var result = await engine.CompleteAsync(prompt, options);
        Assert.Equal(expected.TokenIds, result.TokenIds);
        Assert.Equal(60, plainPasses);
        Assert.Equal(0, expected.Usage.GuessedTokens);
        Assert.InRange(result.Usage.AcceptedTokens, 20, result.Usage.GuessedTokens);
        Assert.Equal(plainPasses - result.Usage.AcceptedTokens, passes);
    }

    [Fact]
    public async Task What_was_guessed_wrongly_is_nobody_s_prefix()
    {
        int[] prompt = [.. Enumerable.Range(0, 3).SelectMany(_ => TinyEngine.Prompt(21, 4))];
        using var weights = WithPredictionLayer("deepseek_v32");
        await using var engine = Engine(weights, 2, new TextGeneratorOptions { Speculation = Speculation.Always }, 8);
        await using var plain = Engine(weights, 2, new TextGeneratorOptions { Speculation = Speculation.Off }, 8);
        var first = await engine.CompleteAsync(prompt, TinyEngine.Greedy(40));
        Assert.True(first.Usage.AcceptedTokens < first.Usage.GuessedTokens, "every guess was right");
        int[] longer = [.. prompt, .. first.TokenIds, 5];
        var (expected, found) = (await plain.CompleteAsync(longer, TinyEngine.Greedy(15)), await engine.CompleteAsync(longer, TinyEngine.Greedy(15)));
        Assert.Equal(longer.Length - 2, found.Usage.CachedTokens);
        Assert.Equal(expected.TokenIds, found.TokenIds);
    }

    [Fact]
    public void A_guess_is_made_while_it_is_worth_its_row()
    {
        var cheap = Costs(perStep: 0.030, perRow: 0.001);
        Assert.Equal(SpeculationCosts.MostGuesses, cheap.WorthwhileCount(0.95, 1, isPrediction: false));
        Assert.Equal(2, cheap.WorthwhileCount(0.25, 1, isPrediction: false));
        Assert.Equal(0, cheap.WorthwhileCount(0.01, 1, isPrediction: false));

        // With many sequences a token is worth less.
        Assert.Equal(1, cheap.WorthwhileCount(0.3, 8, isPrediction: false));
        var dear = Costs(perStep: 0.001, perRow: 0.020);
        Assert.Equal(0, dear.WorthwhileCount(0.95, 1, isPrediction: false));

        // The layer that predicts costs as much as half a step.
        cheap.RecordPrediction(0.015);
        Assert.Equal(1, cheap.WorthwhileCount(0.7, 1, isPrediction: true));
        Assert.Equal(0, cheap.WorthwhileCount(0.5, 1, isPrediction: true));
    }

    [Fact]
    public void What_a_row_costs_is_asked_of_steps_with_as_many_sequences()
    {
        // One sequence reads the weights for few rows, which cost little; the rows of eight are products, which cost more than a token is worth.
        var costs = Costs(perStep: 0.030, perRow: 0.001);
        Assert.Equal(SpeculationCosts.MostGuesses, costs.WorthwhileCount(0.95, 1, isPrediction: false));
        // Nothing is known of eight, so that it is tried, with one guess each.
        Assert.Equal(1, costs.WorthwhileCount(0.95, 8, isPrediction: false));
        for (var i = 0; i < 20; i++) costs.Record(8, 8 + (i % 4), 0.060 + (0.009 * (i % 4)));
        Assert.Equal(0, costs.WorthwhileCount(0.95, 8, isPrediction: false));
        Assert.Equal(SpeculationCosts.MostGuesses, costs.WorthwhileCount(0.95, 1, isPrediction: false));
        Assert.Equal(0, costs.WorthwhileCount(0.1, 40, isPrediction: false));
        costs.Record(40, 44, 0.4);
        Assert.Equal(0, costs.WorthwhileCount(0.1, 40, isPrediction: false));
    }

    [Fact]
    public void Guessing_that_does_not_pay_ends_and_is_tried_again_now_and_then()
    {
        using var guesses = new Guesses(Speculation.Auto, Costs(perStep: 0.001, perRow: 0.020), predictor: null);
        int[] tokens = [1, 2, 3, 4, 5, 1, 2, 3, 4];
        var counts = Enumerable.Range(0, 200).Select(_ => guesses.Guess(tokens, new int[8], 1)).ToList();
        Assert.All(counts, count => Assert.InRange(count, 0, 1));
        Assert.Equal(3, counts.Sum());

        using var always = new Guesses(Speculation.Always, new SpeculationCosts(), predictor: null);
        var room = new int[8];
        Assert.Equal(8, always.Guess(tokens, room, 1));
        Assert.Equal([5, 1, 2, 3, 4, 5, 1, 2], room);
        Assert.Equal(0, always.Guess([1, 2, 3, 4], room, 1));
    }

    [Fact]
    public void The_prediction_layer_is_asked_no_more_where_it_is_never_right()
    {
        var predictor = new CountingPredictor();
        using var guesses = new Guesses(Speculation.Auto, Costs(perStep: 0.030, perRow: 0.010), predictor);
        for (var i = 0; i < 400; i++)
        {
            guesses.Predict([7], new float[4], 1, TimeProvider.System);
            guesses.Note(guesses.Guess([1, 2, 3], new int[4], 1), 0);
        }

        Assert.InRange(predictor.Count, 10, 90);
        Assert.True(predictor.ResetCount > 0);
    }

    private static SpeculationCosts Costs(double perStep, double perRow)
    {
        var costs = new SpeculationCosts();
        for (var i = 0; i < 50; i++) costs.Record(1, 1 + (i % 5), perStep - perRow + (perRow * (1 + (i % 5))));
        return costs;
    }

    private static TinyModel WithPredictionLayer(string family) =>
        new(TinyEngine.ConfigOf(family) is DeepSeekConfig config ? config with { NumNextnPredictLayers = 1 } : TinyEngine.ConfigOf(family), seed: 1);

    private static TinyEngine Engine(TinyModel weights, int threads, TextGeneratorOptions options, int contexts) =>
        new(weights, options, new EngineOptions { ThreadCount = threads, MaxContext = 160, MaxSequences = contexts });

    private static (int[] Prompt, GenerationOptions Options) Request(int index)
    {
        int[] prompt = [.. Enumerable.Range(0, 3).SelectMany(_ => TinyEngine.Prompt(3 + index, 200 + index))];
        var sampling = index % 3 == 0 ? SamplingOptions.Greedy : new SamplingOptions
        {
            Seed = (ulong)index, Temperature = 0.2 + (0.1 * index), TopP = index % 2 == 0 ? 0.9 : 1, RepetitionPenalty = index == 5 ? 1.2 : 1, FrequencyPenalty = index == 7 ? 0.5 : 0,
            LogitBias = index % 2 == 0 ? prompt.Distinct().ToDictionary(id => id, _ => 8.0) : null,
        };
        var options = new GenerationOptions { Sampling = sampling, MaxTokens = 60 - index, TopLogProbs = index % 4 == 1 ? 2 : null, StopStrings = index == 8 ? ["e", "th"] : [] };
        return (prompt, index is 3 or 4 ? options with { Grammar = Words(), MaxTokens = 90 } : options);
    }

    /// <summary>Some words again and again, in part without a choice.</summary>
    private static Grammar Words()
    {
        var builder = new GrammarBuilder();
        var word = builder.Choice(builder.Literal("the whale "), builder.Literal("the sea "), builder.Literal("and "));
        return builder.Build(builder.Sequence(builder.Repeat(word, 12, 12), builder.Literal("are one and the same")));
    }

    private sealed class CountingPredictor : TokenPredictor
    {
        public int Count { get; private set; }

        public int ResetCount { get; private set; }

        public override int Predict(ReadOnlySpan<int> nextTokenIds, ReadOnlySpan<float> hidden)
        {
            Count++;
            return 9;
        }

        public override void Reset() => ResetCount++;

        public override void Dispose()
        {
        }
    }
}
