using System.Globalization;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Inference.Grammars.Json;

namespace Hadal.Server.Http;

/// <summary>The fields that chat and completions share.</summary>
internal sealed record GenerationFields
{
    private const int MaxChoices = 128;

    /// <summary>What the engine is asked for; without limits of tokens.</summary>
    public required GenerationOptions Options { get; init; }

    /// <summary>Whether the grammar is of JSON.</summary>
    public bool HasJsonGrammar { get; init; }

    /// <summary>Answers wanted.</summary>
    public required int ChoiceCount { get; init; }

    /// <summary>Whether the answer is streamed.</summary>
    public required bool Stream { get; init; }

    /// <summary>Whether a stream ends with the usage.</summary>
    public required bool IncludeUsage { get; init; }

    /// <summary>Reads them, and refuses what both routes refuse. Whoever has a grammar that is not known yet waits for a turn to compile it.</summary>
    public static async Task<GenerationFields> ReadAsync(RequestReader request, ModelChoice choice, Caller caller, CancellationToken cancel)
    {
        if (choice.Head is { } head)
            throw ApiException.Invalid("model", $"model: '{choice.Name}' scores labels ({string.Join(", ", head.Labels.Take(4))}) and writes no text; POST /v1/classify with \"input\" instead", "unsupported_model");
        var recommended = choice.Model.Sampling;
        var sampling = recommended with
        {
            Temperature = request.Real("temperature", 0, 2) ?? recommended.Temperature,
            TopP = request.Real("top_p", 0, 1) is { } topP ? Math.Max(topP, double.Epsilon) : recommended.TopP,
            TopK = (int?)request.Integer("top_k", -1, int.MaxValue) is { } topK ? Math.Max(topK, 0) : recommended.TopK,
            MinP = request.Real("min_p", 0, 1) ?? recommended.MinP,
            RepetitionPenalty = request.Real("repetition_penalty", 0.01, 100) ?? recommended.RepetitionPenalty,
            FrequencyPenalty = request.Real("frequency_penalty", -2, 2) ?? 0,
            PresencePenalty = request.Real("presence_penalty", -2, 2) ?? 0,
            LogitBias = Biases(request),
            Seed = (ulong?)request.Integer("seed", long.MinValue, long.MaxValue),
        };
        var (grammar, isJson) = await StructuredAsync(request, cancel).ConfigureAwait(false);
        var options = new GenerationOptions
        {
            Adapter = choice.Adapter,
            CacheSalt = Salt(request, caller),
            Tenant = caller.Tenant,
            Sampling = sampling,
            StopStrings = Stops(request),
            StopTokenIds = [.. (request.List("stop_token_ids", 64) ?? []).Select(id => Id(id, "stop_token_ids"))],
            IgnoreEos = request.Flag("ignore_eos") ?? false,
            Grammar = grammar,
        };
        var stream = request.Flag("stream") ?? false;
        var includeUsage = StreamOptions(request, stream);
        request.Text("user", 512);
        request.Text("safety_identifier", 512);
        request.Text("prompt_cache_key", 512);
        var choiceCount = (int)(request.Integer("n", 1, MaxChoices) ?? 1);
        CheckCount("n", choiceCount, choice, caller);
        return new GenerationFields
        {
            Options = options,
            HasJsonGrammar = isJson,
            ChoiceCount = choiceCount,
            Stream = stream,
            IncludeUsage = includeUsage,
        };
    }

    /// <summary>Refuses answers that could never have places together, however long one waited.</summary>
    /// <param name="field">The field that says how many.</param>
    /// <param name="count">How many.</param>
    /// <param name="choice">Has the places.</param>
    /// <param name="caller">Who asks.</param>
    /// <exception cref="ApiException">They are too many.</exception>
    public static void CheckCount(string field, int count, ModelChoice choice, Caller caller)
    {
        var most = choice.Model.Generator.MostPlaces(caller.Tenant);
        var limit = Math.Min(most, caller.MaxConcurrent);
        if (count > limit)
            throw ApiException.Invalid(field, FormattableString.Invariant($"{field}: expected at most {limit} answers in all, which {(limit < most || !caller.IsOnly ? "this key may have" : "this server can hold")} at a time, found {count}"));
    }

    /// <summary>Says what is wrong with options before anything is queued.</summary>
    public static void Check(GenerationOptions options, ModelChoice choice)
    {
        if (options.Faults(choice.Model.VocabSize) is [var fault, ..]) throw ApiException.OfSentence(fault);
    }

    /// <summary>The options of one of several answers: each draws other numbers.</summary>
    public static GenerationOptions ForChoice(GenerationOptions options, int index) =>
        index == 0 || options.Sampling.Seed is not { } seed ? options : options with { Sampling = options.Sampling with { Seed = unchecked(seed + (ulong)index) } };

    /// <summary>A token id in an array.</summary>
    public static int Id(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id) && id >= 0 ? id : throw ApiException.Invalid(name, $"{name}: expected token ids");

    /// <summary>What was computed is shared within a key, and within it only where the client says the same.</summary>
    public static string Salt(RequestReader request, Caller caller) => Joined([caller.Name, request.Text("user_id", 512) ?? "", request.Text("cache_salt", 512) ?? ""]);

    /// <summary>Texts as one that no other texts give, whatever characters are in them: each behind its length.</summary>
    private static string Joined(IEnumerable<string> texts) => string.Concat(texts.Select(text => FormattableString.Invariant($"{text.Length}:{text}")));

    private static Dictionary<int, double>? Biases(RequestReader request)
    {
        if (request.Take("logit_bias") is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Object) throw request.Fault("logit_bias", "an object", value);
        if (value.GetPropertyCount() > SamplingOptions.MaxLogitBiases)
            throw ApiException.Invalid("logit_bias", string.Create(CultureInfo.InvariantCulture, $"logit_bias: expected at most {SamplingOptions.MaxLogitBiases} entries"));
        var biases = new Dictionary<int, double>();
        foreach (var entry in value.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) throw ApiException.Invalid("logit_bias", "logit_bias: expected token ids as keys");
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetDouble(out var bias)) throw ApiException.Invalid("logit_bias", "logit_bias: expected numbers from -100 to 100");
            biases[id] = bias;
        }

        return biases.Count > 0 ? biases : null;
    }

    private static List<string> Stops(RequestReader request)
    {
        if (request.Take("stop") is not { } value) return [];
        if (value.ValueKind == JsonValueKind.String) return [value.GetString()!];
        var stops = request.List("stop", GenerationOptions.MaxStopStrings)!;
        if (stops.Any(stop => stop.ValueKind != JsonValueKind.String)) throw ApiException.Invalid("stop", "stop: expected texts");
        return [.. stops.Select(stop => stop.GetString()!)];
    }

    private static bool StreamOptions(RequestReader request, bool stream)
    {
        if (request.Inner("stream_options") is not { } options) return false;
        if (!stream) throw ApiException.Invalid("stream_options", "stream_options: expected only with stream: true");
        var includeUsage = options.Flag("include_usage") ?? false;
        options.Refuse("include_obfuscation", "chunks are sent as they are", "false");
        options.End();
        return includeUsage;
    }

    /// <summary>vLLM's form of constraints.</summary>
    private static async Task<(Grammar? Grammar, bool IsJson)> StructuredAsync(RequestReader request, CancellationToken cancel)
    {
        if (request.Inner("structured_outputs") is not { } form) return (null, false);
        var choices = form.List("choice", 10_000);
        var (json, regex, grammar) = (form.Take("json"), form.Text("regex", GrammarCache.MaxSourceLength), form.Text("grammar", GrammarCache.MaxSourceLength));
        form.End();
        if (new object?[] { choices, json, regex, grammar }.Count(part => part is not null) != 1)
            throw ApiException.Invalid("structured_outputs", "structured_outputs: expected one of json, regex, choice, grammar");
        if (regex is not null)
            return (await GrammarCache.OfAsync("regex", regex, source => PlainGrammars.FromRegex(source, GrammarCache.Limits), "structured_outputs.regex", cancel).ConfigureAwait(false), false);
        if (grammar is not null)
            return (await GrammarCache.OfAsync("gbnf", grammar, source => GbnfGrammar.Compile(source, GrammarCache.Limits), "structured_outputs.grammar", cancel).ConfigureAwait(false), false);
        if (json is { } schema)
        {
            var text = schema.ValueKind == JsonValueKind.String ? schema.GetString()! : schema.GetRawText();
            return ((await GrammarCache.OfSchemaAsync(text, bestEffort: false, "structured_outputs.json", cancel).ConfigureAwait(false)).Grammar, true);
        }

        if (choices!.Count == 0 || choices.Any(item => item.ValueKind != JsonValueKind.String)) throw ApiException.Invalid("structured_outputs.choice", "structured_outputs.choice: expected texts");
        var texts = choices.Select(item => item.GetString()!).ToList();
        return (await GrammarCache.OfAsync("choice", Joined(texts), _ => PlainGrammars.FromChoices(texts, GrammarCache.Limits), "structured_outputs.choice", cancel).ConfigureAwait(false), false);
    }
}

/// <summary>Grammars of the last requests. The number is bounded, and what each may take.</summary>
internal static class GrammarCache
{
    /// <summary>UTF-16 units of a schema, pattern or grammar.</summary>
    public const int MaxSourceLength = 1 << 20;

    private const int Capacity = 32;
    private static readonly Lock Gate = new();
    private static readonly LinkedList<(string Key, CompiledGrammar? Compiled, string? Fault)> Recent = [];

    /// <summary>Grammars that may be compiled at once; half of the processors are left for those who need none. Who waits for a turn holds no thread, so that
    /// requests whose grammars are known, or that have none, pass by.</summary>
    public static int MaxTurns { get; } = Math.Max(1, Environment.ProcessorCount / 2);

    private static readonly SemaphoreSlim Turns = new(MaxTurns);

    /// <summary>What a grammar of a stranger may cost.</summary>
    public static GrammarLimits Limits { get; } = GrammarLimits.Default with { MaxMemoryBytes = 64L << 20, MaxRegexTerms = 200_000, MaxNodes = 300_000 };

    /// <summary>The grammar of a JSON schema.</summary>
    /// <param name="schema">JSON text.</param>
    /// <param name="bestEffort">Whether what cannot be enforced is left out instead of refused.</param>
    /// <param name="field">Named in faults.</param>
    /// <param name="cancel">Ends the waiting.</param>
    public static Task<CompiledGrammar> OfSchemaAsync(string schema, bool bestEffort, string field, CancellationToken cancel) => FindAsync(
        bestEffort ? "schema?" : "schema",
        schema,
        source =>
        {
            var made = JsonSchemaGrammar.Compile(source, JsonGrammarOptions.ForModels with { Limits = Limits, BestEffort = bestEffort });
            return new CompiledGrammar(made.Grammar, made.Ignored);
        },
        field,
        cancel);

    /// <summary>A grammar by its kind and source, compiled unless it was used lately.</summary>
    /// <exception cref="ApiException">It cannot be compiled.</exception>
    public static async Task<Grammar> OfAsync(string kind, string source, Func<string, Grammar> compile, string field, CancellationToken cancel) =>
        (await FindAsync(kind, source, text => new CompiledGrammar(compile(text), []), field, cancel).ConfigureAwait(false)).Grammar;

    private static async Task<CompiledGrammar> FindAsync(string kind, string source, Func<string, CompiledGrammar> compile, string field, CancellationToken cancel)
    {
        if (source.Length > MaxSourceLength) throw ApiException.Invalid(field, string.Create(CultureInfo.InvariantCulture, $"{field}: expected at most {MaxSourceLength} characters, found {source.Length}"));
        var key = kind + "\0" + source;
        if (Known(key, field) is { } known) return known;
        await Turns.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            // Another one may have compiled it meanwhile, or found out that it cannot be.
            return Known(key, field) ?? Compile(key, source, compile, field);
        }
        finally
        {
            Turns.Release();
        }
    }

    private static CompiledGrammar Compile(string key, string source, Func<string, CompiledGrammar> compile, string field)
    {
        try
        {
            var compiled = compile(source);
            Keep(key, compiled, null);
            return compiled;
        }
        catch (GrammarException fault)
        {
            Keep(key, null, fault.Message);
            throw ApiException.Invalid(field, $"{field}: {fault.Message}");
        }
    }

    private static CompiledGrammar? Known(string key, string field)
    {
        lock (Gate)
        {
            for (var node = Recent.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key) continue;
                Recent.Remove(node);
                Recent.AddFirst(node);
                return node.Value.Compiled ?? throw ApiException.Invalid(field, $"{field}: {node.Value.Fault}");
            }
        }

        return null;
    }

    private static void Keep(string key, CompiledGrammar? compiled, string? fault)
    {
        lock (Gate)
        {
            Recent.AddFirst((key, compiled, fault));
            if (Recent.Count > Capacity) Recent.RemoveLast();
        }
    }
}

/// <summary>A grammar, and what was asked of it and is not enforced.</summary>
/// <param name="Grammar">The grammar.</param>
/// <param name="NotEnforced">Sentences with the place of each keyword; empty unless best effort was asked for.</param>
internal sealed record CompiledGrammar(Grammar Grammar, IReadOnlyList<string> NotEnforced);
