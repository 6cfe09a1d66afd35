namespace Hadal.Inference.Grammars;

/// <summary>A context-free grammar over bytes, made by <see cref="GrammarBuilder"/>. It may be shared by any number of matchers on any number of
/// threads.</summary>
public sealed class Grammar
{
    private GrammarTables? _tables;

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

    /// <summary>The tables that matchers share.</summary>
    internal GrammarTables CurrentTables() => Volatile.Read(ref _tables) ?? FreshTables(null);

    /// <summary>Other tables than those that are full.</summary>
    internal GrammarTables FreshTables(GrammarTables? full)
    {
        var current = Volatile.Read(ref _tables);
        if (current is not null && current != full) return current;
        var fresh = new GrammarTables(this);
        var found = Interlocked.CompareExchange(ref _tables, fresh, current);
        return found == current ? fresh : found!;
    }
}
