using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>Directories in the published AWQ, FP8 and compressed-tensors layouts, opened from disk, against the same weights expanded to F32.</summary>
public sealed unsafe class QuantizedDirectoryTests
{
    private static readonly QuantizationConfig Awq = new() { QuantMethod = "awq", Bits = 4, GroupSize = 32, ZeroPoint = true, Version = "gemm" };

    private static readonly QuantizationConfig Fp8 = new() { QuantMethod = "fp8", Fmt = "e4m3", ActivationScheme = "dynamic", WeightBlockSize = [128, 128] };

    private static readonly QuantizationConfig Int8 = new WeightQuantization(8, 32).ConfigFor([]);

    [Theory]
    [InlineData(DType.AwqInt4)]
    [InlineData(DType.F8E4M3)]
    [InlineData(DType.I8)]
    public void Quantised_directories_give_the_logits_of_their_expanded_weights(DType dtype)
    {
        foreach (var config in new ModelConfig[] { QuantizedModelTests.DeepSeek, QuantizedModelTests.GroupedQuery })
        {
            using var expanded = new TinyModel(config, seed: 7);
            var directory = Directory.CreateTempSubdirectory("hadal-");
            try
            {
                Write(directory.FullName, config with { QuantizationConfig = dtype switch { DType.AwqInt4 => Awq, DType.I8 => Int8, _ => Fp8 } }, dtype, expanded);
                using var checkpoint = Checkpoint.Open(directory.FullName);
                Assert.Equal(WeightManifest.For(config).Count(spec => spec.Quantizable), checkpoint.Tensors.Values.Count(tensor => tensor.DType == dtype));
                var options = new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 16 };
                using DecoderModel model = DecoderModel.Open(checkpoint, options), reference = expanded.Open(options);
                var tokenIds = TinyModel.Tokens(40, 3);
                var expected = Generation.AllLogits(reference, tokenIds);
                var difference = Generation.MaxDifference(expected, Generation.AllLogits(model, tokenIds));
                Assert.True(difference <= 1e-4f * expected.Max(Math.Abs), $"{config.ModelType} {dtype}: {difference}");
            }
            finally
            {
                directory.Delete(recursive: true);
            }
        }
    }

    /// <summary>Writes the directory with projections drawn in <paramref name="dtype"/>, and puts their values into <paramref name="expanded"/>.</summary>
    private static void Write(string path, ModelConfig config, DType dtype, TinyModel expanded)
    {
        var matrices = new List<StoredMatrix>();
        var tensors = new List<TensorToWrite>();
        foreach (var spec in WeightManifest.For(config))
        {
            if (!spec.Quantizable)
            {
                tensors.AddRange(TensorToWrite.From(expanded.Tensors[spec.Name]));
                continue;
            }

            var matrix = StoredMatrix.Create(dtype, spec.Shape[0], spec.Shape[1], seed: matrices.Count);
            matrices.Add(matrix);
            expanded.Add(spec.Name, spec.Shape, matrix.Values());
            tensors.AddRange(TensorToWrite.From(Named(matrix.Tensor, spec.Name)));
        }

        File.WriteAllText(Path.Combine(path, "config.json"), config.ToJson());
        SafetensorsWriter.WriteModel(path, tensors, maxShardBytes: 100_000);
        matrices.ForEach(matrix => matrix.Dispose());
    }

    private static WeightTensor Named(WeightTensor tensor, string name)
    {
        var module = name[..^".weight".Length];
        return new WeightTensor(name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength)
        {
            Scale = tensor.Scale is { } scale ? Part(scale, name + (tensor.DType == DType.I8 ? "_scale" : "_scale_inv")) : null,
            AwqZeros = tensor.AwqZeros is { } zeros ? Part(zeros, module + ".qzeros") : null,
            AwqScales = tensor.AwqScales is { } scales ? Part(scales, module + ".scales") : null,
        };
    }

    private static WeightTensor Part(WeightTensor part, string name) => new(name, part.DType, part.Shape, part.Data, part.ByteLength);
}
