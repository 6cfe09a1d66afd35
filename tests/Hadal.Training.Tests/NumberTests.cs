using System.Runtime.CompilerServices;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Tests;

public sealed class NumberTests
{
    /// <summary>Torch converts the second tensor first and reads its factor afterwards, so that a collection has time to fall between.</summary>
    [Fact]
    public async Task Numbers_outlive_the_call_that_reads_them_whenever_another_thread_collects_garbage()
    {
        using var x = zeros(1 << 20);
        using var y = ones(1 << 20, ScalarType.Int32);
        using var stop = new CancellationTokenSource();
        var collections = Task.Run(
            () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    GC.Collect(0);
                    GC.WaitForPendingFinalizers();
                }
            },
            CancellationToken.None);
        try
        {
            for (var round = 1; round <= 300; round++)
            {
                using var scope = NewDisposeScope();
                Assert.Equal(round, Scaled(x, y, round)[0].item<float>());
            }
        }
        finally
        {
            await stop.CancelAsync();
            await collections;
        }
    }

    [Fact]
    public void Numbers_are_let_go_after_thousands_of_others()
    {
        var first = FirstOfMany(10_000);
        GC.Collect();
        Assert.False(first.IsAlive);
    }

    // Optimised at once, so that nothing but the number's own keeper holds on to it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static Tensor Scaled(Tensor x, Tensor y, double factor) => x.add(y, Number.Of(factor));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference FirstOfMany(int count)
    {
        var first = new WeakReference(Number.Of(0.25));
        for (var number = 1; number < count; number++) _ = Number.Of(number);
        return first;
    }
}
