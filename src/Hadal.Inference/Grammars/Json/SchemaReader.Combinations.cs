using System.Text.Json;

namespace Hadal.Inference.Grammars.Json;

/// <content>allOf, anyOf and oneOf.</content>
internal sealed partial class SchemaReader
{
    /// <summary>Schemas of one anyOf or oneOf.</summary>
    private const int OptionsMax = 2_000;

    /// <summary>Pairs of alternatives of one oneOf that are compared as a whole: each with each of 300.</summary>
    private const int ComparisonsMax = 90_000;

    /// <summary>Constants that are taken together, as <c>enum</c> would list them.</summary>
    private const int ConstantsMin = 32;

    private ValueForm Combination(SchemaLocation at, string keyword, JsonElement value)
    {
        if (keyword != "allOf" && at.Resource.Draft >= SchemaDraft.Draft6 && value.ValueKind == JsonValueKind.Array && value.GetArrayLength() >= ConstantsMin
            && ConstantForms.Constants(value, mustDiffer: keyword == "oneOf") is { } listed)
        {
            return constants.Of(listed, at.At(keyword));
        }

        var schemas = Schemas(at, keyword, value);
        if (schemas.Count == 0)
        {
            throw Malformed(at, keyword, "at least one schema", value);
        }

        if (keyword == "allOf")
        {
            return schemas.Aggregate(_algebra.All, (all, schema) => _algebra.And(all, expander.Expand(schema)));
        }

        if (schemas.Count > OptionsMax)
        {
            throw new GrammarException($"JSON Schema, {at.At(keyword)}: {schemas.Count} schemas; up to {OptionsMax} can be enforced");
        }

        var forms = schemas.Select(expander.Expand).ToList();
        return keyword == "anyOf" ? AnyOf(at, forms) : OneOf(at, schemas, forms);
    }

    private ValueForm AnyOf(SchemaLocation at, List<ValueForm> forms)
    {
        if (!_document.HasUnevaluated || forms.Count == 1)
        {
            return Union(forms);
        }

        // What a schema looked at depends on which alternatives hold together, so each set of them is a case of its own.
        if (forms.Count > 5)
        {
            throw new GrammarException($"JSON Schema, {at.At("anyOf")}: more than 5 alternatives in a schema with unevaluatedProperties or unevaluatedItems");
        }

        var all = _algebra.None;
        for (var set = (1 << forms.Count) - 1; set > 0; set--)
        {
            var chosen = _algebra.All;
            for (var i = 0; i < forms.Count; i++)
            {
                chosen = (set >> i & 1) == 1 ? _algebra.And(chosen, forms[i]) : chosen;
            }

            all = new ValueForm(
                all.Null || chosen.Null, all.False || chosen.False, all.True || chosen.True, all.Numbers.Or(chosen.Numbers, _pool), all.Strings.Or(chosen.Strings, _pool),
                [.. all.Arrays, .. chosen.Arrays], [.. all.Objects, .. chosen.Objects])
            {
                IsLoose = all.IsLoose || chosen.IsLoose,
                NumbersAreListed = all.NumbersAreListed && chosen.NumbersAreListed,
            };
        }

        return all;
    }

    /// <summary>Exactly one: each alternative without the others, as far as they could overlap.</summary>
    private ValueForm OneOf(SchemaLocation at, List<SchemaTerm> schemas, List<ValueForm> forms)
    {
        var marks = schemas.Zip(forms, Marks).ToList();
        var alternatives = new List<ValueForm>(forms.Count);
        var compared = 0;
        for (var i = 0; i < forms.Count; i++)
        {
            var only = forms[i];
            for (var k = 0; k < forms.Count; k++)
            {
                if (k == i || AreApart(marks[i], marks[k]))
                {
                    continue;
                }

                if (++compared > ComparisonsMax)
                {
                    throw new GrammarException($"JSON Schema, {at.At("oneOf")}: {forms.Count} alternatives that no required constant tells apart; up to 300 can be enforced");
                }

                if (!expander.Excludes(only, forms[k]))
                {
                    only = _algebra.And(only, _algebra.Not(forms[k], $"alternative {k} of {at.At("oneOf")}"));
                }
            }

            alternatives.Add(only);
        }

        return Union(alternatives);
    }

    /// <summary>The strings that an alternative lists: those of required properties by their names, and those that it is itself, by the empty name with a NUL.</summary>
    private Dictionary<string, HashSet<string>> Marks(SchemaTerm schema, ValueForm form)
    {
        var marks = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        if (expander.StringsOf(schema) is { } values)
        {
            marks.Add("\0", values);
        }

        var isObject = form is { Null: false, False: false, True: false, Arrays: [], Objects: [_] } && form.Numbers.In == ByteRegex.Nothing && form.Strings.In == ByteRegex.Nothing;
        foreach (var property in isObject ? form.Objects[0].Named : [])
        {
            if (property.IsRequired && expander.StringsOf(property.Value) is { } constants)
            {
                marks[property.Name] = constants;
            }
        }

        return marks;
    }

    private static bool AreApart(Dictionary<string, HashSet<string>> a, Dictionary<string, HashSet<string>> b)
    {
        foreach (var (name, values) in a)
        {
            if (b.TryGetValue(name, out var others) && !values.Overlaps(others))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What any of the forms holds. Halves are put together, so that long unions are not copied for each alternative.</summary>
    private ValueForm Union(List<ValueForm> forms) => forms.Count switch
    {
        0 => _algebra.None,
        1 => forms[0],
        _ => _algebra.Or(Union(forms[..(forms.Count / 2)]), Union(forms[(forms.Count / 2)..])),
    };
}
