using Hadal.Inference.Engine;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

public sealed class ContinuationTests
{
    [Fact]
    public async Task What_goes_on_is_taken_although_the_queue_is_full_and_before_others()
    {
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 1 }, gate: gate);
        var running = engine.CompleteAsync([1], TinyEngine.Greedy(2));
        await gate.ArrivedAsync();
        var waiting = engine.CompleteAsync([2], TinyEngine.Greedy(1));
        var fault = await Assert.ThrowsAsync<GenerationException>(() => engine.CompleteAsync([3], TinyEngine.Greedy(1)));
        Assert.Equal(GenerationFault.QueueFull, fault.Fault);
        var continuation = engine.CompleteAsync([3], TinyEngine.Greedy(1) with { IsContinuation = true });
        gate.Open(3);
        await running;
        await continuation;
        Assert.False(waiting.IsCompleted);
        gate.Open();
        await waiting;
    }

    [Fact]
    public async Task Further_texts_of_an_embedding_are_taken_although_the_queue_is_full_but_wait_their_turn()
    {
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 1 }, gate: gate);
        var running = engine.CompleteAsync([1], TinyEngine.Greedy(2));
        await gate.ArrivedAsync();
        var waiting = engine.CompleteAsync([2], TinyEngine.Greedy(1) with { Tenant = "few" });
        Task[] embeddings = [.. Enumerable.Range(3, 4).Select(id => engine.Generator.EmbedAsync([id], new GenerationOptions { Tenant = "many", IsContinuation = true }))];
        gate.Open(3);
        await running;
        Assert.Same(waiting, await Task.WhenAny([waiting, .. embeddings]));
        gate.Open();
        await Task.WhenAll(embeddings);
    }

    [Theory]
    [InlineData(1, "many few one many few many many many")]
    [InlineData(3, "many few one many few many many many")]
    public void One_with_many_requests_does_not_keep_out_one_with_few(int places, string expected)
    {
        List<Sequence> waiting = [.. "many many many many many few few one".Split(' ').Select(Waiting)];
        var (turns, running, order) = (new FairTurns(), new List<Sequence>(), new List<string>());
        while (waiting.Count > 0)
        {
            // The oldest ends where there is no place.
            if (running.Count == places) running.RemoveAt(0);
            var index = turns.Next(waiting, running);
            order.Add(waiting[index].Tenant);
            running.Add(waiting[index]);
            waiting.RemoveAt(index);
        }

        Assert.Equal(expected, string.Join(' ', order));

        static Sequence Waiting(string tenant) => new([1], TinyEngine.Greedy(1) with { Tenant = tenant }, [], TinyEngine.Tokenizer, null, 0, 1, TimeProvider.System, () => { });
    }

    [Fact]
    public async Task The_last_chunk_says_which_stop_string_ended_the_answer()
    {
        await using var engine = new TinyEngine(TinyEngine.Weights());
        var text = (await engine.CompleteAsync([1, 2, 3], TinyEngine.Greedy(40))).Text;
        var stop = text.Substring(text.Length / 2, 3);
        foreach (var (stops, expected) in new (string[] Stops, string? Expected)[] { (["never met", stop], stop), (["never met"], null), ([stop, stop + text[(text.Length / 2) + 3]], stop) })
        {
            GeneratedChunk last = default;
            await foreach (var chunk in engine.Generator.GenerateAsync([1, 2, 3], TinyEngine.Greedy(40) with { StopStrings = stops })) last = chunk;
            Assert.Equal(expected, last.StopString);
            Assert.Equal(expected is null ? FinishReason.Length : FinishReason.Stop, last.FinishReason);
        }
    }
}
