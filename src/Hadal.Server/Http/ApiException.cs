using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Http;

/// <summary>A request that ends with an error in OpenAI's form. The message is shown to the caller: no paths, no secrets.</summary>
internal sealed class ApiException(int status, string message, string? type = null, string? param = null, string? code = null, int? retryAfterSeconds = null, Exception? cause = null)
    : Exception(message, cause)
{
    private const int LongestRetryAfter = 600;

    /// <summary>HTTP status.</summary>
    public int Status => status;

    /// <summary>OpenAI's class of the error.</summary>
    public string Type { get; } = type ?? status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        503 => "service_unavailable_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>The field at fault, or null.</summary>
    public string? Param => param;

    /// <summary>A word for programs, or null.</summary>
    public string? Code => code;

    /// <summary>When to come again.</summary>
    public int? RetryAfterSeconds => retryAfterSeconds;

    /// <summary>A field that cannot be used.</summary>
    public static ApiException Invalid(string? param, string message, string? code = null) => new(400, message, param: param, code: code);

    /// <summary>A sentence that begins with the name of the field, as options of the engine report faults.</summary>
    public static ApiException OfSentence(string sentence) => Invalid(FieldOf(sentence), sentence);

    /// <summary>The server cannot take the request now.</summary>
    public static ApiException Unavailable(string message, int retryAfterSeconds) => new(503, message, code: "server_is_overloaded", retryAfterSeconds: retryAfterSeconds);

    /// <summary>The server could take it, but not from this caller, who has as much as one may.</summary>
    public static ApiException TooMany(string message, int retryAfterSeconds) => new(429, message, code: "rate_limit_exceeded", retryAfterSeconds: retryAfterSeconds);

    /// <summary>A measured time as <c>Retry-After</c> has it: whole seconds, and no more than clients would wait for.</summary>
    public static int Seconds(TimeSpan? wait) => (int)Math.Clamp(Math.Ceiling((wait ?? TimeSpan.Zero).TotalSeconds), 1, LongestRetryAfter);

    /// <summary>The error that a fault of a request ends in; of what nobody foresaw, only that it happened.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="promptField">Field that holds the prompt.</param>
    public static ApiException Of(Exception fault, string promptField = "messages") => fault switch
    {
        ApiException error => error,
        GenerationException { Fault: GenerationFault.QueueFull, RetryAfter: var wait } => Unavailable(fault.Message, Seconds(wait)),
        GenerationException { Fault: GenerationFault.ShareFull, RetryAfter: var wait } => TooMany(fault.Message, Seconds(wait)),
        GenerationException { Fault: GenerationFault.Closed } => Unavailable("the server is stopping", retryAfterSeconds: 5),
        GenerationException { Fault: GenerationFault.PromptTooLong } => Invalid(promptField, fault.Message, "context_length_exceeded"),
        GenerationException { Fault: GenerationFault.Grammar } => Invalid("response_format", fault.Message),
        GenerationException => new ApiException(500, fault.Message, cause: fault),
        ChatTemplateException { Fault: not ChatTemplateFault.Syntax } => Invalid(promptField, fault.Message),
        GrammarException => Invalid("response_format", fault.Message),
        BadHttpRequestException bad => new ApiException(bad.StatusCode, bad.Message),
        _ => new ApiException(500, "the server failed while it worked on this request", cause: fault),
    };

    private static string? FieldOf(string sentence) => sentence.IndexOf(':', StringComparison.Ordinal) is var colon and > 0 ? sentence[..colon] : null;
}
