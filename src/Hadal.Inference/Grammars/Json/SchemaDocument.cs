using System.Globalization;
using System.Text.Json;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Editions of JSON Schema, in the order they came out.</summary>
internal enum SchemaDraft
{
    Draft4,
    Draft6,
    Draft7,
    Draft2019,
    Draft2020,
}

/// <summary>A schema with an address of its own: the document, or a part of it that has <c>$id</c>.</summary>
internal sealed record SchemaResource(Uri Address, JsonElement Root, string Pointer, SchemaDraft Draft)
{
    /// <summary>Parts that have names: name to pointer within the document.</summary>
    public Dictionary<string, string> Anchors { get; } = new(StringComparer.Ordinal);
}

/// <summary>A schema within the document.</summary>
internal sealed record SchemaLocation(JsonElement Element, string Pointer, SchemaResource Resource)
{
    /// <summary>Where the schema stands, for messages: a pointer as a fragment.</summary>
    public string Place => $"#{Pointer}";

    /// <summary>Where a keyword of this schema stands, for messages.</summary>
    public string At(string keyword) => $"#{Pointer}/{keyword}";
}

/// <summary>A JSON Schema with the addresses and names in it; references lead from part to part, never outside.</summary>
internal sealed class SchemaDocument
{
    /// <summary>Nesting of the JSON text.</summary>
    private const int DepthMax = 256;

    private static readonly Uri DefaultAddress = new("schema:///root");

    private static readonly string[] SchemaKeywords =
    [
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems",
        "unevaluatedProperties",
    ];

    private static readonly string[] MapKeywords = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

    private static readonly string[] ListKeywords = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

    private readonly Dictionary<string, SchemaResource> _byPointer = new(StringComparer.Ordinal);
    private readonly Dictionary<Uri, SchemaResource> _byAddress = [];
    private readonly SchemaResource _root;

    private SchemaDocument(JsonElement root)
    {
        _root = new SchemaResource(DefaultAddress, root, "", DraftOf(root) ?? SchemaDraft.Draft2020);
        _byPointer.Add("", _root);
        _byAddress.Add(DefaultAddress, _root);
        Index(root, "", _root);
        Root = new SchemaLocation(root, "", _byPointer[""]);
    }

    /// <summary>The whole schema.</summary>
    public SchemaLocation Root { get; }

    /// <summary>Whether <c>unevaluatedProperties</c> or <c>unevaluatedItems</c> stands anywhere, so that it matters which parts looked at what.</summary>
    public bool HasUnevaluated { get; private set; }

    /// <summary>Whether <c>nullable</c> of OpenAPI 3.0 counts: where no <c>$schema</c> says that the document is JSON Schema, to which the word means nothing.</summary>
    public bool AllowsNullable => DraftOf(_root.Root) is null;

    /// <summary>Names that <c>$dynamicAnchor</c> gives, with the number of schemas that have each.</summary>
    public Dictionary<string, int> DynamicAnchors { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether <c>$recursiveAnchor</c> stands anywhere.</summary>
    public bool HasRecursiveAnchor { get; private set; }

    /// <summary>Reads a schema.</summary>
    /// <exception cref="GrammarException">The text is not JSON, or nested too deeply.</exception>
    public static SchemaDocument Parse(ReadOnlySpan<byte> utf8)
    {
        try
        {
            var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = DepthMax, CommentHandling = JsonCommentHandling.Disallow });
            var root = JsonElement.ParseValue(ref reader);
            while (reader.Read())
            {
            }

            return new SchemaDocument(root);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw new GrammarException($"JSON Schema: the text is not valid JSON ({fault.Message.ReplaceLineEndings(" ")})", fault);
        }
    }

    /// <summary>The schema at a property of <paramref name="parent"/>, or deeper: each step is a key or an index.</summary>
    public SchemaLocation Child(SchemaLocation parent, JsonElement element, params ReadOnlySpan<string> steps)
    {
        var pointer = parent.Pointer;
        foreach (var step in steps)
        {
            pointer = Extend(pointer, step);
        }

        return new SchemaLocation(element, pointer, _byPointer.GetValueOrDefault(pointer) ?? parent.Resource);
    }

    /// <summary>The schema that a reference leads to.</summary>
    /// <exception cref="GrammarException">It leads outside of the document, or nowhere.</exception>
    public SchemaLocation Resolve(SchemaLocation from, string reference, string keyword)
    {
        var hash = reference.IndexOf('#', StringComparison.Ordinal);
        var address = hash < 0 ? reference : reference[..hash];
        var fragment = hash < 0 ? "" : Uri.UnescapeDataString(reference[(hash + 1)..]);
        var resource = from.Resource;
        if (address.Length > 0)
        {
            if (!TryJoin(resource.Address, address, out var target) || !_byAddress.TryGetValue(target, out resource))
            {
                throw new GrammarException($"JSON Schema, {from.At(keyword)}: '{Shown(reference)}' leads outside of the schema; include what it refers to under $defs");
            }
        }

        var found = Find(resource, fragment) ?? (resource == from.Resource && address.Length == 0 ? Find(_byPointer[""], fragment) : null);
        return found ?? throw new GrammarException($"JSON Schema, {from.At(keyword)}: '{Shown(reference)}' leads nowhere; expected the address of a part of the schema");
    }

    /// <summary>A key or index appended to a pointer (RFC 6901).</summary>
    public static string Extend(string pointer, string step) =>
        $"{pointer}/{step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    private SchemaLocation? Find(SchemaResource resource, string fragment)
    {
        if (fragment.Length == 0)
        {
            return new SchemaLocation(resource.Root, resource.Pointer, resource);
        }

        if (fragment[0] != '/')
        {
            return resource.Anchors.TryGetValue(fragment, out var pointer) ? Walk(_root, pointer) : null;
        }

        return Walk(resource, fragment);
    }

    private SchemaLocation? Walk(SchemaResource start, string pointer)
    {
        var (element, at, resource) = (start.Root, start.Pointer, start);
        foreach (var raw in pointer.Split('/').AsSpan(1))
        {
            var step = raw.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(step, out var member))
            {
                element = member;
            }
            else if (element.ValueKind == JsonValueKind.Array && int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                && index < element.GetArrayLength())
            {
                element = element[index];
            }
            else
            {
                return null;
            }

            at = Extend(at, step);
            resource = _byPointer.GetValueOrDefault(at) ?? resource;
        }

        return new SchemaLocation(element, at, resource);
    }

    private void Index(JsonElement schema, string pointer, SchemaResource resource)
    {
        if (schema.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        resource = Addressed(schema, pointer, resource);
        Name(schema, pointer, resource);
        foreach (var member in schema.EnumerateObject())
        {
            var at = Extend(pointer, member.Name);
            if (member.Value.ValueKind == JsonValueKind.Object && Array.IndexOf(SchemaKeywords, member.Name) >= 0)
            {
                Index(member.Value, at, resource);
            }
            else if (member.Value.ValueKind == JsonValueKind.Object && Array.IndexOf(MapKeywords, member.Name) >= 0)
            {
                foreach (var entry in member.Value.EnumerateObject())
                {
                    Index(entry.Value, Extend(at, entry.Name), resource);
                }
            }
            else if (member.Value.ValueKind == JsonValueKind.Array && Array.IndexOf(ListKeywords, member.Name) >= 0)
            {
                var index = 0;
                foreach (var entry in member.Value.EnumerateArray())
                {
                    Index(entry, Extend(at, (index++).ToString(CultureInfo.InvariantCulture)), resource);
                }
            }
        }
    }

    /// <summary>The resource that the schema belongs to: a new one where it has an address.</summary>
    private SchemaResource Addressed(JsonElement schema, string pointer, SchemaResource parent)
    {
        var draft = DraftOf(schema) ?? parent.Draft;
        if (!TryText(schema, draft == SchemaDraft.Draft4 ? "id" : "$id", out var id) || (draft <= SchemaDraft.Draft7 && pointer.Length > 0 && schema.TryGetProperty("$ref", out _)))
        {
            return parent;
        }

        if (id.StartsWith('#'))
        {
            if (draft <= SchemaDraft.Draft7)
            {
                parent.Anchors.TryAdd(id[1..], pointer);
            }

            return parent;
        }

        if (!TryJoin(parent.Address, id.Split('#')[0], out var address))
        {
            return parent;
        }

        var resource = new SchemaResource(address, schema, pointer, draft);
        _byPointer[pointer] = resource;
        _byAddress.TryAdd(address, resource);
        return resource;
    }

    private void Name(JsonElement schema, string pointer, SchemaResource resource)
    {
        if (resource.Draft < SchemaDraft.Draft2019)
        {
            return;
        }

        if (TryText(schema, "$anchor", out var anchor))
        {
            resource.Anchors.TryAdd(anchor, pointer);
        }

        if (TryText(schema, "$dynamicAnchor", out var dynamic))
        {
            resource.Anchors.TryAdd(dynamic, pointer);
            DynamicAnchors[dynamic] = DynamicAnchors.GetValueOrDefault(dynamic) + 1;
        }

        HasRecursiveAnchor |= schema.TryGetProperty("$recursiveAnchor", out _);
        HasUnevaluated |= schema.TryGetProperty("unevaluatedProperties", out _) || schema.TryGetProperty("unevaluatedItems", out _);
    }

    private static SchemaDraft? DraftOf(JsonElement schema)
    {
        if (!TryText(schema, "$schema", out var name))
        {
            return null;
        }

        foreach (var (mark, draft) in (ReadOnlySpan<(string, SchemaDraft)>)
            [("draft-03", SchemaDraft.Draft4), ("draft-04", SchemaDraft.Draft4), ("draft-05", SchemaDraft.Draft4), ("draft-06", SchemaDraft.Draft6), ("draft-07", SchemaDraft.Draft7), ("2019-09", SchemaDraft.Draft2019)])
        {
            if (name.Contains(mark, StringComparison.Ordinal))
            {
                return draft;
            }
        }

        return name.Contains("2020-12", StringComparison.Ordinal) ? SchemaDraft.Draft2020 : null;
    }

    private static bool TryText(JsonElement schema, string key, out string text)
    {
        text = "";
        if (schema.ValueKind != JsonValueKind.Object || !schema.TryGetProperty(key, out var value) || value.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        text = value.GetString()!;
        return true;
    }

    private static bool TryJoin(Uri start, string relative, out Uri joined)
    {
        var isJoined = Uri.TryCreate(start, relative, out var result) && result.IsAbsoluteUri;
        joined = result ?? start;
        return isJoined;
    }

    private static string Shown(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
