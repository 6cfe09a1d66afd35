using System.Globalization;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Writes the grammar of JSON texts that a schema allows. White space stands in front of tokens, never behind.</summary>
internal sealed partial class JsonGrammarWriter
{
    /// <summary>Nodes that keeping count of properties or items may take for one shape.</summary>
    private const int CountedNodesMax = 20_000;

    /// <summary>Values of items of which no two may be equal.</summary>
    private const int UniqueValuesMax = 256;

    /// <summary>Optional properties in front of the first that is required, times all properties: up to here every possible first is written out.</summary>
    private const int FirstsMax = 600;

    private readonly SchemaExpander _expander;
    private readonly GrammarBuilder _builder;
    private readonly RegexPool _pool;
    private readonly TextWriting _strings;
    private readonly FormAlgebra _algebra;
    private readonly ByteRegex _beforeValue;
    private readonly ByteRegex _beforeMark;
    private readonly string _prefix;
    private int _counted;
    private readonly Dictionary<(int Term, bool IsRoot), GrammarNode> _values = [];
    private readonly Queue<(SchemaTerm Term, bool IsRoot, GrammarNode Rule)> _pending = [];

    /// <param name="expander">What the schema allows.</param>
    /// <param name="builder">Where the grammar is built.</param>
    /// <param name="prefix">What the names of the rules begin with.</param>
    public JsonGrammarWriter(SchemaExpander expander, GrammarBuilder builder, string prefix)
    {
        (_expander, _builder, _pool, _prefix) = (expander, builder, builder.Regexes, prefix);
        _algebra = expander.Algebra;
        _strings = _algebra.Strings;
        var options = expander.Options;
        var space = _pool.Bytes(ByteSet.Of(" \t\n\r"u8));
        _beforeValue = options.Whitespace switch
        {
            JsonWhitespace.Compact => ByteRegex.Empty,
            JsonWhitespace.Spaced => _pool.Optional(_pool.Literal(" "u8)),
            _ => _pool.Repeat(space, 0, options.WhitespaceMax),
        };
        _beforeMark = options.Whitespace == JsonWhitespace.Flexible ? _beforeValue : ByteRegex.Empty;
    }

    /// <summary>The texts that the schema allows, without white space around them.</summary>
    public GrammarNode Write()
    {
        var node = Value(_expander.Terms.Schema(_expander.Document.Root), isRoot: true);
        while (_pending.TryDequeue(out var next))
        {
            _builder.Define(next.Rule, Body(next.Term, next.IsRoot));
        }

        return node;
    }

    private GrammarNode Value(SchemaTerm term, bool isRoot = false)
    {
        if (!_values.TryGetValue((term.Id, isRoot), out var node))
        {
            node = _builder.Rule($"{_prefix}{term.Name} ({term.Id}{(isRoot ? ", root" : "")})");
            _values.Add((term.Id, isRoot), node);
            _pending.Enqueue((term, isRoot, node));
        }

        return node;
    }

    private GrammarNode Body(SchemaTerm term, bool isRoot)
    {
        try
        {
            return Options(term, isRoot);
        }
        catch (GrammarException fault) when (!fault.HasPlace)
        {
            throw fault.At(term.Name);
        }
    }

    private GrammarNode Options(SchemaTerm term, bool isRoot)
    {
        var form = _expander.Expand(term);
        var before = isRoot ? ByteRegex.Empty : _beforeValue;
        var options = new List<GrammarNode>();
        var words = new List<ByteRegex>();
        foreach (var (isIn, word) in (ReadOnlySpan<(bool, string)>)[(form.Null, "null"), (form.True, "true"), (form.False, "false")])
        {
            if (isIn)
            {
                words.Add(_pool.Literal(word));
            }
        }

        options.Add(_builder.Lexeme(_pool.Concat(before, _pool.Or(words.ToArray()))));
        var numbers = _expander.Options.Portable && !form.NumbersAreListed ? _algebra.Numbers.Short(form.Numbers.In) : form.Numbers.In;
        options.Add(_builder.Lexeme(_pool.Concat(before, numbers)));
        options.Add(_builder.Lexeme(_pool.Concat(before, Quoted(form.Strings.In))));
        foreach (var shape in form.Arrays)
        {
            options.Add(_builder.Sequence(_builder.Lexeme(_pool.Concat(before, _pool.Literal("["u8))), Array(shape)));
        }

        foreach (var shape in form.Objects)
        {
            options.Add(_builder.Sequence(_builder.Lexeme(_pool.Concat(before, _pool.Literal("{"u8))), Object(shape, term.Name)));
        }

        return _builder.Choice(options.ToArray());
    }

    private ByteRegex Quoted(ByteRegex content) => _pool.Concat(_pool.Literal("\""u8), content, _pool.Literal("\""u8));

    private GrammarNode Mark(string mark) => _builder.Lexeme(_pool.Concat(_beforeMark, _pool.Literal(mark)));

    /// <summary>The items and the closing bracket.</summary>
    private GrammarNode Array(ArrayForm shape)
    {
        if (FormAlgebra.WhyNothing(shape) is not null)
        {
            return GrammarNode.Nothing;
        }

        if (shape.UniqueAt is { } place && shape.Max is not (0 or 1))
        {
            if (UniqueArray(shape) is { } unique)
            {
                return unique;
            }

            _expander.Refuse(
                place,
                $"uniqueItems cannot be enforced unless the items are one of {UniqueValuesMax} values at most ({SchemaExpander.OtherValuesMax} of them no strings), since it needs a memory of all items",
                "leave it out or ask for best effort");
        }

        if (CountedArray.Enforced(_expander, shape) is { Count: > 0 } contains)
        {
            return new CountedArray(this, shape, contains).Write();
        }

        var max = shape.Max;
        for (var i = 0; i < Math.Min(shape.Prefix.Count, max ?? int.MaxValue); i++)
        {
            if (shape.Prefix[i].Kind == SchemaTermKind.False)
            {
                max = i;
            }
        }

        var count = Math.Min(shape.Prefix.Count, max ?? int.MaxValue);
        var close = Mark("]");
        var comma = Mark(",");

        // From the last item to the first: what may follow when that many items stand.
        var rest = Value(shape.Rest);
        var tailMin = Math.Max(0, shape.Min - count);
        var tail = shape.Rest.Kind == SchemaTermKind.False
            ? tailMin == 0 ? GrammarNode.Empty : GrammarNode.Nothing
            : Repeat(_builder.Sequence(comma, rest), count == 0 ? Math.Max(0, tailMin - 1) : tailMin, max - Math.Max(count, 1));
        if (count == 0)
        {
            var some = shape.Rest.Kind == SchemaTermKind.False || max == 0 ? GrammarNode.Nothing : _builder.Sequence(rest, tail, close);
            return shape.Min == 0 ? _builder.Choice(close, some) : some;
        }

        for (var i = count - 1; i >= 1; i--)
        {
            var next = _builder.Sequence(comma, Value(shape.Prefix[i]), tail);
            tail = i >= shape.Min ? _builder.Optional(next) : next;
        }

        var items = _builder.Sequence(Value(shape.Prefix[0]), tail, close);
        return shape.Min == 0 ? _builder.Choice(close, items) : items;
    }

    private GrammarNode Repeat(GrammarNode node, int min, int? max) => max < min ? GrammarNode.Nothing : _builder.Repeat(node, min, max);

    /// <summary>Arrays without equal items, where they have few values: each stands at most once. Null where they have not.</summary>
    private GrammarNode? UniqueArray(ArrayForm shape)
    {
        var values = shape.Prefix.Count == 0 && shape.Contains.Count == 0 ? _expander.ValuesOf(shape.Rest, UniqueValuesMax) : null;
        if (values is null)
        {
            return null;
        }

        var comma = Mark(",");
        var members = values.Select(value => Value(_expander.Terms.And(shape.Rest, value))).Select(item => (item, _builder.Sequence(comma, item), false));
        return _builder.Sequence(_builder.Members([.. members], [], shape.Min, shape.Max), Mark("]"));
    }

    /// <summary>The properties and the closing brace.</summary>
    private GrammarNode Object(ObjectForm shape, string place)
    {
        if (shape.Named.Any(p => p.IsRequired && p.Value.Kind == SchemaTermKind.False))
        {
            return GrammarNode.Nothing;
        }

        var named = shape.Named.Where(p => p.Value.Kind != SchemaTermKind.False).ToList();
        var others = shape.Others.Where(k => k.Value.Kind != SchemaTermKind.False).ToList();
        if (others.Count > 0)
        {
            var unnamed = _strings.UsualTextExcept(shape.Named.Select(p => p.Name));
            others = others.Select(k => k with { Keys = k.Keys == _strings.AnyText ? unnamed : _pool.And(k.Keys, unnamed) }).Where(k => !_pool.IsNothing(k.Keys)).ToList();
        }

        var required = named.Count(p => p.IsRequired);
        var min = Math.Max(0, shape.Min - required);
        RefuseWhatRepeatedNamesCheat(shape, others, min, place);

        if (_expander.Options.PropertyOrder == JsonPropertyOrder.Any && shape.Some.Count == 0 && named.Count + others.Count > 1 && (min <= 1 || others.Count > 0))
        {
            return _builder.Sequence(AnyOrder(shape, named, others), Mark("}"));
        }

        if (shape.Some.Count > 0 || (min > 0 && named.Count > required) || (shape.Max is { } max && (max < named.Count || named.Count > required)))
        {
            return new CountedObject(this, shape, named, others).Write();
        }

        var extra = _builder.Choice(others.Select(kind => Other(kind, isFirst: true)).ToArray());
        var next = _builder.Choice(others.Select(kind => Other(kind, isFirst: false)).ToArray());
        var tail = others.Count == 0
            ? min == 0 ? GrammarNode.Empty : GrammarNode.Nothing
            : Repeat(next, min, shape.Max - named.Count);
        var close = Mark("}");
        var end = _builder.Sequence(tail, close);

        var nexts = named.Select(p => p.IsRequired ? Property(p, isFirst: false) : _builder.Optional(Property(p, isFirst: false))).ToArray();

        // Nothing stands before the first property: every optional one up to the first required may be it.
        var first = named.FindIndex(p => p.IsRequired);
        var starts = first < 0 ? named.Count : first + 1;
        var isWrittenOut = (long)starts * named.Count <= FirstsMax;
        var options = new List<GrammarNode>();
        var following = new GrammarNode[named.Count + 1];
        following[named.Count] = end;
        for (var i = named.Count - 1; i >= 0 && !isWrittenOut; i--)
        {
            following[i] = _builder.Sequence(nexts[i], following[i + 1]);
        }

        for (var i = 0; i < starts; i++)
        {
            var rest = isWrittenOut ? _builder.Sequence([.. nexts.AsSpan(i + 1), end]) : following[i + 1];
            options.Add(_builder.Sequence(Property(named[i], isFirst: true), rest));
        }

        if (first < 0)
        {
            if (others.Count > 0)
            {
                options.Add(_builder.Sequence(extra, Repeat(next, Math.Max(0, min - 1), shape.Max - named.Count - 1), close));
            }

            if (min == 0)
            {
                options.Add(close);
            }
        }

        return _builder.Choice(options.ToArray());
    }

    private GrammarNode AnyOrder(ObjectForm shape, List<PropertyForm> named, List<KeyForm> others) => _builder.Members(
        [.. named.Select(property => (Property(property, isFirst: true), Property(property, isFirst: false), property.IsRequired))],
        [.. others.Select(kind => (Other(kind, isFirst: true), Other(kind, isFirst: false)))],
        shape.Min,
        shape.Max);

    /// <summary>
    /// A name that is free can be written twice, which is one property to most readers, with the last value. One property more than is required is
    /// there all the same; a second one, or one whose value matters, need not be.
    /// </summary>
    private void RefuseWhatRepeatedNamesCheat(ObjectForm shape, List<KeyForm> others, int min, string place)
    {
        const string Why = "cannot be enforced where names are free, since one of them can be written twice";
        const string Remedy = "name the properties and set additionalProperties to false, or ask for best effort";
        if (min > 1 && others.Count > 0)
        {
            var count = string.Create(CultureInfo.InvariantCulture, $"minProperties of {shape.Min}");
            var isKeyword = shape.MinAt?.StartsWith('#') == true;
            _expander.Refuse(isKeyword ? shape.MinAt! : place, $"{(isKeyword ? count : $"the opposite of maxProperties (a {count} in {shape.MinAt})")} {Why}", Remedy);
        }

        foreach (var some in shape.Some)
        {
            if (others.Exists(kind => !_pool.IsNothing(_pool.And(kind.Keys, some.Keys)) && IsCheated(kind.Value, _expander.Terms.And(kind.Value, some.Value))))
            {
                _expander.Refuse(place, $"the opposite of additionalProperties or patternProperties (in the opposite of {shape.SomeAt}) {Why}", Remedy);
            }
        }

        bool IsCheated(SchemaTerm all, SchemaTerm needed) => needed != all && !_expander.IsEmpty(needed);
    }

    /// <summary>A named property, with the comma in front unless it is the first.</summary>
    private GrammarNode Property(PropertyForm property, bool isFirst)
    {
        var key = _pool.Concat(_beforeValue, Quoted(_strings.UsualSpellings(property.Name)), _beforeMark, _pool.Literal(":"u8));
        var lead = isFirst ? key : _pool.Concat(_beforeMark, _pool.Literal(","u8), key);
        return _builder.Sequence(_builder.Lexeme(lead), Value(property.Value));
    }

    /// <summary>A property that is not named, with the comma in front unless it is the first.</summary>
    private GrammarNode Other(KeyForm kind, bool isFirst)
    {
        var comma = isFirst ? ByteRegex.Empty : _pool.Concat(_beforeMark, _pool.Literal(","u8));
        return _builder.Sequence(_builder.Lexeme(_pool.Concat(comma, _beforeValue, Quoted(kind.Keys), _beforeMark, _pool.Literal(":"u8))), Value(kind.Value));
    }
}
