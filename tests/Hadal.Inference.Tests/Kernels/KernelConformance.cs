namespace Hadal.Inference.Tests.Kernels;

/// <summary>What every kernel over spans must do; a test class per kernel says how it is called and what its definition is.</summary>
[Trait("Width", "all")]
public abstract class KernelConformance
{
    /// <summary>Lengths that the kernel takes.</summary>
    protected virtual IEnumerable<int> KernelLengths => Lengths.All;

    /// <summary>Inputs for a length; the first may be written in place where <see cref="AllowsInPlace"/>.</summary>
    protected abstract float[][] Inputs(int length, int seed);

    protected virtual int OutputLength(int length) => length;

    /// <summary>Calls the kernel. <paramref name="output"/> may be the first input's memory.</summary>
    protected abstract void Run(Func<int, Span<float>> inputs, Span<float> output);

    /// <summary>Calls its scalar definition.</summary>
    protected abstract void Scalar(float[][] inputs, float[] output);

    /// <summary>The formula in double precision.</summary>
    protected abstract double[] Reference(float[][] inputs);

    /// <summary>Largest error that length and unit roundoff explain, per output.</summary>
    protected abstract double[] Bound(float[][] inputs, double[] reference);

    /// <summary>Whether an input may also be the output.</summary>
    protected virtual bool AllowsInPlace => true;

    /// <summary>Whether the output always is the first input.</summary>
    protected virtual bool IsAlwaysInPlace => false;

    [Fact]
    public void Scalar_and_vectors_agree_with_double_precision_at_every_length_and_stay_inside_their_buffers()
    {
        foreach (var length in KernelLengths)
        {
            var inputs = Inputs(length, seed: length);
            var reference = Reference(inputs);
            var bound = Bound(inputs, reference);
            var scalar = new float[OutputLength(length)];
            Scalar(inputs, scalar);
            var vector = RunGuarded(inputs, OutputLength(length));
            for (var i = 0; i < reference.Length; i++)
            {
                AssertClose(reference[i], scalar[i], bound[i], $"scalar, length {length}, element {i}");
                AssertClose(reference[i], vector[i], bound[i], $"vector, length {length}, element {i}");
            }
        }
    }

    [Fact]
    public void In_place_gives_the_same_bits()
    {
        if (!AllowsInPlace || IsAlwaysInPlace) return;
        foreach (var length in KernelLengths)
        {
            var inputs = Inputs(length, seed: length);
            var apart = RunGuarded(inputs, OutputLength(length));
            var same = inputs.Select(values => values.ToArray()).ToArray();
            Run(i => same[i], same[0]);
            Assert.Equal(Bits(apart), Bits(same[0]));
        }
    }

    [Fact]
    public void Partly_overlapping_spans_are_refused()
    {
        if (!AllowsInPlace || IsAlwaysInPlace) return;
        var inputs = Inputs(64, seed: 1);
        var memory = new float[65];
        Assert.Throws<ArgumentException>(() => Run(i => i == 0 ? memory.AsSpan(0, 64) : inputs[i], memory.AsSpan(1, 64)));
    }

    [Fact]
    public void The_place_in_memory_changes_no_bit()
    {
        foreach (var length in new[] { 7, 64, 193 }.Where(KernelLengths.Contains))
        {
            var inputs = Inputs(length, seed: 5);
            var expected = RunGuarded(inputs, OutputLength(length));
            for (var shift = 1; shift < 16; shift++)
            {
                var moved = inputs.Select(values => new float[shift].Concat(values).ToArray()).ToArray();
                var output = new float[OutputLength(length) + shift];
                if (IsAlwaysInPlace)
                {
                    Run(i => moved[i].AsSpan(shift), moved[0].AsSpan(shift));
                    output = moved[0];
                }
                else
                {
                    Run(i => moved[i].AsSpan(shift), output.AsSpan(shift));
                }

                Assert.Equal(Bits(expected), Bits(output.AsSpan(shift, expected.Length)));
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(1e-40f)]
    [InlineData(-0f)]
    [InlineData(3e38f)]
    public void Special_values_come_out_as_the_definition_says(float special)
    {
        foreach (var length in new[] { 2, 6, 18, 34, 100 }.Where(KernelLengths.Contains))
        {
            for (var place = 0; place < length; place += 3)
            {
                var inputs = Inputs(length, seed: place);
                if (place >= inputs[0].Length) continue;
                inputs[0][place] = special;
                var scalar = new float[OutputLength(length)];
                Scalar(inputs.Select(values => values.ToArray()).ToArray(), scalar);
                var vector = RunGuarded(inputs, OutputLength(length));
                for (var i = 0; i < scalar.Length; i++)
                {
                    if (float.IsFinite(scalar[i])) AssertClose(scalar[i], vector[i], (Math.Abs(scalar[i]) * 1e-4) + 1e-5, $"length {length}, special at {place}, element {i}");
                    else Assert.Equal(scalar[i], vector[i]);
                }
            }
        }
    }

    [Fact]
    public void Calls_allocate_nothing()
    {
        var inputs = Inputs(KernelLengths.First(length => length >= 100), seed: 3);
        var output = IsAlwaysInPlace ? inputs[0] : new float[OutputLength(KernelLengths.First(length => length >= 100))];
        var spans = new Func<int, Span<float>>(i => inputs[i]);
        Run(spans, output);
        Assert.Equal(0, Allocations.Of(() =>
        {
            for (var i = 0; i < 10; i++) Run(spans, output);
        }));
    }

    protected static double[] Relative(double[] reference, double factor) =>
        [.. reference.Select(value => (Math.Abs(value) * factor * Lengths.Epsilon) + 1e-37)];

    private float[] RunGuarded(float[][] inputs, int outputLength)
    {
        var buffers = inputs.Select(values => GuardedBuffer.Of(values)).ToArray();
        using var target = new GuardedBuffer((long)outputLength * sizeof(float));
        var output = IsAlwaysInPlace ? buffers[0] : target;
        output.Span.Fill(IsAlwaysInPlace ? 0 : float.NaN);
        if (IsAlwaysInPlace) inputs[0].CopyTo(output.Span);
        Run(i => buffers[i].Span, output.Span);
        var result = output.Span.ToArray();
        foreach (var buffer in buffers) buffer.Dispose();
        return result;
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new int[values.Length];
        for (var i = 0; i < bits.Length; i++) bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        return bits;
    }

    private static void AssertClose(double expected, double found, double bound, string where)
    {
        if (!(Math.Abs(expected - found) <= bound)) Assert.Fail($"{where}: expected {expected:R} within {bound:E2}, found {found:R}");
    }
}
