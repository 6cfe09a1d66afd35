using System.Buffers;
using System.Text.Json;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">JSON Schema of its arguments, which are an object.</param>
/// <param name="IsStrict">Whether arguments of a free call must follow the schema.</param>
internal sealed record ChatTool(string Name, string Parameters, bool IsStrict);

/// <summary>What a request says about tools.</summary>
/// <param name="Rendered">The array as the template gets it, or null for none.</param>
/// <param name="Callable">The tools that may be called.</param>
/// <param name="MustCall">Whether the answer is a call of one of them.</param>
/// <param name="Parallel">Whether there may be several calls.</param>
internal sealed record ChatTools(JsonElement? Rendered, IReadOnlyList<ChatTool> Callable, bool MustCall, bool Parallel)
{
    private const int MaxTools = 128;

    /// <summary>What a tool that names no parameters takes.</summary>
    private const string NoParameters = """{"type":"object","properties":{},"additionalProperties":false}""";

    /// <summary>No tools at all.</summary>
    public static ChatTools None { get; } = new(null, [], MustCall: false, Parallel: false);

    /// <summary>What schemas of arguments ask and calls need not keep, because their tools are not strict.</summary>
    public IReadOnlyList<string> NotEnforced { get; private init; } = [];

    /// <summary>Whether a free answer may call.</summary>
    public bool MayCall => Callable.Count > 0 && !MustCall;

    /// <summary>Reads <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>.</summary>
    public static async Task<ChatTools> ReadAsync(RequestReader request, ServedModel model, CancellationToken cancel)
    {
        request.Refuse("functions", "use tools", "[]");
        request.Refuse("function_call", "use tool_choice");
        var parallel = request.Flag("parallel_tool_calls") ?? true;
        var list = request.List("tools", MaxTools) ?? [];
        var choice = request.Take("tool_choice");
        if (list.Count == 0)
        {
            if (choice is { } asked && !(asked.ValueKind == JsonValueKind.String && asked.GetString() is "none" or "auto"))
                throw ApiException.Invalid("tool_choice", "tool_choice: expected only with tools");
            return None;
        }

        if (model.Format.Tools is null) throw ApiException.Invalid("tools", "tools: this model's chat template writes no calls in a form that is known here", "unsupported_parameter");
        var tools = new List<ChatTool>();
        for (var i = 0; i < list.Count; i++) tools.Add(ReadTool(list[i], FormattableString.Invariant($"tools[{i}]")));
        if (tools.GroupBy(tool => tool.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw ApiException.Invalid("tools", $"tools: '{twice.Key}' is the name of two");
        var chosen = Choose(choice, tools, Whole(list, model.TemplateReads("description"))) with { Parallel = parallel };

        // What cannot be kept is refused before anything is generated.
        var notEnforced = new List<string>();
        foreach (var tool in chosen.Callable)
        {
            var arguments = await ChatAnswer.ArgumentsOfAsync(tool, cancel).ConfigureAwait(false);
            notEnforced.AddRange(arguments.NotEnforced.Select(sentence => $"tool '{tool.Name}': {sentence}"));
        }

        return chosen with { NotEnforced = notEnforced };
    }

    private static ChatTools Choose(JsonElement? choice, List<ChatTool> tools, JsonElement rendered)
    {
        if (choice is { ValueKind: JsonValueKind.Object } named)
        {
            var reader = new RequestReader(named, "tool_choice");
            if (reader.Word("type", "function", "allowed_tools") == "allowed_tools") return Allowed(reader, tools, rendered);
            var function = reader.Inner("function") ?? throw reader.Missing("function");
            var name = function.RequiredText("name");
            function.End();
            reader.End();
            return new ChatTools(rendered, [Find(tools, name)], MustCall: true, Parallel: false);
        }

        if (choice is { ValueKind: not JsonValueKind.String } other) throw ApiException.Invalid("tool_choice", $"tool_choice: expected none, auto, required or an object, found {other.ValueKind}");
        return choice?.GetString() switch
        {
            null or "auto" => new ChatTools(rendered, tools, MustCall: false, Parallel: true),
            "required" => new ChatTools(rendered, tools, MustCall: true, Parallel: false),
            "none" => new ChatTools(rendered, [], MustCall: false, Parallel: false),
            _ => throw ApiException.Invalid("tool_choice", "tool_choice: expected none, auto, required, or an object that names a function"),
        };
    }

    private static ChatTools Allowed(RequestReader choice, List<ChatTool> tools, JsonElement rendered)
    {
        var allowed = choice.Inner("allowed_tools") ?? throw choice.Missing("allowed_tools");
        var mode = allowed.Word("mode", "auto", "required");
        var chosen = (allowed.List("tools", MaxTools) ?? []).Select((item, index) => Find(tools, NameOf(item, index))).ToList();
        allowed.End();
        choice.End();
        if (mode == "required" && chosen.Count == 0)
            throw ApiException.Invalid("tool_choice.allowed_tools.tools", "tool_choice.allowed_tools.tools: expected at least one tool where one must be called");
        return new ChatTools(rendered, chosen, MustCall: mode == "required", Parallel: mode != "required");

        static string NameOf(JsonElement item, int index)
        {
            var tool = new RequestReader(item, FormattableString.Invariant($"tool_choice.allowed_tools.tools[{index}]"));
            tool.Word("type", "function");
            var function = tool.Inner("function") ?? throw tool.Missing("function");
            var name = function.RequiredText("name");
            function.End();
            tool.End();
            return name;
        }
    }

    private static ChatTool Find(List<ChatTool> tools, string name) =>
        tools.Find(tool => tool.Name == name) ?? throw ApiException.Invalid("tool_choice", $"tool_choice: there is no tool '{name}'");

    private static ChatTool ReadTool(JsonElement element, string place)
    {
        var tool = new RequestReader(element, place);
        if (tool.RequiredText("type") is not "function") throw ApiException.Invalid($"{place}.type", $"{place}.type: expected function, which is all this server calls", "unsupported_parameter");
        var function = tool.Inner("function") ?? throw tool.Missing("function");
        var name = function.RequiredText("name");
        if (name.Length is 0 or > 64 || name.Any(unit => !char.IsAsciiLetterOrDigit(unit) && unit is not ('_' or '-')))
            throw ApiException.Invalid($"{place}.function.name", $"{place}.function.name: expected 1 to 64 letters, digits, '_' and '-'");
        function.Text("description", 65536);
        var parameters = function.Take("parameters");
        if (parameters is { ValueKind: not JsonValueKind.Object } other) throw function.Fault("parameters", "an object", other);
        var schema = parameters is { } asked ? OfObjects(asked, function.PathOf("parameters")) : NoParameters;
        var isStrict = function.Flag("strict") ?? false;
        function.End();
        tool.End();
        return new ChatTool(name, schema, isStrict);
    }

    /// <summary>The tools as templates expect them, which ask for parameters and, where they do so by name, for a description: a missing one means none.</summary>
    /// <param name="tools">Checked tools.</param>
    /// <param name="needsDescriptions">Whether the template asks for the description by name.</param>
    internal static JsonElement Whole(IReadOnlyList<JsonElement> tools, bool needsDescriptions)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonBody.Options))
        {
            json.WriteStartArray();
            foreach (var tool in tools)
            {
                json.WriteStartObject();
                foreach (var member in tool.EnumerateObject())
                    if (member.Name == "function") WriteFunction(json, member.Value, needsDescriptions);
                    else member.WriteTo(json);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return JsonElement.Parse(buffer.WrittenSpan, JsonBody.Rewritten);
    }

    private static void WriteFunction(Utf8JsonWriter json, JsonElement function, bool needsDescription)
    {
        json.WriteStartObject("function");
        foreach (var member in function.EnumerateObject())
            if (member.Value.ValueKind != JsonValueKind.Null) member.WriteTo(json);
        if (needsDescription && IsMissing("description")) json.WriteString("description", "");
        if (IsMissing("parameters"))
        {
            json.WriteStartObject("parameters");
            json.WriteString("type", "object");
            json.WriteStartObject("properties");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();

        bool IsMissing(string name) => !function.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null;
    }

    /// <summary>The schema with what is understood: arguments are an object, whether <c>parameters</c> says so or not.</summary>
    /// <exception cref="ApiException">It says that they are something else.</exception>
    private static string OfObjects(JsonElement parameters, string place)
    {
        if (parameters.TryGetProperty("type", out var type))
        {
            if (type.ValueKind == JsonValueKind.String && type.ValueEquals("object")) return parameters.GetRawText();
            if (type.ValueKind != JsonValueKind.Array || !type.EnumerateArray().Any(name => name.ValueKind == JsonValueKind.String && name.ValueEquals("object")))
                throw ApiException.Invalid($"{place}.type", $"{place}.type: expected object, which arguments of a tool always are");
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonBody.Options))
        {
            json.WriteStartObject();
            json.WriteString("type", "object");
            foreach (var member in parameters.EnumerateObject())
                if (member.Name == "$ref" && !parameters.TryGetProperty("allOf", out _)) WriteBeside(json, member);
                else if (member.Name != "type") member.WriteTo(json);
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>A reference in a form that lets other keywords stand beside it, also where drafts up to 7 ignore those.</summary>
    private static void WriteBeside(Utf8JsonWriter json, JsonProperty reference)
    {
        json.WriteStartArray("allOf");
        json.WriteStartObject();
        reference.WriteTo(json);
        json.WriteEndObject();
        json.WriteEndArray();
    }
}
