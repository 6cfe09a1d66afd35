using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>Models whose projections are stored in few bits, against the same models expanded to F32 by the definition of each format.</summary>
public sealed class QuantizedModelTests
{
    internal static readonly DeepSeekConfig DeepSeek = TinyModel.DeepSeek with
    {
        HiddenSize = 160,
        IntermediateSize = 96,
        NumAttentionHeads = 2,
        QLoraRank = 64,
        KvLoraRank = 32,
        QkNopeHeadDim = 16,
        QkRopeHeadDim = 16,
        VHeadDim = 32,
        NRoutedExperts = 4,
        NumExpertsPerTok = 4,
        NGroup = 1,
        TopkGroup = 1,
        MoeIntermediateSize = 32,
        IndexNHeads = 2,
        IndexHeadDim = 32,
        IndexTopk = 64,
    };

    internal static readonly GroupedQueryConfig GroupedQuery = TinyModel.GroupedQuery with
    {
        ModelType = "qwen2",
        HiddenSize = 160,
        IntermediateSize = 224,
        NumAttentionHeads = 4,
        NumKeyValueHeads = 2,
        HeadDim = 32,
    };

    [Theory]
    [Trait("Width", "all")]
    [InlineData(DType.AwqInt4, MlaForm.Absorbed)]
    [InlineData(DType.AwqInt4, MlaForm.Plain)]
    [InlineData(DType.F8E4M3, MlaForm.Absorbed)]
    [InlineData(DType.F8E4M3, MlaForm.Plain)]
    [InlineData(DType.I8, MlaForm.Absorbed)]
    [InlineData(DType.I8, MlaForm.Plain)]
    [InlineData(DType.Q8_0, MlaForm.Absorbed)]
    [InlineData(DType.Q4_0, MlaForm.Plain)]
    public void Stored_formats_give_the_logits_of_their_expanded_weights(DType dtype, MlaForm form)
    {
        foreach (var config in new ModelConfig[] { DeepSeek, GroupedQuery })
        {
            using TinyModel stored = new(config, seed: 7), expanded = new(config, seed: 7);
            var matrices = new List<StoredMatrix>();
            foreach (var spec in WeightManifest.For(config).Where(spec => spec.Quantizable))
            {
                var matrix = StoredMatrix.Create(dtype, spec.Shape[0], spec.Shape[1], seed: matrices.Count);
                matrices.Add(matrix);
                stored.Add(spec.Name, matrix.Tensor);
                expanded.Add(spec.Name, spec.Shape, matrix.Values());
            }

            var options = new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 16, MlaForm = form };
            using DecoderModel model = stored.Open(options), reference = expanded.Open(options);
            var tokenIds = TinyModel.Tokens(40, 3);
            var expected = Generation.AllLogits(reference, tokenIds);
            var difference = Generation.MaxDifference(expected, Generation.AllLogits(model, tokenIds));
            Assert.True(difference <= 1e-4f * expected.Max(Math.Abs), $"{config.ModelType} {dtype}: {difference}");
            Assert.Equal(Generation.AllLogits(model, tokenIds), Generation.AllLogits(model, tokenIds, sliceLength: 3));
            matrices.ForEach(matrix => matrix.Dispose());
        }
    }
}
