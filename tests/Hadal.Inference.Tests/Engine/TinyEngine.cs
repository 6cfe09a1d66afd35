using System.Collections.Concurrent;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

/// <summary>A generator over a random model with the vocabulary of a golden checkpoint. A gate can hold the engine before each forward pass.</summary>
internal sealed class TinyEngine : IAsyncDisposable
{
    public const int VocabSize = 512;

    private static readonly ConcurrentDictionary<string, TinyModel> Drawn = new();

    private readonly PagedDecoder _model;
    private readonly int _blockCount;
    private readonly Gate? _gate;

    public TinyEngine(TinyModel weights, TextGeneratorOptions? options = null, EngineOptions? engineOptions = null, Action? beforeForward = null, int[]? endTokenIds = null, Gate? gate = null, TimeProvider? clock = null)
    {
        options ??= new TextGeneratorOptions();
        engineOptions ??= new EngineOptions { ThreadCount = 2, MaxContext = 256, MaxSequences = options.MaxConcurrent };
        _model = (PagedDecoder)weights.Open(engineOptions with { MaxBatchTokens = options.MaxBatchTokens });
        _blockCount = _model.FreeBlockCount;
        _gate = gate;
        Generator = new TextGenerator(_model, Tokenizer, endTokenIds ?? [], options, gate is null ? beforeForward : gate.Pass, clock);
    }

    public static Tokenizer Tokenizer { get; } = TokenizerLoader.FromDirectory(GoldenData.PathOf("deepseek-v3/hf"));

    public static GenerationOptions Greedy(int maxTokens) => new() { Sampling = SamplingOptions.Greedy, MaxTokens = maxTokens };

    public TextGenerator Generator { get; }

    /// <summary>Weights of a family, the same for all tests; kept until the process ends.</summary>
    public static TinyModel Weights(string family = "deepseek_v32") => Drawn.GetOrAdd(family, name => new TinyModel(ConfigOf(name), seed: 1));

    /// <summary>Weights in which a token's embedding is not a number: whoever reads it fails.</summary>
    public static TinyModel Poisoned(string family, int tokenId)
    {
        var weights = new TinyModel(ConfigOf(family), seed: 1);
        var embedding = weights.Tensors["model.embed_tokens.weight"];
        var values = TinyModel.ValuesOf(embedding);
        values.AsSpan(tokenId * embedding.Shape[1], embedding.Shape[1]).Fill(float.NaN);
        weights.Add(embedding.Name, embedding.Shape, values);
        return weights;
    }

    public static ModelConfig ConfigOf(string family) => DecoderModelTests.ConfigOf(family) with { VocabSize = VocabSize };

    public static int[] Prompt(int length, int seed) => TinyModel.Tokens(length, seed, VocabSize);

    public Task<GenerationResult> CompleteAsync(int[] prompt, GenerationOptions options) => Generator.CompleteAsync(prompt, options);

    /// <summary>Closes the generator, then opens the gate, so that a failed test ends too, and checks that every block of the cache came back.</summary>
    public async ValueTask DisposeAsync()
    {
        var closing = Generator.DisposeAsync();
        _gate?.Open();
        await closing;
        Assert.Equal(_blockCount, _model.FreeBlockCount);
    }
}
