using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <summary>What has been seen of members in any order: for each set that a text led to a number, 0 for nothing seen.</summary>
internal sealed class MemberStates
{
    private const int HeaderLength = 2;

    private readonly MemberRule[] _rules;
    private readonly IntLists _states = new();
    private readonly List<int> _list = [];

    public MemberStates(MemberRule[] rules)
    {
        _rules = rules;
        _states.Intern([], out _);
    }

    public long Bytes => _states.Bytes;

    /// <summary>Number of members seen, up to the rule's cap.</summary>
    public int CountOf(int state) => state == 0 ? 0 : _states[state][1];

    /// <summary>Whether a member, of those that stand at most once, has been seen.</summary>
    public bool Has(int state, int member) => state != 0 && (_states[state][HeaderLength + (member >> 5)] >> (member & 31) & 1) != 0;

    /// <summary>Number of members that must still come.</summary>
    public int MissingOf(int rule, int state)
    {
        var required = _rules[rule].Required;
        var missing = 0;
        for (var member = 0; member < required.Length; member++)
            if (required[member] && !Has(state, member)) missing++;
        return missing;
    }

    /// <summary>What has been seen with one member more.</summary>
    public int With(int rule, int state, int member)
    {
        var single = _rules[rule].Required.Length;
        _list.Clear();
        if (state == 0)
        {
            _list.Add(rule);
            _list.Add(0);
            for (var word = 0; word < (single + 31) >> 5; word++) _list.Add(0);
        }
        else _list.AddRange(_states[state]);
        _list[1] = Math.Min(_list[1] + 1, _rules[rule].CountCap);
        if (member < single) _list[HeaderLength + (member >> 5)] |= 1 << (member & 31);
        _states.Intern(CollectionsMarshal.AsSpan(_list), out var next);
        return next;
    }
}
