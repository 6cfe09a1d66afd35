using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars.Lexicons;

/// <summary>The smallest automaton of a finite set of byte strings, in flat arrays: some twenty bytes for a state and its edges. The strings are numbered
/// in their order.</summary>
internal sealed class AcyclicAutomaton : ByteAutomaton
{
    /// <summary>Texts from which on an automaton holds them better than an expression does: some dozen bytes each instead of some thousand.</summary>
    public const int Many = 256;

    private readonly int[] _firsts;
    private readonly byte[] _labels;
    private readonly int[] _targets;
    private readonly int[] _counts;
    private readonly bool[] _finals;

    /// <param name="firsts">Index of the first edge of every state, and behind the last state the number of edges.</param>
    /// <param name="labels">Labels of the edges, rising within a state.</param>
    /// <param name="targets">Where the edges lead.</param>
    /// <param name="counts">Strings that lead from a state to a final one.</param>
    /// <param name="finals">Whether a string ends in a state.</param>
    internal AcyclicAutomaton(int[] firsts, byte[] labels, int[] targets, int[] counts, bool[] finals) =>
        (_firsts, _labels, _targets, _counts, _finals) = (firsts, labels, targets, counts, finals);

    /// <summary>The automaton of some strings in any order; one may stand several times.</summary>
    public static AcyclicAutomaton Of(IEnumerable<byte[]> texts)
    {
        var sorted = texts.ToArray();
        Array.Sort(sorted, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        var builder = new AcyclicAutomatonBuilder();
        for (var index = 0; index < sorted.Length; index++)
        {
            if (index == 0 || !sorted[index].AsSpan().SequenceEqual(sorted[index - 1]))
            {
                builder.Add(sorted[index]);
            }
        }

        return builder.Finish();
    }

    /// <summary>Number of states.</summary>
    public int StateCount => _counts.Length;

    /// <summary>The state that was made last; it equals none before it, since none of them has a string as long as its longest.</summary>
    public override int Start => StateCount - 1;

    /// <inheritdoc/>
    public override bool IsFinite => true;

    /// <inheritdoc/>
    public override int Next(int state, byte value)
    {
        var edge = LabelsOf(state).IndexOf(value);
        return edge < 0 ? Dead : _targets[_firsts[state] + edge];
    }

    /// <inheritdoc/>
    public override bool Accepts(int state) => _finals[state];

    /// <inheritdoc/>
    public override ByteSet First(int state) => ByteSet.Of(LabelsOf(state));

    /// <summary>The place of a string among all, in order; -1 where it is none of them.</summary>
    public int IndexOf(ReadOnlySpan<byte> text)
    {
        var state = Start;
        var index = 0;
        foreach (var label in text)
        {
            index += _finals[state] ? 1 : 0;
            var edge = _firsts[state];
            for (; edge < _firsts[state + 1] && _labels[edge] != label; edge++)
            {
                index += _counts[_targets[edge]];
            }

            if (edge == _firsts[state + 1])
            {
                return -1;
            }

            state = _targets[edge];
        }

        return _finals[state] ? index : -1;
    }

    private ReadOnlySpan<byte> LabelsOf(int state) => _labels.AsSpan(_firsts[state].._firsts[state + 1]);
}

/// <summary>Builds the smallest automaton of strings that come in order: only the path of the last one is still open, and every state that closes is looked
/// up among those that are kept (Daciuk, Mihov, Watson, Watson 2000, "Incremental construction of minimal acyclic finite-state automata", algorithm 1).</summary>
internal sealed class AcyclicAutomatonBuilder
{
    /// <summary>A state on the path of the last string.</summary>
    private sealed class Open
    {
        public List<(byte Label, int Target)> Edges { get; } = [];

        public bool IsFinal { get; set; }
    }

    private readonly List<Open> _path = [new Open()];
    private readonly List<int> _firsts = [0];
    private readonly List<byte> _labels = [];
    private readonly List<int> _targets = [];
    private readonly List<int> _counts = [];
    private readonly List<bool> _finals = [];
    private int[] _slots = new int[1024];
    private byte[] _last = [];
    private int _length;

    /// <summary>Adds a string that comes after all before it.</summary>
    public void Add(ReadOnlySpan<byte> text)
    {
        var common = text.CommonPrefixLength(_last.AsSpan(0, _length));
        Close(common);
        while (_path.Count <= text.Length)
        {
            _path.Add(new Open());
        }

        _path[text.Length].IsFinal = true;
        if (text.Length > _last.Length)
        {
            Array.Resize(ref _last, Math.Max(text.Length, 2 * _last.Length));
        }

        text.CopyTo(_last);
        _length = text.Length;
    }

    /// <summary>Ends the building.</summary>
    public AcyclicAutomaton Finish()
    {
        Close(0);
        Keep(_path[0]);
        return new AcyclicAutomaton([.. _firsts], [.. _labels], [.. _targets], [.. _counts], [.. _finals]);
    }

    /// <summary>Closes the states of the path behind a depth, from its end on.</summary>
    private void Close(int depth)
    {
        for (; _length > depth; _length--)
        {
            _path[_length - 1].Edges.Add((_last[_length - 1], Keep(_path[_length])));
        }
    }

    /// <summary>The kept state that equals an open one, which is emptied.</summary>
    private int Keep(Open state)
    {
        var slot = HashOf(state) & (_slots.Length - 1);
        for (; _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (Equals(state, _slots[slot] - 1))
            {
                Clear(state);
                return _slots[slot] - 1;
            }
        }

        var count = state.IsFinal ? 1 : 0;
        foreach (var (label, target) in state.Edges)
        {
            _labels.Add(label);
            _targets.Add(target);
            count += _counts[target];
        }

        _firsts.Add(_labels.Count);
        _counts.Add(count);
        _finals.Add(state.IsFinal);
        _slots[slot] = _counts.Count;
        Clear(state);
        if (_counts.Count * 2 > _slots.Length)
        {
            Grow();
        }

        return _counts.Count - 1;
    }

    private static void Clear(Open state)
    {
        state.Edges.Clear();
        state.IsFinal = false;
    }

    private bool Equals(Open state, int kept)
    {
        var first = _firsts[kept];
        if (state.IsFinal != _finals[kept] || state.Edges.Count != _firsts[kept + 1] - first)
        {
            return false;
        }

        for (var i = 0; i < state.Edges.Count; i++)
        {
            if (state.Edges[i] != (_labels[first + i], _targets[first + i]))
            {
                return false;
            }
        }

        return true;
    }

    private static int HashOf(Open state) => HashOf(state.IsFinal, CollectionsMarshal.AsSpan(state.Edges));

    private static int HashOf(bool isFinal, ReadOnlySpan<(byte Label, int Target)> edges)
    {
        var hash = isFinal ? 0x9E3779B97F4A7C15UL : 0xC2B2AE3D27D4EB4FUL;
        foreach (var (label, target) in edges)
        {
            hash = (hash ^ ((ulong)(uint)target << 8 | label)) * 0xFF51AFD7ED558CCDUL;
            hash ^= hash >> 32;
        }

        return (int)hash & int.MaxValue;
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        var edges = new (byte, int)[256];
        for (var state = 0; state < _counts.Count; state++)
        {
            var count = _firsts[state + 1] - _firsts[state];
            for (var i = 0; i < count; i++)
            {
                edges[i] = (_labels[_firsts[state] + i], _targets[_firsts[state] + i]);
            }

            var slot = HashOf(_finals[state], edges.AsSpan(0, count)) & (_slots.Length - 1);
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & (_slots.Length - 1);
            }

            _slots[slot] = state + 1;
        }
    }
}

/// <summary>The strings of an automaton as they stand inside a JSON string: a backslash in front of quotation marks and backslashes. A state for each of
/// the other's, and one behind the backslash.</summary>
internal sealed class EscapedAutomaton(AcyclicAutomaton plain) : ByteAutomaton
{
    private const byte Escape = (byte)'\\';

    private static readonly ByteSet Escaped = ByteSet.Of("\"\\"u8);

    public override int Start => 2 * plain.Start;

    public override bool IsFinite => true;

    public override int Next(int state, byte value)
    {
        var isEscaped = Escaped.Contains(value);
        if ((state & 1) == 0 && isEscaped)
        {
            return value == Escape && !(plain.First(state >> 1) & Escaped).IsEmpty ? state + 1 : Dead;
        }

        var next = (state & 1) == 1 && !isEscaped ? Dead : plain.Next(state >> 1, value);
        return next == Dead ? Dead : 2 * next;
    }

    public override bool Accepts(int state) => (state & 1) == 0 && plain.Accepts(state >> 1);

    public override ByteSet First(int state)
    {
        var first = plain.First(state >> 1);
        if ((state & 1) == 1)
        {
            return first & Escaped;
        }

        return (first & Escaped).IsEmpty ? first : (first & ~Escaped) | ByteSet.Of(Escape);
    }
}
