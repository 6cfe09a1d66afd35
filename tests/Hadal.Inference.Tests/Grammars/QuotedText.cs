using CsCheck;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Grammars of texts like JSON: quoted strings of many kinds, lists and pairs, recursion.</summary>
internal sealed record QuotedText(int Kind, int Min, int? Max, string[] Words, QuotedText[] Inner)
{
    private const int Kinds = 9;

    private static readonly Gen<string[]> SomeWords = Gen.Int[0, 7].Select(i => new[] { "a", "b", "ab", "an", "nab", "é", "n1", "漢a" }[i]).Array[1, 4];

    public static Gen<QuotedText> Any { get; } = Of(2);

    public Grammar Build(GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        return builder.Build(Node(builder));
    }

    private static Gen<QuotedText> Of(int depth)
    {
        var inner = depth == 0 ? Gen.Const(Array.Empty<QuotedText>()) : Of(depth - 1).Array[1, 3];
        return Gen.Select(Gen.Int[0, depth == 0 ? 5 : Kinds - 1], Gen.Int[0, 3], Gen.Int[0, 12], SomeWords, inner)
            .Select((kind, min, more, words, of) => new QuotedText(kind, min, more > 10 ? null : min + (more == 10 ? 200 : more), words, of));
    }

    private GrammarNode Node(GrammarBuilder builder)
    {
        var regexes = builder.Regexes;
        var plain = regexes.CodePoints(new CodePointRange(0x20, 0x21), new CodePointRange(0x23, 0x5B), new CodePointRange(0x5D, 0x10FFFF));
        var character = regexes.Or(plain, regexes.Concat(regexes.Literal("\\"), regexes.Bytes(ByteSet.Of("\"\\n"u8))));
        var quote = regexes.Literal("\"");
        var words = regexes.Or([.. Words.Select(word => regexes.Literal(word))]);
        var space = regexes.Repeat(regexes.Bytes(ByteSet.Of(" \n"u8)));
        return Kind switch
        {
            0 => builder.Lexeme(regexes.Concat(quote, regexes.Repeat(character, Min, Max), quote)),
            1 => builder.Lexeme(regexes.Concat(quote, regexes.And(regexes.Repeat(character, Min, Max), regexes.Not(words)), quote)),
            2 => builder.Lexeme(regexes.Concat(space, quote, words, quote)),
            3 => builder.Lexeme(regexes.Concat(regexes.Optional(regexes.Literal("-")), regexes.Repeat(regexes.Bytes(ByteSet.Range((byte)'0', (byte)'9')), Min + 1, Max is null ? null : Max + 1))),
            4 => builder.Choice(
                builder.Sequence(builder.Lexeme(regexes.Concat(quote, words, quote)), builder.Literal(":1")),
                builder.Sequence(builder.Lexeme(regexes.Concat(quote, regexes.And(regexes.Repeat(character), regexes.Not(words)), quote)), builder.Literal(":n"))),
            5 => builder.Sequence(builder.Lexeme(quote), builder.Repeat(builder.Lexeme(character), Min, Max), builder.Lexeme(quote)),
            6 => builder.Sequence(builder.Literal("["), builder.Repeat(builder.Sequence(Inner[0].Node(builder), builder.Lexeme(regexes.Concat(space, regexes.Literal(",")))), Min, Max), Inner[^1].Node(builder), builder.Literal("]")),
            7 => Nested(builder, space),
            _ => builder.Sequence(builder.Choice([.. Inner.Select(inner => inner.Node(builder))]), builder.Optional(builder.Sequence(builder.Lexeme(space), Inner[0].Node(builder)))),
        };
    }

    private GrammarNode Nested(GrammarBuilder builder, ByteRegex space)
    {
        var regexes = builder.Regexes;
        var rule = builder.Rule($"list{builder.Regexes.Count}-{Min}-{Words.Length}-{Guid(builder)}");
        var item = builder.Choice(Inner[0].Node(builder), rule);
        builder.Define(rule, builder.Sequence(
            builder.Lexeme(regexes.Concat(space, regexes.Literal("{"))),
            builder.Optional(builder.Sequence(item, builder.Repeat(builder.Sequence(builder.Literal(","), item)))),
            builder.Literal("}")));
        return rule;
    }

    /// <summary>A number no other rule of the builder has in its name.</summary>
    private static int Guid(GrammarBuilder builder)
    {
        var number = 0;
        while (builder.IsDefined($"used{number}")) number++;
        builder.Define(builder.Rule($"used{number}"), GrammarNode.Empty);
        return number;
    }
}
