using System.Text;
using CsCheck;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>A regular expression as a tree, with its meaning by definition.</summary>
internal abstract record RegexShape
{
    private static readonly string[] Alphabets = ["a", "b", "c", "ab", "bc", "abc", ""];

    public sealed record Letters(string Of) : RegexShape;

    public sealed record Joined(RegexShape First, RegexShape Second) : RegexShape;

    public sealed record Either(RegexShape First, RegexShape Second) : RegexShape;

    public sealed record Both(RegexShape First, RegexShape Second) : RegexShape;

    public sealed record Other(RegexShape Inner) : RegexShape;

    public sealed record Times(RegexShape Inner, int Min, int? Max) : RegexShape;

    /// <summary>Expressions over a, b and c without intersection and complement.</summary>
    public static Gen<RegexShape> Plain(int depth) => Any(depth, withSets: false);

    /// <summary>Expressions over a, b and c.</summary>
    public static Gen<RegexShape> All(int depth) => Any(depth, withSets: true);

    /// <summary>All strings of a, b and c up to a length.</summary>
    public static IEnumerable<string> Strings(int length) =>
        length == 0 ? [""] : Strings(length - 1).Concat(Strings(length - 1).Where(s => s.Length == length - 1).SelectMany(s => new[] { s + "a", s + "b", s + "c" }));

    public bool Matches(string text) => Matches(text, 0, text.Length);

    public ByteRegex In(RegexPool pool) => this switch
    {
        Letters letters => pool.Bytes(ByteSet.Of(Encoding.ASCII.GetBytes(letters.Of))),
        Joined joined => pool.Concat(joined.First.In(pool), joined.Second.In(pool)),
        Either either => pool.Or(either.First.In(pool), either.Second.In(pool)),
        Both both => pool.And(both.First.In(pool), both.Second.In(pool)),
        Other other => pool.Not(other.Inner.In(pool)),
        Times times => pool.Repeat(times.Inner.In(pool), times.Min, times.Max),
        _ => throw new InvalidOperationException(),
    };

    /// <summary>The pattern as .NET writes it; intersection and complement have none.</summary>
    public string Pattern() => this switch
    {
        Letters letters => letters.Of.Length == 0 ? "(?!)" : $"[{letters.Of}]",
        Joined joined => joined.First.Pattern() + joined.Second.Pattern(),
        Either either => $"(?:{either.First.Pattern()}|{either.Second.Pattern()})",
        Times times => $"(?:{times.Inner.Pattern()}){{{times.Min},{times.Max}}}",
        _ => throw new InvalidOperationException(),
    };

    private static Gen<RegexShape> Any(int depth, bool withSets)
    {
        var letters = Gen.Int[0, Alphabets.Length - 1].Select(index => (RegexShape)new Letters(Alphabets[index]));
        if (depth == 0) return letters;
        var inner = Any(depth - 1, withSets);
        var pair = Gen.Select(inner, inner);
        var times = Gen.Select(inner, Gen.Int[0, 3], Gen.Int[0, 4]).Select((of, min, more) => (RegexShape)new Times(of, min, more == 4 ? null : min + more));
        var joined = pair.Select((first, second) => (RegexShape)new Joined(first, second));
        var either = pair.Select((first, second) => (RegexShape)new Either(first, second));
        var both = pair.Select((first, second) => (RegexShape)new Both(first, second));
        var other = inner.Select(of => (RegexShape)new Other(of));
        return withSets
            ? Gen.OneOf(letters, letters, joined, joined, joined, either, either, times, times, both, other)
            : Gen.OneOf(letters, letters, joined, joined, joined, either, either, times, times);
    }

    private bool Matches(string text, int start, int end) => this switch
    {
        Letters letters => end == start + 1 && letters.Of.Contains(text[start]),
        Joined joined => Enumerable.Range(start, end - start + 1).Any(middle => joined.First.Matches(text, start, middle) && joined.Second.Matches(text, middle, end)),
        Either either => either.First.Matches(text, start, end) || either.Second.Matches(text, start, end),
        Both both => both.First.Matches(text, start, end) && both.Second.Matches(text, start, end),
        Other other => !other.Inner.Matches(text, start, end),
        Times times => times.Repeated(text, start, end, 0),
        _ => throw new InvalidOperationException(),
    };

    private bool Repeated(string text, int start, int end, int count)
    {
        var times = (Times)this;
        if (start == end && (count >= times.Min || times.Inner.Matches(text, end, end))) return true;
        if (count == times.Max) return false;
        for (var middle = start + 1; middle <= end; middle++)
            if (times.Inner.Matches(text, start, middle) && Repeated(text, middle, end, count + 1)) return true;
        return false;
    }
}
