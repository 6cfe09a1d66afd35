using System.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Perplexity against its definition, computed plainly.</summary>
public sealed class PerplexityTests
{
    private const string Text = "Die Flut kommt um drei.\n潮水三点来。 The tide comes at three 😀, then leaves.\n";

    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 128, MaxBatchTokens = 32 };

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(128)]
    public void Windows_read_one_token_before_them_and_predict_every_token_once(int context)
    {
        using var model = TinyEngine.Weights().Open(Options);
        int[] ids = [0, .. TinyEngine.Tokenizer.Encode(Text, addSpecial: false)];
        var bits = 0.0;
        for (var begin = 0; begin + 1 < ids.Length; begin += context)
        {
            var window = ids[begin..Math.Min(begin + context, ids.Length - 1)];
            var logits = Generation.AllLogits(model, window);
            for (var i = 0; i < window.Length; i++) bits -= Math.Log2(Probability(logits.AsSpan(i * TinyEngine.VocabSize, TinyEngine.VocabSize), ids[begin + i + 1]));
        }

        var steps = new List<PerplexityResult>();
        var result = Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(Text), context, steps.Add);
        Assert.Equal(ids.Length - 1, result.TokenCount);
        Assert.Equal(Encoding.UTF8.GetByteCount(Text), result.ByteCount);
        Assert.Equal(bits, result.TotalBits, 1e-4);
        Assert.Equal(bits / result.ByteCount, result.BitsPerByte, 1e-6);
        Assert.Equal(Math.Exp(bits * Math.Log(2) / (ids.Length - 1)), result.Value, 1e-3 * result.Value);
        Assert.Equal((ids.Length - 2 + context) / context, steps.Count);
        Assert.Equal(result, steps[^1]);
    }

    [Fact]
    public void Limits_and_cancellation_are_kept()
    {
        using var model = TinyEngine.Weights().Open(Options);
        Assert.Throws<ArgumentOutOfRangeException>(() => Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(Text), 129));
        Assert.Throws<ArgumentOutOfRangeException>(() => Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(Text), 0));
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(Text), 4, _ => cancellation.Cancel(), cancellation.Token));
        Assert.Equal(default, Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(""), 4));

        // The cache of the cancelled call is free again.
        Assert.True(Perplexity.Measure(model, TinyEngine.Tokenizer, new StringReader(Text), 128).TokenCount > 0);
    }

    private static double Probability(ReadOnlySpan<float> logits, int tokenId)
    {
        var sum = 0.0;
        foreach (var logit in logits) sum += Math.Exp(logit);
        return Math.Exp(logits[tokenId]) / sum;
    }
}
