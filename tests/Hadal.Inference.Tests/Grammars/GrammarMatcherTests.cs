using System.Text;
using CsCheck;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Matchers against the meaning of a grammar by definition, and masks against trying every token.</summary>
public sealed class GrammarMatcherTests
{
    private static readonly TokenTrie Letters = new([[.. "a"u8], [.. "b"u8], [.. "c"u8], []], [3]);

    [Fact]
    public void Texts_are_complete_exactly_where_the_grammar_derives_them() =>
        GrammarShape.Any.Sample(
            shape =>
            {
                var language = shape.Language(5);
                if (!TryBuild(shape, out var grammar)) return language.Count == 0;
                var prefixes = language.SelectMany(text => Enumerable.Range(0, text.Length + 1).Select(length => text[..length])).ToHashSet();
                return Agree(new GrammarMatcher(grammar, Letters), "", language, prefixes);
            },
            iter: 500, threads: 1);

    [Fact]
    public void Members_stand_in_any_order_at_most_once_and_others_as_often_as_asked() =>
        Gen.Select(Gen.Select(Gen.Int[0, 3], Gen.Bool).Array[0, 4], Gen.Int[0, 3].Array[0, 1], Gen.Int[0, 2], Gen.Int[0, 4]).Sample(
            (members, others, min, room) =>
            {
                string[] texts = ["a", "b", "ab", "ca"];
                var max = room == 4 ? (int?)null : min + room;
                if (min > 1 + members.Count(member => member.Item2)) return true;
                var builder = new GrammarBuilder();
                var node = builder.Members(
                    [.. members.Select(member => (builder.Literal(texts[member.Item1]), builder.Literal("c" + texts[member.Item1]), member.Item2))],
                    [.. others.Select(other => (builder.Literal(texts[other]), builder.Literal("c" + texts[other])))],
                    min,
                    max);
                var language = Orders([], [.. members.Select((member, index) => (texts[member.Item1], member.Item2, index))], [.. others.Select(other => texts[other])], min, max)
                    .Select(order => string.Join('c', order)).ToHashSet();
                var prefixes = language.SelectMany(text => Enumerable.Range(0, text.Length + 1).Select(length => text[..length])).ToHashSet();
                var isWhole = others.Length == 0 || max <= 4;
                language.RemoveWhere(text => text.Length > 6);
                if (language.Count == 0) return true;
                var grammar = builder.Build(node);
                foreach (var text in language) Assert.True(new ByteAcceptor(grammar).Accepts(Encoding.UTF8.GetBytes(text)), text);
                return RegexShape.Strings(6).All(text => language.Contains(text) == Derives(grammar, text) && (!isWhole || prefixes.Contains(text) == Begins(grammar, text)));
            },
            iter: 150, threads: 1);

    private static bool Begins(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Letters);
        return text.All(letter => matcher.TryAccept(letter - 'a'));
    }

    private static bool Derives(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Letters);
        return text.All(letter => matcher.TryAccept(letter - 'a')) && matcher.IsComplete;
    }

    /// <summary>All ways to write members, up to four of them, by definition.</summary>
    private static IEnumerable<List<string>> Orders(List<string> so, List<(string Text, bool IsRequired, int Index)> left, string[] others, int min, int? max)
    {
        if (so.Count >= min && !(so.Count > max) && !left.Exists(member => member.IsRequired)) yield return so;
        if (so.Count == 4) yield break;
        foreach (var member in left)
            foreach (var order in Orders([.. so, member.Text], [.. left.Where(other => other.Index != member.Index)], others, min, max)) yield return order;
        foreach (var other in others)
            foreach (var order in Orders([.. so, other], left, others, min, max)) yield return order;
    }

    [Fact]
    public void Whatever_is_allowed_can_be_completed() =>
        GrammarShape.Any.Sample(
            shape =>
            {
                if (!TryBuild(shape, out var grammar)) return true;
                var tables = grammar.CurrentTables();
                return "abc"u8.ToArray().All(first => tables.Step(tables.Initial, first) is var next && (next == GrammarTables.Dead || CanComplete(tables, next)));
            },
            iter: 400, threads: 1);

    [Fact]
    public void Masks_of_any_grammar_are_what_trying_every_token_gives() =>
        Gen.Select(GrammarShape.Any, Words("abc"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                if (!TryBuild(shape, out var grammar)) return true;
                var vocabulary = Vocabulary(words, "abc"u8);
                return WalkAgrees(new GrammarMatcher(grammar, vocabulary), seed, steps: 8);
            },
            iter: 600, threads: 1);

    [Fact]
    public void Masks_of_texts_like_json_are_what_trying_every_token_gives() =>
        Gen.Select(QuotedText.Any, Words("ab \"\\,:{}[]1-n\né漢😀"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                var vocabulary = Vocabulary(words, "ab \"\\,:{}[]1-n\n\u00e9漢😀"u8);
                return WalkAgrees(new GrammarMatcher(shape.Build(), vocabulary), seed, steps: 14);
            },
            iter: 1200, threads: 1);

    [Fact]
    public void Beginning_behind_a_text_equals_reading_it() =>
        Gen.Select(QuotedText.Any, Words("ab \"\\,:{}[]1-n"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                var vocabulary = Vocabulary(words, "ab \"\\,:{}[]1-n"u8);
                var random = new Random(seed);
                var matcher = new GrammarMatcher(shape.Build(), vocabulary);
                for (var step = 0; step < 12 && Choose(matcher, random) is var token && token >= 0 && !vocabulary.IsEnd(token); step++) matcher.Accept(token);
                var behind = new GrammarMatcher(shape.Build(), vocabulary, [.. matcher.Tokens.SelectMany(token => vocabulary.TokenBytes(token).ToArray())]).Fork();
                return behind.IsComplete == matcher.IsComplete && behind.CanContinue == matcher.CanContinue && behind.Tokens.Count == 0
                    && Mask(behind).AsSpan().SequenceEqual(Mask(matcher)) && behind.ForcedTokens().SequenceEqual(matcher.ForcedTokens());
            },
            iter: 200, threads: 1);

    [Fact]
    public void What_no_text_begins_with_is_refused()
    {
        var vocabulary = Vocabulary([], "ab"u8);
        Assert.Contains("begins with 'aa'", Assert.Throws<GrammarException>(() => new GrammarMatcher(PlainGrammars.FromRegex("ab"), vocabulary, "aa"u8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rollback_and_fork_equal_a_fresh_replay() =>
        Gen.Select(QuotedText.Any, Words("ab \"\\,:{}[]1-n"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                var vocabulary = Vocabulary(words, "ab \"\\,:{}[]1-n"u8);
                var grammar = shape.Build();
                var random = new Random(seed);
                var matcher = new GrammarMatcher(grammar, vocabulary);
                for (var step = 0; step < 30; step++)
                {
                    if (random.Next(4) == 0) matcher.Rollback(random.Next(Math.Min(matcher.Tokens.Count, 4) + 1));
                    else if (random.Next(4) == 0) matcher = matcher.Fork();
                    else if (Choose(matcher, random) is var token && token >= 0) matcher.Accept(token);
                }
                var fresh = new GrammarMatcher(shape.Build(), vocabulary);
                foreach (var token in matcher.Tokens) fresh.Accept(token);
                return fresh.IsComplete == matcher.IsComplete && fresh.HasEnded == matcher.HasEnded && fresh.CanContinue == matcher.CanContinue
                    && Mask(fresh).AsSpan().SequenceEqual(Mask(matcher)) && fresh.ForcedTokens().SequenceEqual(matcher.ForcedTokens());
            },
            iter: 200, threads: 1);

    [Fact]
    public void Full_tables_are_replaced_without_a_trace() =>
        Gen.Select(QuotedText.Any, Words("ab \"\\,:{}[]1-n"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                var vocabulary = Vocabulary(words, "ab \"\\,:{}[]1-n"u8);
                var free = new GrammarMatcher(shape.Build(), vocabulary);
                var tight = new GrammarMatcher(shape.Build(new GrammarLimits { MaxLexerStates = 60, MaxParserStates = 40 }), vocabulary);
                var random = new Random(seed);
                try
                {
                    for (var step = 0; step < 25 && Choose(free, random) is var token && token >= 0; step++)
                    {
                        if (!Mask(free).AsSpan().SequenceEqual(Mask(tight))) return false;
                        free.Accept(token);
                        tight.Accept(token);
                    }
                }
                catch (GrammarException exception)
                {
                    return exception.Message.Contains("Max", StringComparison.Ordinal);
                }
                return true;
            },
            iter: 200, threads: 1);

    [Fact]
    public void Forced_tokens_are_the_only_continuation()
    {
        var vocabulary = new TokenTrie([.. new[] { "", "{", "}", "\"", "{\"", "na", "me", "name", "name\":", "\":", ":", " ", "x", "y", "\"x", "end", "ending" }.Select(Encoding.UTF8.GetBytes)], [0]);
        var builder = new GrammarBuilder();
        var grammar = builder.Build(builder.Sequence(
            builder.Literal("{\"name\":\""), builder.Choice(builder.Literal("x"), builder.Literal("y")), builder.Literal("\"}end")));
        var matcher = new GrammarMatcher(grammar, vocabulary);

        // The last quotation mark might become part of the token "x, so it is left open.
        Assert.Equal([4, 8], matcher.ForcedTokens());
        foreach (var token in matcher.ForcedTokens()) matcher.Accept(token);
        Assert.Empty(matcher.ForcedTokens());
        matcher.Accept(14);
        // Nothing can follow the end, so that even a token that others begin with is certain.
        Assert.Equal([3, 2, 15], matcher.ForcedTokens());
        foreach (var token in matcher.ForcedTokens()) matcher.Accept(token);
        Assert.True(matcher.IsComplete);
        Assert.False(matcher.CanContinue);
        Assert.Equal([1UL], Mask(matcher));
        Assert.Empty(matcher.ForcedTokens());
        matcher.Accept(0);
        Assert.True(matcher.HasEnded);
        Assert.Equal([0UL], Mask(matcher));
        matcher.Rollback(1);
        Assert.True(matcher.IsComplete);
    }

    [Fact]
    public void Forced_tokens_of_any_grammar_are_bytes_without_a_choice() =>
        Gen.Select(QuotedText.Any, Words("ab \"\\,:{}[]1-n"), Gen.Int[0, int.MaxValue]).Sample(
            (shape, words, seed) =>
            {
                var vocabulary = Vocabulary(words, "ab \"\\,:{}[]1-n"u8);
                var bytes = new TokenTrie([[], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })], [0]);
                var grammar = shape.Build();
                var random = new Random(seed);
                var matcher = new GrammarMatcher(grammar, vocabulary);
                for (var step = 0; step < 12; step++)
                {
                    var single = new GrammarMatcher(grammar, bytes);
                    foreach (var value in matcher.Tokens.SelectMany(token => vocabulary.TokenBytes(token).ToArray())) single.Accept(value + 1);
                    foreach (var value in matcher.ForcedTokens().SelectMany(token => vocabulary.TokenBytes(token).ToArray()))
                    {
                        if (TokenMask.Count(Mask(single)) != 1) return false;
                        single.Accept(value + 1);
                    }
                    if (Choose(matcher, random) is not (var chosen and >= 0) || vocabulary.IsEnd(chosen)) break;
                    matcher.Accept(chosen);
                }
                return true;
            },
            iter: 200, threads: 1);

    internal static ulong[] Mask(GrammarMatcher matcher)
    {
        var mask = new ulong[matcher.Vocabulary.MaskLength];
        matcher.ComputeMask(mask);
        return mask;
    }

    private static bool TryBuild(GrammarShape shape, out Grammar grammar)
    {
        try
        {
            grammar = shape.Build();
            return true;
        }
        catch (GrammarException exception) when (exception.Message.Contains("derives no text", StringComparison.Ordinal))
        {
            grammar = null!;
            return false;
        }
    }

    private static bool Agree(GrammarMatcher matcher, string text, HashSet<string> language, HashSet<string> prefixes)
    {
        if (matcher.IsComplete != language.Contains(text)) return false;
        if (text.Length == 5) return true;
        foreach (var letter in "abc")
        {
            var next = matcher.Fork();
            var accepted = next.TryAccept(letter - 'a');
            if (!accepted && prefixes.Contains(text + letter)) return false;
            if (accepted && !Agree(next, text + letter, language, prefixes)) return false;
        }
        return true;
    }

    /// <summary>False if all that can be reached from a configuration has been seen and no text ends there. A dead end is small; what is large is
    /// given the benefit of the doubt.</summary>
    private static bool CanComplete(GrammarTables tables, int start)
    {
        var seen = new HashSet<int> { start };
        var pending = new Queue<int>(seen);
        while (seen.Count < 300 && pending.TryDequeue(out var configuration))
        {
            if (tables.IsComplete(configuration)) return true;
            foreach (var letter in "abc"u8)
                if (tables.Step(configuration, letter) is var next && next != GrammarTables.Dead && seen.Add(next)) pending.Enqueue(next);
        }
        return seen.Count >= 300;
    }

    private static bool WalkAgrees(GrammarMatcher matcher, int seed, int steps)
    {
        var random = new Random(seed);
        for (var step = 0; step < steps; step++)
        {
            var mask = Mask(matcher);
            var again = Mask(matcher);
            if (!mask.AsSpan().SequenceEqual(again)) return false;
            for (var token = 0; token < matcher.Vocabulary.VocabSize; token++)
                if (TokenMask.Contains(mask, token) != matcher.Fork().TryAccept(token)) return false;
            var chosen = Choose(matcher, random);
            if (chosen < 0) return true;
            matcher.Accept(chosen);
        }
        return true;
    }

    private static int Choose(GrammarMatcher matcher, Random random)
    {
        var mask = Mask(matcher);
        var allowed = Enumerable.Range(0, matcher.Vocabulary.VocabSize).Where(token => TokenMask.Contains(mask, token)).ToArray();
        return allowed.Length == 0 ? -1 : allowed[random.Next(allowed.Length)];
    }

    private static Gen<byte[][]> Words(string alphabet)
    {
        var bytes = Encoding.UTF8.GetBytes(alphabet);
        var runes = alphabet.EnumerateRunes().Select(rune => Encoding.UTF8.GetBytes(rune.ToString())).ToArray();
        var letter = Gen.Frequency((6, Gen.Int[0, runes.Length - 1].Select(i => runes[i])), (1, Gen.Int[0, bytes.Length - 1].Select(i => new[] { bytes[i] })));
        return letter.Array[1, 7].Select(parts => parts.SelectMany(part => part).ToArray()).Array[0, 60];
    }

    /// <summary>The end token, every byte of the alphabet, and the words.</summary>
    private static TokenTrie Vocabulary(byte[][] words, ReadOnlySpan<byte> alphabet) =>
        new([[], .. alphabet.ToArray().Distinct().Select(value => new[] { value }), .. words], [0]);
}
