using System.Globalization;
using System.Text;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Intersection and union of value forms.</summary>
internal sealed partial class FormAlgebra
{
    /// <summary>Shapes of arrays or objects that one schema may come apart into.</summary>
    private const int ShapesMax = 2_000;

    private const int KeyKindsMax = 256;

    /// <summary>Steps of the grammar's budget that telling keys apart may take.</summary>
    private const long KeyStepsMax = 10_000_000;

    private readonly RegexPool _pool;
    private readonly SchemaTerms _terms;
    private readonly Func<SchemaTerm, bool> _isEmpty;
    private readonly Action<string, string, string> _refuse;
    private readonly ObjectForm _openObject;
    private readonly ArrayForm _openArray;
    private long _keySteps;

    /// <param name="terms">Parts of forms.</param>
    /// <param name="strings">How strings are written.</param>
    /// <param name="numbers">How numbers are written.</param>
    /// <param name="isEmpty">Whether a term allows nothing for sure.</param>
    /// <param name="refuse">Called with place, fault and remedy for what cannot be enforced. Where it returns, that is left out.</param>
    public FormAlgebra(SchemaTerms terms, TextWriting strings, NumberTexts numbers, Func<SchemaTerm, bool> isEmpty, Action<string, string, string> refuse)
    {
        (_pool, _terms, _isEmpty, _refuse, Strings, Numbers) = (strings.Pool, terms, isEmpty, refuse, strings, numbers);
        _openArray = new ArrayForm { Prefix = [], Rest = terms.True };
        _openObject = new ObjectForm { Named = [], Others = [new KeyForm(strings.AnyText, terms.True)] };
        AnyString = new TextSet(strings.AnyText, ByteRegex.Nothing);
        All = new ValueForm(true, true, true, numbers.All, AnyString, [_openArray], [_openObject]);
        None = new ValueForm(false, false, false, numbers.None, AnyString.Not(), [], []) { NumbersAreListed = true };
    }

    /// <summary>Every value.</summary>
    public ValueForm All { get; }

    /// <summary>No value.</summary>
    public ValueForm None { get; }

    /// <summary>Every string.</summary>
    public TextSet AnyString { get; }

    public TextWriting Strings { get; }

    public NumberTexts Numbers { get; }

    /// <summary>The first part that was found to allow nothing where it must be there.</summary>
    public SchemaTerm? FirstVoid { get; private set; }

    /// <summary>Why the first shape that holds nothing does; null where a part of it is to blame.</summary>
    public string? FirstReason { get; private set; }

    /// <summary>Forgets what was found to allow nothing.</summary>
    public void ClearVoid() => (FirstVoid, FirstReason) = (null, null);

    /// <summary>Every array: a start for narrower shapes.</summary>
    public ArrayForm OpenArray => _openArray;

    /// <summary>Every object: a start for narrower shapes.</summary>
    public ObjectForm OpenObject => _openObject;

    public ValueForm OnlyArrays(params IReadOnlyList<ArrayForm> arrays) => All with { Arrays = arrays };

    public ValueForm OnlyObjects(params IReadOnlyList<ObjectForm> objects) => All with { Objects = objects };

    /// <summary>Values of either.</summary>
    public ValueForm Or(ValueForm a, ValueForm b) => new(
        a.Null || b.Null,
        a.False || b.False,
        a.True || b.True,
        a.Numbers.Or(b.Numbers, _pool),
        a.Strings.Or(b.Strings, _pool),
        a.Arrays.Any(s => s.IsOpen) ? a.Arrays : Limited([.. a.Arrays, .. b.Arrays]),
        a.Objects.Any(s => s.IsOpen) ? a.Objects : Limited([.. a.Objects, .. b.Objects]))
    {
        IsLoose = a.IsLoose || b.IsLoose,
        NumbersAreListed = a.NumbersAreListed && b.NumbersAreListed,
    };

    /// <summary>Values of both.</summary>
    public ValueForm And(ValueForm a, ValueForm b)
    {
        if (ReferenceEquals(a, All))
        {
            return b;
        }

        return ReferenceEquals(b, All) ? a : new ValueForm(
            a.Null && b.Null,
            a.False && b.False,
            a.True && b.True,
            And(a.Numbers, b.Numbers, All.Numbers),
            And(a.Strings, b.Strings, AnyString),
            Product(a.Arrays, b.Arrays, And),
            Product(a.Objects, b.Objects, And))
        {
            IsLoose = a.IsLoose || b.IsLoose,
            NumbersAreListed = a.NumbersAreListed || b.NumbersAreListed,
        };
    }

    /// <summary>The intersection, without a term for it where one of the two is everything: intersections cost at every step of a mask.</summary>
    private TextSet And(TextSet a, TextSet b, TextSet all) => a == all ? b : b == all ? a : a.And(b, _pool);

    /// <summary>The term that a key's value has to satisfy in objects of a shape.</summary>
    public SchemaTerm ValueOf(ObjectForm shape, string name)
    {
        if (shape.Property(name) is { } property)
        {
            return property.Value;
        }

        if (shape.Others.Count == 1)
        {
            return shape.Others[0].Value;
        }

        var key = Spelling(name);
        foreach (var kind in shape.Others)
        {
            if (_pool.IsMatch(kind.Keys, key))
            {
                return kind.Value;
            }
        }

        return _terms.False;
    }

    /// <summary>A text as it stands inside a JSON string, in UTF-8.</summary>
    public static byte[] Spelling(string text)
    {
        var spelt = new StringBuilder(text.Length);
        foreach (var character in text)
        {
            if (character is '"' or '\\')
            {
                spelt.Append('\\').Append(character);
            }
            else if (character < ' ')
            {
                spelt.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            }
            else
            {
                spelt.Append(character);
            }
        }

        return Encoding.UTF8.GetBytes(spelt.ToString());
    }

    /// <summary>Kinds of keys split by one more set: within it, the value is narrowed.</summary>
    /// <exception cref="GrammarException">The sets overlap in too many ways, or telling whether they do takes too long.</exception>
    public IReadOnlyList<KeyForm> Split(IReadOnlyList<KeyForm> kinds, ByteRegex keys, Func<SchemaTerm, SchemaTerm> within)
    {
        var split = new List<KeyForm>(kinds.Count * 2);
        foreach (var kind in kinds)
        {
            if (_keySteps > KeyStepsMax)
            {
                throw new GrammarException($"JSON Schema: patterns of keys overlap in too many ways to be told apart within {KeyStepsMax} steps; anchor them (^…$) or give fewer");
            }

            var before = _pool.Steps.Left;
            var inside = kind.Keys == Strings.AnyText ? keys : _pool.And(kind.Keys, keys);
            if (!_pool.IsNothing(inside))
            {
                split.Add(new KeyForm(inside, within(kind.Value)));
            }

            var outside = _pool.And(kind.Keys, _pool.Not(keys));
            if (!_pool.IsNothing(outside))
            {
                split.Add(kind with { Keys = outside });
            }

            _keySteps += before - _pool.Steps.Left;
        }

        return split.Count <= KeyKindsMax ? split : throw new GrammarException($"JSON Schema: patterns of keys overlap in more than {KeyKindsMax} ways; anchor them (^…$) or give fewer");
    }

    private List<ArrayForm> And(ArrayForm a, ArrayForm b)
    {
        if (a.IsOpen && a.Evaluated == 0 && a.AlsoEvaluated is null)
        {
            return [b];
        }

        var prefix = new SchemaTerm[Math.Max(a.Prefix.Count, b.Prefix.Count)];
        for (var i = 0; i < prefix.Length; i++)
        {
            prefix[i] = _terms.And(a.At(i), b.At(i));
        }

        var shape = new ArrayForm
        {
            Prefix = prefix,
            Rest = _terms.And(a.Rest, b.Rest),
            Min = Math.Max(a.Min, b.Min),
            Max = Least(a.Max, b.Max),
            Contains = [.. a.Contains.Union(b.Contains)],
            UniqueAt = a.UniqueAt ?? b.UniqueAt,
            Evaluated = Math.Max(a.Evaluated, b.Evaluated),
            AlsoEvaluated = a.AlsoEvaluated is null ? b.AlsoEvaluated : b.AlsoEvaluated is null ? a.AlsoEvaluated : _terms.Or(a.AlsoEvaluated, b.AlsoEvaluated),
        };
        shape = Settled(shape);
        return IsVoid(shape) ? [] : [shape];
    }

    /// <summary>Without the conditions on some items that all items meet, or none can.</summary>
    public ArrayForm Settled(ArrayForm shape)
    {
        foreach (var contains in shape.Contains.Where(c => c.Max is null && c.From >= shape.Prefix.Count).ToList())
        {
            var others = shape.Contains.Where(c => c != contains).ToList();
            if (_isEmpty(_terms.And(shape.Rest, contains.Item)))
            {
                shape = shape with { Contains = others, Max = Least(shape.Max, contains.Min > 0 ? -1 : shape.Max) };
            }
            else if (_isEmpty(_terms.And(shape.Rest, _terms.Not(contains.Item))))
            {
                shape = shape with { Contains = others, Min = Math.Max(shape.Min, contains.From + contains.Min) };
            }
        }

        return shape;
    }

    private List<ObjectForm> And(ObjectForm a, ObjectForm b)
    {
        if (a.IsOpen && a.Evaluated == ByteRegex.Nothing)
        {
            return [b];
        }

        var named = new List<PropertyForm>(a.Named.Count + b.Named.Count);
        foreach (var property in a.Named)
        {
            var other = b.Property(property.Name);
            named.Add(Both(property, b, other));
        }

        foreach (var property in b.Named)
        {
            if (a.Property(property.Name) is null)
            {
                named.Add(Both(property, a, null) with { Value = _terms.And(ValueOf(a, property.Name), property.Value) });
            }
        }

        var shape = new ObjectForm
        {
            Named = named,
            Others = Others(a, b),
            Min = Math.Max(a.Min, b.Min),
            MinAt = a.Min >= b.Min ? a.MinAt : b.MinAt,
            Max = Least(a.Max, b.Max),
            Some = [.. a.Some.Union(b.Some)],
            SomeAt = a.SomeAt ?? b.SomeAt,
            ClosedBy = a.ClosedBy ?? b.ClosedBy,
            Evaluated = _pool.Or(a.Evaluated, b.Evaluated),
        };
        return shape.Some.Count == 0 ? (IsVoid(shape) ? [] : [shape]) : Fulfilled(shape, 0);
    }

    /// <summary>A property of one shape as it is in both.</summary>
    private PropertyForm Both(PropertyForm property, ObjectForm shape, PropertyForm? other)
    {
        var value = other?.Value ?? ValueOf(shape, property.Name);
        return new PropertyForm(property.Name, _terms.And(property.Value, value), property.IsRequired || other is { IsRequired: true })
        {
            RequiredAt = property.RequiredAt ?? other?.RequiredAt,
            ForbiddenBy = property.ForbiddenBy ?? (value.Kind != SchemaTermKind.False ? null : other is null ? shape.ClosedBy : other.ForbiddenBy),
        };
    }

    /// <summary>A property that must be among some keys may be one that is named: a shape for each, and one for the properties that are not named.</summary>
    private List<ObjectForm> Fulfilled(ObjectForm shape, int index)
    {
        if (IsVoid(shape))
        {
            return [];
        }

        if (index == shape.Some.Count)
        {
            return [shape];
        }

        var some = shape.Some[index];
        var without = shape with { Some = [.. shape.Some.Take(index), .. shape.Some.Skip(index + 1)] };
        var candidates = shape.Named.Where(p => p.Value.Kind != SchemaTermKind.False && _pool.IsMatch(some.Keys, Spelling(p.Name))).ToList();
        if (candidates.Exists(p => p.IsRequired && _terms.And(p.Value, some.Value) == p.Value))
        {
            return Fulfilled(without, index);
        }

        var shapes = new List<ObjectForm>();
        foreach (var candidate in candidates)
        {
            var chosen = candidate with { IsRequired = true, Value = _terms.And(candidate.Value, some.Value) };
            shapes.AddRange(Fulfilled(without with { Named = shape.Named.Select(p => p == candidate ? chosen : p).ToList() }, index));
        }

        var names = _pool.Or(candidates.Select(p => Strings.AllSpellings(p.Name)).ToArray());
        var keys = candidates.Count == 0 ? some.Keys : _pool.And(some.Keys, _pool.Not(names));
        if (shape.Others.Any(k => k.Value.Kind != SchemaTermKind.False && !_pool.IsNothing(_pool.And(k.Keys, keys))))
        {
            List<KeyForm> others = [.. shape.Some.Take(index), some with { Keys = keys }, .. shape.Some.Skip(index + 1)];
            shapes.AddRange(Fulfilled(shape with { Some = others }, index + 1));
        }

        return Limited(shapes);
    }

    private List<KeyForm> Others(ObjectForm a, ObjectForm b)
    {
        if (a.Others.Count == 1 && a.Others[0].Keys == Strings.AnyText)
        {
            return b.Others.Select(k => k with { Value = _terms.And(a.Others[0].Value, k.Value) }).ToList();
        }

        var kinds = a.Others;
        if (b.Others.Count == 1)
        {
            return kinds.Select(k => k with { Value = _terms.And(k.Value, b.Others[0].Value) }).ToList();
        }

        var all = new List<KeyForm>();
        foreach (var left in a.Others)
        {
            foreach (var right in b.Others)
            {
                var keys = _pool.And(left.Keys, right.Keys);
                if (!_pool.IsNothing(keys))
                {
                    all.Add(new KeyForm(keys, _terms.And(left.Value, right.Value)));
                }
            }
        }

        return all.Count <= KeyKindsMax ? all : throw new GrammarException($"JSON Schema: patterns of keys overlap in more than {KeyKindsMax} ways; anchor them (^…$) or give fewer");
    }

    private bool IsVoid(ArrayForm shape)
    {
        if (WhyNothing(shape) is { } reason)
        {
            FirstReason ??= reason;
            return true;
        }

        for (var i = 0; i < Math.Min(shape.Min, shape.Prefix.Count + 1); i++)
        {
            if (_isEmpty(shape.At(i)))
            {
                FirstVoid ??= shape.At(i);
                return true;
            }
        }

        return false;
    }

    private bool IsVoid(ObjectForm shape)
    {
        if (WhyNothing(shape) is { } reason)
        {
            FirstReason ??= reason;
            return true;
        }

        foreach (var property in shape.Named)
        {
            if (property.IsRequired && _isEmpty(property.Value))
            {
                FirstVoid ??= property.Value;
                return true;
            }
        }

        return false;
    }

    /// <summary>Why no array has the shape, as far as its counts tell; null where some may.</summary>
    public static string? WhyNothing(ArrayForm shape) => shape.Max < 0
        ? "an item that is needed is one that no item may be"
        : shape.Min > shape.Max ? string.Create(CultureInfo.InvariantCulture, $"at least {shape.Min} items are needed and at most {shape.Max} allowed") : null;

    /// <summary>Why no object has the shape, as far as names and counts tell; null where some may.</summary>
    public static string? WhyNothing(ObjectForm shape)
    {
        var needed = Math.Max(shape.Min, shape.Named.Count(p => p.IsRequired));
        if (needed > shape.Max)
        {
            return string.Create(CultureInfo.InvariantCulture, $"at least {needed} properties are needed and at most {shape.Max} allowed");
        }

        return shape.Named.FirstOrDefault(p => p.IsRequired && p.Value.Kind == SchemaTermKind.False) is { } property
            ? $"'{property.Name}' is required{(property.RequiredAt is { } at ? $" at {at}" : "")} and forbidden{(property.ForbiddenBy is { } by ? $" by {by}" : "")}"
            : null;
    }

    private static List<T> Product<T>(IReadOnlyList<T> left, IReadOnlyList<T> right, Func<T, T, List<T>> and)
    {
        var product = new List<T>();
        foreach (var a in left)
        {
            foreach (var b in right)
            {
                product.AddRange(and(a, b));
            }

            Limited(product);
        }

        return product;
    }

    private static List<T> Limited<T>(List<T> shapes) => shapes.Count <= ShapesMax
        ? shapes
        : throw new GrammarException($"JSON Schema: its alternatives combine to more than {ShapesMax} shapes; simplify anyOf, oneOf, not or if");

    private static int? Least(int? a, int? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);
}
