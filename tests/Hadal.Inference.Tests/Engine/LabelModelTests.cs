using System.Runtime.InteropServices;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Scores of one text after the other.</summary>
public sealed class LabelModelTests : IDisposable
{
    private const string Q = "base_model.model.model.layers.0.self_attn.q_proj";
    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 16, MaxSequences = 1 };
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-labels-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Disposing_waits_for_the_text_that_is_being_scored_and_later_ones_are_refused()
    {
        using var weights = new TinyModel(TinyModel.GroupedQuery, seed: 1);
        using var adapter = Adapter();
        using ManualResetEventSlim arrived = new(), passes = new(initialState: true);
        var decoder = (PagedDecoder)weights.Open(Options);
        var model = new LabelModel(decoder, decoder.AddAdapter(adapter), LabelHead.Of(adapter)!, Options.MaxBatchTokens);
        decoder.Observe = (_, _) =>
        {
            arrived.Set();
            passes.Wait();
        };
        var tokenIds = TinyModel.Tokens(12, seed: 2);
        var expected = model.Scores(tokenIds);
        Assert.Equal(2, expected.Length);

        // A text stands in the middle of its pass; whoever disposes waits, or has freed what the pass reads next.
        arrived.Reset();
        passes.Reset();
        var scoring = Task.Run(() => model.Scores(tokenIds), TestContext.Current.CancellationToken);
        arrived.Wait(TestContext.Current.CancellationToken);
        var disposing = new Thread(model.Dispose);
        disposing.Start();
        SpinWait.SpinUntil(() => !disposing.IsAlive || disposing.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
        var hasWaited = disposing.IsAlive;
        passes.Set();
        Assert.True(hasWaited);
        Assert.Equal(expected, await scoring);
        disposing.Join();
        Assert.Throws<ObjectDisposedException>(() => model.Scores(tokenIds));
        model.Dispose();
    }

    [Fact]
    public async Task Texts_of_several_threads_get_the_scores_of_one()
    {
        using var weights = new TinyModel(TinyModel.GroupedQuery, seed: 1);
        using var adapter = Adapter();
        var decoder = weights.Open(Options);
        using var model = new LabelModel(decoder, decoder.AddAdapter(adapter), LabelHead.Of(adapter)!, Options.MaxBatchTokens);
        var texts = Enumerable.Range(1, 20).Select(length => TinyModel.Tokens(length, length)).ToList();
        var expected = texts.Select(text => model.Scores(text)).ToList();
        var actual = await Task.WhenAll(texts.Select(text => Task.Run(() => model.Scores(text), TestContext.Current.CancellationToken)));
        Assert.Equal(expected, actual);
    }

    private LoraAdapter Adapter()
    {
        var config = TinyModel.GroupedQuery;
        const int HeadDim = 8;
        var random = new Random(3);
        File.WriteAllText(
            Path.Combine(_folder.FullName, "adapter_config.json"),
            """{"peft_type":"LORA","task_type":"SEQ_CLS","r":1,"lora_alpha":1,"modules_to_save":["score"],"id2label":{"0":"no","1":"yes"}}""");
        SafetensorsWriter.Write(
            Path.Combine(_folder.FullName, "adapter_model.safetensors"),
            [Drawn(Q + ".lora_A.weight", 1, config.HiddenSize), Drawn(Q + ".lora_B.weight", config.NumAttentionHeads * HeadDim, 1), Drawn("base_model.model.score.weight", 2, config.HiddenSize)]);
        return LoraAdapter.Open(_folder.FullName, config);

        TensorToWrite Drawn(string name, int rows, int columns)
        {
            var numbers = Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle() - 0.5f).ToArray();
            return new TensorToWrite(name, DType.F32, [rows, columns], MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray());
        }
    }
}
