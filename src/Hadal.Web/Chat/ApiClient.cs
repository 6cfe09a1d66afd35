using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Components.WebAssembly.Http;

namespace Hadal.Web.Chat;

/// <summary>A request that failed, told in one line.</summary>
public sealed class ApiFaultException : Exception
{
    /// <param name="message">One line for the reader.</param>
    /// <param name="needsKey">Whether an API key would help.</param>
    /// <param name="inner">What was seen.</param>
    public ApiFaultException(string message, bool needsKey = false, Exception? inner = null)
        : base(message, inner) => NeedsKey = needsKey;

    /// <summary>Whether an API key would help.</summary>
    public bool NeedsKey { get; }
}

/// <summary>Some of a call of a tool.</summary>
/// <param name="Index">Which call of the answer.</param>
/// <param name="Id">Its id, in its first piece.</param>
/// <param name="Name">The tool, in its first piece.</param>
/// <param name="Arguments">What its arguments go on with.</param>
public sealed record CallPiece(int Index, string? Id, string? Name, string Arguments);

/// <summary>A piece of an answer.</summary>
/// <param name="Content">Text for the reader.</param>
/// <param name="Reasoning">What the model thought.</param>
/// <param name="IsForced">Whether the schema left no choice.</param>
/// <param name="FinishReason">In the last piece, why the answer ends.</param>
/// <param name="Usage">Behind the last piece, what it took.</param>
public sealed record ChatPiece(string Content, string Reasoning, bool IsForced, string? FinishReason, (int Prompt, int Completion)? Usage)
{
    /// <summary>What it adds to calls of tools.</summary>
    public IReadOnlyList<CallPiece> Calls { get; init; } = [];
}

/// <summary>Speaks to the server that the page came from.</summary>
/// <param name="http">Its base address is the server's.</param>
public sealed class ApiClient(HttpClient http)
{
    /// <summary>The key sent along; null for none.</summary>
    public string? Key { get; set; }

    /// <summary>The models of the server.</summary>
    /// <exception cref="ApiFaultException">They cannot be had.</exception>
    public async Task<IReadOnlyList<ModelInfo>> ModelsAsync(CancellationToken cancellation = default)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Get, "v1/models"), cancellation);
        await using var body = await response.Content.ReadAsStreamAsync(cancellation);
        using var document = await JsonDocument.ParseAsync(body, cancellationToken: cancellation);
        return ModelInfo.ReadList(document.RootElement);
    }

    /// <summary>Asks for an answer and reads it as it is written.</summary>
    /// <exception cref="ApiFaultException">The server refuses, fails, or is not there.</exception>
    public async IAsyncEnumerable<ChatPiece> AnswerAsync(ChatPrompt prompt, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions") { Content = new ByteArrayContent(prompt.ToJson()) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.SetBrowserResponseStreamingEnabled(true);
        using var response = await SendAsync(request, cancellation);
        await using var body = await response.Content.ReadAsStreamAsync(cancellation);
        var events = SseParser.Create(body).EnumerateAsync(cancellation).GetAsyncEnumerator(cancellation);
        await using (events)
        {
            var isDone = false;
            while (await NextAsync(events))
            {
                if (events.Current.Data == "[DONE]")
                {
                    isDone = true;
                    break;
                }

                if (Read(events.Current.Data) is { } piece) yield return piece;
            }

            if (!isDone) throw new ApiFaultException("the answer was cut: the connection ended before it was whole");
        }
    }

    private static async Task<bool> NextAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw new ApiFaultException("the answer was cut: the connection was lost", inner: fault);
        }
    }

    /// <summary>Reads a chunk. What is not there is empty; chunks of later servers may have more.</summary>
    internal static ChatPiece? Read(string data)
    {
        using var document = JsonDocument.Parse(data);
        var chunk = document.RootElement;
        if (chunk.TryGetProperty("error", out var error)) throw new ApiFaultException(MessageOf(error));
        (int, int)? usage = chunk.TryGetProperty("usage", out var counts) && counts.ValueKind == JsonValueKind.Object
            ? (counts.GetProperty("prompt_tokens").GetInt32(), counts.GetProperty("completion_tokens").GetInt32())
            : null;
        var choices = chunk.GetProperty("choices");
        if (choices.GetArrayLength() == 0) return usage is null ? null : new ChatPiece("", "", false, null, usage);
        var choice = choices[0];
        var delta = choice.GetProperty("delta");
        return new ChatPiece(
            Text(delta, "content") ?? "", Text(delta, "reasoning_content") ?? "", choice.TryGetProperty("forced", out var forced) && forced.ValueKind == JsonValueKind.True, Text(choice, "finish_reason"), usage)
        {
            Calls = delta.TryGetProperty("tool_calls", out var calls) && calls.ValueKind == JsonValueKind.Array ? [.. calls.EnumerateArray().Select(ReadCall)] : [],
        };
    }

    private static CallPiece ReadCall(JsonElement call)
    {
        var isNamed = call.TryGetProperty("function", out var function);
        return new CallPiece(
            call.TryGetProperty("index", out var index) ? index.GetInt32() : 0, Text(call, "id"), isNamed ? Text(function, "name") : null, isNamed ? Text(function, "arguments") ?? "" : "");
    }

    private static string? Text(JsonElement value, string name) => value.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;

    private static string MessageOf(JsonElement error) => Text(error, "message") is { Length: > 0 } message ? message.ReplaceLineEndings(" ") : "the server failed without a word";

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        if (!string.IsNullOrEmpty(Key)) request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + Key);
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        }
        catch (HttpRequestException fault)
        {
            throw new ApiFaultException("the server cannot be reached: is hadal serve running?", inner: fault);
        }

        if (response.IsSuccessStatusCode) return response;
        using (response) throw await FaultAsync(response, cancellation);
    }

    private static async Task<ApiFaultException> FaultAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var status = (int)response.StatusCode;
        var body = await response.Content.ReadAsStringAsync(cancellation);
        var message = FormattableString.Invariant($"the server answered with status {status}");
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.TryGetProperty("error", out var error)) message = MessageOf(error);
        }
        catch (JsonException)
        {
            // Something between the page and the server answered; its status is what can be said.
        }

        return new ApiFaultException(message, needsKey: status == 401);
    }
}
