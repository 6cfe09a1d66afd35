using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Decides whether a grammar derives a text, byte by byte, as plainly as can be: Earley's algorithm over positions and derivatives of lexemes.
/// Shares no code with the matcher.</summary>
internal sealed class ByteAcceptor(Grammar grammar)
{
    private readonly GrammarProgram _program = grammar.Program;
    private readonly RegexPool _regexes = grammar.Regexes.Copy(grammar.Regexes.Count);

    /// <summary>What was seen of members in any order; an item's count is the index.</summary>
    private readonly List<(int Count, int[] Members)> _seen = [(0, [])];

    private readonly record struct Item(int Position, int Term, int Origin, int Count);

    /// <summary>Whether the text is derived.</summary>
    public bool Accepts(ReadOnlySpan<byte> text) => Run(text) is { } last && last.Exists(i => _program.Positions[i.Position].Kind == PositionKind.Accept);

    /// <summary>Whether some text that begins like this is derived.</summary>
    public bool AcceptsPrefix(ReadOnlySpan<byte> text) => Run(text) is not null;

    private List<Item>? Run(ReadOnlySpan<byte> text)
    {
        var sets = new List<List<Item>>();
        var current = new List<Item> { new(GrammarProgram.StartPosition, -1, 0, 0) };
        for (var index = 0; ; index++)
        {
            sets.Add(current);
            Close(sets, index);
            if (index == text.Length) return current;
            var next = new List<Item>();
            var seen = new HashSet<Item>();
            foreach (var item in current)
            {
                if (item.Term < 0) continue;
                var term = _regexes.Derivative(item.Term, text[index]);
                if (_regexes.IsNothing(term)) continue;
                Add(next, seen, item with { Term = term });
                if (_regexes[term].Nullable) Add(next, seen, item with { Position = _program.Positions[item.Position].B, Term = -1 });
            }

            if (next.Count == 0) return null;
            current = next;
        }
    }

    private void Close(List<List<Item>> sets, int index)
    {
        var set = sets[index];
        var seen = new HashSet<Item>(set);
        for (var i = 0; i < set.Count; i++)
        {
            var item = set[i];
            if (item.Term >= 0) continue;
            var position = _program.Positions[item.Position];
            switch (position.Kind)
            {
                case PositionKind.Terminal:
                    Add(set, seen, item with { Term = _program.Lexemes[position.A] });
                    break;
                case PositionKind.Call:
                    Add(set, seen, new Item(_program.RuleStarts[position.A], -1, index, 0));
                    if (_program.RuleNullable[position.A]) Add(set, seen, item with { Position = position.B });
                    break;
                case PositionKind.Split:
                    for (var target = 0; target < position.B; target++) Add(set, seen, item with { Position = _program.Targets[position.A + target] });
                    break;
                case PositionKind.End:
                    Complete(sets[item.Origin], position.A, set, seen);
                    break;
                case PositionKind.Counted:
                    var bounds = _program.Bounds[position.B];
                    if (bounds.Max < 0 || item.Count < bounds.Max) Add(set, seen, new Item(_program.RuleStarts[position.A], -1, index, 0));
                    if (item.Count >= bounds.Min) Complete(sets[item.Origin], position.C, set, seen);
                    break;
                case PositionKind.Members:
                    foreach (var (_, member) in NextMembers(position, item)) Add(set, seen, new Item(_program.RuleStarts[_program.Positions[member].A], -1, index, 0));
                    var (count, members) = _seen[item.Count];
                    var rule = _program.Members[position.A];
                    if (count >= rule.Min && rule.Required.Index().All(required => !required.Item || members.Contains(required.Index))) Complete(sets[item.Origin], position.C, set, seen);
                    break;
            }
        }
    }

    private void Complete(List<Item> callers, int rule, List<Item> set, HashSet<Item> seen)
    {
        for (var i = 0; i < callers.Count; i++)
        {
            var caller = callers[i];
            if (caller.Term >= 0) continue;
            var position = _program.Positions[caller.Position];
            if (position.Kind == PositionKind.Members)
            {
                foreach (var (index, member) in NextMembers(position, caller).ToList())
                    if (_program.Positions[member].A == rule) Add(set, seen, caller with { Count = With(caller.Count, index, index < _program.Members[position.A].Required.Length) });
            }
            if (position.Kind == PositionKind.Call && position.A == rule) Add(set, seen, caller with { Position = position.B });
            if (position.Kind != PositionKind.Counted || position.A != rule) continue;
            var bounds = _program.Bounds[position.B];
            var count = bounds.Max < 0 ? Math.Min(caller.Count + 1, bounds.Min) : caller.Count + 1;
            if (bounds.Max < 0 || count <= bounds.Max) Add(set, seen, caller with { Count = count });
        }
    }

    private IEnumerable<(int Index, int Position)> NextMembers(Position position, Item item)
    {
        var rule = _program.Members[position.A];
        var (count, members) = _seen[item.Count];
        if (rule.Max >= 0 && count >= rule.Max) return [];
        return (count == 0 ? rule.Firsts : rule.Nexts).Index().Where(next => next.Item >= 0 && !members.Contains(next.Index));
    }

    private int With(int state, int member, bool isSingle)
    {
        var (count, members) = _seen[state];
        int[] more = isSingle ? [.. members.Append(member).Order()] : members;
        var known = _seen.FindIndex(entry => entry.Count == count + 1 && entry.Members.SequenceEqual(more));
        if (known >= 0) return known;
        _seen.Add((count + 1, more));
        return _seen.Count - 1;
    }

    private static void Add(List<Item> set, HashSet<Item> seen, Item item)
    {
        if (seen.Add(item)) set.Add(item);
    }
}
