using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Http;
using Microsoft.Extensions.AI;
using ChatTemplateException = Hadal.Checkpoints.Text.ChatTemplateException;
using ChatTemplateFault = Hadal.Checkpoints.Text.ChatTemplateFault;

namespace Hadal.Server.InProcess;

/// <summary>A model of this process as Microsoft.Extensions.AI's chat client: streaming, tools, structured output, reasoning. Any number of callers may use it at once.</summary>
/// <remarks>A request is read as the server reads it, so that what cannot be kept is refused by name here too. Exceptions come from the first step of an enumeration, or where the engine fails from a later one.</remarks>
public sealed class HadalChatClient : IChatClient
{
    private readonly ServedModel _model;
    private readonly ModelCatalog _catalog;
    private readonly TimeProvider _clock;
    private readonly ChatClientMetadata _metadata;

    /// <summary>A client of a model, which whoever opened it closes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="clock">Tells when answers were made; the system's clock if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="model"/> is null.</exception>
    public HadalChatClient(ServedModel model, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _clock = clock ?? TimeProvider.System;
        _catalog = new ModelCatalog(model, _clock);
        _metadata = new ChatClientMetadata("hadal", defaultModelId: model.Name);
    }

    /// <summary>Key among the additional properties of an answer under which sentences list what schemas of tools that are not strict ask and calls need not keep.</summary>
    public const string NotEnforced = "not_enforced";

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="messages"/> is null.</exception>
    /// <exception cref="ArgumentException">Something in the request cannot be kept, or the model's chat template refuses the conversation; the message names it, <see cref="ArgumentException.ParamName"/> is the
    /// field in the form of <c>/v1/chat/completions</c>.</exception>
    /// <exception cref="GenerationException">Its <see cref="GenerationException.Fault"/> says why: the queue is full, the prompt too long, the grammar of the answer cannot be followed, the engine failed, or the
    /// model was closed. Only the first is worth another try.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template is wrong in itself.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; the work ends within one step.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false)) updates.Add(update);
        var response = updates.ToChatResponse();
        response.AdditionalProperties ??= updates[^1].AdditionalProperties;
        return response;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="messages"/> is null.</exception>
    /// <exception cref="ArgumentException">As of <see cref="GetResponseAsync"/>.</exception>
    /// <exception cref="GenerationException">As of <see cref="GetResponseAsync"/>.</exception>
    /// <exception cref="ChatTemplateException">As of <see cref="GetResponseAsync"/>.</exception>
    /// <exception cref="OperationCanceledException">As of <see cref="GetResponseAsync"/>.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var request = await ReadRequestAsync(messages, options ?? new ChatOptions(), cancellationToken).ConfigureAwait(false);
        var (id, created) = ("chatcmpl-" + Endpoints.ChatCompletions.NewId(), _clock.GetUtcNow());
        var givesThoughts = options?.Reasoning?.Output != ReasoningOutput.None;
        ChatCall? call = null;
        await foreach (var step in GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            var contents = new List<AIContent>();
            foreach (var part in step.Parts)
                if (part.Kind != AnswerPartKind.Reasoning || givesThoughts) call = Add(contents, part, call);
            if (step is { FinishReason: { } reason, Usage: { } usage })
            {
                if (call is not null) contents.Add(Whole(call));
                contents.Add(new UsageContent(Details(usage)));
                yield return Update(contents, new ChatFinishReason(reason));
            }
            else if (contents.Count > 0) yield return Update(contents);
        }

        ChatResponseUpdate Update(List<AIContent> contents, ChatFinishReason? reason = null) =>
            new(ChatRole.Assistant, contents)
            {
                ResponseId = id, MessageId = id, ModelId = request.Choice.Name, CreatedAt = created, FinishReason = reason,
                AdditionalProperties = reason is not null && request.NotEnforced.Count > 0 ? new AdditionalPropertiesDictionary { [NotEnforced] = request.NotEnforced } : null,
            };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(ChatClientMetadata)) return _metadata;
        if (serviceType == typeof(ServedModel)) return _model;
        return serviceType == typeof(TextGenerator) ? _model.Generator : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Nothing: the model belongs to whoever opened it.</summary>
    public void Dispose()
    {
    }

    /// <summary>The steps of an answer; what ends it is told in public types.</summary>
    private static async IAsyncEnumerable<ChatStep> GenerateAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancel)
    {
        var steps = ChatAnswer.GenerateAsync(request, 0, cancel).GetAsyncEnumerator(cancel);
        await using (steps.ConfigureAwait(false))
        {
            while (await NextAsync().ConfigureAwait(false))
            {
                // Whoever cancels wants nothing more, not even what was taken by then.
                cancel.ThrowIfCancellationRequested();
                yield return steps.Current;
            }
        }

        async ValueTask<bool> NextAsync()
        {
            try
            {
                return await steps.MoveNextAsync().ConfigureAwait(false);
            }
            catch (ApiException fault)
            {
                throw Public(fault);
            }
        }
    }

    /// <summary>A fault of a request as users of this client know it.</summary>
    private static Exception Public(ApiException fault) => fault switch
    {
        { Code: "context_length_exceeded" } => new GenerationException(GenerationFault.PromptTooLong, fault.Message, fault),
        _ => new ArgumentException(fault.Message, fault.Param, fault),
    };

    /// <summary>Adds a piece; a call is given whole, behind its last argument.</summary>
    /// <returns>The call that is being written, or null.</returns>
    private static ChatCall? Add(List<AIContent> contents, AnswerPart part, ChatCall? call)
    {
        switch (part.Kind)
        {
            case AnswerPartKind.CallBegin:
                if (call is not null) contents.Add(Whole(call));
                return new ChatCall(ChatDeltas.NewCallId(), part.Text);
            case AnswerPartKind.CallArguments:
                call!.Arguments.Append(part.Text);
                return call;
            case AnswerPartKind.Reasoning:
                contents.Add(new TextReasoningContent(part.Text));
                return call;
            default:
                contents.Add(new TextContent(part.Text));
                return call;
        }
    }

    private static FunctionCallContent Whole(ChatCall call) => FunctionCallContent.CreateFromParsedArguments(call.Arguments.ToString(), call.Id, call.Name, static text =>
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.EnumerateObject().ToDictionary(member => member.Name, object? (member) => member.Value.Clone());
    });

    private static UsageDetails Details(ChatUsage usage) => new()
    {
        InputTokenCount = usage.Engine.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.Engine.PromptTokens + usage.CompletionTokens,
        CachedInputTokenCount = usage.Engine.CachedTokens,
        ReasoningTokenCount = usage.ReasoningTokens,
    };

    private async Task<ChatRequest> ReadRequestAsync(IEnumerable<ChatMessage> messages, ChatOptions options, CancellationToken cancel)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body, JsonBody.Options)) ChatRequestJson.Write(json, _model.Name, messages, options);
        try
        {
            return await ChatRequest.ReadAsync(JsonElement.Parse(body.WrittenSpan, JsonBody.Rewritten), _catalog.Find, Caller.Anyone, cancel).ConfigureAwait(false);
        }
        catch (ApiException fault)
        {
            throw Public(fault);
        }
        catch (ChatTemplateException fault) when (fault.Fault != ChatTemplateFault.Syntax)
        {
            throw new ArgumentException(fault.Message, nameof(messages), fault);
        }
    }
}
