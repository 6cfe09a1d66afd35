using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <summary>One place in a text where a lexeme is under way: the state of the lexer, and the state of the parser in which the lexeme began.</summary>
internal readonly record struct Scan(int Lexer, int Parser);

/// <summary>The lazily built tables of one grammar. A configuration is all there is to know about a text so far: the scans under way and whether the
/// text may end. Configurations are kept once; number 0 is the dead one.</summary>
/// <remarks>For one thread at a time; users hold <see cref="Lock"/>.</remarks>
internal sealed class GrammarTables
{
    public const int Dead = 0;

    private readonly GrammarLimits _limits;
    private readonly IntLists _configurations = new();
    private readonly LongMap _steps = new(10);
    private readonly LongMap _borders = new(8);
    private readonly List<Scan> _scans = [];
    private readonly List<Item> _kernel = [];
    private readonly List<int> _list = [];
    private readonly List<ByteSet> _live = [];
    private readonly Dictionary<TokenTrie, MaskTable> _masks = [];

    /// <param name="grammar">The grammar.</param>
    /// <param name="regexes">Its expressions, to be added to.</param>
    public GrammarTables(Grammar grammar, RegexPool regexes)
    {
        _limits = grammar.Limits;
        Lexer = new LexerStates(_limits, regexes, grammar.Program.Lexemes);
        Parser = new ParserStates(_limits, grammar.Program, Lexer);
        _configurations.Intern([0], out _);
        _live.Add(ByteSet.None);
        _scans.Clear();
        Initial = Enter(Parser.Initial());
    }

    public Lock Lock { get; } = new();

    public LexerStates Lexer { get; }

    public ParserStates Parser { get; }

    /// <summary>Where every text begins.</summary>
    public int Initial { get; }

    /// <summary>Number of configurations.</summary>
    public int Count => _configurations.Count;

    /// <summary>Bytes of masks that are kept beside the tables.</summary>
    public long MaskBytes { get; set; }

    public long Bytes => Lexer.Bytes + Parser.Bytes + _configurations.Bytes + _steps.Bytes + _borders.Bytes + _live.Count * 32L + MaskBytes;

    /// <summary>Begins to count the steps of one mask or one token.</summary>
    public void BeginSteps() => Lexer.Pool.Steps.Begin();

    /// <summary>The masks for a vocabulary.</summary>
    public MaskTable MasksOf(TokenTrie trie)
    {
        lock (Lock)
        {
            if (!_masks.TryGetValue(trie, out var masks)) _masks.Add(trie, masks = new MaskTable(_limits, this, trie));
            return masks;
        }
    }

    /// <summary>True if the text may end here.</summary>
    public bool IsComplete(int configuration) => _configurations[configuration][0] != 0;

    /// <summary>Number of scans under way.</summary>
    public int ScanCount(int configuration) => _configurations[configuration].Length / 2;

    public Scan ScanAt(int configuration, int index) => _configurations[configuration].Slice(1 + 2 * index, 2) is var pair ? new Scan(pair[0], pair[1]) : default;

    /// <summary>The bytes that lead on from here.</summary>
    public ByteSet Live(int configuration)
    {
        if (!_live[configuration].IsEmpty || ScanCount(configuration) == 0) return _live[configuration];
        var live = ByteSet.None;
        Lexer.Pool.Steps.Spend(ScanCount(configuration) * 256);
        for (var index = 0; index < ScanCount(configuration); index++)
        {
            var row = Lexer.Row(ScanAt(configuration, index).Lexer);
            for (var value = 0; value < 256; value++)
                if (row[value] != 0) live |= ByteSet.Of((byte)value);
        }
        return _live[configuration] = live;
    }

    /// <summary>Where a byte leads, or <see cref="Dead"/>.</summary>
    public int Step(int configuration, byte value)
    {
        if (ScanCount(configuration) == 1)
        {
            var scan = ScanAt(configuration, 0);
            var target = Lexer.Row(scan.Lexer)[value];
            if (target == 0) return Dead;
            return (target & 1) != 0 ? Border(target >> 1, scan.Parser) : Of(new Scan(target >> 1, scan.Parser));
        }
        var key = (long)configuration << 8 | value;
        var known = _steps.Find(key);
        return known >= 0 ? known : StepAll(configuration, value, key);
    }

    /// <summary>Where a single scan leads that has just come to a state in which a lexeme may end.</summary>
    public int Border(int lexer, int parser)
    {
        var key = (long)lexer << 32 | (uint)parser;
        var known = _borders.Find(key);
        if (known >= 0) return known;
        _scans.Clear();
        _kernel.Clear();
        EndLexemes(lexer, parser);
        var configuration = Close();
        _borders.Add(key, configuration);
        return configuration;
    }

    /// <summary>The configuration of a single scan within a lexeme.</summary>
    public int Of(Scan scan)
    {
        _list.Clear();
        _list.Add(0);
        _list.Add(scan.Lexer);
        _list.Add(scan.Parser);
        return Intern();
    }

    private int StepAll(int configuration, byte value, long key)
    {
        Lexer.Pool.Steps.Spend(ScanCount(configuration) * StepBudget.Part);
        _scans.Clear();
        _kernel.Clear();
        for (var index = 0; index < ScanCount(configuration); index++)
        {
            var scan = ScanAt(configuration, index);
            var target = Lexer.Row(scan.Lexer)[value];
            if (target == 0) continue;
            if ((target & 1) != 0) EndLexemes(target >> 1, scan.Parser);
            else _scans.Add(new Scan(target >> 1, scan.Parser));
        }
        var next = _scans.Count == 0 && _kernel.Count == 0 ? Dead : Close();
        _steps.Add(key, next);
        return next;
    }

    /// <summary>The lexemes that may end here end, and those that may go on go on.</summary>
    private void EndLexemes(int lexer, int parser)
    {
        if (!Lexer.IsFinal(lexer)) _scans.Add(new Scan(lexer, parser));
        var list = Lexer[lexer];
        for (var index = 0; index < list.Length; index += 2)
            if (Lexer.Pool[list[index + 1]].Nullable) Parser.Advance(parser, list[index], _kernel);
    }

    private int Close() => _kernel.Count == 0 ? Enter(-1) : Enter(Parser.StateOf(_kernel));

    /// <summary>The configuration of the scans collected and those that begin in a state of the parser.</summary>
    private int Enter(int parser)
    {
        var complete = false;
        if (parser >= 0)
        {
            complete = Parser.Accepts(parser);
            if (Parser.LexerStart(parser) is var start && start != 0) _scans.Add(new Scan(start, parser));
        }
        _scans.Sort((x, y) => x.Lexer != y.Lexer ? x.Lexer.CompareTo(y.Lexer) : x.Parser.CompareTo(y.Parser));
        _list.Clear();
        _list.Add(complete ? 1 : 0);
        for (var index = 0; index < _scans.Count; index++)
        {
            if (index > 0 && _scans[index] == _scans[index - 1]) continue;
            _list.Add(_scans[index].Lexer);
            _list.Add(_scans[index].Parser);
        }
        return Intern();
    }

    private int Intern()
    {
        if (!_configurations.Intern(CollectionsMarshal.AsSpan(_list), out var id)) return id;
        _live.Add(ByteSet.None);
        if ((id & 63) == 0 && Bytes > _limits.MaxMemoryBytes) throw GrammarException.Full("bytes of memory", _limits.MaxMemoryBytes, nameof(GrammarLimits.MaxMemoryBytes));
        return id;
    }
}
