using System.Text;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Grammars made to cost too much end within their limits: exactly, or with an error that names the limit.</summary>
public sealed class HostileGrammarTests
{
    private static readonly TokenTrie Bytes = new([[], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), [.. "aaaa"u8], [.. "abab"u8], [.. "(((("u8]], [0]);

    [Fact]
    public void Left_recursion_derives_long_lists_with_few_states()
    {
        var builder = new GrammarBuilder();
        var list = builder.Rule("list");
        builder.Define(list, builder.Choice(builder.Sequence(list, builder.Literal("a")), builder.Literal("a"), list));
        AssertLongList(builder.Build(list));
    }

    [Fact]
    public void Right_recursion_derives_long_lists_with_few_states()
    {
        var builder = new GrammarBuilder();
        var list = builder.Rule("list");
        builder.Define(list, builder.Choice(builder.Sequence(builder.Literal("a"), list), builder.Literal("a")));
        AssertLongList(builder.Build(list));
    }

    [Fact]
    public void Ambiguous_loops_over_nothing_end()
    {
        var builder = new GrammarBuilder();
        var loop = builder.Rule("loop");
        var other = builder.Rule("other");
        builder.Define(loop, builder.Choice(GrammarNode.Empty, builder.Sequence(loop, other, loop), builder.Literal("a")));
        builder.Define(other, builder.Repeat(builder.Choice(builder.Repeat(loop), builder.Repeat(other, 0, 5), GrammarNode.Empty), 2));
        var matcher = Follow(builder.Build(loop), new string('a', 60));
        Assert.True(matcher.IsComplete);
        Assert.False(matcher.Fork().TryAccept('b' + 1));
    }

    [Fact]
    public void Exponential_alternation_is_followed_in_one_state()
    {
        var regexes = new GrammarBuilder();
        var node = regexes.Literal("a");
        for (var level = 0; level < 200; level++) node = regexes.Choice(regexes.Sequence(node, node), node);
        var matcher = Follow(regexes.Build(node), new string('a', 100));
        Assert.True(matcher.IsComplete);

        // (a|aa|aaa)+ has exponentially many readings and few states.
        var builder = new GrammarBuilder();
        matcher = Follow(builder.Build(builder.Repeat(builder.Choice(builder.Literal("a"), builder.Literal("aa"), builder.Literal("aaa")), 1)), new string('a', 500));
        Assert.True(matcher.IsComplete);
    }

    [Fact]
    public void Huge_bounds_are_counters()
    {
        var builder = new GrammarBuilder();
        var item = builder.Sequence(builder.Literal("a"), builder.Optional(builder.Literal("b")));
        var matcher = Follow(builder.Build(builder.Repeat(builder.Repeat(item, 100_000, 2_000_000_000), 3, 1_000_000)), new string('a', 300));
        Assert.False(matcher.IsComplete);
        Assert.True(matcher.CanContinue);

        builder = new GrammarBuilder();
        matcher = Follow(builder.Build(builder.Sequence(builder.Repeat(builder.Literal("ab"), 3, 5), builder.Repeat(builder.Literal("a"), 2))), "abababaa");
        Assert.True(matcher.IsComplete);
    }

    [Fact]
    public void Deep_nesting_is_followed_to_the_limit_and_no_further()
    {
        var limits = new GrammarLimits { MaxParserStates = 2_000 };
        var builder = new GrammarBuilder(limits);
        var nested = builder.Rule("nested");
        builder.Define(nested, builder.Sequence(builder.Literal("("), builder.Optional(nested), builder.Literal(")")));
        var grammar = builder.Build(nested);
        Assert.True(Follow(grammar, new string('(', 500) + new string(')', 500)).IsComplete);
        var error = Assert.Throws<GrammarException>(() => Follow(grammar, new string('(', 10_000)));
        Assert.Contains("MaxParserStates", error.Message, StringComparison.Ordinal);
        Assert.True(Follow(grammar, "(())").IsComplete);
    }

    [Fact]
    public void Nodes_nested_deeper_than_any_stack_are_built()
    {
        var builder = new GrammarBuilder();
        var node = builder.Literal("x");
        for (var level = 0; level < 10_000; level++) node = builder.Sequence(builder.Optional(node), builder.Literal("y"));
        var matcher = Follow(builder.Build(node), "yyyyy");
        Assert.True(matcher.IsComplete);
        Assert.True(matcher.CanContinue);
    }

    [Fact]
    public void A_mask_that_costs_too_much_is_an_error()
    {
        var builder = new GrammarBuilder(new GrammarLimits { MaxStepsPerMask = 50 });
        var matcher = new GrammarMatcher(builder.Build(builder.Lexeme(builder.Regexes.Repeat(builder.Regexes.Bytes(ByteSet.All)))), Bytes);
        var error = Assert.Throws<GrammarException>(() => GrammarMatcherTests.Mask(matcher));
        Assert.Contains("MaxStepsPerMask", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_grammar_of_nothing_is_refused()
    {
        var builder = new GrammarBuilder();
        var endless = builder.Rule("endless");
        builder.Define(endless, builder.Sequence(builder.Literal("a"), endless));
        Assert.Contains("derives no text", Assert.Throws<GrammarException>(() => builder.Build(endless)).Message, StringComparison.Ordinal);

        builder = new GrammarBuilder();
        var hidden = builder.Lexeme(builder.Regexes.And(builder.Regexes.Repeat(builder.Regexes.Literal("aa")), builder.Regexes.Concat(builder.Regexes.Repeat(builder.Regexes.Literal("aa")), builder.Regexes.Literal("a"))));
        Assert.Throws<GrammarException>(() => builder.Build(builder.Sequence(builder.Literal("x"), hidden)));

        builder = new GrammarBuilder();
        var error = Assert.Throws<GrammarException>(() => builder.Build(builder.Choice(builder.Literal("a"), builder.Rule("missing"))));
        Assert.Contains("'missing'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dead_alternatives_are_never_entered()
    {
        var builder = new GrammarBuilder();
        var endless = builder.Rule("endless");
        builder.Define(endless, builder.Sequence(builder.Literal("b"), endless));
        var matcher = new GrammarMatcher(builder.Build(builder.Choice(builder.Literal("a"), endless, builder.Sequence(builder.Literal("b"), GrammarNode.Nothing))), Bytes);
        var mask = GrammarMatcherTests.Mask(matcher);
        Assert.Equal(1, TokenMask.Count(mask));
        Assert.True(TokenMask.Contains(mask, 'a' + 1));
    }

    private static void AssertLongList(Grammar grammar)
    {
        var matcher = Follow(grammar, new string('a', 5_000));
        Assert.True(matcher.IsComplete);
        Assert.InRange(grammar.CurrentTables().Count, 1, 20);
    }

    private static GrammarMatcher Follow(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Bytes);
        foreach (var value in Encoding.UTF8.GetBytes(text)) matcher.Accept(value + 1);
        return matcher;
    }
}
