using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Inference.Tests.Engine;
using Hadal.Inference.Tests.Kernels;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Models;

/// <summary>Adapters on a decoder: beside each other, beside none, and against merged weights.</summary>
public sealed class AdapterTests : IDisposable
{
    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 128, MaxBatchTokens = 64, MaxSequences = 4 };
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public static TheoryData<string, bool> Cases => new() { { "qwen3", false }, { "qwen3", true }, { "deepseek_v32", false }, { "deepseek_v32", true }, { "deepseek_v2", false }, { "deepseek_v2", true } };

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Cases))]
    public void An_adapter_gives_the_logits_of_the_weights_it_is_merged_into(string family, bool isLengthTrained)
    {
        var config = DecoderModelTests.ConfigOf(family);
        using TinyModel weights = new(config, seed: 1), merged = new(config, seed: 1);
        using var adapter = Adapter(config, Adapted(config), seed: 2, isLengthTrained);
        foreach (var module in adapter.Modules) Merge(merged, module);
        using var model = weights.Open(Options);
        using var ready = model.AddAdapter(adapter);
        using var expectedModel = merged.Open(Options);
        var tokenIds = TinyModel.Tokens(30, 3);
        var plain = Generation.AllLogits(model, tokenIds);
        var expected = Generation.AllLogits(expectedModel, tokenIds);
        var actual = Logits(model, ready, tokenIds, sliceLength: 30);
        Assert.True(Generation.MaxDifference(plain, expected) > 0.1f);
        Assert.True(Generation.MaxDifference(expected, actual) < 1e-4f, $"{Generation.MaxDifference(expected, actual)}");
    }

    [Theory]
    [InlineData("qwen3")]
    [InlineData("deepseek_v32")]
    public void Sequences_with_different_adapters_and_none_share_a_batch_without_a_bit_changed(string family)
    {
        var config = DecoderModelTests.ConfigOf(family);
        using var weights = new TinyModel(config, seed: 4);
        using LoraAdapter one = Adapter(config, Adapted(config), seed: 5), other = Adapter(config, Adapted(config).Take(3), seed: 6);
        using var model = weights.Open(Options);
        using DecoderAdapter first = model.AddAdapter(one), second = model.AddAdapter(other);
        int[] a = TinyModel.Tokens(20, 7), b = TinyModel.Tokens(9, 8), c = TinyModel.Tokens(1, 9);
        float[] alone = [.. Logits(model, first, a, 20), .. Generation.AllLogits(model, b), .. Logits(model, second, c, 1)];

        using KvCache x = model.CreateCache(), y = model.CreateCache(), z = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(x, a, a.Length, first);
        batch.Add(y, b, b.Length);
        batch.Add(z, c, c.Length, second);
        model.Forward(batch);
        Assert.Equal(alone, batch.Logits.ToArray());

        using var oneThread = weights.Open(Options with { ThreadCount = 1, MaxBatchTokens = 7 });
        using var again = oneThread.AddAdapter(one);
        Assert.Equal(alone[..(20 * 48)], Logits(oneThread, again, a, sliceLength: 3));
    }

    [Theory]
    [InlineData("qwen3")]
    [InlineData("deepseek_v32")]
    public void An_adapted_head_gives_each_row_that_is_wanted_the_logits_of_its_own_sequence(string family)
    {
        var config = DecoderModelTests.ConfigOf(family);
        using var weights = new TinyModel(config, seed: 4);
        using LoraAdapter one = Adapter(config, ["lm_head"], seed: 5), other = Adapter(config, ["lm_head"], seed: 6, isLengthTrained: true), elsewhere = Adapter(config, ["model.layers.1.self_attn.o_proj"], seed: 7);
        foreach (var batchTokens in (int[])[64, 11])
        {
            using var model = weights.Open(Options with { MaxBatchTokens = batchTokens, ThreadCount = batchTokens == 64 ? 3 : 1 });
            using DecoderAdapter first = model.AddAdapter(one), second = model.AddAdapter(other), third = model.AddAdapter(elsewhere);
            (int[] TokenIds, int Wanted, DecoderAdapter? Adapter, bool IsHidden)[] slices =
            [
                (TinyModel.Tokens(20, 7), 3, first, false), (TinyModel.Tokens(5, 8), 2, null, false), (TinyModel.Tokens(7, 9), 2, first, true), (TinyModel.Tokens(4, 10), 4, second, false),
            ];
            float[] expected = [.. slices.Where(slice => !slice.IsHidden).SelectMany(slice => (slice.Adapter is null ? Generation.AllLogits(model, slice.TokenIds) : Logits(model, slice.Adapter, slice.TokenIds, 64))[^(slice.Wanted * 48)..])];
            Assert.Equal(expected, Together());

            // The head reads what it read without an adapter: twice the same layers, then two heads.
            Assert.NotEqual(expected[..48], Generation.AllLogits(model, slices[0].TokenIds)[(17 * 48)..(18 * 48)]);
            slices[2] = slices[2] with { Adapter = third, IsHidden = false };
            expected = [.. slices.SelectMany(slice => (slice.Adapter is null ? Generation.AllLogits(model, slice.TokenIds) : Logits(model, slice.Adapter, slice.TokenIds, 64))[^(slice.Wanted * 48)..])];
            Assert.Equal(expected, Together());

            float[] Together()
            {
                var caches = slices.Select(_ => model.CreateCache()).ToList();
                try
                {
                    var batch = new ScheduledBatch(48);
                    foreach (var (slice, cache) in slices.Zip(caches)) batch.Add(cache, slice.TokenIds, slice.Wanted, slice.Adapter, slice.IsHidden);
                    model.Forward(batch);
                    return batch.Logits.ToArray();
                }
                finally
                {
                    foreach (var cache in caches) cache.Dispose();
                }
            }
        }
    }

    [Fact]
    public async Task Guesses_of_the_unadapted_head_change_no_bit_of_an_answer_with_an_adapted_one()
    {
        var config = (DeepSeekConfig)TinyEngine.ConfigOf("deepseek_v32") with { NumNextnPredictLayers = 1 };
        using var weights = new TinyModel(config, seed: 1);
        using var adapter = Adapter(config, ["lm_head", "model.embed_tokens"], seed: 3, scale: 0.1);
        int[] prompt = [.. Enumerable.Range(0, 3).SelectMany(_ => TinyEngine.Prompt(7, 2))];
        var options = TinyEngine.Greedy(40) with { TopLogProbs = 0, IgnoreEos = true };
        var (plain, expected, _) = await AnswersAsync(Speculation.Off);
        var (plainAgain, found, guessed) = await AnswersAsync(Speculation.Always);
        Assert.Equal(plain, plainAgain);
        Assert.Equal(expected, found);
        Assert.NotEqual(plain, expected);
        Assert.True(guessed > 0);

        async Task<(string Plain, string Adapted, int Guessed)> AnswersAsync(Speculation speculation)
        {
            await using var engine = new TinyEngine(weights, new TextGeneratorOptions { Speculation = speculation });
            using var ready = engine.Generator.AddAdapter(adapter);
            var adapted = EngineInvarianceTests.ReadAsync(engine, prompt, options with { Adapter = ready });
            var result = await engine.CompleteAsync(prompt, options with { Adapter = ready });
            return (await EngineInvarianceTests.ReadAsync(engine, prompt, options), await adapted, result.Usage.GuessedTokens);
        }
    }

    [Fact]
    public void An_adapter_of_an_indexer_or_of_another_model_is_refused()
    {
        var config = TinyModel.DeepSeek;
        using var weights = new TinyModel(config, seed: 1);
        using var model = weights.Open(Options);
        var indexer = WeightManifest.For(config).First(spec => spec.Quantizable && spec.Name.EndsWith(".indexer.wk.weight", StringComparison.Ordinal)).Name[..^".weight".Length];
        using var learnsApart = Adapter(config, [indexer], seed: 1);
        var fault = Assert.Throws<CheckpointException>(() => model.AddAdapter(learnsApart)).Message;
        Assert.Contains($"adapts {indexer}, which is not computed with adapters", fault, StringComparison.Ordinal);

        using var good = Adapter(config, ["model.layers.0.self_attn.o_proj"], seed: 1);
        using var other = weights.Open(Options);
        using var foreign = other.AddAdapter(good);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(48);
        batch.Add(cache, new[] { 1 }, 1, foreign);
        Assert.Throws<ArgumentException>(() => model.Forward(batch));
        Assert.Equal(0, cache.Length);
    }

    [Fact]
    public void Weights_in_integers_take_adapters_too()
    {
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("qwen2/model-Q4_K.gguf"));
        var config = (GroupedQueryConfig)checkpoint.Config;
        using LoraAdapter adapter = Adapter(config, Adapted(config), seed: 13), empty = Adapter(config, Adapted(config), seed: 14, scale: 0);
        using var integer = DecoderModel.Open(checkpoint, Options with { Arithmetic = Arithmetic.Integer });
        using var exact = DecoderModel.Open(checkpoint, Options);
        using DecoderAdapter onIntegers = integer.AddAdapter(adapter), onExact = exact.AddAdapter(adapter), nothing = integer.AddAdapter(empty);
        var tokenIds = TinyModel.Tokens(24, 15, config.VocabSize);
        var plain = Generation.AllLogits(integer, tokenIds);
        Assert.Equal(plain, Logits(integer, nothing, tokenIds, sliceLength: 24));
        float[] expected = Logits(exact, onExact, tokenIds, sliceLength: 24), actual = Logits(integer, onIntegers, tokenIds, sliceLength: 24);
        Assert.True(Generation.MaxDifference(plain, actual) > 1);
        Assert.InRange(expected.Zip(actual, (a, b) => MathF.Abs(a - b)).Average(), 1e-5f, 0.15f);
    }

    [Fact]
    public void A_step_with_adapters_allocates_nothing_on_the_heap()
    {
        var config = TinyModel.GroupedQuery;
        using var weights = new TinyModel(config, seed: 4);
        using var adapter = Adapter(config, Adapted(config), seed: 5);
        using var model = weights.Open(Options with { ThreadCount = 1 });
        using var ready = model.AddAdapter(adapter);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(48);
        var token = new[] { 3 };
        Steps(20);
        Assert.Equal(0, Allocations.Of(() => Steps(5)));

        void Steps(int count)
        {
            for (var i = 0; i < count; i++)
            {
                batch.Clear();
                batch.Add(cache, token, 1, ready);
                model.Forward(batch);
            }
        }
    }

    [Fact]
    public async Task Requests_choose_their_adapter_and_an_unloaded_one_answers_to_the_end()
    {
        var config = TinyEngine.ConfigOf("qwen3");
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights("qwen3"), gate: gate);
        using var adapter = Adapter(config, Adapted(config), seed: 11);
        var ready = engine.Generator.AddAdapter(adapter);
        var prompt = TinyEngine.Prompt(5, 1);
        var adapted = engine.CompleteAsync(prompt, TinyEngine.Greedy(6) with { Adapter = ready });
        gate.Open();
        var first = await adapted;
        var plain = await engine.CompleteAsync(prompt, TinyEngine.Greedy(6));
        Assert.NotEqual(plain.TokenIds, first.TokenIds);
        Assert.Equal(first.TokenIds, (await engine.CompleteAsync(prompt, TinyEngine.Greedy(6) with { Adapter = ready })).TokenIds);

        ready.Dispose();
        var fault = await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync(prompt, TinyEngine.Greedy(6) with { Adapter = ready }));
        Assert.Equal("the adapter was unloaded", fault.Message);
        Assert.Equal(plain.TokenIds, (await engine.CompleteAsync(prompt, TinyEngine.Greedy(6))).TokenIds);
    }

    [Fact]
    public async Task Unloading_waits_for_the_request_that_is_being_answered()
    {
        var config = TinyEngine.ConfigOf("qwen3");
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights("qwen3"), gate: gate);
        using var adapter = Adapter(config, Adapted(config), seed: 12);
        using var spare = engine.Generator.AddAdapter(adapter);
        var ready = engine.Generator.AddAdapter(adapter);
        var prompt = TinyEngine.Prompt(5, 1);
        var answer = engine.CompleteAsync(prompt, TinyEngine.Greedy(6) with { Adapter = ready });
        ready.Dispose();
        gate.Open();
        Assert.Equal((await engine.CompleteAsync(prompt, TinyEngine.Greedy(6) with { Adapter = spare })).TokenIds, (await answer).TokenIds);
    }

    [Fact]
    public async Task Adapters_that_come_and_go_change_no_bit_of_the_answers_being_written()
    {
        const int Steps = 60;
        var config = TinyEngine.ConfigOf("qwen3");
        using LoraAdapter kept = Adapter(config, Adapted(config), seed: 31), coming = Adapter(config, Adapted(config), seed: 32);
        var (plain, adapted, swapped, _) = await AnswersAsync(isBusy: false);
        var (plainBusy, adaptedBusy, swappedBusy, changes) = await AnswersAsync(isBusy: true);
        Assert.Equal(Steps, plain.Count);
        Assert.NotEqual(plain, adapted);
        Assert.Equal(plain, plainBusy);
        Assert.Equal(adapted, adaptedBusy);
        Assert.All(swappedBusy, answer => Assert.Equal(swapped[0], answer));
        Assert.True(changes >= Steps, $"{changes}");

        // Tokens with the bits of their log-probabilities; in a busy engine an adapter is added and removed before every pass, and others are added, asked and removed meanwhile.
        async Task<(List<(int?, float?)> Plain, List<(int?, float?)> Adapted, List<List<(int?, float?)>> Swapped, int Changes)> AnswersAsync(bool isBusy)
        {
            TinyEngine? opened = null;
            var changes = 0;
            await using var engine = new TinyEngine(TinyEngine.Weights("qwen3"), beforeForward: () =>
            {
                if (!isBusy) return;
                using var passing = opened!.Generator.AddAdapter(coming);
                Assert.True(passing.IsLoaded);
                changes++;
            });
            opened = engine;
            using var ready = engine.Generator.AddAdapter(kept);
            var writing = Task.WhenAll(AnswerAsync(engine, null, Steps), AnswerAsync(engine, ready, Steps));
            if (!isBusy) await writing;
            var swapped = new List<List<(int?, float?)>>();
            do
            {
                using var chosen = engine.Generator.AddAdapter(coming);
                swapped.Add(await AnswerAsync(engine, chosen, 3));
            }
            while (!writing.IsCompleted);
            var answers = await writing;
            return (answers[0], answers[1], swapped, changes);
        }

        static async Task<List<(int?, float?)>> AnswerAsync(TinyEngine engine, DecoderAdapter? adapter, int count)
        {
            var tokens = new List<(int?, float?)>();
            var options = TinyEngine.Greedy(count) with { Adapter = adapter, TopLogProbs = 0, IgnoreEos = true };
            await foreach (var chunk in engine.Generator.GenerateAsync(TinyEngine.Prompt(5, 1), options, TestContext.Current.CancellationToken))
                if (chunk.TokenId is not null) tokens.Add((chunk.TokenId, chunk.LogProb));
            return tokens;
        }
    }

    /// <summary>Everything that adapters are computed of, routed experts, kv_b_proj, the table of embeddings and the output head among it.</summary>
    private static IEnumerable<string> Adapted(ModelConfig config) => WeightManifest.For(config)
        .Where(spec => spec.Name is "model.embed_tokens.weight" or "lm_head.weight" || spec is { Quantizable: true, Role: WeightRole.Projection or WeightRole.Expert } && !spec.Name.Contains("indexer", StringComparison.Ordinal) && !spec.Name.Contains("eh_proj", StringComparison.Ordinal)
            && !IsPredictionLayer(config, spec.Name))
        .Select(spec => spec.Name[..^".weight".Length]);

    private static bool IsPredictionLayer(ModelConfig config, string name) =>
        config is DeepSeekConfig { NumNextnPredictLayers: > 0 } deepSeek && name.StartsWith(FormattableString.Invariant($"model.layers.{deepSeek.NumHiddenLayers}."), StringComparison.Ordinal);

    [Theory]
    [InlineData(MlaForm.Absorbed)]
    [InlineData(MlaForm.Plain)]
    public void Routed_experts_and_kv_b_are_adapted_in_both_forms_of_attention(MlaForm form)
    {
        var config = DecoderModelTests.ConfigOf("deepseek_v2");
        string[] modules = [.. Adapted(config).Where(name => name.Contains(".experts.", StringComparison.Ordinal) || name.EndsWith("kv_b_proj", StringComparison.Ordinal))];
        Assert.True(modules.Count(name => name.Contains(".experts.", StringComparison.Ordinal)) >= 6 && modules.Any(name => name.EndsWith("kv_b_proj", StringComparison.Ordinal)));
        using var weights = new TinyModel(config, seed: 21);
        foreach (var isLengthTrained in (bool[])[false, true])
        {
            using var adapter = Adapter(config, modules, seed: 22, isLengthTrained);
            using var model = weights.Open(Options with { MlaForm = form });
            using var ready = model.AddAdapter(adapter);
            using var mergedHere = new TinyModel(config, seed: 21);
            foreach (var module in adapter.Modules) Merge(mergedHere, module);
            using var expectedModel = mergedHere.Open(Options with { MlaForm = form });
            var tokenIds = TinyModel.Tokens(30, 23);
            float[] plain = Generation.AllLogits(model, tokenIds), expected = Generation.AllLogits(expectedModel, tokenIds), actual = Logits(model, ready, tokenIds, sliceLength: 7);
            Assert.True(Generation.MaxDifference(plain, expected) > 0.05f);
            Assert.True(Generation.MaxDifference(expected, actual) < 1e-4f, $"{Generation.MaxDifference(expected, actual)}");
        }
    }

    /// <summary>A saved and opened adapter of these modules, with drawn numbers.</summary>
    private LoraAdapter Adapter(ModelConfig config, IEnumerable<string> modules, int seed, bool isLengthTrained = false, double scale = 0.4)
    {
        const int Rank = 3;
        var directory = _folder.CreateSubdirectory($"{seed}");
        var shapes = WeightManifest.For(config).ToDictionary(spec => spec.Name, spec => spec.Shape);
        var tensors = new List<TensorToWrite>();
        foreach (var module in modules)
        {
            var shape = shapes[module + ".weight"];
            var isEmbedding = module.EndsWith("embed_tokens", StringComparison.Ordinal);
            if (isEmbedding) shape = [shape[1], shape[0]];
            Add(module, isEmbedding ? "lora_embedding_A" : "lora_A.weight", [Rank, shape[1]], 0);
            Add(module, isEmbedding ? "lora_embedding_B" : "lora_B.weight", [shape[0], Rank], 0);
            if (isLengthTrained) Add(module, "lora_magnitude_vector", [shape[0]], 1);
        }

        SafetensorsWriter.Write(Path.Combine(directory.FullName, "adapter_model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(directory.FullName, "adapter_config.json"), $$"""{"peft_type":"LORA","r":{{Rank}},"lora_alpha":1.5,"use_dora":{{(isLengthTrained ? "true" : "false")}}}""");
        return LoraAdapter.Open(directory.FullName, config);

        void Add(string module, string part, int[] shape, float centre)
        {
            var values = Lengths.Random(shape.Aggregate(1, (a, b) => a * b), (seed * 1000) + tensors.Count, scale).Select(value => centre + value).ToArray();
            tensors.Add(new TensorToWrite($"base_model.model.{module}.{part}", DType.F32, shape, MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));
        }
    }

    private static void Merge(TinyModel model, LoraModule module)
    {
        var tensor = model.Tensors[module.Name + ".weight"];
        float[] w = module.IsEmbedding ? OnItsSide(TinyModel.ValuesOf(tensor), module.InputCount) : TinyModel.ValuesOf(tensor), a = TinyModel.ValuesOf(module.A), b = TinyModel.ValuesOf(module.B);
        for (var o = 0; o < module.OutputCount; o++)
        {
            var row = w.AsSpan(o * module.InputCount, module.InputCount);
            for (var i = 0; i < row.Length; i++)
            {
                for (var j = 0; j < module.Rank; j++) row[i] += (float)(module.Scale * b[(o * module.Rank) + j] * a[(j * module.InputCount) + i]);
            }

            if (module.Magnitude is not { } magnitude) continue;
            var length = Math.Sqrt(row.ToArray().Sum(value => (double)value * value));
            for (var i = 0; i < row.Length; i++) row[i] = (float)(row[i] / length * TinyModel.ValuesOf(magnitude)[o]);
        }

        model.Add(tensor.Name, tensor.Shape, module.IsEmbedding ? OnItsSide(w, module.OutputCount) : w);
    }

    private static float[] OnItsSide(float[] values, int rows)
    {
        var columns = values.Length / rows;
        return [.. Enumerable.Range(0, values.Length).Select(index => values[(index % rows * columns) + (index / rows)])];
    }

    private static float[] Logits(DecoderModel model, DecoderAdapter adapter, int[] tokenIds, int sliceLength)
    {
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        var logits = new List<float>();
        for (var begin = 0; begin < tokenIds.Length; begin += sliceLength)
        {
            var count = Math.Min(sliceLength, tokenIds.Length - begin);
            batch.Clear();
            batch.Add(cache, tokenIds.AsMemory(begin, count), count, adapter);
            model.Forward(batch);
            logits.AddRange(batch.Logits);
        }

        return [.. logits];
    }
}
