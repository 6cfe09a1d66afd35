namespace Hadal.Inference.Grammars;

/// <summary>A context-free grammar over bytes, made by <see cref="GrammarBuilder"/>. It may be shared by any number of matchers on any number of
/// threads.</summary>
public sealed class Grammar
{
    internal Grammar(GrammarLimits limits, RegexPool regexes, GrammarProgram program)
    {
        Limits = limits;
        Regexes = regexes;
        Program = program;
    }

    /// <summary>What the grammar may cost.</summary>
    public GrammarLimits Limits { get; }

    /// <summary>Number of different lexemes.</summary>
    public int LexemeCount => Program.Lexemes.Length;

    /// <summary>Number of rules after inlining.</summary>
    public int RuleCount => Program.RuleStarts.Length;

    /// <summary>The expressions of the lexemes; never added to.</summary>
    internal RegexPool Regexes { get; }

    internal GrammarProgram Program { get; }
}
