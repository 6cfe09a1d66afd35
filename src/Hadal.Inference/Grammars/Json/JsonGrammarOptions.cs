namespace Hadal.Inference.Grammars.Json;

/// <summary>Where white space may stand between the tokens of JSON. Bounded, so that a model cannot write spaces for ever.</summary>
public enum JsonWhitespace
{
    /// <summary>One space or none in front of keys and values: what compact writers and Python's <c>json.dumps</c> produce.</summary>
    Spaced,

    /// <summary>None at all.</summary>
    Compact,

    /// <summary>Up to <see cref="JsonGrammarOptions.WhitespaceMax"/> characters of space, tab and line ends in front of every token but the first.</summary>
    Flexible,
}

/// <summary>In which order the properties of an object may be written.</summary>
public enum JsonPropertyOrder
{
    /// <summary>Any: what JSON Schema means.</summary>
    Any,

    /// <summary>As the schema names them, and those that it does not name behind them. Keys of required properties are then forced, which costs a model no step.</summary>
    Declared,
}

/// <summary>How a JSON Schema becomes a grammar.</summary>
public sealed record JsonGrammarOptions
{
    /// <summary>White space between tokens.</summary>
    public JsonWhitespace Whitespace { get; init; }

    /// <summary>Longest run of white space under <see cref="JsonWhitespace.Flexible"/>: a line end and the indentation of twenty levels by default.</summary>
    public int WhitespaceMax { get; init; } = 41;

    /// <summary>Order of properties.</summary>
    public JsonPropertyOrder PropertyOrder { get; init; }

    /// <summary>Whether whole numbers are written with digits only. JSON Schema counts <c>1.0</c> among the integers; many readers do not.</summary>
    public bool IntegersAsDigits { get; init; }

    /// <summary>
    /// Whether values are written only as programs in use read them. Numbers that the schema leaves open are cut: whole numbers to 64 bits, others to 20 digits before
    /// the point, 20 behind it and two of an exponent; a model that may write digits without end does. Numbers that a schema lists, and those it bounds beyond that, stay
    /// as they are. Of the formats <c>date</c>, <c>date-time</c>, <c>email</c>, <c>uri</c> and <c>uri-template</c>, what common validators refuse is not written.
    /// </summary>
    public bool Portable { get; init; }

    /// <summary>Whether keywords that cannot be enforced are left out and listed, instead of refusing the schema. A type that no draft knows is refused all the same.</summary>
    public bool BestEffort { get; init; }

    /// <summary>Whether <see cref="TypeSchema.NumberPattern"/> counts, a keyword that no schema from outside has.</summary>
    internal bool ReadsNumberPatterns { get; init; }

    /// <summary>What the grammar may cost.</summary>
    public GrammarLimits Limits { get; init; } = GrammarLimits.Default;

    /// <summary>The defaults.</summary>
    public static JsonGrammarOptions Default { get; } = new();

    /// <summary>What a model is best held to: digits for whole numbers and no more of them than programs read, because one that may write <c>50.000…</c> for an integer, or digits without a bound,
    /// finds no end; and keys in the schema's order, so that most are forced.</summary>
    public static JsonGrammarOptions ForModels { get; } = new() { IntegersAsDigits = true, Portable = true, PropertyOrder = JsonPropertyOrder.Declared };
}
