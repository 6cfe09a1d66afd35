using Hadal.Inference.Engine;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

public sealed class QueueRoomTests
{
    private static readonly TextGeneratorOptions EightPlaces = new() { MaxConcurrent = 2, MaxQueued = 6 };

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(7, 4)]
    [InlineData(72, 36)]
    public void A_tenant_may_have_half_and_whoever_comes_finds_room(int capacity, int half)
    {
        var shares = new FairShares();
        var tenants = 0;
        for (; shares.Taken < capacity; tenants++)
        {
            var tenant = $"tenant {tenants}";
            Assert.True(shares.Free(tenant, capacity) > 0, "who comes is kept out although there is room");
            while (shares.Free(tenant, capacity) > 0) shares.Add(tenant, 1);
            if (tenants == 0) Assert.Equal(half, shares.HeldBy(tenant));
        }

        Assert.Equal(half, shares.Most("a", capacity));
        Assert.True(tenants > Math.Log2(capacity));
    }

    [Fact]
    public void Taking_many_is_the_same_as_taking_them_one_by_one()
    {
        for (var capacity = 1; capacity < 40; capacity++)
            for (var others = 0; others <= capacity; others++)
            {
                var (one, many) = (new FairShares(), new FairShares());
                one.Add("other", others);
                many.Add("other", others);
                var taken = many.Free("a", capacity);
                while (one.Free("a", capacity) > 0) one.Add("a", 1);
                Assert.Equal(one.HeldBy("a"), taken);
                many.Add("a", taken);
                Assert.Equal(0, many.Free("a", capacity));
            }
    }

    [Fact]
    public void Who_is_alone_may_fill_the_queue()
    {
        var room = new QueueRoom(EightPlaces, TimeProvider.System);
        using var all = room.Take("", 8, 8);
        Assert.Equal(GenerationFault.QueueFull, Assert.Throws<GenerationException>(() => room.Take("", 1, 1)).Fault);
    }

    [Theory]
    [InlineData(8, 0, 8)]
    [InlineData(8, 4, 8)]
    [InlineData(8, 8, 8)]
    [InlineData(8, 64, 36)]
    public void A_tenant_alone_may_fill_the_batch(int together, int waiting, int most)
    {
        var room = new QueueRoom(new TextGeneratorOptions { MaxConcurrent = together, MaxQueued = waiting }, TimeProvider.System);
        Assert.Equal(most, room.Most("a"));
        using (var all = room.Take("a", most, most))
        {
            Assert.ThrowsAny<GenerationException>(() => room.Take("a", 1, 1));
            if (waiting > 0) room.Take("b", 1, 1).Dispose();
        }

        // Beside others it leaves them as many as it has.
        using var other = room.Take("b", 1, 1);
        Assert.ThrowsAny<GenerationException>(() => room.Take("a", (((together + waiting) - 1 + 1) / 2) + 1, most));
        room.Take("a", (together + waiting - 1 + 1) / 2, most).Dispose();
    }

    [Fact]
    public void Places_are_taken_together_or_not_at_all()
    {
        var room = new QueueRoom(EightPlaces, TimeProvider.System);
        using var three = room.Take("a", 3, 3);
        Assert.Equal(GenerationFault.ShareFull, Assert.Throws<GenerationException>(() => room.Take("a", 2, 2)).Fault);
        room.Take("a", 1, 1).Dispose();
        Assert.Equal(GenerationFault.QueueFull, Assert.Throws<GenerationException>(() => room.Take("b", 6, 6)).Fault);
        using var two = room.Take("b", 2, 2);
        Assert.Equal(2, two.Count);
    }

    [Fact]
    public void Who_can_do_with_fewer_places_gets_more_only_while_half_of_the_share_is_left()
    {
        var room = new QueueRoom(new TextGeneratorOptions { MaxConcurrent = 8, MaxQueued = 64 }, TimeProvider.System);
        Assert.Equal([8, 8, 2, 1, 1], Enumerable.Range(0, 5).Select(_ => room.Take("a", 1, 8).Count));
    }

    [Fact]
    public async Task A_place_is_free_only_when_the_engine_has_let_go_of_what_ran_in_it()
    {
        using var gate = new Gate();
        await using var engine = new TinyEngine(TinyEngine.Weights(), new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 1 }, gate: gate);
        using var leaving = new CancellationTokenSource();
        Task<GenerationResult>[] answers;
        using (var places = engine.Generator.TakePlaces("", 2, 2))
        {
            answers = [.. Enumerable.Range(1, 2).Select(id => engine.Generator.CompleteAsync([id], TinyEngine.Greedy(3) with { Places = places }, leaving.Token))];
            await gate.ArrivedAsync();
            await leaving.CancelAsync();
        }

        Assert.Throws<GenerationException>(() => engine.Generator.TakePlaces("", 1, 1));
        gate.Open();
        await Task.WhenAll(answers);
        engine.Generator.TakePlaces("", 2, 2).Dispose();
    }

    [Fact]
    public async Task Places_of_another_engine_are_refused()
    {
        await using var one = new TinyEngine(TinyEngine.Weights());
        await using var other = new TinyEngine(TinyEngine.Weights());
        using var places = one.Generator.TakePlaces("", 1, 1);
        await Assert.ThrowsAsync<ArgumentException>(() => other.CompleteAsync([1], TinyEngine.Greedy(1) with { Places = places }));
    }

    [Fact]
    public void When_there_will_be_room_is_measured()
    {
        var clock = new Stopped();
        var room = new QueueRoom(EightPlaces, clock);
        Assert.Null(room.Wait(null, 1));

        // Nothing has ended yet: what runs will take at least as long again as it has run.
        var first = room.Begin("a");
        clock.Seconds = 3;
        Assert.Equal(3, room.Wait(null, 1)!.Value.TotalSeconds, 6);
        room.End("a", first);
        clock.Seconds = 1000;
        var second = room.Begin("a");
        room.Begin("b");
        Assert.Equal(1.5, room.Wait(null, 1)!.Value.TotalSeconds, 6);
        Assert.Equal(3, room.Wait("a", 1)!.Value.TotalSeconds, 6);
        Assert.Equal(6, room.Wait("a", 2)!.Value.TotalSeconds, 6);
        Assert.Null(room.Wait("c", 1));
        using var all = room.Take("", 8, 8);
        Assert.Equal(3, Assert.Throws<GenerationException>(() => room.Take("", 2, 2)).RetryAfter!.Value.TotalSeconds, 6);
        clock.Seconds = 1001;
        room.End("a", second);
        Assert.Equal(((0.9 * 3) + 1) / 1.9, room.Wait(null, 1)!.Value.TotalSeconds, 6);
    }

    private sealed class Stopped : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
