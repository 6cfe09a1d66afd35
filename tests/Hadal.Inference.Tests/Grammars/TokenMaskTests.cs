using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Masks over logits.</summary>
public sealed class TokenMaskTests
{
    [Fact]
    public void Applying_a_mask_leaves_exactly_the_logits_of_its_tokens()
    {
        var random = new Random(1);
        for (var length = 0; length <= 260; length++)
        {
            var logits = Enumerable.Range(0, length).Select(_ => (float)random.NextDouble()).ToArray();
            var mask = new ulong[random.Next(TokenMask.LengthFor(length) + 2)];
            for (var word = 0; word < mask.Length; word++) mask[word] = random.Next(4) switch { 0 => 0, 1 => ulong.MaxValue, _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue) };
            var applied = logits.ToArray();
            TokenMask.Apply(mask, applied);
            Assert.Equal(logits.Select((logit, id) => TokenMask.Contains(mask, id) ? logit : float.NegativeInfinity), applied);
        }
    }
}
