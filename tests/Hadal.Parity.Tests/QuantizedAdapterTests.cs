using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Quantization;
using Hadal.Training.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using static TorchSharp.torch;

namespace Hadal.Parity.Tests;

/// <summary>Adapters beside matrices in few bits: the base is the one the engine serves, and gradients pass through it.</summary>
public sealed class QuantizedAdapterTests
{
    private const double Bound = 5e-5;

    [Theory]
    [InlineData("hadal", 4, false, false, true)]
    [InlineData("hadal", 8, false, false, false)]
    [InlineData("hadal", 8, false, true, false)]
    [InlineData("qwen2", 4, true, false, true)]
    [InlineData("qwen2", 8, false, false, true)]
    [InlineData("qwen2", 8, true, true, true)]
    public void Training_and_engine_compute_the_same_base_and_the_same_adapter(string family, int bits, bool useDora, bool isHeadCoded, bool isHeadAdapted)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(41);
        var directory = Directory.CreateTempSubdirectory("hadal-qlora-");
        try
        {
            string floats = Path.Combine(directory.FullName, "floats"), quantisedPath = Path.Combine(directory.FullName, "quantised"), adapterPath = Path.Combine(directory.FullName, "adapter");
            using (CausalModel drawn = family == "hadal" ? new DeepSeekModel(Hadal) : new GroupedQueryModel(Qwen))
            {
                using (no_grad()) foreach (var parameter in drawn.parameters()) parameter.add_(randn_like(parameter).mul_(0.1));
                ModelFiles.Save(drawn, floats, DType.F32);
            }

            using (var checkpoint = Checkpoint.Open(floats)) new CheckpointQuantizer(checkpoint, new WeightQuantization(bits, 32, isHeadCoded)).Write(quantisedPath, 2);
            using var quantised = Checkpoint.Open(quantisedPath);
            using var model = ModelFiles.Load(quantised);
            Assert.True(model.IsQuantized);
            Assert.True(model.Projections.Count(named => named.Projection.Codes is not null) >= 8);
            Assert.Equal(isHeadCoded, model.Head!.Codes is not null);
            var tokenIds = Enumerable.Range(0, 25).Select(index => index * 7 % 37).ToArray();
            Near(Logits(model, tokenIds), Served(quantised, null, tokenIds), "base");

            using var adapter = LowRankAdapter.Attach(model, new LoraOptions { R = 3, UseDora = useDora, TargetModules = System.Text.Json.JsonElement.Parse(isHeadAdapted ? """["all-linear", "lm_head"]""" : "\"all-linear\"") }, quantisedPath);
            using (no_grad()) foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            using var opened = LoraAdapter.Open(adapterPath, quantised.Config);
            var plain = Served(quantised, null, tokenIds);
            var expected = Logits(model, tokenIds);
            Near(expected, Served(quantised, opened, tokenIds), "adapter");
            Assert.True(expected.Zip(plain).Max(pair => Math.Abs(pair.First - pair.Second)) > 0.05 * plain.Max(Math.Abs));

            // Gradients pass through the codes as through the numbers they stand for.
            var coded = Gradients(model, adapter, tokenIds);
            Unpack(model);
            var dense = Gradients(model, adapter, tokenIds);
            Assert.True(coded.Count > 10);
            foreach (var (name, gradient) in coded)
                Assert.True((gradient - dense[name]).abs().max().item<float>() < 1e-4 * Math.Max(1, dense[name].abs().max().item<float>()), name);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_base_in_8_bit_floats_is_trained_beside_as_it_is_served(bool useDora)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(43);
        var directory = Directory.CreateTempSubdirectory("hadal-fp8-");
        try
        {
            string floats = Path.Combine(directory.FullName, "floats"), coded = Path.Combine(directory.FullName, "coded"), adapterPath = Path.Combine(directory.FullName, "adapter");
            using (var drawn = new DeepSeekModel(Hadal))
            {
                using (no_grad()) foreach (var parameter in drawn.parameters()) parameter.add_(randn_like(parameter).mul_(0.1));
                ModelFiles.Save(drawn, floats, DType.F32);
            }

            WriteFloat8(floats, coded);
            using var checkpoint = Checkpoint.Open(coded);
            using var model = ModelFiles.Load(checkpoint);
            Assert.True(model.IsQuantized);
            var tokenIds = Enumerable.Range(0, 25).Select(index => index * 7 % 37).ToArray();
            var plain = Served(checkpoint, null, tokenIds);
            Near(Logits(model, tokenIds), plain, "base");
            using var adapter = LowRankAdapter.Attach(model, new LoraOptions { R = 3, UseDora = useDora, TargetModules = System.Text.Json.JsonElement.Parse("""["q_b_proj", "kv_b_proj", "o_proj", "experts"]""") }, coded);
            using (no_grad()) foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            using var opened = LoraAdapter.Open(adapterPath, checkpoint.Config);
            var expected = Logits(model, tokenIds);
            Near(expected, Served(checkpoint, opened, tokenIds), "adapter");
            Assert.True(expected.Zip(plain).Max(pair => Math.Abs(pair.First - pair.Second)) > 0.02 * plain.Max(Math.Abs));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>The same model with random codes of 8-bit floats in the place of its projections, experts among them.</summary>
    private static void WriteFloat8(string source, string target)
    {
        using var checkpoint = Checkpoint.Open(source);
        Directory.CreateDirectory(target);
        var draw = new Random(3);
        var tensors = new List<TensorToWrite>();
        foreach (var spec in WeightManifest.For(checkpoint.Config))
        {
            if (!checkpoint.Tensors.TryGetValue(spec.Name, out var stored)) continue;
            if (spec is not { Quantizable: true, Role: WeightRole.Projection or WeightRole.Expert } || spec.Name.Contains("indexer", StringComparison.Ordinal))
            {
                var whole = stored.Bytes.ToArray();
                tensors.Add(new TensorToWrite(spec.Name, stored.DType, spec.Shape, whole));
                continue;
            }

            // Up to ±0.9, and some of the smallest numbers there are.
            var codes = Enumerable.Range(0, checked((int)spec.ElementCount)).Select(_ => (byte)(draw.Next(0x38) | (draw.Next(2) << 7))).ToArray();
            tensors.Add(new TensorToWrite(spec.Name, DType.F8E4M3, spec.Shape, codes));
            var scales = Enumerable.Range(0, (spec.Shape[0] + 127) / 128 * ((spec.Shape[1] + 127) / 128)).Select(_ => 0.2f + draw.NextSingle()).ToArray();
            tensors.Add(new TensorToWrite(spec.Name + "_scale_inv", DType.F32, [(spec.Shape[0] + 127) / 128, (spec.Shape[1] + 127) / 128], System.Runtime.InteropServices.MemoryMarshal.AsBytes(scales.AsSpan()).ToArray()));
        }

        SafetensorsWriter.Write(Path.Combine(target, "model.safetensors"), tensors);
        var config = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!;
        config["quantization_config"] = System.Text.Json.Nodes.JsonNode.Parse("""{"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}""");
        File.WriteAllText(Path.Combine(target, "config.json"), config.ToJsonString());
    }

    private static DeepSeekConfig Hadal { get; } = DrawnCase.Long.Config with
    {
        // No whole groups fill the 48 inputs of an expert's down_proj: it stays in floats beside gate_proj and up_proj in few bits.
        HiddenSize = 32,
        IntermediateSize = 64,
        MoeIntermediateSize = 48,
        QLoraRank = 32,
        KvLoraRank = 32,
        NumAttentionHeads = 4,
        NumKeyValueHeads = 4,
        QkNopeHeadDim = 4,
        VHeadDim = 8,
        NumNextnPredictLayers = 0,
        IndexTopk = 64,
    };

    private static GroupedQueryConfig Qwen { get; } = new()
    {
        ModelType = "qwen2", VocabSize = 37, HiddenSize = 32, IntermediateSize = 64, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2, RmsNormEps = 1e-6, MaxPositionEmbeddings = 64,
    };

    private static Dictionary<string, Tensor> Gradients(CausalModel model, LowRankAdapter adapter, int[] tokenIds)
    {
        foreach (var parameter in adapter.Parameters) parameter.Parameter.grad = null;
        var ids = tensor(tokenIds.Select(id => (long)id).ToArray());
        model.Loss(model.Hidden(ids.narrow(0, 0, tokenIds.Length - 1).unsqueeze(0))[0], ids.narrow(0, 1, tokenIds.Length - 1)).backward();
        return adapter.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Parameter.grad!.clone());
    }

    /// <summary>Puts numbers in the place of codes.</summary>
    private static void Unpack(CausalModel model)
    {
        using var noGradient = no_grad();
        foreach (var projection in model.Projections.Select(named => named.Projection).Append(model.Head!))
        {
            if (projection.Codes is not { } codes) continue;
            projection.Weight.copy_(codes.Dense(ScalarType.Float32));
            projection.Codes = null;
        }

        foreach (var experts in (model as DeepSeekModel)?.Layers.Select(layer => layer.Experts?.Experts).OfType<StackedExperts>() ?? [])
        {
            Assert.NotEmpty(experts.Codes);
            for (var expert = 0; expert < experts.GateUp.shape[0]; expert++)
            {
                experts.GateUp[expert].copy_(cat([experts.Codes[(expert, "gate_proj")].Dense(ScalarType.Float32), experts.Codes[(expert, "up_proj")].Dense(ScalarType.Float32)], 0));
                Assert.False(experts.Codes.ContainsKey((expert, "down_proj")));
            }

            experts.Codes.Clear();
        }
    }

    private static float[] Logits(CausalModel model, int[] tokenIds)
    {
        using var noGradient = no_grad();
        return model.Logits(model.Hidden(tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0))).contiguous().data<float>().ToArray();
    }

    private static float[] Served(Checkpoint checkpoint, LoraAdapter? adapter, int[] tokenIds)
    {
        using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxContext = tokenIds.Length + 1, MaxBatchTokens = tokenIds.Length, Arithmetic = Arithmetic.Exact });
        using var ready = adapter is null ? null : model.AddAdapter(adapter);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        batch.Add(cache, tokenIds, tokenIds.Length, ready);
        model.Forward(batch);
        return batch.Logits.ToArray();
    }

    private static void Near(float[] expected, float[] actual, string what)
    {
        var largest = expected.Max(Math.Abs);
        var difference = expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second));
        Assert.True(difference < Bound * largest, $"{what}: {difference / largest:g3} of {largest}");
    }
}
