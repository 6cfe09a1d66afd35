using Hadal.Inference.Kernels;

namespace Hadal.Inference.Engine;

/// <summary>The distribution that a token is drawn from: weights of all tokens, of which the most likely are kept.</summary>
/// <remarks>
/// A weight <c>e^((logit − max) / temperature)</c> counts as the whole number of 2^−42 that it has, so that sums do not depend on the order they are taken
/// in: no vector width or machine changes a choice. Tokens below 2^−42 of the most likely one are never drawn.
/// What top-k and top-p keep is in both cases a beginning of the tokens in falling order of weight, ties by the lowest id. Its end is found without sorting:
/// a histogram over the leading bits of the weights, then over the rest of the bits within the one bin in which the beginning ends.
/// </remarks>
internal sealed class TokenDistribution
{
    /// <summary>Units of the weight of the most likely token.</summary>
    public const double UnitsPerOne = 1L << 42;

    private const float SingleUnitsPerOne = 1L << 42;
    private const int BitsOfOne = 0x3F80_0000;
    private const int LowBits = 16;
    private const int FirstBin = (127 - 42) << (23 - LowBits);
    private const int BinCount = (BitsOfOne >> LowBits) - FirstBin + 1;
    private const int DigitBits = 8;

    private readonly float[] _weights;
    private readonly int[] _members;
    private readonly Bins _bins = new(BinCount);
    private readonly Bins _digits = new(1 << DigitBits);
    private float _floor;
    private int _lastIdAtFloor;
    private long _keptCount;
    private long _keptUnits;

    /// <param name="vocabSize">Number of tokens, at most 2^20: sums of so many units fit 63 bits.</param>
    public TokenDistribution(int vocabSize)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vocabSize, 1 << 20);
        _weights = new float[vocabSize];
        _members = new int[vocabSize];
    }

    /// <summary>Sum of the kept weights in units of 2^−42.</summary>
    public long KeptUnits => _keptUnits;

    /// <summary>Weights of all tokens; those are kept that reach the fraction <paramref name="minP"/> of the largest.</summary>
    /// <param name="logits">[vocab_size], finite or −∞.</param>
    /// <param name="best">The largest of them, finite.</param>
    /// <param name="temperature">Divisor of the logits, positive.</param>
    /// <param name="minP">Fraction, 0 to 1.</param>
    /// <param name="willCut">Whether <see cref="KeepCount"/> or <see cref="KeepShare"/> follows.</param>
    public void Set(ReadOnlySpan<float> logits, int best, double temperature, double minP, bool willCut)
    {
        SamplingWeights.Apply(logits, logits[best], (float)(1 / temperature), _weights);
        (_floor, _lastIdAtFloor) = (MathF.Max((float)minP, 1 / SingleUnitsPerOne), int.MaxValue);
        (_keptCount, _keptUnits) = (0, 0);
        if (willCut) _bins.Clear();
        foreach (var weight in _weights)
        {
            if (weight < _floor) continue;
            var units = Units(weight);
            _keptCount++;
            _keptUnits += units;
            if (willCut) _bins.Add(BinOf(weight), units);
        }
    }

    /// <summary>Keeps the <paramref name="count"/> most likely of the kept tokens.</summary>
    public void KeepCount(int count)
    {
        if (count < _keptCount) Keep(count, byUnits: false);
    }

    /// <summary>Keeps the fewest most likely of the kept tokens whose weights reach a share of their sum, (0, 1].</summary>
    public void KeepShare(double share)
    {
        var wanted = Math.Clamp((long)Math.Ceiling(share * _keptUnits), 1, _keptUnits);
        if (wanted < _keptUnits) Keep(wanted, byUnits: true);
    }

    /// <summary>The kept token on which a random number falls.</summary>
    /// <param name="random">64 random bits.</param>
    public int Draw(ulong random)
    {
        // The high half of the product: uniform in [0, kept) to within 2^−64 for each token.
        var left = (long)Math.BigMul(random, (ulong)_keptUnits, out _);
        var weights = _weights;
        for (var id = 0; id < weights.Length; id++)
        {
            if (!IsKept(weights[id], id)) continue;
            left -= Units(weights[id]);
            if (left < 0) return id;
        }

        throw new InvalidOperationException("the kept weights do not sum to what was counted");
    }

    /// <summary>Probability of a token under what is kept.</summary>
    public double Probability(int id) => IsKept(_weights[id], id) ? (double)Units(_weights[id]) / _keptUnits : 0;

    private static long Units(float weight) => (long)(weight * SingleUnitsPerOne);

    private static int BinOf(float weight) => (BitConverter.SingleToInt32Bits(weight) >> LowBits) - FirstBin;

    private bool IsKept(float weight, int id) => weight > _floor || (weight == _floor && id <= _lastIdAtFloor);

    /// <summary>Keeps the shortest beginning, of the tokens in falling order of weight, whose measure (tokens or units) is <paramref name="wanted"/> or more.
    /// A beginning kept before is a beginning of the same order, so the bins of all tokens serve again.</summary>
    private void Keep(long wanted, bool byUnits)
    {
        (_keptCount, _keptUnits) = (0, 0);
        var bin = Descend(_bins, byUnits, ref wanted);
        var members = _members.AsSpan(0, Gather(bin));
        for (var shift = LowBits - DigitBits; shift >= 0; shift -= DigitBits)
        {
            _digits.Clear();
            foreach (var id in members) _digits.Add(Digit(id, shift), Units(_weights[id]));
            var digit = Descend(_digits, byUnits, ref wanted);
            var count = 0;
            foreach (var id in members)
                if (Digit(id, shift) == digit) members[count++] = id;
            members = members[..count];
        }

        // All of them weigh the same by now.
        _floor = _weights[members[0]];
        var units = Units(_floor);
        var kept = byUnits ? (int)((wanted + units - 1) / units) : (int)wanted;
        _lastIdAtFloor = members[kept - 1];
        _keptCount += kept;
        _keptUnits += kept * units;
    }

    /// <summary>The bin in which the measure of the bins from the last on reaches what is wanted; those behind it are kept and no longer wanted.</summary>
    private int Descend(Bins bins, bool byUnits, ref long wanted)
    {
        var measures = byUnits ? bins.Units : bins.Counts;
        var bin = measures.Length - 1;
        for (; measures[bin] < wanted; bin--)
        {
            wanted -= measures[bin];
            _keptCount += bins.Counts[bin];
            _keptUnits += bins.Units[bin];
        }

        return bin;
    }

    private int Gather(int bin)
    {
        var count = 0;
        var weights = _weights;
        var top = (bin + FirstBin) << LowBits;
        for (var id = 0; id < weights.Length; id++)
        {
            if (BitConverter.SingleToInt32Bits(weights[id]) >> LowBits << LowBits == top) _members[count++] = id;
        }

        return count;
    }

    private int Digit(int id, int shift) => (BitConverter.SingleToInt32Bits(_weights[id]) >> shift) & ((1 << DigitBits) - 1);

    /// <summary>How many tokens, and units of weight, fall into each bin.</summary>
    private sealed class Bins(int count)
    {
        public long[] Counts { get; } = new long[count];

        public long[] Units { get; } = new long[count];

        public void Add(int bin, long units)
        {
            Counts[bin]++;
            Units[bin] += units;
        }

        public void Clear()
        {
            Array.Clear(Counts);
            Array.Clear(Units);
        }
    }
}
