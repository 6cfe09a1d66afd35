namespace Hadal.Inference.Grammars.Json;

/// <content>Opposites of value forms.</content>
internal sealed partial class FormAlgebra
{
    /// <summary>Values that are not in the form.</summary>
    /// <param name="a">The form.</param>
    /// <param name="name">What the schema calls it, for messages.</param>
    public ValueForm Not(ValueForm a, string name)
    {
        if (a.IsLoose)
        {
            _refuse(name, "its opposite is left out, since not all of it is enforced", "leave it out");
            return All with { IsLoose = true };
        }

        IReadOnlyList<ArrayForm> arrays = [_openArray];
        foreach (var shape in a.Arrays)
        {
            arrays = Product(arrays, Outside(shape, name), And);
        }

        IReadOnlyList<ObjectForm> objects = [_openObject];
        foreach (var shape in a.Objects)
        {
            objects = Product(objects, Outside(shape, name), And);
        }

        return new ValueForm(!a.Null, !a.False, !a.True, a.Numbers.Not(), a.Strings.Not(), arrays, objects);
    }

    /// <summary>Arrays that are not of a shape, as shapes that break one of its rules each.</summary>
    private List<ArrayForm> Outside(ArrayForm shape, string name)
    {
        if (shape.UniqueAt is { } place)
        {
            _refuse(place, $"the opposite of uniqueItems (in the opposite of {name}) cannot be enforced", "leave it out or ask for best effort");
            return [_openArray];
        }

        var outside = new List<ArrayForm>();
        for (var i = 0; i < shape.Prefix.Count; i++)
        {
            if (shape.Prefix[i].Kind != SchemaTermKind.True)
            {
                SchemaTerm[] prefix = [.. Enumerable.Repeat(_terms.True, i), _terms.Not(shape.Prefix[i])];
                outside.Add(_openArray with { Prefix = prefix, Min = i + 1 });
            }
        }

        if (shape.Rest.Kind == SchemaTermKind.False)
        {
            outside.Add(_openArray with { Min = shape.Prefix.Count + 1 });
        }
        else if (shape.Rest.Kind != SchemaTermKind.True)
        {
            outside.Add(_openArray with { Contains = [new ContainsForm(_terms.Not(shape.Rest), 1, null, shape.Prefix.Count) { Place = $"the opposite of {name}" }] });
        }

        if (shape.Min > 0)
        {
            outside.Add(_openArray with { Max = shape.Min - 1 });
        }

        if (shape.Max is { } max)
        {
            outside.Add(_openArray with { Min = max + 1 });
        }

        foreach (var contains in shape.Contains)
        {
            if (contains.Min > 0)
            {
                outside.Add(_openArray with { Contains = [contains with { Min = 0, Max = contains.Min - 1, Place = $"the opposite of {name}" }] });
            }

            if (contains.Max is { } most)
            {
                outside.Add(_openArray with { Contains = [contains with { Min = most + 1, Max = null, Place = $"the opposite of {name}" }] });
            }
        }

        return outside;
    }

    /// <summary>Objects that are not of a shape, as shapes that break one of its rules each.</summary>
    private List<ObjectForm> Outside(ObjectForm shape, string name)
    {
        var outside = new List<ObjectForm>();
        foreach (var property in shape.Named)
        {
            // Not there, or there with another value, is one shape.
            if (property.IsRequired || property.Value.Kind != SchemaTermKind.True)
            {
                outside.Add(_openObject with { Named = [property with { Value = _terms.Not(property.Value), IsRequired = !property.IsRequired }] });
            }
        }

        var names = _pool.Or(shape.Named.Select(p => Strings.AllSpellings(p.Name)).ToArray());
        foreach (var kind in shape.Others)
        {
            if (kind.Value.Kind != SchemaTermKind.True)
            {
                outside.Add(_openObject with { Some = [new KeyForm(_pool.And(kind.Keys, _pool.Not(names)), _terms.Not(kind.Value))], SomeAt = name });
            }
        }

        if (shape.Min > 0)
        {
            outside.Add(_openObject with { Max = shape.Min - 1 });
        }

        // Where all properties are named, one too many is one that is not named.
        var isClosed = shape.Others.All(k => k.Value.Kind == SchemaTermKind.False);
        if (shape.Max is { } max && !(isClosed && shape.Named.Count <= max))
        {
            outside.Add(_openObject with { Min = max + 1, MinAt = $"the opposite of {name}" });
        }

        foreach (var some in shape.Some)
        {
            outside.Add(_openObject with { Others = Split(_openObject.Others, some.Keys, _ => _terms.Not(some.Value)) });
        }

        return outside;
    }
}
