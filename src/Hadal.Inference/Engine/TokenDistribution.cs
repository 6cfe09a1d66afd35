using System.Numerics;
using System.Runtime.InteropServices;
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
    private const int BitsOfSmallest = (127 - 42) << 23;
    private const int LowBits = 16;
    private const int FirstBin = BitsOfSmallest >> LowBits;
    private const int BinCount = (BitsOfOne >> LowBits) - FirstBin + 1;
    private const int DigitBits = 8;
    private const long Unknown = -1;

    private readonly float[] _weights;
    private readonly int[] _members;
    private readonly Bins _bins = new(BinCount);
    private readonly Bins _digits = new(1 << DigitBits);

    // Weights are not negative, so their bits are ordered as they are.
    private int _floorBits;
    private int _lastIdAtFloor;
    private long _keptUnits;

    /// <param name="vocabSize">Number of tokens, at most 2^20: sums of so many units fit 63 bits.</param>
    public TokenDistribution(int vocabSize)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vocabSize, 1 << 20);
        _weights = new float[vocabSize];
        _members = new int[vocabSize];
    }

    /// <summary>Sum of the kept weights in units of 2^−42.</summary>
    public long KeptUnits
    {
        get
        {
            if (_keptUnits == Unknown) _keptUnits = Sum();
            return _keptUnits;
        }
    }

    /// <summary>Weights of all tokens; those are kept that reach the fraction <paramref name="minP"/> of the largest.</summary>
    /// <param name="logits">[vocab_size], finite or −∞.</param>
    /// <param name="best">The largest of them, finite.</param>
    /// <param name="temperature">Divisor of the logits, positive.</param>
    /// <param name="minP">Fraction, 0 to 1.</param>
    public void Set(ReadOnlySpan<float> logits, int best, double temperature, double minP)
    {
        SamplingWeights.Apply(logits, logits[best], (float)(1 / temperature), _weights);
        _floorBits = Math.Max(BitConverter.SingleToInt32Bits((float)minP), BitsOfSmallest);
        _lastIdAtFloor = int.MaxValue;
        _keptUnits = Unknown;
        _bins.Clear();
    }

    /// <summary>Keeps the <paramref name="count"/> most likely of the kept tokens.</summary>
    public void KeepCount(int count)
    {
        FillBins(count, byUnits: false);
        if (_bins.Total(byUnits: false) >= count) Keep(count, byUnits: false);
    }

    /// <summary>Keeps the fewest most likely of the kept tokens whose weights reach a share of their sum, (0, 1].</summary>
    public void KeepShare(double share)
    {
        var wanted = Math.Clamp((long)Math.Ceiling(share * KeptUnits), 1, KeptUnits);
        if (wanted == KeptUnits) return;
        FillBins(wanted, byUnits: true);
        Keep(wanted, byUnits: true);
    }

    /// <summary>The kept token on which a random number falls.</summary>
    /// <param name="random">64 random bits.</param>
    public int Draw(ulong random)
    {
        // The high half of the product: uniform in [0, kept) to within 2^−64 for each token.
        var left = (long)Math.BigMul(random, (ulong)KeptUnits, out _);
        foreach (var id in TokensFrom(_floorBits))
        {
            if (!IsKept(id)) continue;
            left -= Units(_weights[id]);
            if (left < 0) return id;
        }

        throw new InvalidOperationException("the kept weights do not sum to what was counted");
    }

    /// <summary>Probability of a token under what is kept.</summary>
    public double Probability(int id) => BitsOf(id) >= _floorBits && IsKept(id) ? (double)Units(_weights[id]) / KeptUnits : 0;

    private static long Units(float weight) => (long)(weight * SingleUnitsPerOne);

    private static int BinOf(int bits) => (bits >> LowBits) - FirstBin;

    private int BitsOf(int id) => BitConverter.SingleToInt32Bits(_weights[id]);

    private int DigitOf(int id, int shift) => (BitsOf(id) >> shift) & ((1 << DigitBits) - 1);

    /// <summary>Whether a token from the floor on is kept: all above it, and of those at the floor the first.</summary>
    private bool IsKept(int id) => id <= _lastIdAtFloor || BitsOf(id) > _floorBits;

    /// <summary>Sum of the weights from the floor on.</summary>
    private long Sum()
    {
        const float HalfUnits = 1 << 21;
        const int VectorsPerBlock = 512;
        var n = Vector<float>.Count;
        var (units, floor, i) = (0L, new Vector<int>(_floorBits), 0);
        while (i <= _weights.Length - n)
        {
            // Units in two halves of 21 bits, both exact; a block of them fits 31 bits.
            Vector<int> high = Vector<int>.Zero, low = Vector<int>.Zero;
            for (var end = Math.Min(i + (VectorsPerBlock * n), _weights.Length - n + 1); i < end; i += n)
            {
                var bits = Vector.AsVectorInt32(new Vector<float>(_weights, i));
                var scaled = Vector.AsVectorSingle(bits & Vector.GreaterThanOrEqual(bits, floor)) * HalfUnits;
                var whole = Vector.ConvertToInt32(scaled);
                high += whole;
                low += Vector.ConvertToInt32((scaled - Vector.ConvertToSingle(whole)) * HalfUnits);
            }

            units += (SumOf(high) << 21) + SumOf(low);
        }

        for (; i < _weights.Length; i++) units += BitsOf(i) >= _floorBits ? Units(_weights[i]) : 0;
        return units;

        static long SumOf(Vector<int> values)
        {
            Vector.Widen(values, out var first, out var second);
            return Vector.Sum(first + second);
        }
    }

    /// <summary>Puts the most likely tokens into the bins, so many that a measure is reached, or all that are kept.</summary>
    private void FillBins(long wanted, bool byUnits)
    {
        // Usually those within 2^−6 or 2^−14 of the most likely one are enough, and they are few. What was put there for top-k serves top-p again.
        foreach (var powers in (ReadOnlySpan<int>)[6, 14, 42])
        {
            if (_bins.Total(byUnits) >= wanted) return;
            _bins.Clear();
            foreach (var id in TokensFrom(Math.Max(BitsOfOne - (powers << 23), _floorBits))) _bins.Add(BinOf(BitsOf(id)), Units(_weights[id]));
        }
    }

    /// <summary>Keeps the shortest beginning, of the tokens in falling order of weight, whose measure (tokens or units) is <paramref name="wanted"/> or more.
    /// A beginning kept before is a beginning of the same order, so the bins serve again.</summary>
    private void Keep(long wanted, bool byUnits)
    {
        var keptUnits = 0L;
        var bin = Descend(_bins, byUnits, ref wanted, ref keptUnits);
        var members = _members.AsSpan(0, Gather(bin));
        for (var shift = LowBits - DigitBits; shift >= 0; shift -= DigitBits)
        {
            _digits.Clear();
            foreach (var id in members) _digits.Add(DigitOf(id, shift), Units(_weights[id]));
            var digit = Descend(_digits, byUnits, ref wanted, ref keptUnits);
            var count = 0;
            foreach (var id in members)
                if (DigitOf(id, shift) == digit) members[count++] = id;
            members = members[..count];
        }

        // All of them weigh the same by now.
        var units = Units(_weights[members[0]]);
        var kept = byUnits ? (int)((wanted + units - 1) / units) : (int)wanted;
        (_floorBits, _lastIdAtFloor) = (BitsOf(members[0]), members[kept - 1]);
        _keptUnits = keptUnits + (kept * units);
    }

    /// <summary>The bin in which the measure of the bins from the last on reaches what is wanted; those behind it are kept and no longer wanted.</summary>
    private static int Descend(Bins bins, bool byUnits, ref long wanted, ref long keptUnits)
    {
        var bin = bins.Last;
        for (; bins.Measure(bin, byUnits) < wanted; bin--)
        {
            wanted -= bins.Measure(bin, byUnits);
            keptUnits += bins.UnitsOf(bin);
        }

        return bin;
    }

    /// <summary>The tokens of a bin, in rising order of id.</summary>
    private int Gather(int bin)
    {
        var count = 0;
        foreach (var id in TokensFrom((bin + FirstBin) << LowBits))
            if (BinOf(BitsOf(id)) == bin) _members[count++] = id;
        return count;
    }

    private Tokens TokensFrom(int floorBits) => new(MemoryMarshal.Cast<float, int>(_weights), floorBits);

    /// <summary>Tokens whose weights have at least some bits, in rising order of id: step by step where they are many, by vectors where they are few.</summary>
    private ref struct Tokens(ReadOnlySpan<int> bits, int floorBits)
    {
        private const int StepCount = 16;

        private readonly ReadOnlySpan<int> _bits = bits;

        public int Current { get; private set; } = -1;

        public readonly Tokens GetEnumerator() => this;

        public bool MoveNext()
        {
            var id = Current + 1;
            for (var end = Math.Min(id + StepCount, _bits.Length); id < end; id++)
            {
                if (_bits[id] < floorBits) continue;
                Current = id;
                return true;
            }

            var distance = _bits[id..].IndexOfAnyInRange(floorBits, int.MaxValue);
            Current = distance < 0 ? _bits.Length - 1 : id + distance;
            return distance >= 0;
        }
    }

    /// <summary>How many tokens, and units of weight, fall into each bin.</summary>
    private sealed class Bins(int count)
    {
        private readonly (long Count, long Units)[] _bins = new (long, long)[count];

        public int Last => _bins.Length - 1;

        public void Add(int bin, long units)
        {
            ref var sums = ref _bins[bin];
            sums.Count++;
            sums.Units += units;
        }

        public long UnitsOf(int bin) => _bins[bin].Units;

        public long Measure(int bin, bool byUnits) => byUnits ? _bins[bin].Units : _bins[bin].Count;

        public long Total(bool byUnits)
        {
            var total = 0L;
            for (var bin = 0; bin < _bins.Length; bin++) total += Measure(bin, byUnits);
            return total;
        }

        public void Clear() => Array.Clear(_bins);
    }
}
