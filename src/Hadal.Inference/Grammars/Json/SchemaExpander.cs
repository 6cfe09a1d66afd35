using System.Text.Json;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Works out what terms allow: each once, when asked.</summary>
internal sealed class SchemaExpander
{
    /// <summary>Schemas that lie within each other on the way to one form.</summary>
    private const int DepthMax = 150;

    private const int ExclusionDepthMax = 4;

    /// <summary>Questions without an answer, since a schema contains itself: each is asked anew.</summary>
    private const int CyclesMax = 16;

    /// <summary>Values that are listed one by one.</summary>
    private const int ListedMax = 256;

    /// <summary>Listed values other than strings: each is compared with each.</summary>
    public const int OtherValuesMax = 32;

    private readonly Dictionary<int, ValueForm> _forms = [];
    private readonly Dictionary<int, bool> _empty = [];
    private readonly HashSet<int> _pending = [];
    private readonly HashSet<int> _pendingEmpty = [];
    private readonly SchemaReader _reader;
    private readonly ConstantForms _constants;
    private int _depth;
    private int _cycles;

    public SchemaExpander(SchemaDocument document, RegexPool pool, JsonGrammarOptions options)
    {
        Document = document;
        Options = options;
        Terms = new SchemaTerms();
        var numbers = new NumberTexts(TextWriting.Utf8(pool));
        Algebra = new FormAlgebra(Terms, TextWriting.JsonString(pool), numbers, IsEmpty, Refuse);
        _constants = new ConstantForms(Algebra, Terms, options.IntegersAsDigits);
        _reader = new SchemaReader(this, _constants);
    }

    public SchemaDocument Document { get; }

    public JsonGrammarOptions Options { get; }

    public SchemaTerms Terms { get; }

    public FormAlgebra Algebra { get; }

    /// <summary>Keywords that were left out, with their places; only in best effort.</summary>
    public List<string> Ignored { get; } = [];

    /// <summary>Notes once what is not enforced.</summary>
    public void Tell(string message)
    {
        if (!Ignored.Contains(message))
        {
            Ignored.Add(message);
        }
    }

    /// <summary>What cannot be enforced is refused; in best effort it is noted, and the caller leaves it out.</summary>
    /// <param name="place">Where it stands.</param>
    /// <param name="fault">What cannot be enforced, and why.</param>
    /// <param name="remedy">What the schema may say instead.</param>
    public void Refuse(string place, string fault, string remedy)
    {
        if (!Options.BestEffort)
        {
            throw new GrammarException($"JSON Schema, {place}: {fault}; {remedy}");
        }

        Tell($"JSON Schema, {place}: {fault}");
    }

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
            throw GrammarException.Cyclic(term.Name);
        }

        if (++_depth > DepthMax)
        {
            throw new GrammarException($"JSON Schema, {term.Name}: schemas lie within each other deeper than {DepthMax}");
        }

        try
        {
            var form = term.Kind == SchemaTermKind.Value ? Constant(term) : Work(term);
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

    /// <summary>One value; in best effort every value, where it cannot be written.</summary>
    private ValueForm Constant(SchemaTerm term)
    {
        try
        {
            return Work(term);
        }
        catch (GrammarException fault) when (Options.BestEffort && !fault.TablesAreFull)
        {
            Tell(fault.Message);
            return Algebra.All with { IsLoose = true };
        }
    }

    /// <summary>Whether it is only asked whether a term allows anything, so that no answer is one too.</summary>
    public bool IsProbing => _pendingEmpty.Count > 0;

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
            var isEmpty = IsNone(Expand(term));
            _empty.Add(term.Id, isEmpty);
            return isEmpty;
        }
        catch (GrammarException fault) when (fault.IsCyclic && _pending.Count > 0 && _cycles++ < CyclesMax)
        {
            // A part of it is being worked out; where that is a fault, whoever works it out finds it.
            return false;
        }
        finally
        {
            _pendingEmpty.Remove(term.Id);
        }
    }

    /// <summary>Why the whole schema allows nothing: the innermost part that must be there and allows nothing itself, and what of it leaves nothing.</summary>
    public (string Place, string Reason) WhyNothing()
    {
        const string Endless = "its keywords leave no value that must be there, or each value needs another of its kind within itself, without end";
        var term = Terms.Schema(Document.Root);
        for (var depth = 0; depth < DepthMax && term.Kind != SchemaTermKind.False && IsEmpty(term); depth++)
        {
            var (inner, reason) = Blame(term);
            if (inner is null || inner.Kind == SchemaTermKind.False || inner == term)
            {
                return (term.Name, reason ?? Endless);
            }

            term = inner;
        }

        return term.Kind == SchemaTermKind.False ? ("#", "the schema is false") : (term.Name, Endless);
    }

    /// <summary>The part of a term that leaves nothing of it, or why it allows nothing.</summary>
    private (SchemaTerm? Inner, string? Reason) Blame(SchemaTerm term)
    {
        var form = Expand(term);
        if (form.Arrays.Count + form.Objects.Count > 0)
        {
            var needed = form.Objects.SelectMany(shape => shape.Named).Where(property => property.IsRequired).Select(property => property.Value)
                .Concat(form.Arrays.SelectMany(shape => Enumerable.Range(0, Math.Min(shape.Min, shape.Prefix.Count + 1)).Select(shape.At)));
            var why = form.Objects.Select(FormAlgebra.WhyNothing).Concat(form.Arrays.Select(FormAlgebra.WhyNothing)).FirstOrDefault(reason => reason is not null);
            return why is null ? (needed.FirstOrDefault(IsEmpty), null) : (null, why);
        }

        Algebra.ClearVoid();
        var keyword = term.Kind == SchemaTermKind.Schema ? _reader.KeywordThatEmpties(term.Location!) : null;
        if (term.Kind == SchemaTermKind.And)
        {
            Work(term);
        }

        var left = keyword is null ? null : $"{keyword} leaves no value that the other keywords allow";
        return Algebra.FirstReason is { } first ? (null, first) : (Algebra.FirstVoid, left ?? (term.Kind == SchemaTermKind.And ? $"{term.Name} have no value in common" : null));
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

    /// <summary>The strings that a term allows at most; null where it does not list them.</summary>
    public HashSet<string>? StringsOf(SchemaTerm term) => Listed(term, 0) is { Count: > 0 } values && values.TrueForAll(IsText)
        ? values.Select(value => value.Value.GetString()!).ToHashSet(StringComparer.Ordinal)
        : null;

    private static bool IsText(SchemaTerm value)
    {
        try
        {
            return value.Value.ValueKind == JsonValueKind.String && value.Value.GetString() is not null;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair: told or refused where the value is read.
            return false;
        }
    }

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
                var isReferred = schema.TryGetProperty("$ref", out var reference) && reference.ValueKind == JsonValueKind.String;
                if (isReferred && term.Location.Resource.Draft <= SchemaDraft.Draft7)
                {
                    return Referred(term.Location, reference, depth);
                }

                if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
                {
                    return values.GetArrayLength() > ListedMax ? null : values.EnumerateArray().Select(Terms.Value).ToList();
                }

                if (schema.TryGetProperty("const", out var value) && term.Location.Resource.Draft >= SchemaDraft.Draft6)
                {
                    return [Terms.Value(value)];
                }

                if (schema.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("boolean"u8))
                {
                    return [Terms.Value(JsonElement.Parse("false"u8)), Terms.Value(JsonElement.Parse("true"u8))];
                }

                return isReferred ? Referred(term.Location, reference, depth) : null;
            default:
                return null;
        }
    }

    private List<SchemaTerm>? Referred(SchemaLocation from, JsonElement reference, int depth)
    {
        try
        {
            return Listed(Terms.Schema(Document.Resolve(from, ConstantForms.Text(reference, from.At("$ref")), "$ref")), depth + 1);
        }
        catch (GrammarException) when (Options.BestEffort)
        {
            // Told where the schema was read.
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
        _ => Algebra.Not(Expand(term.Items[0]), term.Items[0].Name),
    };

    /// <summary>Whether the form holds no value for sure.</summary>
    public bool IsNone(ValueForm form)
    {
        var pool = Algebra.Strings.Pool;
        return !form.Null && !form.False && !form.True && pool.IsNothing(form.Numbers.In) && pool.IsNothing(form.Strings.In)
            && form.Arrays.All(a => FormAlgebra.WhyNothing(a) is not null || Enumerable.Range(0, Math.Min(a.Min, a.Prefix.Count + 1)).Any(i => IsEmpty(a.At(i))))
            && form.Objects.All(o => FormAlgebra.WhyNothing(o) is not null || o.Named.Any(p => p.IsRequired && IsEmpty(p.Value)));
    }
}
