namespace Hadal.Inference.Grammars.Json;

/// <summary>A set of JSON values, type by type. Arrays and objects are unions of simple shapes.</summary>
internal sealed record ValueForm(bool Null, bool False, bool True, TextSet Numbers, TextSet Strings, IReadOnlyList<ArrayForm> Arrays, IReadOnlyList<ObjectForm> Objects)
{
    /// <summary>Whether a keyword was left out on the way, so that the form holds more than it should; its opposite would hold less.</summary>
    public bool IsLoose { get; init; }

    /// <summary>Whether the schema lists the numbers one by one.</summary>
    public bool NumbersAreListed { get; init; }
}

/// <summary>At least <paramref name="Min"/> and at most <paramref name="Max"/> of the items from index <paramref name="From"/> on satisfy a schema.</summary>
internal sealed record ContainsForm(SchemaTerm Item, int Min, int? Max, int From)
{
    /// <summary>What of the schema asks for it, for messages.</summary>
    public required string Place { get; init; }
}

/// <summary>Arrays of one shape: the first items have schemas of their own, the others share one.</summary>
internal sealed record ArrayForm
{
    /// <summary>Schemas of the first items.</summary>
    public required IReadOnlyList<SchemaTerm> Prefix { get; init; }

    /// <summary>Schema of the items behind them.</summary>
    public required SchemaTerm Rest { get; init; }

    public int Min { get; init; }

    public int? Max { get; init; }

    public IReadOnlyList<ContainsForm> Contains { get; init; } = [];

    /// <summary>Where <c>uniqueItems</c> asks that no two items are equal; null where nothing does.</summary>
    public string? UniqueAt { get; init; }

    /// <summary>How many first items a schema looked at (<c>unevaluatedItems</c> is for the others); <see cref="int.MaxValue"/> for all.</summary>
    public int Evaluated { get; init; }

    /// <summary>Items anywhere that <c>contains</c> looked at.</summary>
    public SchemaTerm? AlsoEvaluated { get; init; }

    /// <summary>Whether every array has this shape.</summary>
    public bool IsOpen => Prefix.Count == 0 && Rest.Kind == SchemaTermKind.True && Min == 0 && Max is null && Contains.Count == 0 && UniqueAt is null;

    /// <summary>Schema of the item at an index.</summary>
    public SchemaTerm At(int index) => index < Prefix.Count ? Prefix[index] : Rest;
}

/// <summary>A property that is named: its schema (<see cref="SchemaTermKind.False"/>: it must be absent), and whether it must be present.</summary>
internal sealed record PropertyForm(string Name, SchemaTerm Value, bool IsRequired)
{
    /// <summary>The schema that requires it, for messages.</summary>
    public string? RequiredAt { get; init; }

    /// <summary>What of the schema forbids it, for messages.</summary>
    public string? ForbiddenBy { get; init; }
}

/// <summary>Properties whose keys are of a kind, and their schema.</summary>
internal sealed record KeyForm(ByteRegex Keys, SchemaTerm Value);

/// <summary>Objects of one shape: named properties in an order, then others, told apart by their keys.</summary>
internal sealed record ObjectForm
{
    public required IReadOnlyList<PropertyForm> Named { get; init; }

    /// <summary>Kinds of keys that together are all keys and share none. A named key belongs to its property only.</summary>
    public required IReadOnlyList<KeyForm> Others { get; init; }

    public int Min { get; init; }

    public int? Max { get; init; }

    /// <summary>For each, at least one property that is not named has such a key and such a value.</summary>
    public IReadOnlyList<KeyForm> Some { get; init; } = [];

    /// <summary>The schema that <see cref="Some"/> is the opposite of, for messages.</summary>
    public string? SomeAt { get; init; }

    /// <summary>Where <see cref="Min"/> is asked: the keyword, or the schema whose opposite asks it.</summary>
    public string? MinAt { get; init; }

    /// <summary>What forbids properties that are not named, for messages.</summary>
    public string? ClosedBy { get; init; }

    /// <summary>Keys that a schema looked at (<c>unevaluatedProperties</c> is for the others).</summary>
    public ByteRegex Evaluated { get; init; }

    /// <summary>Whether every object has this shape.</summary>
    public bool IsOpen => Named.Count == 0 && Others is [{ Value.Kind: SchemaTermKind.True }] && Min == 0 && Max is null && Some.Count == 0;

    /// <summary>The property of that name; null where it is not named.</summary>
    public PropertyForm? Property(string name)
    {
        foreach (var property in Named)
        {
            if (property.Name == name)
            {
                return property;
            }
        }

        return null;
    }
}
