using System.Text.Json;

namespace Hadal.Inference.Grammars.Json;

/// <summary>What a <see cref="SchemaTerm"/> is.</summary>
internal enum SchemaTermKind
{
    True,
    False,

    /// <summary>A schema of the document.</summary>
    Schema,

    /// <summary>Exactly one value.</summary>
    Value,
    And,
    Or,
    Not,
}

/// <summary>A schema, a value, or a Boolean combination of them; equal terms are one object. What it allows is worked out when it is asked for.</summary>
internal sealed class SchemaTerm(int id, SchemaTermKind kind)
{
    public int Id { get; } = id;

    public SchemaTermKind Kind { get; } = kind;

    /// <summary>Of schemas.</summary>
    public SchemaLocation? Location { get; init; }

    /// <summary>Of values.</summary>
    public JsonElement Value { get; init; }

    /// <summary>Of combinations.</summary>
    public SchemaTerm[] Items { get; init; } = [];

    /// <summary>A name for the rule and for messages.</summary>
    public string Name => Kind switch
    {
        SchemaTermKind.Schema => $"#{Location!.Pointer}",
        SchemaTermKind.Value => "a value",
        SchemaTermKind.Not => $"not {Items[0].Name}",
        SchemaTermKind.And or SchemaTermKind.Or => Join(Kind == SchemaTermKind.And ? " and " : " or "),
        _ => Kind.ToString(),
    };

    private string Join(string word)
    {
        var names = string.Join(word, Items.Take(3).Select(i => i.Name));
        return names.Length > 300 ? names[..300] + "…" : names;
    }
}

/// <summary>Makes terms and keeps each once.</summary>
internal sealed class SchemaTerms
{
    /// <summary>Terms that one schema may lead to.</summary>
    private const int CountMax = 200_000;

    private readonly Dictionary<string, SchemaTerm> _byPointer = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaTerm> _byItems = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaTerm> _byValue = new(StringComparer.Ordinal);
    private int _count;

    public SchemaTerms()
    {
        True = new SchemaTerm(_count++, SchemaTermKind.True);
        False = new SchemaTerm(_count++, SchemaTermKind.False);
    }

    /// <summary>Every value.</summary>
    public SchemaTerm True { get; }

    /// <summary>No value.</summary>
    public SchemaTerm False { get; }

    /// <summary>A schema of the document; <c>true</c>, <c>false</c> and <c>{}</c> are constants.</summary>
    public SchemaTerm Schema(SchemaLocation location)
    {
        switch (location.Element.ValueKind)
        {
            case JsonValueKind.True:
                return True;
            case JsonValueKind.False:
                return False;
            case JsonValueKind.Object when !location.Element.EnumerateObject().Any():
                return True;
        }

        if (!_byPointer.TryGetValue(location.Pointer, out var term))
        {
            term = new SchemaTerm(Next(), SchemaTermKind.Schema) { Location = location };
            _byPointer.Add(location.Pointer, term);
        }

        return term;
    }

    /// <summary>One value.</summary>
    public SchemaTerm Value(JsonElement value)
    {
        var text = value.GetRawText();
        if (!_byValue.TryGetValue(text, out var term))
        {
            term = new SchemaTerm(Next(), SchemaTermKind.Value) { Value = value };
            _byValue.Add(text, term);
        }

        return term;
    }

    /// <summary>What all allow; the order is kept, since it decides the order of properties.</summary>
    public SchemaTerm And(params ReadOnlySpan<SchemaTerm> terms) => Combine(SchemaTermKind.And, terms, True, False);

    /// <summary>What any allows.</summary>
    public SchemaTerm Or(params ReadOnlySpan<SchemaTerm> terms) => Combine(SchemaTermKind.Or, terms, False, True);

    /// <summary>What the term does not allow. Stands in front of schemas and values only: De Morgan.</summary>
    public SchemaTerm Not(SchemaTerm term)
    {
        switch (term.Kind)
        {
            case SchemaTermKind.True:
                return False;
            case SchemaTermKind.False:
                return True;
            case SchemaTermKind.Not:
                return term.Items[0];
            case SchemaTermKind.And:
                return Or(term.Items.Select(Not).ToArray());
            case SchemaTermKind.Or:
                return And(term.Items.Select(Not).ToArray());
            default:
                return Kept($"!{term.Id}", SchemaTermKind.Not, [term]);
        }
    }

    private SchemaTerm Combine(SchemaTermKind kind, ReadOnlySpan<SchemaTerm> terms, SchemaTerm neutral, SchemaTerm absorbing)
    {
        var items = new List<SchemaTerm>(terms.Length);
        var seen = new HashSet<int>();
        foreach (var term in terms)
        {
            foreach (var item in term.Kind == kind ? term.Items : new[] { term })
            {
                if (item != neutral && seen.Add(item.Id))
                {
                    items.Add(item);
                }
            }
        }

        if (items.Contains(absorbing) || items.Exists(i => i.Kind == SchemaTermKind.Not && seen.Contains(i.Items[0].Id)))
        {
            return absorbing;
        }

        return items.Count switch
        {
            0 => neutral,
            1 => items[0],
            _ => Kept($"{(kind == SchemaTermKind.And ? '&' : '|')}{string.Join(',', items.Select(i => i.Id))}", kind, items),
        };
    }

    private SchemaTerm Kept(string key, SchemaTermKind kind, List<SchemaTerm> items)
    {
        if (!_byItems.TryGetValue(key, out var term))
        {
            term = new SchemaTerm(Next(), kind) { Items = [.. items] };
            _byItems.Add(key, term);
        }

        return term;
    }

    private int Next() => _count < CountMax ? _count++ : throw new GrammarException($"JSON Schema: its combinations lead to more than {CountMax} schemas; simplify it");
}
