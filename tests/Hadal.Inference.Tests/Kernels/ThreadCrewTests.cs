using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed unsafe class ThreadCrewTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Every_part_runs_once(int threadCount)
    {
        using var crew = new ThreadCrew(threadCount);
        foreach (var partCount in new[] { 0, 1, 2, 7, 64, 1000 })
        {
            var job = new CountJob(new int[partCount]);
            for (var run = 0; run < 20; run++) crew.Run(ref job, partCount);
            Assert.All(job.Counts, count => Assert.Equal(20, count));
        }
    }

    [Fact]
    public void Threads_wake_again_after_they_have_parked()
    {
        using var crew = new ThreadCrew(4);
        using var pause = new ManualResetEventSlim();
        var job = new CountJob(new int[16]);
        for (var run = 0; run < 20; run++)
        {
            crew.Run(ref job, 16);
            pause.Wait(TimeSpan.FromMilliseconds(2));
        }

        Assert.All(job.Counts, count => Assert.Equal(20, count));
    }

    [Fact]
    public void What_a_thread_has_not_begun_the_caller_does_and_every_part_runs_once()
    {
        // More threads than any machine here runs at once, and next to no work: most are still waking when the caller has done its own.
        using var crew = new ThreadCrew(64);
        var job = new WhereJob(new int[64], new int[64]);
        for (var run = 1; run <= 2000; run++)
        {
            crew.Run(ref job, 64);
            Assert.All(job.Counts, count => Assert.Equal(run, count));
        }

        Assert.Contains(job.Threads[1..], thread => thread == Environment.CurrentManagedThreadId);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void An_exception_of_a_part_comes_out_of_run_and_the_crew_goes_on(int threadCount)
    {
        using var crew = new ThreadCrew(threadCount);
        for (var bad = 0; bad < 8; bad++)
        {
            var job = new ThrowJob(bad);
            Assert.Equal($"part {bad}", Assert.Throws<FormatException>(() => crew.Run(ref job, 8)).Message);
            var good = new CountJob(new int[8]);
            crew.Run(ref good, 8);
            Assert.All(good.Counts, count => Assert.Equal(1, count));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Jobs_do_not_nest(int threadCount)
    {
        using var crew = new ThreadCrew(threadCount);
        var job = new NestedJob(crew);
        Assert.Throws<InvalidOperationException>(() => crew.Run(ref job, 2));
    }

    [Fact]
    public void A_second_caller_is_refused_while_a_job_runs()
    {
        using var crew = new ThreadCrew(2);
        using var isInside = new ManualResetEventSlim();
        using var mayLeave = new ManualResetEventSlim();
        var caller = new Thread(() =>
        {
            var slow = new WaitJob(isInside, mayLeave);
            crew.Run(ref slow, 2);
        });
        caller.Start();
        isInside.Wait();
        var job = new CountJob(new int[2]);
        Assert.Throws<InvalidOperationException>(() => crew.Run(ref job, 2));
        mayLeave.Set();
        caller.Join();
        crew.Run(ref job, 2);
        Assert.Equal([1, 1], job.Counts);
    }

    [Fact]
    public void What_a_job_writes_into_itself_is_there_afterwards()
    {
        using var crew = new ThreadCrew(1);
        var job = default(SumJob);
        crew.Run(ref job, 5);
        Assert.Equal(10, job.Sum);
    }

    [Fact]
    public void Runs_allocate_nothing()
    {
        using var crew = new ThreadCrew(2);
        var job = new CountJob(new int[8]);
        Runs(100);
        Assert.Equal(0, Allocations.Of(() => Runs(200)));

        void Runs(int count)
        {
            for (var run = 0; run < count; run++) crew.Run(ref job, 8);
        }
    }

    [Fact]
    public void A_disposed_crew_and_counts_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ThreadCrew(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ThreadCrew(2000));
        var crew = new ThreadCrew(3);
        var job = new CountJob(new int[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => crew.Run(ref job, -1));
        crew.Dispose();
        crew.Dispose();
        Assert.Throws<ObjectDisposedException>(() => crew.Run(ref job, 1));
    }

    [Fact]
    public void A_product_has_the_same_bits_for_one_to_eight_threads()
    {
        foreach (var format in new[] { DType.BF16, DType.Q4_K, DType.Q8_0, DType.AwqInt4 })
        {
            const int Rows = 200, Columns = 768, Tokens = 37;
            using var stored = StoredMatrix.Create(format, Rows, Columns, seed: 3);
            using var x = GuardedBuffer.Of(Lengths.Random(Tokens * Columns, 4));
            using var expected = new GuardedBuffer(Tokens * Rows * 4);
            using var found = new GuardedBuffer(Tokens * Rows * 4);
            stored.Matrix.Multiply(x.Floats, Columns, Tokens, expected.Floats, Rows, 0, Rows);
            for (var threadCount = 1; threadCount <= 8; threadCount++)
            {
                using var crew = new ThreadCrew(threadCount);
                foreach (var tokens in new[] { 1, 5, Tokens })
                {
                    found.Span.Fill(float.NaN);
                    stored.Matrix.Multiply(crew, x.Floats, Columns, tokens, found.Floats, Rows);
                    Assert.True(expected.Span[..(tokens * Rows)].SequenceEqual(found.Span[..(tokens * Rows)]), $"{format}, {threadCount} threads, {tokens} tokens");
                }
            }
        }
    }

    private readonly struct CountJob(int[] counts) : ICrewJob
    {
        public int[] Counts => counts;

        public void Execute(int partIndex) => Interlocked.Increment(ref counts[partIndex]);
    }

    private readonly struct WhereJob(int[] counts, int[] threads) : ICrewJob
    {
        public int[] Counts => counts;

        /// <summary>The thread that did a part last.</summary>
        public int[] Threads => threads;

        public void Execute(int partIndex)
        {
            Interlocked.Increment(ref counts[partIndex]);
            threads[partIndex] = Environment.CurrentManagedThreadId;
        }
    }

    private struct SumJob : ICrewJob
    {
        public int Sum { get; private set; }

        public void Execute(int partIndex) => Sum += partIndex;
    }

    private readonly struct ThrowJob(int bad) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            if (partIndex == bad) throw new FormatException($"part {partIndex}");
        }
    }

    private readonly struct NestedJob(ThreadCrew crew) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var inner = new CountJob(new int[1]);
            crew.Run(ref inner, 1);
        }
    }

    private readonly struct WaitJob(ManualResetEventSlim isInside, ManualResetEventSlim mayLeave) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            isInside.Set();
            mayLeave.Wait();
        }
    }
}
