using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary>Computes with the built-in model and compares what comes out with what must.</summary>
internal static class SelfCheck
{
    /// <summary>Text that the model must find likely: with weights, tokenizer or kernels gone wrong it is no more likely than noise (8 bits per byte and above).</summary>
    private const string Sample = "The sea is blue because water takes the red part of the light, and the deeper you look, the darker it becomes. ";

    private const double MaxBitsPerByte = 4;

    /// <summary>Runs the check; what goes wrong is part of the result.</summary>
    public static SelfCheckResult Run(ModelLocator locator)
    {
        try
        {
            using var checkpoint = Checkpoint.Open(locator.Find(null).Path);
            var tokenizer = checkpoint.LoadTokenizer();
            if (tokenizer.Decode(tokenizer.Encode(Sample, addSpecial: false)) != Sample) return Wrong(null, "the tokenizer does not give back the text it took");
            int[] ids = [.. tokenizer.Encode(Sample)];
            var bits = BitsPerByte(checkpoint, tokenizer);
            if (!(bits <= MaxBitsPerByte))
                return Wrong(bits, string.Create(CultureInfo.InvariantCulture, $"expected at most {MaxBitsPerByte} bits per byte on a plain sentence, found {bits:F2}; weights or kernels are wrong"));
            if (!Logits(checkpoint, ids, threads: 1, sliceLength: 1).AsSpan().SequenceEqual(Logits(checkpoint, ids, ThreadCrew.DefaultThreadCount, ids.Length)))
                return Wrong(bits, "one thread and single tokens give other logits than all threads and the whole text");
            return new SelfCheckResult(true, bits, string.Create(CultureInfo.InvariantCulture, $"{ModelLocator.BuiltInName} reads a plain sentence at {bits:F2} bits per byte, to the bit the same with one thread and with {ThreadCrew.DefaultThreadCount}"));
        }
        catch (Exception fault) when (fault is CommandException or CheckpointException or IOException or UnauthorizedAccessException)
        {
            return Wrong(null, HadalCommand.OneLine(fault.Message));
        }
    }

    private static SelfCheckResult Wrong(double? bits, string detail) => new(false, bits, detail);

    private static double BitsPerByte(Checkpoint checkpoint, Tokenizer tokenizer)
    {
        using var decoder = DecoderModel.Open(checkpoint);
        return Perplexity.Measure(decoder, tokenizer, new StringReader(Sample), decoder.MaxContext).BitsPerByte;
    }

    private static float[] Logits(Checkpoint checkpoint, int[] ids, int threads, int sliceLength)
    {
        using var decoder = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = threads, MaxContext = ids.Length });
        using var cache = decoder.CreateCache();
        var batch = new ScheduledBatch(decoder.Config.VocabSize, sliceLength);
        var logits = new List<float>(ids.Length * decoder.Config.VocabSize);
        for (var begin = 0; begin < ids.Length; begin += sliceLength)
        {
            var count = Math.Min(sliceLength, ids.Length - begin);
            batch.Clear();
            batch.Add(cache, ids.AsMemory(begin, count), count);
            decoder.Forward(batch);
            logits.AddRange(batch.Logits);
        }

        return [.. logits];
    }
}
