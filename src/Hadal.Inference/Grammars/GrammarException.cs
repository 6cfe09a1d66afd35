using System.Globalization;

namespace Hadal.Inference.Grammars;

/// <summary>A grammar that cannot be used: it is malformed, derives nothing, passes a limit, or does not allow the token it was given.</summary>
public sealed class GrammarException : Exception
{
    private const string Schema = "JSON Schema";

    /// <summary>Makes an exception without a message.</summary>
    public GrammarException() { }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">One line: what, where, expected, found, what to do. Control characters, which quoted parts of a grammar may hold, are shown as escapes.</param>
    public GrammarException(string message) : base(Visible(message)) { }

    /// <summary>Makes an exception with its cause.</summary>
    /// <param name="message">One line.</param>
    /// <param name="innerException">The cause.</param>
    public GrammarException(string message, Exception innerException) : base(Visible(message), innerException) { }

    /// <summary>The tables of a grammar are full; fresh ones may do.</summary>
    internal bool TablesAreFull { get; private init; }

    /// <summary>The grammar derives nothing.</summary>
    internal bool DerivesNothing { get; private init; }

    /// <summary>A schema was asked for while it is being worked out.</summary>
    internal bool IsCyclic { get; private init; }

    /// <summary>What was written is no schema of any draft, so that there is nothing that could be left out.</summary>
    internal bool IsNoSchema { get; init; }

    /// <summary>Whether the message says where in a JSON Schema the fault lies.</summary>
    internal bool HasPlace => Message.StartsWith(Schema + ", ", StringComparison.Ordinal);

    /// <summary>The same fault with its place in a JSON Schema.</summary>
    /// <param name="place">A JSON pointer, with the keyword where one is to blame.</param>
    internal GrammarException At(string place)
    {
        var fault = Message.StartsWith(Schema + ": ", StringComparison.Ordinal) ? Message[(Schema.Length + 2)..] : Message;
        return new GrammarException($"{Schema}, {place}: {fault}", this) { TablesAreFull = TablesAreFull, IsNoSchema = IsNoSchema };
    }

    internal static GrammarException Nothing() =>
        new("grammar derives no text at all; one of its required parts can never end or matches nothing") { DerivesNothing = true };

    /// <summary>A schema that refers to itself.</summary>
    /// <param name="place">A JSON pointer.</param>
    internal static GrammarException Cyclic(string place) => new($"{Schema}, {place}: refers to itself with nothing in between") { IsCyclic = true };

    internal static GrammarException Full(string what, long limit, string option) => new(LimitText(what, limit, option)) { TablesAreFull = true };

    internal static GrammarException Limit(string what, long limit, string option) =>
        new(LimitText(what, limit, option));

    private static string Visible(string message)
    {
        if (!message.Any(char.IsControl)) return message;
        return string.Concat(message.Select(character => character switch
        {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ when char.IsControl(character) => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}"),
            _ => character.ToString(),
        }));
    }

    private static string LimitText(string what, long limit, string option) => $"grammar needs more than {limit} {what}; simplify it or raise {option}";
}
