using Hadal.Checkpoints;
using Hadal.Inference.Models;
using Hadal.Inference.Models.DeepSeek;

namespace Hadal.Parity.Tests;

/// <summary>The engine's model of a test.</summary>
internal static class EngineSide
{
    /// <summary>Opens a checkpoint and runs it on all tokens, in one batch.</summary>
    public static Activations Run(Checkpoint checkpoint, int[] tokenIds, MlaForm form)
    {
        var options = new EngineOptions { ThreadCount = 2, MaxContext = tokenIds.Length + 1, MaxBatchTokens = tokenIds.Length, MlaForm = form };
        using var model = (PagedDecoder)DecoderModel.Open(checkpoint, options);
        var blocks = new List<(string, float[])>();
        model.Observe = (layer, stream) => blocks.Add((TorchSide.BlockName(layer), stream.ToArray()));
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        batch.Add(cache, tokenIds, tokenIds.Length);
        model.Forward(batch);
        var hidden = model.FinalHidden.ToArray();
        blocks.Add(("final norm", hidden));
        blocks.Add(("logits", batch.Logits.ToArray()));
        foreach (var prediction in (model as DeepSeekModel)?.PredictionLayers ?? [])
        {
            using var own = prediction.CreateCache();
            var logits = new float[(tokenIds.Length - 1) * model.Config.VocabSize];
            prediction.Forward(own, tokenIds.AsSpan(1), hidden.AsSpan(0, (tokenIds.Length - 1) * model.Config.HiddenSize), logits);
            blocks.Add(("logits of the prediction layer", logits));
        }

        return new Activations(blocks, double.PositiveInfinity);
    }
}
