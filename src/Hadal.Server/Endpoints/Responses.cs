using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/responses</c>, without memory.</summary>
internal static class Responses
{
    /// <summary>Answers a request, whole or as a stream.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = await ResponsesRequest.ReadAsync(body.RootElement, scope).ConfigureAwait(false);
        scope.Asked(request.Chat.Choice, request.Chat.Options, isStream: request.Chat.Fields.Stream);
        NotEnforced.Tell(scope.Http, request.Chat.NotEnforced);
        var chat = request.Chat.In(scope.TakePlaces(request.Chat.Choice.Model.Generator, 1, 1));
        var answers = await Started<ChatStep>.AllAsync([ChatAnswer.GenerateAsync(chat, 0, scope.Cancel.Token)], scope.Cancel).ConfigureAwait(false);
        try
        {
            var writer = new ResponseWriter(request, "resp_" + ChatCompletions.NewId(), scope.Server.Options.Clock.GetUtcNow());
            if (request.Chat.Fields.Stream) await StreamAsync(scope, writer, answers[0]).ConfigureAwait(false);
            else await CompleteAsync(scope, writer, answers[0]).ConfigureAwait(false);
        }
        finally
        {
            await Started<ChatStep>.EndAllAsync(answers, scope.Note).ConfigureAwait(false);
        }
    }

    private static async Task CompleteAsync(RequestScope scope, ResponseWriter writer, Started<ChatStep> answer)
    {
        var output = new ResponseOutput();
        ChatStep? end = null;
        await foreach (var step in answer.ReadAsync().ConfigureAwait(false))
        {
            scope.Took(step);
            foreach (var part in step.Parts)
                foreach (var _ in output.Add(part)) { }
            end = step;
        }

        foreach (var _ in End(scope, output, end!)) { }
        await JsonBody.WriteAsync(scope.Http, json => writer.Write(json, output, end)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, ResponseWriter writer, Started<ChatStep> answer)
    {
        var (output, number) = (new ResponseOutput(), 0);
        var events = new EventStream(scope.Http, scope.Server.Options);
        await using (events.ConfigureAwait(false))
        {
            await events.StartAsync().ConfigureAwait(false);
            try
            {
                await SendAsync(Whole("response.created", null)).ConfigureAwait(false);
                await SendAsync(Whole("response.in_progress", null)).ConfigureAwait(false);
                ChatStep? end = null;
                await foreach (var step in answer.ReadAsync().ConfigureAwait(false))
                {
                    scope.Took(step);
                    foreach (var part in step.Parts)
                        foreach (var item in output.Add(part)) await SendAsync(item).ConfigureAwait(false);
                    end = step;
                }

                foreach (var item in End(scope, output, end!)) await SendAsync(item).ConfigureAwait(false);
                await SendAsync(Whole(end!.FinishReason == "length" ? "response.incomplete" : "response.completed", end)).ConfigureAwait(false);
            }
            catch (Exception fault) when (scope.ErrorOf(fault, "input") is { } error)
            {
                RequestPipeline.NoteError(scope.Http, error);
                await SendAsync(Whole("response.failed", null, error)).ConfigureAwait(false);
            }
        }

        ResponseEvent Whole(string name, ChatStep? end, ApiException? error = null) => new(name, json =>
        {
            json.WritePropertyName("response");
            writer.Write(json, output, end, error);
        });

        Task SendAsync(ResponseEvent item) => events.WriteAsync(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("type", item.Name);
                json.WriteNumber("sequence_number", number++);
                item.Members(json);
                json.WriteEndObject();
            },
            item.Name);
    }

    private static IEnumerable<ResponseEvent> End(RequestScope scope, ResponseOutput output, ChatStep end)
    {
        scope.GiveBackPlaces();
        return output.Close(end.FinishReason == "length" ? "incomplete" : "completed");
    }
}
