using System.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Masks of places that were visited before allocate nothing, in any answer of the grammar.</summary>
public sealed class MaskAllocationTests
{
    private static readonly TokenTrie Vocabulary = new([[], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), [.. "name"u8], [.. "\": \""u8], [.. "aaaaaaaaaaaaaaaa"u8], [.. "\", \""u8]], [0]);

    [Fact]
    public void Masks_and_accepted_tokens_allocate_nothing_once_a_grammar_is_warm()
    {
        var grammar = JsonSchemaGrammar.Compile("""
            {"type":"object","properties":{"name":{"type":"string","maxLength":200},"code":{"type":"string","pattern":"^[A-Z]{2}[0-9]{3}$"},"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":9},
             "next":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"size":{"type":"number","minimum":0,"maximum":12.5}},"required":["name","code"]}
            """u8).Grammar;
        var text = Encoding.UTF8.GetBytes("""{"name": "aaaaaaaaaaaaaaaaaaaaaaéa\n\u0041", "code": "AB123", "tags": ["a", "b"], "next": {"name": "b", "code": "XY000", "next": null}, "size": 7.25}""");
        var mask = new ulong[Vocabulary.MaskLength];
        var matcher = new GrammarMatcher(grammar, Vocabulary);
        Follow(matcher, text, mask);
        Assert.True(matcher.IsComplete);

        Assert.Equal(0, Allocations.Of(() =>
        {
            matcher.Rollback(matcher.Tokens.Count);
            Follow(matcher, text, mask);
        }));
    }

    private static void Follow(GrammarMatcher matcher, byte[] text, ulong[] mask)
    {
        foreach (var value in text)
        {
            matcher.ComputeMask(mask);
            if (!TokenMask.Contains(mask, value + 1) || !matcher.TryAccept(value + 1)) throw new InvalidOperationException($"{(char)value} was refused after {matcher.Tokens.Count} tokens");
        }
        matcher.ComputeMask(mask);
    }
}
