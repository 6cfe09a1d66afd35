using System.Text.Json;

namespace Hadal.Web.Chat;

/// <summary>What the server says of a model or adapter.</summary>
/// <param name="Id">How requests call it.</param>
/// <param name="Parent">The model that an adapter belongs to; null for a model.</param>
/// <param name="IsLoaded">Whether it answers already.</param>
/// <param name="MaxContext">Tokens of prompt and answer together at most, once it is loaded.</param>
/// <param name="Converses">Whether it was taught to answer; otherwise it continues the text.</param>
/// <param name="CanThink">Whether it may think before it answers.</param>
/// <param name="CanSwitchThinking">Whether thinking can be turned on and off.</param>
/// <param name="InputModalities">What it takes: <c>text</c>, <c>image</c>, <c>audio</c>.</param>
public sealed record ModelInfo(
    string Id, string? Parent, bool IsLoaded, int? MaxContext, bool Converses, bool CanThink, bool CanSwitchThinking, IReadOnlyList<string> InputModalities)
{
    /// <summary>Media types of files it takes, as an <c>accept</c> attribute lists them; empty where it takes text only.</summary>
    public string AcceptedFiles => string.Join(',', InputModalities.Where(modality => modality is "image" or "audio").Select(modality => modality + "/*"));

    /// <summary>Reads the answer of <c>/v1/models</c>, but for models that score labels and write nothing. What is missing is taken for absent.</summary>
    public static IReadOnlyList<ModelInfo> ReadList(JsonElement list) => [.. list.GetProperty("data").EnumerateArray().Where(model => Text(model, "task") is null or "generation").Select(Read)];

    private static ModelInfo Read(JsonElement model)
    {
        var thinking = Text(model, "thinking");
        return new ModelInfo(
            model.GetProperty("id").GetString()!, Text(model, "parent"), Text(model, "status") is null or "loaded",
            model.TryGetProperty("max_model_len", out var length) ? length.GetInt32() : null,
            !model.TryGetProperty("chat_template", out var template) || template.ValueKind != JsonValueKind.False,
            thinking is "always" or "optional", thinking is "optional",
            model.TryGetProperty("input_modalities", out var modalities) ? [.. modalities.EnumerateArray().Select(item => item.GetString() ?? "")] : ["text"]);
    }

    private static string? Text(JsonElement model, string name) => model.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
