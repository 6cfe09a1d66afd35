using System.Globalization;
using System.Text;
using CsCheck;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Bounds of numbers as expressions over their texts, against exact arithmetic.</summary>
public class NumberTextsTests
{
    private static readonly Gen<decimal> Value = Gen.Frequency(
        (3, Gen.Int[-120, 120].Select(i => (decimal)i)),
        (3, Gen.Select(Gen.Int[-99999, 99999], Gen.Int[0, 6], (digits, places) => digits / Power(places))),
        (1, Gen.Select(Gen.Int[1, 99], Gen.Int[8, 16], (digits, places) => digits / Power(places))),
        (1, Gen.Select(Gen.Int[1, 999], Gen.Int[14, 20], (digits, places) => digits * Power(places))));

    [Fact]
    public void Bounds_hold_for_every_spelling_that_is_decided()
    {
        var inside = 0;
        var outside = 0;
        Gen.Select(Value, Value.Array[15], Gen.Bool, Gen.Bool).Sample(
            drawn =>
            {
                var (bound, values, isExclusive, isMinimum) = drawn;
                var pool = new RegexPool();
                var numbers = new NumberTexts(TextWriting.Utf8(pool));
                var limit = JsonDecimal.Read(bound.ToString(CultureInfo.InvariantCulture))!.Value;
                var set = isMinimum ? numbers.AtLeast(limit, isExclusive) : numbers.AtMost(limit, isExclusive);
                foreach (var value in values.Append(bound).Append(-bound))
                {
                    var isIn = isMinimum ? (isExclusive ? value > bound : value >= bound) : isExclusive ? value < bound : value <= bound;
                    Interlocked.Increment(ref isIn ? ref inside : ref outside);
                    foreach (var text in Spellings(value))
                    {
                        Assert.True(isIn == pool.IsMatch(set.In, text), $"{Encoding.UTF8.GetString(text)} in {bound} {isMinimum} {isExclusive}");
                        Assert.True(isIn != pool.IsMatch(set.Out, text), $"{Encoding.UTF8.GetString(text)} out of {bound} {isMinimum} {isExclusive}");
                    }
                }
            },
            iter: 400);
        Assert.True(inside > 1_000 && outside > 1_000);
    }

    [Fact]
    public void Multiples_divide_without_rest()
    {
        var pool = new RegexPool();
        var numbers = new NumberTexts(TextWriting.Utf8(pool));
        foreach (var divisor in (string[])["1", "2", "3", "7", "10", "24", "100", "0.1", "0.01", "0.25", "0.5", "1.5", "0.03", "1e3", "26", "64", "0.125", "317", "86400"])
        {
            var set = numbers.MultipleOf(JsonDecimal.Read(divisor)!.Value)!.Value;
            var by = decimal.Parse(divisor, NumberStyles.Float, CultureInfo.InvariantCulture);
            foreach (var value in Enumerable.Range(-60, 400).SelectMany(i => (decimal[])[i, i * 0.05m, i * 0.003m, i * 7m, i * 125m]))
            {
                var text = Encoding.UTF8.GetBytes(value.ToString(CultureInfo.InvariantCulture));
                Assert.True(value % by == 0 == pool.IsMatch(set.In, text), $"{value} of {divisor}");
                Assert.True(value % by == 0 != pool.IsMatch(set.Out, text), $"{value} not of {divisor}");
            }
        }

        Assert.Null(numbers.MultipleOf(JsonDecimal.Read("0.031769")!.Value));
    }

    [Fact]
    public void A_number_equals_itself_in_every_spelling() => Gen.Select(Value, Value).Sample(
        drawn =>
        {
            var pool = new RegexPool();
            var set = new NumberTexts(TextWriting.Utf8(pool)).EqualTo(JsonDecimal.Read(drawn.Item1.ToString(CultureInfo.InvariantCulture))!.Value);
            foreach (var text in Spellings(drawn.Item1)) Assert.True(pool.IsMatch(set.In, text), Encoding.UTF8.GetString(text));
            foreach (var text in Spellings(drawn.Item2)) Assert.Equal(drawn.Item1 == drawn.Item2, pool.IsMatch(set.In, text));
        },
        iter: 300);

    private static decimal Power(int places)
    {
        var power = 1m;
        for (var i = 0; i < places; i++) power *= 10;
        return power;
    }

    private static IEnumerable<byte[]> Spellings(decimal value)
    {
        var plain = value.ToString(CultureInfo.InvariantCulture);
        yield return Encoding.UTF8.GetBytes(plain);
        yield return Encoding.UTF8.GetBytes(plain.Contains('.', StringComparison.Ordinal) ? plain + "00" : plain + ".0");
        if (value != 0 && Math.Abs(value) is < 1m or >= 1e16m)
        {
            var scientific = value.ToString("0.###############################e+00", CultureInfo.InvariantCulture);
            yield return Encoding.UTF8.GetBytes(scientific);
            yield return Encoding.UTF8.GetBytes(scientific.ToUpperInvariant());
        }
    }
}
