using System.Text.Json;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Reads <c>adapter_config.json</c> and refuses, by name, what is not computed.</summary>
internal static class AdapterConfigReader
{
    /// <summary>Name of the file.</summary>
    public const string Name = "adapter_config.json";

    private const int MaxBytes = 1 << 20;
    private const int MaxRank = 1 << 16;

    private static readonly string[] BaseChanging = ["pissa", "olora", "corda", "loftq", "lora_ga"];

    /// <summary>Keys that make another computation of the same tensors, or add tensors of another kind.</summary>
    private static readonly string[] Uncomputed =
        ["target_parameters", "trainable_token_indices", "alora_invocation_tokens", "layer_replication", "use_qalora", "use_bdlora", "arrow_config", "kasa_config", "monteclora_config"];

    /// <summary>Reads and checks the file of a directory.</summary>
    /// <returns>What it says, and the ranks and scales that it gives modules.</returns>
    /// <exception cref="CheckpointException">The faults, all in one message.</exception>
    public static (AdapterConfig Config, AdapterScales Scales) Read(CheckpointFolder folder)
    {
        var where = Path.Combine(folder.Path, Name);
        var config = Parse(folder.TryRead(Name, MaxBytes) ?? throw new CheckpointException($"{where}: does not exist; an adapter needs it"), where);
        var faults = new FaultList(where);
        if (config.PeftType != "LORA") Unsupported("peft_type", config.PeftType, "LORA");
        if (config.R is < 1 or > MaxRank) faults.Add(FormattableString.Invariant($"r is {config.R}, expected 1 to {MaxRank}"));
        if (!double.IsFinite(config.LoraAlpha)) faults.Add(FormattableString.Invariant($"lora_alpha is {config.LoraAlpha}, expected a finite number"));
        if (config.FanInFanOut) Unsupported("fan_in_fan_out", "true", "false");
        if (config.Bias is not ("none" or "all" or "lora_only")) Unsupported("bias", config.Bias, "none, all, lora_only");
        if (config.LoraBias) Unsupported("lora_bias", "true", "false");
        if (config.ModulesToSave is { Count: > 0 } saved && saved.Any(name => name is not ("score" or "classifier"))) Unsupported("modules_to_save", string.Join(", ", saved), "none, or score (embed_tokens and lm_head are adapted by target_modules)");
        var scales = new AdapterScales(config, faults.Add);
        foreach (var (key, value) in config.OtherKeys ?? new Dictionary<string, JsonElement>())
        {
            if (Uncomputed.Contains(key) && IsSet(value)) Unsupported(key, value.GetRawText(), "null");
            if (key == "init_lora_weights" && ChangesBase(value))
                faults.Add($"{key} is {value.GetRawText()}, which changed the weights of the model it was trained on; these are not in the adapter: save it with peft's path_initial_model_for_weight_conversion");
        }

        faults.ThrowIfAny();
        if (folder.TryRead(AdapterConfig.LabelNamesFile, MaxBytes) is { } labels) config = config with { Id2label = LabelNames(labels, Path.Combine(folder.Path, AdapterConfig.LabelNamesFile)) };
        return (config, scales);

        void Unsupported(string key, string found, string supported) => faults.Add($"{key} is {found}, which is not computed; supported: {supported}");
    }

    private static Dictionary<string, string> LabelNames(ReadOnlyMemory<byte> json, string where)
    {
        try
        {
            var names = JsonSerializer.Deserialize(json.Span, ConfigJson.Default.StringArray);
            if (names is null || names.Any(name => name is null)) throw new CheckpointException($"{where}: expected a list of texts, one for each label in order");
            return names.Select((name, id) => (name, id)).ToDictionary(pair => FormattableString.Invariant($"{pair.id}"), pair => pair.name);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{where}: expected a list of texts, one for each label in order: {fault.Message}", fault);
        }
    }

    private static AdapterConfig Parse(ReadOnlyMemory<byte> json, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var faults = new FaultList(where);
            ConfigKeys.Check(document.RootElement, ConfigJson.Default.AdapterConfig, "", faults);
            faults.ThrowIfAny();
            return document.RootElement.Deserialize(ConfigJson.Default.AdapterConfig)!;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // The latter: a string with a lone surrogate.
            throw new CheckpointException($"{where}: is not valid: {fault.Message}", fault);
        }
    }

    /// <summary>Initialisations that take part of the model's weights into A and B and leave the rest in the model; others leave it as it is.</summary>
    private static bool ChangesBase(JsonElement value) => value.ValueKind == JsonValueKind.String
        && BaseChanging.Any(name => value.GetRawText().AsSpan(1).StartsWith(name, StringComparison.OrdinalIgnoreCase));

    private static bool IsSet(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };
}
