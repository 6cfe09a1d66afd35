using System.Text;
using Hadal.Inference.Grammars.Lexicons;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Formal;

/// <summary>Grammars of a single expression.</summary>
public static class PlainGrammars
{
    /// <summary>Texts that match a regular expression as a whole.</summary>
    /// <param name="pattern">A regular expression of ECMA-262 (Unicode mode) without back references and lookbehind.</param>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">The expression is malformed, not supported, matches nothing, or passes a limit.</exception>
    public static Grammar FromRegex(string pattern, GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        return builder.Build(builder.Lexeme(PatternCompiler.Whole(pattern, TextWriting.Utf8(builder.Regexes))));
    }

    /// <summary>Exactly one of some texts.</summary>
    /// <param name="choices">The texts.</param>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">There is no choice, or a limit is passed.</exception>
    public static Grammar FromChoices(IEnumerable<string> choices, GrammarLimits? limits = null)
    {
        var (builder, texts) = (new GrammarBuilder(limits), choices.ToArray());
        return builder.Build(builder.Lexeme(texts.Length < AcyclicAutomaton.Many
            ? builder.Regexes.Or(texts.Select(builder.Regexes.Literal).ToArray())
            : builder.Regexes.Automaton(AcyclicAutomaton.Of(texts.Select(Encoding.UTF8.GetBytes)))));
    }
}
