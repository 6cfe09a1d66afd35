using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Engine;
using Hadal.Inference.Tests.Kernels;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Models;

/// <summary>Models whose products round activations to 8 bits: near the exact logits, and the same bits however they are computed.</summary>
[Trait("Width", "all")]
public sealed class IntegerArithmeticTests
{
    private static readonly EngineOptions Options = new() { Arithmetic = Arithmetic.Integer, ThreadCount = 2, MaxContext = 256, MaxBatchTokens = 160 };

    [Fact]
    public void A_golden_file_of_the_repository_stays_within_its_tolerance() => Compare(GoldenData.PathOf("qwen2"), "model-Q4_K.gguf", "Q4_K");

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen2")]
    [InlineData("deepseek-v2-lite")]
    public void Golden_files_beside_the_repository_stay_within_their_tolerance(string folder)
    {
        foreach (var weights in new[] { "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K" })
            Compare(SharedData.PathOrSkip("golden/" + folder), $"model-{weights}.gguf", weights);
    }

    [Theory]
    [InlineData(DType.AwqInt4)]
    [InlineData(DType.Q8_0)]
    [InlineData(DType.Q4_0)]
    [InlineData(DType.Q5_1)]
    public void Threads_cuts_and_batches_change_no_bit(DType dtype)
    {
        foreach (var config in new ModelConfig[] { QuantizedModelTests.DeepSeek, QuantizedModelTests.GroupedQuery })
        {
            using var stored = new StoredModel(config, dtype);
            var tokenIds = TinyModel.Tokens(40, 3);
            float[]? expected = null;
            foreach (var (threads, batchTokens, sliceLength) in new[] { (1, 64, 40), (2, 64, 40), (3, 16, 40), (2, 64, 1), (2, 7, 11) })
            {
                using var model = stored.Weights.Open(Options with { ThreadCount = threads, MaxContext = 64, MaxBatchTokens = batchTokens });
                var logits = Generation.AllLogits(model, tokenIds, sliceLength);
                expected ??= logits;
                Assert.Equal(expected, logits);
            }

            using var exact = stored.Weights.Open(Options with { Arithmetic = Arithmetic.Exact, MaxContext = 64 });
            Assert.NotEqual(expected!, Generation.AllLogits(exact, tokenIds));
        }
    }

    [Theory]
    [InlineData(DType.AwqInt4)]
    [InlineData(DType.Q4_0)]
    public void Repacking_between_two_passes_changes_no_bit(DType dtype)
    {
        foreach (var config in new ModelConfig[] { QuantizedModelTests.DeepSeek, QuantizedModelTests.GroupedQuery })
        {
            using var stored = new StoredModel(config, dtype);
            var tokenIds = TinyModel.Tokens(40, 3);
            using var eager = stored.Weights.Open(Options with { MaxContext = 64 });
            var expected = Generation.AllLogits(eager, tokenIds);
            using var deferred = stored.Weights.Open(Options with { MaxContext = 64, DefersRepacking = true });
            var passes = 0;
            for (; !deferred.IsRepacked; passes++)
            {
                Assert.Equal(expected, Generation.AllLogits(deferred, tokenIds, 7));
                deferred.Repack(20_000);
            }

            Assert.InRange(passes, 3, 100);
            Assert.Equal(expected, Generation.AllLogits(deferred, tokenIds, 7));
        }
    }

    [Theory]
    [InlineData(DType.AwqInt4)]
    [InlineData(DType.Q4_0)]
    public void Experts_in_the_file_change_no_bit_and_take_no_tiles(DType dtype)
    {
        using var stored = new StoredModel(QuantizedModelTests.DeepSeek, dtype);
        var tokenIds = TinyModel.Tokens(40, 3);
        using var inMemory = stored.Weights.Open(Options with { MaxContext = 64 });
        using var streamed = stored.Weights.Open(Options with { MaxContext = 64, KeepsExpertsInFile = true });
        Assert.Equal(Generation.AllLogits(inMemory, tokenIds), Generation.AllLogits(streamed, tokenIds, 7));
        Assert.True(streamed.IsRepacked);
    }

    [Fact]
    public async Task An_engine_that_repacks_behind_its_answers_gives_those_of_a_model_that_is_repacked()
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(GoldenData.PathOf("qwen2"), "model-Q4_K.gguf"));
        using var model = DecoderModel.Open(checkpoint, Options);
        var prompt = TinyModel.Tokens(12, 5);
        var expected = Generation.Greedy(model, prompt, 24);
        await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = 1 }, Options);
        for (var i = 0; i < 2; i++)
            Assert.Equal(expected, (await generator.CompleteAsync(prompt, TinyEngine.Greedy(expected.Length) with { IgnoreEos = true })).TokenIds);
    }

    [Fact(Timeout = 60_000)]
    public async Task Weights_that_the_first_request_binds_are_repacked_too()
    {
        using var stored = new StoredModel(QuantizedModelTests.DeepSeek with { NumNextnPredictLayers = 1 }, DType.Q4_0);
        var model = stored.Weights.Open(Options with { MaxContext = 64, DefersRepacking = true });
        await using var generator = new TextGenerator(model, TinyEngine.Tokenizer, [], new TextGeneratorOptions { MaxConcurrent = 1, MaxBatchTokens = Options.MaxBatchTokens });
        // Nobody asks for anything, so the engine repacks what the model was opened with.
        var cancelled = TestContext.Current.CancellationToken;
        for (; !model.IsRepacked; await Task.Yield()) cancelled.ThrowIfCancellationRequested();
        // The prediction layer is bound for the first sequence; a step later it is repacked.
        await generator.CompleteAsync(TinyModel.Tokens(5, 1), TinyEngine.Greedy(8), cancelled);
        Assert.True(model.IsRepacked);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_decoded_token_allocates_nothing(bool isDeepSeek)
    {
        using var stored = new StoredModel(isDeepSeek ? QuantizedModelTests.DeepSeek : QuantizedModelTests.GroupedQuery, DType.Q4_0);
        using var model = stored.Weights.Open(Options with { MaxContext = 64 });
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        int[] token = [1];
        Steps(30);
        Assert.Equal(0, Allocations.Of(() => Steps(8)));

        void Steps(int count)
        {
            for (var i = 0; i < count; i++)
            {
                batch.Clear();
                batch.Add(cache, token, 1);
                model.Forward(batch);
            }
        }
    }

    private static void Compare(string folder, string file, string weights)
    {
        var golden = new GoldenFolder(folder);
        var tolerance = golden.RoundedTolerance(weights);
        using var checkpoint = Checkpoint.Open(Path.Combine(folder, file));
        using var model = DecoderModel.Open(checkpoint, Options);
        using var oneThread = DecoderModel.Open(checkpoint, Options with { ThreadCount = 1, MaxBatchTokens = 23 });
        var vocabSize = model.Config.VocabSize;
        var largest = 0f;
        foreach (var (name, tokenIds, positions) in golden.Sequences)
        {
            var logits = Generation.AllLogits(model, tokenIds);
            for (var i = 0; i < positions.Length; i++)
            {
                var row = logits.AsSpan(positions[i] * vocabSize, vocabSize);
                var difference = Math.Min(
                    Generation.MaxDifference(row, golden.Logits(golden.ExactSetOf(file), name).Slice(i * vocabSize, vocabSize)),
                    Generation.MaxDifference(row, golden.Logits(golden.NativeSetOf(file), name).Slice(i * vocabSize, vocabSize)));
                Assert.True(difference <= tolerance, $"{file} {name} position {positions[i]}: {difference}, tolerance {tolerance}");
                largest = Math.Max(largest, difference);
            }

            if (weights != "Q4_K") continue;
            Assert.Equal(logits, Generation.AllLogits(oneThread, tokenIds));
            Assert.Equal(logits, Generation.AllLogits(model, tokenIds, sliceLength: 1));
        }

        Assert.True(largest > golden.Tolerance, $"{file}: {largest} is as near as exact arithmetic; were activations rounded at all?");
        foreach (var (prompt, continuation) in golden.GreedyOf(file)) CompareGreedy(model, prompt, continuation, tolerance, file);
    }

    /// <summary>Another id than the expected one is a mistake only where the gap is more than twice the error that rounding may make.</summary>
    private static void CompareGreedy(DecoderModel model, int[] prompt, int[] continuation, double tolerance, string file)
    {
        var vocabSize = model.Config.VocabSize;
        var logits = Generation.AllLogits(model, [.. prompt, .. continuation]);
        for (var i = 0; i < continuation.Length; i++)
        {
            var row = logits.AsSpan((prompt.Length - 1 + i) * vocabSize, vocabSize);
            var best = float.MinValue;
            foreach (var logit in row) best = MathF.Max(best, logit);
            Assert.True(best - row[continuation[i]] <= 2 * tolerance, $"{file}: token {i} of a continuation lies {best - row[continuation[i]]} below the best");
        }
    }

    /// <summary>A small model with every quantisable matrix in one format.</summary>
    private sealed class StoredModel : IDisposable
    {
        private readonly List<StoredMatrix> _matrices = [];

        public StoredModel(ModelConfig config, DType dtype)
        {
            Weights = new TinyModel(config, seed: 7);
            foreach (var spec in WeightManifest.For(config).Where(spec => spec.Quantizable))
            {
                var matrix = StoredMatrix.Create(dtype, spec.Shape[0], spec.Shape[1], seed: _matrices.Count);
                _matrices.Add(matrix);
                Weights.Add(spec.Name, matrix.Tensor);
            }
        }

        public TinyModel Weights { get; }

        public void Dispose()
        {
            Weights.Dispose();
            _matrices.ForEach(matrix => matrix.Dispose());
        }
    }
}
