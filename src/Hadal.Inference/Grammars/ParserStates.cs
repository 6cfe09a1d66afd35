using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <summary>The states of an Earley parser (Earley 1970; nullable rules as Aycock and Horspool 2002), each kept once. A state is what may come next:
/// items that wait for a lexeme and items that wait for a rule. Two places in a text after which the same may come are one state, so that states
/// form a graph as the stacks of a generalised LR parser do, and what was computed for one holds for all.</summary>
internal sealed class ParserStates
{
    private const int HeaderLength = 2;

    private readonly GrammarLimits _limits;
    private readonly GrammarProgram _program;
    private readonly LexerStates _lexer;
    private readonly IntLists _kernels = new();
    private readonly IntLists _contents = new();
    private readonly List<int> _stateOfKernel = [];
    private readonly List<int> _lexerStarts = [];
    private readonly ItemSet _items = new();
    private readonly List<Item> _terminals = [];
    private readonly List<Item> _calls = [];
    private readonly List<int> _list = [];
    private readonly int[] _predicted;
    private readonly StepBudget _steps;
    private readonly MemberStates _members;
    private int _round;
    private bool _accepts;

    public ParserStates(GrammarLimits limits, GrammarProgram program, LexerStates lexer)
    {
        (_limits, _program, _lexer, _steps) = (limits, program, lexer, lexer.Pool.Steps);
        _predicted = new int[program.RuleStarts.Length];
        _members = new MemberStates(program.Members);
    }

    public long Bytes => _kernels.Bytes + _contents.Bytes + _stateOfKernel.Capacity * 8L + _members.Bytes;

    /// <summary>The state before any text.</summary>
    public int Initial() => StateOf([new Item(GrammarProgram.StartPosition, 0, Item.Here)]);

    /// <summary>True if the text may end in a state.</summary>
    public bool Accepts(int state) => _contents[state][0] != 0;

    /// <summary>The lexer's state in which the lexemes that a state waits for begin; 0 where it waits for none.</summary>
    public int LexerStart(int state) => _lexerStarts[state];

    /// <summary>Adds the items behind a lexeme to a list.</summary>
    public void Advance(int state, int lexeme, List<Item> kernel)
    {
        var content = _contents[state];
        var terminals = content.Slice(HeaderLength, content[1] * 2);
        for (var index = 0; index < terminals.Length; index += 2)
        {
            ref readonly var position = ref _program.Positions[terminals[index]];
            if (position.A == lexeme) kernel.Add(new Item(position.B, 0, Origin(terminals[index + 1], state)));
        }
        _steps.Spend(terminals.Length / 2);
    }

    /// <summary>The state of some items; sorts them.</summary>
    public int StateOf(List<Item> kernel)
    {
        kernel.Sort();
        _list.Clear();
        foreach (var item in kernel) Append(item);
        if (_kernels.Intern(CollectionsMarshal.AsSpan(_list), out var id)) _stateOfKernel.Add(-1);
        else if (_stateOfKernel[id] >= 0) return _stateOfKernel[id];
        Close(kernel);
        return _stateOfKernel[id] = Intern();
    }

    private static int Origin(int origin, int state) => origin == Item.Here ? state : origin;

    private void Close(List<Item> kernel)
    {
        _items.Clear();
        _terminals.Clear();
        _calls.Clear();
        _accepts = false;
        _round++;
        foreach (var item in kernel) _items.Add(item);
        for (var index = 0; index < _items.Count; index++)
        {
            if (index >= _limits.MaxItemsPerState) throw GrammarException.Full("items in one state", _limits.MaxItemsPerState, nameof(GrammarLimits.MaxItemsPerState));
            _steps.Spend(StepBudget.Part);
            Process(_items[index]);
        }
    }

    private void Process(Item item)
    {
        var position = _program.Positions[item.Position];
        switch (position.Kind)
        {
            case PositionKind.Terminal:
                _terminals.Add(item);
                break;
            case PositionKind.Call:
                _calls.Add(item);
                Predict(position.A);
                if (_program.RuleNullable[position.A]) _items.Add(new Item(position.B, 0, item.Origin));
                break;
            case PositionKind.Split:
                _steps.Spend(position.B);
                for (var index = 0; index < position.B; index++) _items.Add(item with { Position = _program.Targets[position.A + index] });
                break;
            case PositionKind.End:
                Complete(position.A, item.Origin);
                break;
            case PositionKind.Counted:
                var (min, max) = (_program.Bounds[position.B].Min, _program.Bounds[position.B].Max);
                if (item.Count >= min) Complete(position.C, item.Origin);
                if (max != RegexPool.Unbounded && item.Count >= max) break;
                _calls.Add(item);
                Predict(position.A);
                break;
            case PositionKind.Members:
                PredictMembers(position, item);
                break;
            case PositionKind.Accept:
                _accepts = true;
                break;
        }
    }

    /// <summary>All members that may come next, and the end where nothing is missing. What must still come keeps its room.</summary>
    private void PredictMembers(Position position, Item item)
    {
        var rule = _program.Members[position.A];
        var (count, missing) = (_members.CountOf(item.Count), _members.MissingOf(position.A, item.Count));
        if (missing == 0 && count >= rule.Min) Complete(position.C, item.Origin);
        var isFull = rule.Max != RegexPool.Unbounded && count + missing >= rule.Max;
        var positions = count == 0 ? rule.Firsts : rule.Nexts;
        _steps.Spend(positions.Length);
        for (var index = 0; index < positions.Length; index++)
        {
            if (positions[index] < 0 || (index < rule.Required.Length && _members.Has(item.Count, index))) continue;
            if (isFull && !(index < rule.Required.Length && rule.Required[index])) continue;
            _calls.Add(item with { Position = positions[index] });
            Predict(_program.Positions[positions[index]].A);
        }
    }

    private void Predict(int rule)
    {
        if (_predicted[rule] == _round) return;
        _predicted[rule] = _round;
        _items.Add(new Item(_program.RuleStarts[rule], 0, Item.Here));
    }

    /// <summary>A rule has ended: who waited for it where it began goes on. A rule that began here derived the empty string, which its callers
    /// know of.</summary>
    private void Complete(int rule, int origin)
    {
        if (origin == Item.Here) return;
        var content = _contents[origin];
        var calls = content[(HeaderLength + content[1] * 2)..];
        for (var index = FirstOfRule(calls, rule); index < calls.Length && _program.Positions[calls[index]].A == rule; index += 3)
        {
            ref readonly var caller = ref _program.Positions[calls[index]];
            var callerOrigin = Origin(calls[index + 2], origin);
            _steps.Spend(1);
            if (caller.Kind == PositionKind.Call) _items.Add(new Item(caller.B, 0, callerOrigin));
            else if (caller.Kind == PositionKind.Member) _items.Add(new Item(_program.Members[caller.B].Start, _members.With(caller.B, calls[index + 1], caller.C), callerOrigin));
            else _items.Add(new Item(calls[index], NextCount(caller, calls[index + 1]), callerOrigin));
        }
    }

    private int NextCount(Position counted, int count)
    {
        var bounds = _program.Bounds[counted.B];
        return bounds.Max == RegexPool.Unbounded && count >= bounds.Min ? count : count + 1;
    }

    private int FirstOfRule(ReadOnlySpan<int> calls, int rule)
    {
        var (low, high) = (0, calls.Length / 3);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_program.Positions[calls[middle * 3]].A < rule) low = middle + 1;
            else high = middle;
        }
        return low * 3;
    }

    private int Intern()
    {
        _terminals.Sort();
        _calls.Sort((x, y) => _program.Positions[x.Position].A is var a && _program.Positions[y.Position].A is var b && a != b ? a.CompareTo(b) : x.CompareTo(y));
        _list.Clear();
        _list.Add(_accepts ? 1 : 0);
        _list.Add(_terminals.Count);
        foreach (var item in _terminals)
        {
            _list.Add(item.Position);
            _list.Add(item.Origin);
        }
        foreach (var item in _calls) Append(item);
        if (!_contents.Intern(CollectionsMarshal.AsSpan(_list), out var state)) return state;
        if (state >= _limits.MaxParserStates) throw GrammarException.Full("states of its parser", _limits.MaxParserStates, nameof(GrammarLimits.MaxParserStates));
        _lexerStarts.Add(StartOfLexemes());
        return state;
    }

    private int StartOfLexemes()
    {
        _list.Clear();
        foreach (var item in _terminals) _list.Add(_program.Positions[item.Position].A);
        _list.Sort();
        var kept = 0;
        for (var index = 0; index < _list.Count; index++)
            if (index == 0 || _list[index] != _list[kept - 1]) _list[kept++] = _list[index];
        return kept == 0 ? 0 : _lexer.Start(CollectionsMarshal.AsSpan(_list)[..kept]);
    }

    private void Append(Item item)
    {
        _list.Add(item.Position);
        _list.Add(item.Count);
        _list.Add(item.Origin);
    }
}
