// A web application that asks a model of its own process: streamed text, an answer of a C# type, and texts by their meaning.
//
//   dotnet run --project samples/MinimalApi -c Release
//   curl 'http://localhost:5000/continue?text=It+was+in+July'
//   curl http://localhost:5000/tickets -H 'Content-Type: application/json' -d '"The pump in hall 3 leaks."'
//   curl http://localhost:5000/nearest -H 'Content-Type: application/json' -d '{"text": "oil on the floor", "among": ["The pump leaks.", "The fan is loud."]}'
//
// Settings: Hadal:Model and the other members of HadalOptions, from appsettings.json, variables (Hadal__Model) or the command line (--Hadal:Model=DIR).
using System.Numerics.Tensors;
using Microsoft.Extensions.AI;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddHadal(options =>
{
    options.Model = "models/hadal-mini";
    builder.Configuration.GetSection("Hadal").Bind(options);
});
var app = builder.Build();

app.MapGet("/continue", (string text, IChatClient client, CancellationToken cancellation) =>
    TypedResults.ServerSentEvents(client.GetStreamingResponseAsync(text, new ChatOptions { MaxOutputTokens = 60 }, cancellation).Select(update => update.Text)));

app.MapPost("/tickets", async ([Microsoft.AspNetCore.Mvc.FromBody] string report, IChatClient client, CancellationToken cancellation) =>
    (await client.GetResponseAsync<Ticket>($"Report: {report}\nTicket: ", new ChatOptions { Temperature = 0 }, useJsonSchemaResponseFormat: true, cancellation)).Result);

app.MapPost("/nearest", async (Question question, IEmbeddingGenerator<string, Embedding<float>> generator, CancellationToken cancellation) =>
{
    var vectors = await generator.GenerateAsync([question.Text, .. question.Among], cancellationToken: cancellation);
    return question.Among.MaxBy(text => TensorPrimitives.Dot(vectors[0].Vector.Span, vectors[1 + Array.IndexOf(question.Among, text)].Vector.Span));
});

app.Run();

internal enum Urgency
{
    Low,
    High,
}

internal sealed record Ticket(Urgency Urgency, bool NeedsVisit);

internal sealed record Question(string Text, string[] Among);
