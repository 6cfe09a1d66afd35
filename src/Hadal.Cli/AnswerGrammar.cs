using System.CommandLine;
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
    private readonly Option<string?> _terms = new("--terms") { Description = "The answer is one of these terms, one a line.", HelpName = "FILE" };

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option<string?>> Options => [_schema, _regex, _grammar, _terms];

    /// <summary>The grammar that was asked for, or null.</summary>
    /// <exception cref="CommandException">More than one was asked for, or it cannot be used; the message names the option.</exception>
    public Grammar? Of(ParseResult parsed)
    {
        var given = Options.Where(option => parsed.GetValue(option) is not null).ToList();
        if (given.Count == 0) return null;
        if (given.Count > 1) throw CommandException.Usage($"{given[0].Name} and {given[1].Name}: expected one of them");
        var value = parsed.GetValue(given[0])!;
        try
        {
            return Compile(given[0], value);
        }
        catch (GrammarException fault)
        {
            throw CommandException.Failed($"{given[0].Name} {value}: {fault.Message}", fault);
        }
    }

    private Grammar Compile(Option<string?> option, string value)
    {
        if (option == _regex) return PlainGrammars.FromRegex(value);
        var path = Path.GetFullPath(value, shell.CurrentDirectory);
        if (option == _schema) return JsonSchemaGrammar.Compile(File.ReadAllBytes(path)).Grammar;
        if (option == _grammar) return path.EndsWith(".lark", StringComparison.OrdinalIgnoreCase) ? LarkGrammar.Compile(File.ReadAllText(path)) : GbnfGrammar.Compile(File.ReadAllText(path));
        using var reader = new StreamReader(path);
        return Lexicon.Read(reader).ToGrammar();
    }
}
