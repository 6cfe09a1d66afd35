using System.Text.Json;
using Hadal.Inference.Models;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>; adapters are models whose parent is their base.</summary>
internal static class Models
{
    /// <summary>All models.</summary>
    public static Task ListAsync(RequestScope scope) => JsonBody.WriteAsync(scope.Http, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var entry in scope.Server.Catalog.Entries) Write(json, scope, entry);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    /// <summary>One model, whose name may have slashes.</summary>
    public static Task ShowAsync(RequestScope scope)
    {
        var name = (string)scope.Http.Request.RouteValues["id"]!;
        foreach (var entry in scope.Server.Catalog.Entries)
            if (entry.Name == name) return JsonBody.WriteAsync(scope.Http, json => Write(json, scope, entry));
        throw new ApiException(404, $"The model '{name[..Math.Min(name.Length, 128)]}' does not exist", param: "model", code: "model_not_found");
    }

    private static void Write(Utf8JsonWriter json, RequestScope scope, (string Name, string? Parent, ModelChoice? Choice) entry)
    {
        json.WriteStartObject();
        json.WriteString("id", entry.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", scope.Server.Catalog.Created.ToUnixTimeSeconds());
        json.WriteString("owned_by", "hadal");
        if (entry.Parent is { } parent) json.WriteString("parent", parent);
        json.WriteString("status", entry.Choice is null ? "loading" : "loaded");
        if (entry.Choice is { Model: var model } choice)
        {
            json.WriteNumber("max_model_len", model.Generator.MaxContext);
            if (choice.Head is { } head) WriteHead(json, head);
            else
            {
                json.WriteString("task", "generation");
                json.WriteBoolean("chat_template", model.HasTemplate);
                json.WriteString("thinking", model.Format switch { { Reasons: false } => "never", { CanSwitch: true } => "optional", _ => "always" });
            }
        }

        // No model of this engine has senses yet.
        json.WriteStartArray("input_modalities");
        json.WriteStringValue("text");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>What is asked through <c>/v1/classify</c>, in the words of training; labels stand in the order of probabilities.</summary>
    private static void WriteHead(Utf8JsonWriter json, LabelHead head)
    {
        json.WriteString("task", head.IsPerToken ? "tagging" : head.IsValue ? "regression" : "classification");
        json.WriteStartArray("labels");
        foreach (var label in head.Labels) json.WriteStringValue(label);
        json.WriteEndArray();
    }
}
