namespace Hadal.Inference.Grammars;

/// <summary>A grammar that cannot be used: it is malformed, derives nothing, passes a limit, or does not allow the token it was given.</summary>
public sealed class GrammarException : Exception
{
    /// <summary>Makes an exception without a message.</summary>
    public GrammarException() { }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">One line: what, where, expected, found, what to do.</param>
    public GrammarException(string message) : base(message) { }

    /// <summary>Makes an exception with its cause.</summary>
    /// <param name="message">One line.</param>
    /// <param name="innerException">The cause.</param>
    public GrammarException(string message, Exception innerException) : base(message, innerException) { }

    /// <summary>The tables of a grammar are full; fresh ones may do.</summary>
    internal bool TablesAreFull { get; private init; }

    internal static GrammarException Full(string what, long limit, string option) => new(LimitText(what, limit, option)) { TablesAreFull = true };

    internal static GrammarException Limit(string what, long limit, string option) =>
        new(LimitText(what, limit, option));

    private static string LimitText(string what, long limit, string option) => $"grammar needs more than {limit} {what}; simplify it or raise {option}";
}
