using System.Text.Json;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Works out what terms allow: each once, when asked.</summary>
internal sealed class SchemaExpander
{
    /// <summary>Schemas that lie within each other on the way to one form.</summary>
    private const int DepthMax = 150;

    private const int ExclusionDepthMax = 4;

    /// <summary>Values that are listed one by one.</summary>
    private const int ListedMax = 256;

    /// <summary>Listed values other than strings: each is compared with each.</summary>
    private const int OtherValuesMax = 32;

    private readonly Dictionary<int, ValueForm> _forms = [];
    private readonly Dictionary<int, bool> _empty = [];
    private readonly HashSet<int> _pending = [];
    private readonly HashSet<int> _pendingEmpty = [];
    private readonly SchemaReader _reader;
    private readonly ConstantForms _constants;
    private int _depth;

    public SchemaExpander(SchemaDocument document, RegexPool pool, JsonGrammarOptions options)
    {
        Document = document;
        Options = options;
        Terms = new SchemaTerms();
        var numbers = new NumberTexts(TextWriting.Utf8(pool));
        Algebra = new FormAlgebra(Terms, TextWriting.JsonString(pool), numbers, IsEmpty);
        _constants = new ConstantForms(Algebra, Terms, options.IntegersAsDigits);
        _reader = new SchemaReader(this, _constants);
    }

    public SchemaDocument Document { get; }

    public JsonGrammarOptions Options { get; }

    public SchemaTerms Terms { get; }

    public FormAlgebra Algebra { get; }

    /// <summary>Keywords that were left out, with their places; only in best effort.</summary>
    public List<string> Ignored { get; } = [];

    /// <summary>The values that a term allows.</summary>
    /// <exception cref="GrammarException">A schema refers to itself without anything in between, is malformed, or cannot be enforced.</exception>
    public ValueForm Expand(SchemaTerm term)
    {
        if (_forms.TryGetValue(term.Id, out var known))
        {
            return known;
        }

        if (!_pending.Add(term.Id))
        {
            throw new GrammarException($"JSON Schema, {term.Name}: refers to itself with nothing in between");
        }

        if (++_depth > DepthMax)
        {
            throw new GrammarException($"JSON Schema, {term.Name}: schemas lie within each other deeper than {DepthMax}");
        }

        try
        {
            var form = Work(term);
            _forms.Add(term.Id, form);
            return form;
        }
        catch (GrammarException fault) when (!fault.HasPlace)
        {
            throw fault.At(term.Name);
        }
        finally
        {
            _depth--;
            _pending.Remove(term.Id);
        }
    }

    /// <summary>Whether no value is allowed for sure. Where that is not known (a schema that contains itself), the answer is no.</summary>
    public bool IsEmpty(SchemaTerm term)
    {
        if (term.Kind is SchemaTermKind.True or SchemaTermKind.False or SchemaTermKind.Value)
        {
            return term.Kind == SchemaTermKind.False;
        }

        if (_empty.TryGetValue(term.Id, out var known))
        {
            return known;
        }

        if (_pending.Contains(term.Id) || _depth > DepthMax / 2 || !_pendingEmpty.Add(term.Id))
        {
            return false;
        }

        try
        {
            var isEmpty = IsEmpty(Expand(term));
            _empty.Add(term.Id, isEmpty);
            return isEmpty;
        }
        finally
        {
            _pendingEmpty.Remove(term.Id);
        }
    }

    /// <summary>The innermost part to blame where the whole schema allows nothing: one that must be there and allows nothing itself.</summary>
    public SchemaTerm InnermostEmpty()
    {
        var term = Algebra.FirstVoid ?? Terms.Schema(Document.Root);
        for (var depth = 0; depth < DepthMax; depth++)
        {
            var form = Expand(term);
            var needed = form.Objects.SelectMany(shape => shape.Named).Where(property => property.IsRequired).Select(property => property.Value)
                .Concat(form.Arrays.SelectMany(shape => Enumerable.Range(0, Math.Min(shape.Min, shape.Prefix.Count + 1)).Select(shape.At)));
            if (needed.FirstOrDefault(IsEmpty) is not { } inner)
            {
                break;
            }

            term = inner;
        }

        return term;
    }

    /// <summary>Whether no value of the one form can be in the other.</summary>
    public bool Excludes(ValueForm a, ValueForm b, int depth = 0)
    {
        var pool = Algebra.Strings.Pool;
        return !(a.Null && b.Null) && !(a.False && b.False) && !(a.True && b.True)
            && a.Numbers.Excludes(b.Numbers, Algebra.All.Numbers, pool)
            && a.Strings.Excludes(b.Strings, Algebra.AnyString, pool)
            && a.Arrays.All(x => b.Arrays.All(y => Excludes(x, y, depth)))
            && a.Objects.All(x => b.Objects.All(y => Excludes(x, y, depth)));
    }

    /// <summary>The values of a term that lists them, as terms that exclude each other; null where it does not, or has more than <paramref name="max"/>.</summary>
    public List<SchemaTerm>? ValuesOf(SchemaTerm term, int max)
    {
        var values = Listed(term, 0)?.Distinct().Where(v => !IsEmpty(Terms.And(term, v))).ToList();
        if (values is null || values.Count > max || values.Count(v => !IsText(v)) > OtherValuesMax)
        {
            return null;
        }

        for (var i = 0; i < values.Count; i++)
        {
            if (values.Skip(i + 1).Any(other => !(IsText(values[i]) && IsText(other) ? values[i].Value.GetString() != other.Value.GetString() : Excludes(Expand(values[i]), Expand(other)))))
            {
                return null;
            }
        }

        return values;
    }

    private static bool IsText(SchemaTerm value) => value.Value.ValueKind == JsonValueKind.String;

    private List<SchemaTerm>? Listed(SchemaTerm term, int depth)
    {
        switch (term.Kind)
        {
            case SchemaTermKind.Value:
                return [term];
            case SchemaTermKind.And:
                return term.Items.Select(i => Listed(i, depth)).FirstOrDefault(l => l is not null);
            case SchemaTermKind.Schema when depth < 8:
                var schema = term.Location!.Element;
                if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
                {
                    return values.GetArrayLength() > ListedMax ? null : values.EnumerateArray().Select(Terms.Value).ToList();
                }

                if (schema.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("boolean"u8))
                {
                    return [Terms.Value(JsonElement.Parse("false"u8)), Terms.Value(JsonElement.Parse("true"u8))];
                }

                return schema.TryGetProperty("$ref", out var reference) && reference.ValueKind == JsonValueKind.String
                    ? Listed(Terms.Schema(Document.Resolve(term.Location, ConstantForms.Text(reference, term.Location.At("$ref")), "$ref")), depth + 1)
                    : null;
            default:
                return null;
        }
    }

    private bool Excludes(ArrayForm a, ArrayForm b, int depth)
    {
        if (a.Min > b.Max || b.Min > a.Max)
        {
            return true;
        }

        for (var i = 0; i < Math.Min(Math.Max(a.Min, b.Min), Math.Max(a.Prefix.Count, b.Prefix.Count) + 1); i++)
        {
            if (Excludes(a.At(i), b.At(i), depth + 1))
            {
                return true;
            }
        }

        return false;
    }

    private bool Excludes(ObjectForm a, ObjectForm b, int depth)
    {
        if (a.Min > b.Max || b.Min > a.Max)
        {
            return true;
        }

        foreach (var property in a.Named)
        {
            var required = property.IsRequired || b.Property(property.Name) is { IsRequired: true };
            if (required && Excludes(property.Value, Algebra.ValueOf(b, property.Name), depth + 1))
            {
                return true;
            }
        }

        foreach (var property in b.Named)
        {
            if (property.IsRequired && a.Property(property.Name) is null && Excludes(Algebra.ValueOf(a, property.Name), property.Value, depth + 1))
            {
                return true;
            }
        }

        return false;
    }

    private bool Excludes(SchemaTerm a, SchemaTerm b, int depth)
    {
        if (a.Kind == SchemaTermKind.False || b.Kind == SchemaTermKind.False)
        {
            return true;
        }

        return depth <= ExclusionDepthMax && a.Kind != SchemaTermKind.True && b.Kind != SchemaTermKind.True && a != b
            && !_pending.Contains(a.Id) && !_pending.Contains(b.Id) && Excludes(Expand(a), Expand(b), depth);
    }

    private ValueForm Work(SchemaTerm term) => term.Kind switch
    {
        SchemaTermKind.True => Algebra.All,
        SchemaTermKind.False => Algebra.None,
        SchemaTermKind.Schema => _reader.Read(term.Location!),
        SchemaTermKind.Value => _constants.Of(term.Value),
        SchemaTermKind.And => term.Items.Aggregate(Algebra.All, (all, item) => Algebra.And(all, Expand(item))),
        SchemaTermKind.Or => term.Items.Aggregate(Algebra.None, (all, item) => Algebra.Or(all, Expand(item))),
        _ => Algebra.Not(Expand(term.Items[0])),
    };

    private bool IsEmpty(ValueForm form)
    {
        var pool = Algebra.Strings.Pool;
        return !form.Null && !form.False && !form.True && pool.IsNothing(form.Numbers.In) && pool.IsNothing(form.Strings.In)
            && form.Arrays.All(a => Enumerable.Range(0, Math.Min(a.Min, a.Prefix.Count + 1)).Any(i => IsEmpty(a.At(i))))
            && form.Objects.All(o => o.Named.Any(p => p.IsRequired && IsEmpty(p.Value)));
    }
}
