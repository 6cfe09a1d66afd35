namespace Hadal.Inference.Grammars;

/// <summary>A context-free grammar over bytes, made by <see cref="GrammarBuilder"/>. It may be shared by any number of matchers on any number of
/// threads.</summary>
public sealed partial class Grammar
{
    private readonly int _regexCount;
    private GrammarTables? _first;
    private GrammarTables? _tables;

    internal Grammar(GrammarLimits limits, RegexPool regexes, GrammarProgram program)
    {
        Limits = limits;
        Regexes = regexes;
        Program = program;
        _regexCount = regexes.Count;
    }

    /// <summary>What the grammar may cost.</summary>
    public GrammarLimits Limits { get; }

    /// <summary>Number of different lexemes.</summary>
    public int LexemeCount => Program.Lexemes.Length;

    /// <summary>Number of rules after inlining.</summary>
    public int RuleCount => Program.RuleStarts.Length;

    /// <summary>The expressions of the lexemes. The first tables add their derivatives to them; later ones begin with a copy.</summary>
    internal RegexPool Regexes { get; }

    internal GrammarProgram Program { get; }

    /// <summary>The tables that matchers share.</summary>
    internal GrammarTables CurrentTables() => Volatile.Read(ref _tables) ?? FreshTables(null);

    /// <summary>Other tables than those that are full.</summary>
    internal GrammarTables FreshTables(GrammarTables? full)
    {
        lock (Regexes)
        {
            if (_first is null) return _tables = _first = new GrammarTables(this, Regexes);
            if (_tables is { } current && current != full) return current;
            // Whoever still works with the first tables adds to the expressions.
            lock (_first.Lock) return _tables = new GrammarTables(this, Regexes.Copy(_regexCount));
        }
    }
}
