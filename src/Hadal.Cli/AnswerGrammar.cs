using System.CommandLine;
using System.Text;
using System.Text.Unicode;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Grammars.Lexicons;

namespace Hadal.Cli;

/// <summary>The options of <c>run</c> that bind the answer to a grammar.</summary>
internal sealed class AnswerGrammar(Shell shell)
{
    private readonly Option<string?> _schema = new("--schema") { Description = "The answer is JSON that this JSON Schema allows.", HelpName = "FILE" };
    private readonly Option<string?> _regex = new("--regex") { Description = "The answer matches this regular expression as a whole.", HelpName = "PATTERN" };
    private readonly Option<string?> _grammar = new("--grammar") { Description = "The answer is a text of this grammar: Lark where the file ends in .lark, else GBNF.", HelpName = "FILE" };
    private readonly Option<string?> _terms = new("--terms") { Description = "The answer is one of these terms, or its plural or capital variant. A line is a term, or term, tab and id, which --json prints; lines that begin with # are comments.", HelpName = "FILE" };

    private readonly Option<bool> _bestEffort = new("--best-effort") { Description = "Leave out what the schema of --schema asks and cannot be enforced, and list it on standard error, instead of refusing the schema." };

    /// <summary>Characters of a value that an error shows.</summary>
    private const int ShownMax = 80;

    private static readonly TokenTrie Bytes = new([.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })], []);

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> Options => [_schema, _bestEffort, _regex, _grammar, _terms];

    /// <summary>The terms of the grammar, where it was made of terms.</summary>
    public Lexicon? Terms { get; private set; }

    /// <summary>The grammar that was asked for, or null.</summary>
    /// <exception cref="CommandException">More than one was asked for, or it cannot be used; the message names the option.</exception>
    public Grammar? Of(ParseResult parsed)
    {
        var given = ((Option<string?>[])[_schema, _regex, _grammar, _terms]).Where(option => parsed.GetValue(option) is not null).ToList();
        if (parsed.GetValue(_bestEffort) && parsed.GetValue(_schema) is null) throw CommandException.Usage($"{_bestEffort.Name}: expected {_schema.Name} with it, found none");
        if (given.Count == 0) return null;
        if (given.Count > 1) throw CommandException.Usage($"{given[0].Name} and {given[1].Name}: expected one of them");
        var value = parsed.GetValue(given[0])!;
        try
        {
            return Compile(given[0], value, parsed.GetValue(_bestEffort));
        }
        catch (GrammarException fault)
        {
            throw CommandException.Failed($"{given[0].Name} {TerminalText.Visible(value.Length <= ShownMax ? value : value[..ShownMax] + "…").ReplaceLineEndings("\u240A")}: {fault.Message}", fault);
        }
    }

    /// <summary>Whether a text that was cut happens to be one that the grammar derives.</summary>
    public static bool IsWhole(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Bytes);
        foreach (var value in Encoding.UTF8.GetBytes(text))
            if (!matcher.TryAccept(value)) return false;
        return matcher.IsComplete;
    }

    private Grammar Compile(Option<string?> option, string value, bool bestEffort)
    {
        if (option == _regex) return PlainGrammars.FromRegex(value);
        var text = Read(option, value);
        if (option == _schema) return OfSchema(text, bestEffort);
        if (option == _grammar) return value.EndsWith(".lark", StringComparison.OrdinalIgnoreCase) ? LarkGrammar.Compile(text) : GbnfGrammar.Compile(text);
        using var reader = new StringReader(text);
        Terms = Lexicon.Read(reader);
        return Terms.ToGrammar();
    }

    private Grammar OfSchema(string text, bool bestEffort)
    {
        var made = JsonSchemaGrammar.Compile(text, JsonGrammarOptions.ForModels with { BestEffort = bestEffort });
        foreach (var item in made.Ignored) shell.Error.WriteLine($"hadal: not enforced: {HadalCommand.OneLine(item)}");
        return made.Grammar;
    }

    /// <summary>A file of UTF-8 text, without the mark at its beginning.</summary>
    private string Read(Option<string?> option, string value)
    {
        var path = Path.GetFullPath(value, shell.CurrentDirectory);
        if (value.Length == 0 || !File.Exists(path)) throw CommandException.Failed($"{option.Name} {value}: expected a file, found none of that name");
        if (new FileInfo(path).Length is var length && length > Lexicon.BytesMax) throw CommandException.Failed($"{option.Name} {value}: expected at most {Lexicon.BytesMax} bytes, found {length}");
        var bytes = File.ReadAllBytes(path).AsSpan();
        if (bytes.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw CommandException.Failed($"{option.Name} {value}: expected text in UTF-8, found other bytes; save it as UTF-8");
    }
}
