using System.Security.Cryptography;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal static class ChatCompletions
{
    /// <summary>Answers a request, whole or as a stream.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = await ChatRequest.ReadAsync(body.RootElement, scope.Find, scope.Caller, scope.Cancel.Token).ConfigureAwait(false);
        scope.Asked(request.Choice, request.Options, request.Fields.ChoiceCount, request.Fields.Stream);
        NotEnforced.Tell(scope.Http, request.NotEnforced);
        request = request.In(scope.TakePlaces(request.Choice.Model.Generator, request.Fields.ChoiceCount, request.Fields.ChoiceCount));
        var answers = await Started<ChatStep>.AllAsync(
            Enumerable.Range(0, request.Fields.ChoiceCount).Select(index => ChatAnswer.GenerateAsync(request, index, scope.Cancel.Token)), scope.Cancel).ConfigureAwait(false);
        try
        {
            var writer = new ChatWriter(request, "chatcmpl-" + NewId(), scope.Server.Options.Clock.GetUtcNow());
            if (request.Fields.Stream) await StreamAsync(scope, writer, answers).ConfigureAwait(false);
            else await CompleteAsync(scope, writer, answers).ConfigureAwait(false);
        }
        finally
        {
            await Started<ChatStep>.EndAllAsync(answers, scope.Note).ConfigureAwait(false);
        }
    }

    /// <summary>Random letters for an id.</summary>
    public static string NewId() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    private static async Task CompleteAsync(RequestScope scope, ChatWriter writer, IReadOnlyList<Started<ChatStep>> answers)
    {
        var choices = await Task.WhenAll(answers.Select(async (answer, index) =>
        {
            var choice = new ChatChoice();
            await foreach (var step in answer.ReadAsync().ConfigureAwait(false))
            {
                scope.Took(step);
                choice.Add(step);
            }

            return choice;
        })).ConfigureAwait(false);
        scope.GiveBackPlaces();
        await JsonBody.WriteAsync(scope.Http, json => writer.WriteCompletion(json, choices)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, ChatWriter writer, IReadOnlyList<Started<ChatStep>> answers)
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
            catch (Exception fault) when (scope.ErrorOf(fault) is { } error)
            {
                // The status is sent; what is left is to say so within the stream.
                RequestPipeline.NoteError(scope.Http, error);
                await events.WriteErrorAsync(error).ConfigureAwait(false);
            }
        }
    }

    private static async Task<ChatUsage> StreamChoiceAsync(RequestScope scope, EventStream events, ChatWriter writer, Started<ChatStep> answer, int index)
    {
        var deltas = new ChatDeltas(index);
        await events.WriteAsync(json => writer.WriteChunk(json, deltas.Role())).ConfigureAwait(false);
        ChatUsage? usage = null;
        await foreach (var step in answer.ReadAsync().ConfigureAwait(false))
        {
            scope.Took(step);
            foreach (var delta in deltas.Of(step)) await events.WriteAsync(json => writer.WriteChunk(json, delta)).ConfigureAwait(false);
            usage = step.Usage ?? usage;
        }

        return usage ?? throw new InvalidOperationException("an answer has no end");
    }
}
