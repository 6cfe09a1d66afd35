using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>A request for chat answers, checked and rendered.</summary>
internal sealed record ChatRequest
{
    /// <summary>A model that only continues text may never end by itself.</summary>
    private const int MaxContinuationTokens = 256;

    private const int MaxMetadata = 16;

    /// <summary>Two places are taken by the marks that calls begin with.</summary>
    private const int MaxStopsBesideTools = GenerationOptions.MaxStopStrings - 2;

    public required ModelChoice Choice { get; init; }

    public required GenerationFields Fields { get; init; }

    /// <summary>The prompt as text, each stretch with who wrote it.</summary>
    public required IReadOnlyList<TextSegment> Prompt { get; init; }

    public required GenerationOptions Options { get; init; }

    public required ChatTools Tools { get; init; }

    /// <summary>Whether the prompt has opened the model's reasoning.</summary>
    public required bool OpensReasoning { get; init; }

    /// <summary>Whether the chunks of a stream say which of them the grammar forced.</summary>
    public bool MarksForced { get; init; }

    /// <summary>Field that the prompt was made from, named in faults.</summary>
    public string PromptField { get; init; } = "messages";

    /// <summary>What schemas of the request ask and the answer need not keep, because best effort was asked for.</summary>
    public IReadOnlyList<string> NotEnforced { get; init; } = [];

    /// <summary>What the client attached, given back with the answer.</summary>
    public JsonElement? Metadata { get; init; }

    /// <summary>Reads a body in the form of <c>/v1/chat/completions</c>.</summary>
    /// <param name="body">The body.</param>
    /// <param name="find">Finds what its <c>model</c> means.</param>
    /// <param name="caller">Who asks.</param>
    /// <param name="cancel">Ends the waiting for grammars to be compiled.</param>
    /// <exception cref="ApiException">A field is missing, out of range, not supported or not known.</exception>
    public static async Task<ChatRequest> ReadAsync(JsonElement body, Func<string?, ModelChoice> find, Caller caller, CancellationToken cancel)
    {
        var request = new RequestReader(body);
        var choice = find(request.RequiredText("model"));
        var fields = await GenerationFields.ReadAsync(request, choice, caller, cancel).ConfigureAwait(false);
        var maxTokens = request.Integer("max_completion_tokens", 1, int.MaxValue) ?? request.Integer("max_tokens", 1, int.MaxValue);
        request.Take("max_tokens");
        var topLogProbs = LogProbCount(request);
        var tools = await ChatTools.ReadAsync(request, choice.Model, cancel).ConfigureAwait(false);
        var thinks = Thinking(request, choice.Model);
        var variables = Variables(request, thinks, choice.Model);
        var messages = ChatMessages.Read(request, choice.Model);
        var metadata = ReadMetadata(request);
        var (grammar, notEnforced) = await FormatAsync(request, cancel).ConfigureAwait(false);
        var marksForced = request.Flag("mark_forced") ?? false;
        if (marksForced && !fields.Stream) throw ApiException.Invalid("mark_forced", "mark_forced: expected only with stream: true");
        RefuseHosted(request);
        request.End();
        if (grammar is not null && fields.Options.Grammar is not null) throw ApiException.Invalid("structured_outputs", "structured_outputs: expected only without response_format");
        grammar ??= fields.Options.Grammar;
        if (grammar is not null && tools.Callable.Count > 0)
            throw ApiException.Invalid("response_format", "response_format: expected only without tools, or with tool_choice none", "unsupported_parameter");

        // What the model is said to have written of its answer, it has written of the form.
        var beginning = grammar is not null && messages[^1] is { Role: "assistant", Content: { } begun } && ChatMessages.IsPrefix(messages[^1]) ? begun : "";
        if (beginning.Length > 0) beginning = Beginning(grammar!, choice.Model.Generator, beginning, messages.Count - 1, isJson: fields.HasJsonGrammar || fields.Options.Grammar is null);
        var prompt = Render(choice.Model, messages, tools, variables, out var opensReasoning);
        var options = fields.Options with
        {
            MaxTokens = (int?)maxTokens ?? choice.Model.MaxNewTokens ?? (choice.Model.HasTemplate ? null : MaxContinuationTokens),
            TopLogProbs = topLogProbs,
            Grammar = grammar,
            GrammarBeginning = beginning,
            GrammarAfterTokenId = grammar is not null && opensReasoning ? ThinkEndToken(choice.Model) : null,

            // The marks of calls are control tokens.
            SkipSpecial = !tools.MayCall,
        };
        GenerationFields.Check(options, choice);
        if (tools.MayCall && options.StopStrings.Count > MaxStopsBesideTools) throw ApiException.Invalid("stop", FormattableString.Invariant($"stop: expected at most {MaxStopsBesideTools} texts beside tools, found {options.StopStrings.Count}"));
        return new ChatRequest
        {
            Choice = choice, Fields = fields, Prompt = prompt, Options = options, Tools = tools, OpensReasoning = opensReasoning, Metadata = metadata, MarksForced = marksForced,
            NotEnforced = [.. notEnforced, .. tools.NotEnforced],
        };
    }

    /// <summary>The same, to be generated in places that were taken for it.</summary>
    public ChatRequest In(QueuePlaces places) => this with { Options = Options with { Places = places } };

    /// <summary>The prompt as token ids. What cannot fit is refused before it is looked at.</summary>
    public IReadOnlyList<int> Encode(IReadOnlyList<TextSegment> prompt)
    {
        var generator = Choice.Model.Generator;
        PromptLength.Check(generator, string.Concat(prompt.Select(segment => segment.Text)), PromptField);
        return generator.Tokenizer.Encode(prompt, addSpecial: false);
    }

    /// <summary>What comes back as it is: pairs of short texts.</summary>
    private static JsonElement? ReadMetadata(RequestReader request)
    {
        if (request.Take("metadata") is not { } metadata) return null;
        if (metadata.ValueKind != JsonValueKind.Object) throw request.Fault("metadata", "an object", metadata);
        if (metadata.GetPropertyCount() > MaxMetadata || metadata.EnumerateObject().Any(pair => pair.Name.Length > 64 || pair.Value.ValueKind != JsonValueKind.String || pair.Value.GetString()!.Length > 512))
            throw ApiException.Invalid("metadata", FormattableString.Invariant($"metadata: expected at most {MaxMetadata} pairs of a name of up to 64 and a text of up to 512 characters"));
        return metadata;
    }

    private static int? LogProbCount(RequestReader request)
    {
        var wanted = request.Flag("logprobs") ?? false;
        var top = request.Integer("top_logprobs", 0, GenerationOptions.MaxTopLogProbs);
        if (top is not null && !wanted) throw ApiException.Invalid("top_logprobs", "top_logprobs: expected only with logprobs: true");
        return wanted ? (int)(top ?? 0) : null;
    }

    private static bool? Thinking(RequestReader request, ServedModel model)
    {
        bool? thinks = null;
        if (request.Inner("thinking") is { } thinking)
        {
            thinks = thinking.Word("type", "enabled", "disabled") != "disabled";
            thinking.End();
        }

        var effort = request.Word("reasoning_effort", "none", "minimal", "low", "medium", "high", "xhigh", "max");
        if (effort is not null) thinks = effort != "none";
        var field = effort is not null ? "reasoning_effort" : "thinking";
        if (thinks == true && !model.Format.Reasons) throw ApiException.Invalid(field, $"{field}: this model does not reason", "unsupported_parameter");
        if (thinks == false && model.Format is { Reasons: true, CanSwitch: false }) throw ApiException.Invalid(field, $"{field}: this model always reasons", "unsupported_parameter");
        return thinks;
    }

    /// <summary>Variables of the template: those asked for, and thinking under the names that templates know it by.</summary>
    private static Dictionary<string, JsonElement> Variables(RequestReader request, bool? thinks, ServedModel model)
    {
        var variables = new Dictionary<string, JsonElement>();
        if (!model.HasTemplate) variables["starts_with_bos"] = Flag(model.Generator.Tokenizer.AddsBos);
        if (request.Take("chat_template_kwargs") is { } given)
        {
            if (given.ValueKind != JsonValueKind.Object) throw request.Fault("chat_template_kwargs", "an object", given);
            foreach (var entry in given.EnumerateObject())
                if (entry.Name is "messages" or "tools" or "bos_token" or "eos_token" or "add_generation_prompt" or "starts_with_bos")
                    throw ApiException.Invalid("chat_template_kwargs", $"chat_template_kwargs: '{entry.Name}' cannot be given");
                else variables[entry.Name] = entry.Value;
        }

        if (thinks is { } value) variables["thinking"] = variables["enable_thinking"] = Flag(value);
        return variables;

        static JsonElement Flag(bool value) => JsonElement.Parse(value ? "true" : "false");
    }

    private static async Task<(Grammar? Grammar, IReadOnlyList<string> NotEnforced)> FormatAsync(RequestReader request, CancellationToken cancel)
    {
        if (request.Inner("response_format") is not { } format) return (null, []);
        var type = format.Word("type", "text", "json_object", "json_schema") ?? throw format.Missing("type");
        var form = format.Inner("json_schema");
        format.End();
        if (type == "text") return (null, []);
        if (type == "json_object") return (await GrammarCache.OfAsync("object", "", _ => JsonSchemaGrammar.AnyJson(onlyObjects: true, new JsonGrammarOptions { Portable = true }), "response_format", cancel).ConfigureAwait(false), []);
        if (form is null) throw format.Missing("json_schema");
        var name = form.RequiredText("name");
        if (name.Length is 0 or > 64) throw ApiException.Invalid("response_format.json_schema.name", "response_format.json_schema.name: expected 1 to 64 characters");
        form.Text("description");
        var bestEffort = form.Flag("strict") == false;
        var schema = form.Take("schema") ?? throw form.Missing("schema");
        form.End();
        var compiled = await GrammarCache.OfSchemaAsync(schema.GetRawText(), bestEffort, "response_format.json_schema.schema", cancel).ConfigureAwait(false);
        return (compiled.Grammar, compiled.NotEnforced);
    }

    /// <summary>A prefix as the grammar has it; one that no text of the form begins with is refused before anything is queued. JSON may have white space where the model would write none: the model sees it, the grammar
    /// does not.</summary>
    private static string Beginning(Grammar grammar, TextGenerator generator, string beginning, int index, bool isJson)
    {
        var tokens = TokenTrie.Of(generator.Tokenizer, generator.EndTokenIds);
        if (FaultOf(beginning) is not { } fault) return beginning;
        if (isJson && JsonBeginning.WithoutWhitespace(beginning) is { } plain && FaultOf(plain) is null) return plain;
        var field = FormattableString.Invariant($"messages[{index}].content");
        throw ApiException.Invalid(field, $"{field}: {fault}; expected the beginning of the form as the model writes it{(isJson ? ", but for white space, which may stand wherever JSON allows it other than behind a number at the end" : "")}");

        string? FaultOf(string text)
        {
            try
            {
                _ = new GrammarMatcher(grammar, tokens, Encoding.UTF8.GetBytes(text));
                return null;
            }
            catch (GrammarException misfit)
            {
                return misfit.Message;
            }
        }
    }

    private static void RefuseHosted(RequestReader request)
    {
        request.Refuse("audio", "answers are text");
        request.Refuse("modalities", "answers are text", "[\"text\"]", "[]");
        request.Refuse("prediction", "leave it out; the answer is the same");
        request.Refuse("store", "nothing is kept", "false");
        request.Refuse("verbosity", "say it in a message", "\"medium\"");
        request.Refuse("service_tier", "there is one", "\"auto\"", "\"default\"");
        request.Refuse("web_search_options", "nothing is fetched");
        request.Refuse("moderation", "answers are not judged");
    }

    private static List<TextSegment> Render(
        ServedModel model, List<ChatMessage> messages, ChatTools tools, Dictionary<string, JsonElement> variables, out bool opensReasoning)
    {
        var prefix = messages[^1] is var last && ChatMessages.IsPrefix(last) ? last : null;
        if (prefix is not null) messages.RemoveAt(messages.Count - 1);
        var prompt = new List<TextSegment>(Render(model, new ChatConversation { Messages = messages, Tools = tools.Rendered, Variables = variables }));
        opensReasoning = model.Format.OpensReasoning(prompt);
        if (prefix is null) return prompt;

        // The model goes on behind what it is said to have written.
        if (!opensReasoning && !string.IsNullOrEmpty(prefix.ReasoningContent))
            throw ApiException.Invalid(FormattableString.Invariant($"messages[{messages.Count}].reasoning_content"), FormattableString.Invariant($"messages[{messages.Count}].reasoning_content: expected only where the model reasons, which it does not here"), "unsupported_parameter");
        if (opensReasoning && prefix.ReasoningContent is { } reasoning) prompt.Add(new TextSegment(reasoning, IsTrusted: false));
        if (!string.IsNullOrEmpty(prefix.Content))
        {
            if (opensReasoning) prompt.Add(new TextSegment(AnswerFormat.NoThought, IsTrusted: true));
            prompt.Add(new TextSegment(prefix.Content, IsTrusted: false));
            opensReasoning = false;
        }

        return prompt;
    }

    /// <summary>Renders a conversation. One that cannot fit is refused before it is looked at more closely, which takes as long again.</summary>
    private static IReadOnlyList<TextSegment> Render(ServedModel model, ChatConversation conversation)
    {
        if (conversation.Messages.Count > model.Generator.MaxContext)
            throw ApiException.Invalid("messages", FormattableString.Invariant($"messages: expected no more messages than the context of {model.Generator.MaxContext} has tokens, found {conversation.Messages.Count}"), "context_length_exceeded");
        var prompt = Rendered(model, conversation, out var fault);
        if (prompt is not null) PromptLength.Check(model.Generator, string.Concat(prompt.Select(segment => segment.Text)), "messages");
        var placed = MessageMarks.Placed(model.Chat, conversation, out var lost);
        if (lost is not null) throw ApiException.Invalid(lost.Place, lost.Fault, "unsupported_parameter");
        if (!ReferenceEquals(placed, conversation)) prompt = Rendered(model, placed, out fault);
        if (fault?.Fault == ChatTemplateFault.Evaluation && ChatMessages.PlaceOfCutArguments(conversation.Messages) is { } place)
            throw ApiException.Invalid(place, $"{place}: is not the JSON text of an object, and this model's chat template writes nothing else ({fault.Message}); leave the call and its result out, or complete it", "unsupported_parameter");

        // What the template refuses it refuses again, with its own words.
        return prompt ?? model.Chat.Render(placed);
    }

    private static IReadOnlyList<TextSegment>? Rendered(ServedModel model, ChatConversation conversation, out ChatTemplateException? fault)
    {
        fault = null;
        try
        {
            return model.Chat.Render(conversation);
        }
        catch (ChatTemplateException thrown)
        {
            fault = thrown;
            return null;
        }
    }

    private static int ThinkEndToken(ServedModel model) => model.Generator.Tokenizer.TryGetTokenId(AnswerFormat.ThinkEnd, out var id)
        ? id
        : throw ApiException.Invalid("response_format", "response_format: this model ends its reasoning with no token of its own, so that the form could not be kept", "unsupported_parameter");
}

/// <summary>The bound that saves reading what cannot fit.</summary>
internal static class PromptLength
{
    /// <exception cref="ApiException">The text has more tokens than the context, seen from its bytes alone.</exception>
    public static void Check(TextGenerator generator, string text, string field)
    {
        if (generator.Tokenizer.MinTokenCount(text) is var count && count >= generator.MaxContext)
            throw ApiException.Invalid(
                field, FormattableString.Invariant($"the prompt has {count} tokens or more, at most {generator.MaxContext - 1} fit the context of {generator.MaxContext}; shorten it"), "context_length_exceeded");
    }
}
