namespace Hadal.Checkpoints.Text;

/// <summary>Why a chat template could not be used.</summary>
public enum ChatTemplateFault
{
    /// <summary>The template is not written correctly, or uses a part of Jinja that is not supported: a fault of the model's files.</summary>
    Syntax,

    /// <summary>The template met a value it cannot work with, for example a missing key: a fault of the conversation or of the template.</summary>
    Evaluation,

    /// <summary>The template refused the conversation with <c>raise_exception</c>; the message is its own text, meant for the caller.</summary>
    Refused,

    /// <summary>A limit of <see cref="ChatTemplateLimits"/> was reached.</summary>
    Limit,
}

/// <summary>A chat template that cannot be parsed or rendered.</summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="fault">Why.</param>
    /// <param name="message">One line; the place is added to it except for <see cref="ChatTemplateFault.Refused"/>.</param>
    /// <param name="line">Line in the template, from 1, or 0 where there is none.</param>
    /// <param name="column">Column in the template in UTF-16 units, from 1, or 0 where there is none.</param>
    public ChatTemplateException(ChatTemplateFault fault, string message, int line = 0, int column = 0)
        : base(fault == ChatTemplateFault.Refused || line == 0 ? message : FormattableString.Invariant($"chat template, line {line}, column {column}: {message}"))
    {
        Fault = fault;
        Line = line;
        Column = column;
    }

    /// <summary>Creates the exception with its one-line message.</summary>
    public ChatTemplateException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with its one-line message and the fault beneath it.</summary>
    public ChatTemplateException(string message, Exception? innerException) : base(message, innerException)
    {
    }

    /// <summary>Creates the exception without a message; present because the framework's guidelines ask for it.</summary>
    public ChatTemplateException()
    {
    }

    /// <summary>Why.</summary>
    public ChatTemplateFault Fault { get; }

    /// <summary>Line in the template, from 1, or 0 where there is none.</summary>
    public int Line { get; }

    /// <summary>Column in the template in UTF-16 units, from 1, or 0 where there is none.</summary>
    public int Column { get; }
}
