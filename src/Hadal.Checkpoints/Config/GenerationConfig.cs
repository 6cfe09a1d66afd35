using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hadal.Checkpoints.Config;

/// <summary>What <c>generation_config.json</c> recommends for sampling. Absent keys are null: the caller's default applies.</summary>
public sealed record GenerationConfig
{
    /// <summary>Whether to sample; false means the most likely token is taken.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Divisor of the logits.</summary>
    public double? Temperature { get; init; }

    /// <summary>Sum of probabilities to sample from, (0, 1].</summary>
    public double? TopP { get; init; }

    /// <summary>Number of tokens to sample from; 0 means all.</summary>
    public int? TopK { get; init; }

    /// <summary>Smallest probability to sample, as a fraction of the largest, [0, 1].</summary>
    public double? MinP { get; init; }

    /// <summary>Divisor of positive and factor of negative logits of tokens seen before.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Number of tokens to generate at most.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>First token of a sequence.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Tokens that end a sequence; those of <c>config.json</c> where the file names none.</summary>
    [JsonConverter(typeof(TokenIdsConverter))]
    public IReadOnlyList<int> EosTokenId { get; set; } = [];

    /// <summary>Padding token.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Keys this program has no property for, as they were read.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? OtherKeys { get; set; }
}
