using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary>The OpenAPI document that the server gives out, held against its answers: what occurs stands in it, statuses, headers, kinds of content and members.</summary>
internal sealed class ApiDocument
{
    /// <summary>Headers of HTTP itself, of every answer with a body or of every stream.</summary>
    private static readonly string[] Plain = ["Date", "Connection", "Transfer-Encoding", "Cache-Control", "X-Accel-Buffering", "X-Content-Type-Options"];

    private static readonly string[] Known = ["$ref", "oneOf", "anyOf", "type", "const", "enum", "properties", "required", "additionalProperties", "items", "description", "minimum", "maximum", "maxItems"];

    private readonly JsonElement _root;
    private readonly List<string> _prefixes;

    private ApiDocument(JsonElement root)
    {
        _root = root;
        _prefixes = [.. root.GetProperty("servers").EnumerateArray().Select(server => server.GetProperty("url").GetString()!.TrimEnd('/')).OrderByDescending(url => url.Length)];
    }

    /// <summary>The document of this build.</summary>
    public static ApiDocument Own { get; } = Read();

    /// <summary>Members that were found in answers, each with its place.</summary>
    public HashSet<string> Seen { get; } = [];

    /// <summary>Members that answers may have, each with its place.</summary>
    public HashSet<string> Members
    {
        get
        {
            var members = new HashSet<string>();
            foreach (var name in _root.GetProperty("components").GetProperty("schemas").EnumerateObject().Select(schema => schema.Name))
                if (!name.EndsWith("Request", StringComparison.Ordinal)) AddMembers(Schema(name), name, members);
            return members;
        }
    }

    /// <summary>The document, read anew: with an account of its own.</summary>
    public static ApiDocument Read()
    {
        using var stream = typeof(HadalServer).Assembly.GetManifestResourceStream("openapi.json")!;
        using var document = JsonDocument.Parse(stream);
        return new ApiDocument(document.RootElement.Clone());
    }

    /// <summary>Holds an answer against the document; one to a route that it does not have is nothing to it.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="body">Its body, or the data of one event of it; null where it was not read.</param>
    public void Check(HttpResponseMessage response, JsonElement? body)
    {
        var (method, path) = (response.RequestMessage!.Method.Method.ToLowerInvariant(), response.RequestMessage.RequestUri!.AbsolutePath);
        if (Find(path) is not { } routes || !routes.TryGetProperty(method, out var route)) return;
        var place = $"{method} {path}";
        Assert.True(route.GetProperty("responses").TryGetProperty(((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture), out var answer), $"{place}: {(int)response.StatusCode} is not in the document");
        answer = Resolved(answer);
        foreach (var header in response.Headers.Select(header => header.Key).Except(Plain, StringComparer.OrdinalIgnoreCase))
            Assert.True(answer.GetProperty("headers").EnumerateObject().Any(known => known.Name.Equals(header, StringComparison.OrdinalIgnoreCase)), $"{place}: the header {header} is not in the document");
        var mediaType = response.Content.Headers.ContentType!.MediaType!;
        Assert.True(answer.GetProperty("content").TryGetProperty(mediaType, out var content), $"{place}: {mediaType} is not in the document");
        if (body is not { } value) return;
        var seen = new List<string>();
        var faults = Faults(content.GetProperty("schema"), value, place, "", seen);
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        lock (Seen) Seen.UnionWith(seen);
    }

    private JsonElement? Find(string path)
    {
        foreach (var prefix in _prefixes.Where(prefix => path.StartsWith(prefix + "/", StringComparison.Ordinal)))
        {
            var rest = path[prefix.Length..];
            foreach (var known in _root.GetProperty("paths").EnumerateObject())
                if (known.Name == rest || (known.Name.EndsWith("/{id}", StringComparison.Ordinal) && rest.StartsWith(known.Name[..^4], StringComparison.Ordinal))) return known.Value;
        }

        return null;
    }

    private JsonElement Schema(string name) => _root.GetProperty("components").GetProperty("schemas").GetProperty(name);

    private JsonElement Resolved(JsonElement element)
    {
        while (element.TryGetProperty("$ref", out var reference))
            element = reference.GetString()!.Split('/').Skip(1).Aggregate(_root, (at, name) => at.GetProperty(name));
        return element;
    }

    /// <summary>What of a value does not stand in a schema.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="value">The value.</param>
    /// <param name="place">Where the value stands, for messages.</param>
    /// <param name="name">Where the schema stands.</param>
    /// <param name="seen">Gets the members found.</param>
    private List<string> Faults(JsonElement schema, JsonElement value, string place, string name, List<string> seen)
    {
        Assert.All(schema.EnumerateObject(), keyword => Assert.Contains(keyword.Name, Known));
        if (schema.TryGetProperty("$ref", out var reference)) return Faults(Resolved(schema), value, place, reference.GetString()!.Split('/')[^1], seen);
        if (schema.TryGetProperty("oneOf", out var alternatives)) return OneOf(alternatives, value, place, name, seen);
        if (schema.TryGetProperty("const", out var only)) return JsonElement.DeepEquals(only, value) ? [] : [$"{place}: expected {only}, found {value}"];
        if (schema.TryGetProperty("enum", out var words)) return words.EnumerateArray().Any(word => JsonElement.DeepEquals(word, value)) ? [] : [$"{place}: expected one of {words}, found {value}"];
        var type = value.ValueKind switch
        {
            JsonValueKind.True or JsonValueKind.False => "boolean",
            JsonValueKind.Number => schema.GetProperty("type").ToString().Contains("integer", StringComparison.Ordinal) && value.TryGetInt64(out _) ? "integer" : "number",
            var kind => kind.ToString().ToLowerInvariant(),
        };
        var types = schema.GetProperty("type");
        if (types.ValueKind == JsonValueKind.String ? types.GetString() != type : types.EnumerateArray().All(known => known.GetString() != type)) return [$"{place}: expected {types}, found {value}"];
        return type switch
        {
            "object" => Object(schema, value, place, name, seen),
            "array" when schema.TryGetProperty("items", out var items) => [.. value.EnumerateArray().SelectMany((item, index) => Faults(items, item, $"{place}[{index}]", name + "[]", seen))],
            "array" => value.GetArrayLength() <= schema.GetProperty("maxItems").GetInt32() ? [] : [$"{place}: expected an empty array"],
            _ => [],
        };
    }

    private List<string> OneOf(JsonElement alternatives, JsonElement value, string place, string name, List<string> seen)
    {
        List<string>? closest = null;
        foreach (var (alternative, index) in alternatives.EnumerateArray().Select((alternative, index) => (alternative, index)))
        {
            var own = new List<string>();
            var faults = Faults(alternative, value, place, FormattableString.Invariant($"{name}|{index}"), own);
            if (faults.Count == 0)
            {
                seen.AddRange(own);
                return faults;
            }

            if (closest is null || faults.Count < closest.Count) closest = faults;
        }

        return closest!;
    }

    private List<string> Object(JsonElement schema, JsonElement value, string place, string name, List<string> seen)
    {
        var faults = new List<string>();
        if (schema.TryGetProperty("required", out var required))
            faults.AddRange(required.EnumerateArray().Where(member => !value.TryGetProperty(member.GetString()!, out _)).Select(member => $"{place}: {member} is missing"));
        foreach (var member in value.EnumerateObject())
        {
            if (schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(member.Name, out var known))
            {
                seen.Add($"{name}.{member.Name}");
                faults.AddRange(Faults(known, member.Value, $"{place}.{member.Name}", $"{name}.{member.Name}", seen));
            }
            else if (!schema.TryGetProperty("additionalProperties", out var others)) faults.Add($"{place}.{member.Name} is not in the document");
            else if (others.ValueKind == JsonValueKind.Object) faults.AddRange(Faults(others, member.Value, $"{place}.{member.Name}", name + ".*", seen));
        }

        return faults;
    }

    private static void AddMembers(JsonElement schema, string name, HashSet<string> members)
    {
        if (schema.TryGetProperty("oneOf", out var alternatives))
            foreach (var (alternative, index) in alternatives.EnumerateArray().Select((alternative, index) => (alternative, index))) AddMembers(alternative, FormattableString.Invariant($"{name}|{index}"), members);
        if (schema.TryGetProperty("items", out var items)) AddMembers(items, name + "[]", members);
        if (!schema.TryGetProperty("properties", out var properties)) return;
        foreach (var member in properties.EnumerateObject())
        {
            members.Add($"{name}.{member.Name}");
            AddMembers(member.Value, $"{name}.{member.Name}", members);
        }
    }
}

/// <summary>Holds every answer that comes through it against the document. Of a stream its head only: what comes later is checked by whoever reads it.</summary>
internal sealed class DocumentedAnswers(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        if (response.Content.Headers.ContentType?.MediaType != "application/json")
        {
            ApiDocument.Own.Check(response, null);
            return response;
        }

        await response.Content.LoadIntoBufferAsync(cancellationToken);
        ApiDocument.Own.Check(response, JsonElement.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken)));
        return response;
    }
}
