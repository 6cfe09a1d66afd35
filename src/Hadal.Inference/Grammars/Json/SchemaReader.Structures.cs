using System.Globalization;
using System.Text.Json;

namespace Hadal.Inference.Grammars.Json;

/// <content>Arrays, objects, conditions.</content>
internal sealed partial class SchemaReader
{
    private ValueForm Arrays(SchemaLocation at)
    {
        var draft = at.Resource.Draft;
        var shape = _algebra.OpenArray with { Min = Count(at, "minItems") ?? 0, Max = Count(at, "maxItems") };
        var prefix = new List<SchemaTerm>();
        if (at.Element.TryGetProperty("prefixItems", out var firsts) && draft >= SchemaDraft.Draft2020)
        {
            prefix = Schemas(at, "prefixItems", firsts);
        }

        if (at.Element.TryGetProperty("items", out var items))
        {
            if (items.ValueKind == JsonValueKind.Array)
            {
                prefix = Schemas(at, "items", items);
                if (at.Element.TryGetProperty("additionalItems", out var additional))
                {
                    shape = shape with { Rest = Schema(at, additional, "additionalItems"), Evaluated = int.MaxValue };
                }
            }
            else
            {
                shape = shape with { Rest = Schema(at, items, "items"), Evaluated = int.MaxValue };
            }
        }

        shape = shape with { Prefix = prefix, Evaluated = Math.Max(shape.Evaluated, prefix.Count) };
        if (IsTrue(at, "uniqueItems"))
        {
            shape = shape with { UniqueAt = at.At("uniqueItems") };
        }

        return _algebra.OnlyArrays(_algebra.Settled(Containing(at, shape)));
    }

    private ArrayForm Containing(SchemaLocation at, ArrayForm shape)
    {
        var draft = at.Resource.Draft;
        if (draft < SchemaDraft.Draft6 || !at.Element.TryGetProperty("contains", out var contains))
        {
            return shape;
        }

        var item = Schema(at, contains, "contains");
        var (min, max) = draft >= SchemaDraft.Draft2019 ? (Count(at, "minContains") ?? 1, Count(at, "maxContains")) : (1, null);
        return shape with
        {
            Contains = min == 0 && max is null ? [] : [new ContainsForm(item, min, max, 0) { Place = at.At("contains") }],
            AlsoEvaluated = draft >= SchemaDraft.Draft2020 ? item : null,
        };
    }

    private ValueForm Objects(SchemaLocation at)
    {
        var kinds = KindsOfKeys(at, out var patterns);
        var named = new List<PropertyForm>();
        var required = Required(at);
        var shape = _algebra.OpenObject with { Others = kinds, Min = Count(at, "minProperties") ?? 0, MinAt = at.At("minProperties"), Max = Count(at, "maxProperties") };
        if (at.Element.TryGetProperty("additionalProperties", out var rest) && rest.ValueKind == JsonValueKind.False)
        {
            shape = shape with { ClosedBy = $"additionalProperties at {at.Place}" };
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        if (at.Element.TryGetProperty("properties", out var properties))
        {
            foreach (var member in Members(at, "properties", properties))
            {
                var name = Name(member, at.At("properties"));
                if (seen.Add(name))
                {
                    properties.TryGetProperty(name, out var last);
                    var value = WithPatterns(Schema(at, last, "properties", name), name, patterns);
                    named.Add(new PropertyForm(name, value, required.Contains(name))
                    {
                        RequiredAt = required.Contains(name) ? at.Place : null,
                        ForbiddenBy = value.Kind == SchemaTermKind.False ? $"properties at {at.Place}" : null,
                    });
                }
            }
        }

        foreach (var name in required.Where(seen.Add))
        {
            named.Add(new PropertyForm(name, _algebra.ValueOf(shape, name), true) { RequiredAt = at.Place, ForbiddenBy = shape.ClosedBy });
        }

        return _algebra.OnlyObjects(shape with { Named = named, Evaluated = EvaluatedKeys(at, properties, patterns) });
    }

    private static List<string> Required(SchemaLocation at)
    {
        if (!at.Element.TryGetProperty("required", out var required))
        {
            return [];
        }

        if (required.ValueKind != JsonValueKind.Array || required.EnumerateArray().Any(i => i.ValueKind != JsonValueKind.String))
        {
            throw Malformed(at, "required", "an array of names", required);
        }

        return required.EnumerateArray().Select(i => ConstantForms.Text(i, at.At("required"))).Distinct().ToList();
    }

    /// <summary>Keys that are not named, by which patterns they match; what matches none has the schema of additional properties.</summary>
    private List<KeyForm> KindsOfKeys(SchemaLocation at, out List<KeyForm> patterns)
    {
        patterns = [];
        var additional = at.Element.TryGetProperty("additionalProperties", out var rest) ? Schema(at, rest, "additionalProperties") : _terms.True;
        var any = _algebra.Strings.AnyText;
        if (!at.Element.TryGetProperty("patternProperties", out var listed))
        {
            return [new KeyForm(any, additional)];
        }

        foreach (var member in Members(at, "patternProperties", listed))
        {
            var pattern = Name(member, at.At("patternProperties"));
            patterns.Add(new KeyForm(Pattern(at, "patternProperties", pattern), Schema(at, member.Value, "patternProperties", pattern)));
        }

        // The kinds carry the terms of their patterns; a first split by all patterns together keeps what no pattern matches apart.
        var matched = _pool.Or(patterns.Select(p => p.Keys).ToArray());
        IReadOnlyList<KeyForm> kinds = [new KeyForm(matched, _terms.True)];
        foreach (var pattern in patterns)
        {
            kinds = _algebra.Split(kinds, pattern.Keys, value => _terms.And(value, pattern.Value));
        }

        var others = _algebra.Strings.Complement(matched);
        return _pool.IsNothing(others) ? [.. kinds] : [.. kinds, new KeyForm(others, additional)];
    }

    private SchemaTerm WithPatterns(SchemaTerm value, string name, List<KeyForm> patterns)
    {
        var key = FormAlgebra.Spelling(name);
        foreach (var pattern in patterns)
        {
            if (_pool.IsMatch(pattern.Keys, key))
            {
                value = _terms.And(value, pattern.Value);
            }
        }

        return value;
    }

    private ByteRegex EvaluatedKeys(SchemaLocation at, JsonElement properties, List<KeyForm> patterns)
    {
        if (!_document.HasUnevaluated)
        {
            return ByteRegex.Nothing;
        }

        if (at.Element.TryGetProperty("additionalProperties", out _))
        {
            return _algebra.Strings.AnyText;
        }

        var keys = patterns.Select(p => p.Keys).ToList();
        if (properties.ValueKind == JsonValueKind.Object)
        {
            keys.AddRange(properties.EnumerateObject().Select(m => _algebra.Strings.AllSpellings(m.Name)));
        }

        return _pool.Or(keys.ToArray());
    }

    private ValueForm Conditional(SchemaLocation at, JsonElement condition)
    {
        var test = Schema(at, condition, "if");
        var then = at.Element.TryGetProperty("then", out var yes) ? Schema(at, yes, "then") : _terms.True;
        var otherwise = at.Element.TryGetProperty("else", out var no) ? Schema(at, no, "else") : _terms.True;
        if (then.Kind == SchemaTermKind.True && otherwise.Kind == SchemaTermKind.True && !_document.HasUnevaluated)
        {
            return _algebra.All;
        }

        return _algebra.Or(expander.Expand(_terms.And(test, then)), expander.Expand(_terms.And(_terms.Not(test), otherwise)));
    }

    private ValueForm PropertyNames(SchemaLocation at, JsonElement value)
    {
        // Outside is exact for strings; inside may leave out unusual spellings, which must not count as other keys.
        var allowed = expander.Expand(Schema(at, value, "propertyNames"));
        var names = _algebra.Strings.Complement(allowed.Strings.Out);
        var form = _algebra.OnlyObjects(_algebra.OpenObject with
        {
            Others = _algebra.Split([new KeyForm(_algebra.Strings.AnyText, _terms.False)], names, _ => _terms.True),
            ClosedBy = $"propertyNames at {at.Place}",
        });
        return form with { IsLoose = allowed.IsLoose };
    }

    private ValueForm Dependencies(SchemaLocation at, string keyword, JsonElement value)
    {
        var form = _algebra.All;
        var isLoose = false;
        foreach (var member in Members(at, keyword, value))
        {
            var name = Name(member, at.At(keyword));
            var absent = _algebra.OpenObject with { Named = [new PropertyForm(name, _terms.False, false)] };
            var present = _algebra.OpenObject with { Named = [new PropertyForm(name, _terms.True, true)] };
            IReadOnlyList<ObjectForm> then;
            if (member.Value.ValueKind is JsonValueKind.Array or JsonValueKind.String)
            {
                var texts = member.Value.ValueKind == JsonValueKind.String ? [member.Value] : member.Value.EnumerateArray().ToArray();
                var names = texts.Select(n => Text(at, keyword, n)).Where(n => n != name).Distinct();
                then = [present with { Named = [.. present.Named, .. names.Select(n => new PropertyForm(n, _terms.True, true))] }];
            }
            else
            {
                var needed = _algebra.And(_algebra.OnlyObjects(present), expander.Expand(Schema(at, member.Value, keyword, name)));
                isLoose |= needed.IsLoose;
                then = needed.Objects;
            }

            form = _algebra.And(form, _algebra.OnlyObjects([absent, .. then]));
        }

        return isLoose ? form with { IsLoose = true } : form;
    }

    private ValueForm UnevaluatedProperties(SchemaLocation at, ValueForm form, JsonElement value)
    {
        var rest = Schema(at, value, "unevaluatedProperties");
        var all = new List<ObjectForm>();
        foreach (var shape in form.Objects)
        {
            var others = _algebra.Split([new KeyForm(_algebra.Strings.AnyText, rest)], shape.Evaluated, _ => _terms.True);
            var narrowed = _algebra.And(_algebra.OnlyObjects(shape), _algebra.OnlyObjects(_algebra.OpenObject with { Others = others, Evaluated = _algebra.Strings.AnyText }));
            all.AddRange(narrowed.Objects);
        }

        return form with { Objects = all };
    }

    private ValueForm UnevaluatedItems(SchemaLocation at, ValueForm form, JsonElement value)
    {
        var rest = Schema(at, value, "unevaluatedItems");
        var all = new List<ArrayForm>();
        foreach (var shape in form.Arrays)
        {
            if (shape.Evaluated == int.MaxValue)
            {
                all.Add(shape);
                continue;
            }

            var others = shape.AlsoEvaluated is { } also ? _terms.Or(also, rest) : rest;
            var narrow = _algebra.OpenArray with { Prefix = Enumerable.Repeat(_terms.True, shape.Evaluated).ToList(), Rest = others, Evaluated = int.MaxValue };
            all.AddRange(_algebra.And(_algebra.OnlyArrays(shape), _algebra.OnlyArrays(narrow)).Arrays);
        }

        return form with { Arrays = all };
    }

    private List<SchemaTerm> Schemas(SchemaLocation at, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Malformed(at, keyword, "an array of schemas", value);
        }

        var schemas = new List<SchemaTerm>();
        foreach (var item in value.EnumerateArray())
        {
            schemas.Add(Schema(at, item, keyword, schemas.Count.ToString(CultureInfo.InvariantCulture)));
        }

        return schemas;
    }

    private static JsonElement.ObjectEnumerator Members(SchemaLocation at, string keyword, JsonElement value) =>
        value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Malformed(at, keyword, "an object", value);
}
