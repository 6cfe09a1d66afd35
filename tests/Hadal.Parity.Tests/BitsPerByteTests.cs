using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Tests;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Trainers;

namespace Hadal.Parity.Tests;

/// <summary>What training and engine report about held-out text.</summary>
public sealed class BitsPerByteTests
{
    [Theory]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(400)]
    public void Training_and_engine_measure_the_same(int context)
    {
        const string Text = "The tide turns at noon; 潮水正午转向。\n\nMeasured twice, it should weigh the same 😀.\n";
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("deepseek-v3/hf"));
        var tokenizer = checkpoint.LoadTokenizer();
        using var torch = (DeepSeekModel)ModelFiles.Load(checkpoint);
        var expected = BitsPerByte.Measure(torch, tokenizer, Text, context, maxBytes: 0, AttentionMode.Sparse);
        using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxContext = 400, MaxBatchTokens = 64 });
        var actual = Perplexity.Measure(model, tokenizer, new StringReader(Text), context).BitsPerByte;
        Assert.True(expected > 1);
        Assert.Equal(expected, actual, expected * 1e-5);
    }
}
