using System.Text;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/completions</c>, and with a suffix DeepSeek's <c>/beta/completions</c>.</summary>
internal static class Completions
{
    /// <summary>Answers a request, whole or as a stream.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = await CompletionRequest.ReadAsync(body.RootElement, scope).ConfigureAwait(false);
        var count = request.Prompts.Count * request.Fields.ChoiceCount;
        scope.Asked(request.Choice, request.Options, count, request.Fields.Stream);
        var options = request.Options with { Places = scope.TakePlaces(request.Choice.Model.Generator, count, count) };
        var answers = await Started<GeneratedChunk>.AllAsync(
            request.Prompts.SelectMany(prompt => Enumerable.Range(0, request.Fields.ChoiceCount).Select(index =>
                request.Choice.Model.Generator.GenerateAsync(prompt.TokenIds, GenerationFields.ForChoice(options, index), scope.Cancel.Token))),
            scope.Cancel).ConfigureAwait(false);
        try
        {
            var writer = new CompletionWriter(request, "cmpl-" + ChatCompletions.NewId(), scope.Server.Options.Clock.GetUtcNow());
            if (request.Fields.Stream) await StreamAsync(scope, writer, answers).ConfigureAwait(false);
            else await CompleteAsync(scope, writer, answers).ConfigureAwait(false);
        }
        finally
        {
            await Started<GeneratedChunk>.EndAllAsync(answers, chunk => Note(scope, chunk)).ConfigureAwait(false);
        }
    }

    private static async Task CompleteAsync(RequestScope scope, CompletionWriter writer, IReadOnlyList<Started<GeneratedChunk>> answers)
    {
        var choices = await Task.WhenAll(answers.Select(async (answer, index) =>
        {
            var choice = new CompletionChoice(writer.Echo(index), writer.Tokens(index));
            await foreach (var chunk in ReadAsync(scope, answer).ConfigureAwait(false)) choice.Add(chunk);
            return choice;
        })).ConfigureAwait(false);
        scope.GiveBackPlaces();
        await JsonBody.WriteAsync(scope.Http, json => writer.WriteCompletion(json, choices)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, CompletionWriter writer, IReadOnlyList<Started<GeneratedChunk>> answers)
    {
        var events = new EventStream(scope.Http, scope.Server.Options);
        await using (events.ConfigureAwait(false))
        {
            await events.StartAsync().ConfigureAwait(false);
            try
            {
                var usages = await Task.WhenAll(answers.Select((answer, index) => StreamChoiceAsync(scope, events, writer, answer, index))).ConfigureAwait(false);
                scope.GiveBackPlaces();
                if (writer.IncludesUsage) await events.WriteAsync(json => writer.WriteUsageChunk(json, usages)).ConfigureAwait(false);
                await events.WriteDoneAsync().ConfigureAwait(false);
            }
            catch (Exception fault) when (scope.ErrorOf(fault, "prompt") is { } error)
            {
                RequestPipeline.NoteError(scope.Http, error);
                await events.WriteErrorAsync(error).ConfigureAwait(false);
            }
        }
    }

    private static async Task<GenerationUsage> StreamChoiceAsync(RequestScope scope, EventStream events, CompletionWriter writer, Started<GeneratedChunk> answer, int index)
    {
        GenerationUsage? usage = null;
        var echo = writer.Echo(index);
        var tokens = writer.Tokens(index);
        if (echo.Length > 0) await events.WriteAsync(json => writer.WriteChunk(json, index, echo, [], null)).ConfigureAwait(false);
        await foreach (var chunk in ReadAsync(scope, answer).ConfigureAwait(false))
        {
            var placed = tokens.Add(chunk);
            if (chunk.Text.Length > 0 || placed.Count > 0 || chunk.FinishReason is not null)
                await events.WriteAsync(json => writer.WriteChunk(json, index, chunk.Text, placed, chunk.FinishReason)).ConfigureAwait(false);
            usage = chunk.Usage ?? usage;
        }

        return usage ?? throw new InvalidOperationException("an answer has no end");
    }

    private static async IAsyncEnumerable<GeneratedChunk> ReadAsync(RequestScope scope, Started<GeneratedChunk> answer)
    {
        await foreach (var chunk in answer.ReadAsync().ConfigureAwait(false))
        {
            Note(scope, chunk);
            scope.CheckEnd(chunk.FinishReason);
            yield return chunk;
        }
    }

    private static void Note(RequestScope scope, GeneratedChunk chunk)
    {
        if (chunk.Usage is { } usage) scope.Answered(usage, usage.CompletionTokens, 0, chunk.FinishReason);
    }
}

/// <summary>A whole answer, put together from its chunks.</summary>
/// <param name="echo">What stands in front of it.</param>
/// <param name="tokens">Finds its tokens.</param>
internal sealed class CompletionChoice(string echo, PlacedTokens tokens)
{
    public StringBuilder Text { get; } = new(echo);

    public List<PlacedToken> Tokens { get; } = [];

    public string? FinishReason { get; private set; }

    public GenerationUsage? Usage { get; private set; }

    /// <summary>Adds a chunk.</summary>
    public void Add(in GeneratedChunk chunk)
    {
        Text.Append(chunk.Text);
        Tokens.AddRange(tokens.Add(chunk));
        FinishReason = chunk.FinishReason ?? FinishReason;
        Usage = chunk.Usage ?? Usage;
    }
}

/// <summary>Writes answers in the form of <c>/v1/completions</c>.</summary>
internal sealed class CompletionWriter(CompletionRequest request, string id, DateTimeOffset created)
{
    private readonly LogProbWriter _logProbs = new(request.Choice.Model.Generator.Tokenizer);

    /// <summary>Whether a stream ends with the usage.</summary>
    public bool IncludesUsage => request.Fields.IncludeUsage;

    /// <summary>Finds the tokens of an answer in its text.</summary>
    public PlacedTokens Tokens(int index) => new(request.Choice.Model.Generator.Tokenizer, request.Options, request.Choice.Model.Generator.EndTokenIds, Echo(index).Length);

    /// <summary>What stands in front of an answer.</summary>
    public string Echo(int index) => request.Echo ? request.Prompts[index / request.Fields.ChoiceCount].Text : "";

    /// <summary>A whole answer.</summary>
    public void WriteCompletion(Utf8JsonWriter json, IReadOnlyList<CompletionChoice> choices)
    {
        Begin(json);
        for (var i = 0; i < choices.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("text", choices[i].Text.ToString());
            json.WriteNumber("index", i);
            if (request.Options.TopLogProbs is null) json.WriteNull("logprobs");
            else _logProbs.WriteCompletion(json, choices[i].Tokens);
            json.WriteString("finish_reason", choices[i].FinishReason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteUsage(json, [.. choices.Select(choice => choice.Usage!)]);
        json.WriteEndObject();
    }

    /// <summary>A chunk about one answer.</summary>
    public void WriteChunk(Utf8JsonWriter json, int index, string text, IReadOnlyList<PlacedToken> tokens, string? finishReason)
    {
        Begin(json);
        json.WriteStartObject();
        json.WriteString("text", text);
        json.WriteNumber("index", index);
        if (tokens.Count > 0) _logProbs.WriteCompletion(json, tokens);
        else json.WriteNull("logprobs");
        json.WriteString("finish_reason", finishReason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (IncludesUsage) json.WriteNull("usage");
        json.WriteEndObject();
    }

    /// <summary>The chunk behind the last answer.</summary>
    public void WriteUsageChunk(Utf8JsonWriter json, IReadOnlyList<GenerationUsage> usages)
    {
        Begin(json);
        json.WriteEndArray();
        WriteUsage(json, usages);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "text_completion");
        json.WriteNumber("created", created.ToUnixTimeSeconds());
        json.WriteString("model", request.Choice.Name);
        json.WriteStartArray("choices");
    }

    /// <summary>Every prompt counts once, however many answers it has.</summary>
    private void WriteUsage(Utf8JsonWriter json, IReadOnlyList<GenerationUsage> usages)
    {
        var first = usages.Where((_, index) => index % request.Fields.ChoiceCount == 0).ToList();
        UsageWriter.Write(json, first.Sum(usage => usage.PromptTokens), first.Sum(usage => usage.CachedTokens), usages.Sum(usage => usage.CompletionTokens), 0);
    }
}
