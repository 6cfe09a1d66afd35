using System.Text.Json.Serialization;

namespace Hadal.Checkpoints.Config;

/// <summary>Reads and writes the config records without reflection; keys follow the lower-snake naming policy.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(GroupedQueryConfig))]
[JsonSerializable(typeof(DeepSeekConfig))]
[JsonSerializable(typeof(RopeScaling))]
[JsonSerializable(typeof(QuantizationConfig))]
[JsonSerializable(typeof(GenerationConfig))]
[JsonSerializable(typeof(Adapters.AdapterConfig))]
[JsonSerializable(typeof(Adapters.AdapterBase))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class ConfigJson : JsonSerializerContext;
