using Node = Hadal.Checkpoints.Text.RunePattern.Node;
using NodeKind = Hadal.Checkpoints.Text.RunePattern.NodeKind;

namespace Hadal.Checkpoints.Text;

/// <summary>Finds the matches of a <see cref="RunePattern"/> in one text, from left to right. Not thread-safe; one per text and pattern.</summary>
internal sealed class RunePatternMatcher
{
    private const int Unbounded = int.MaxValue, None = int.MaxValue;

    private readonly RunePattern _pattern;
    private readonly Node[] _nodes;
    private readonly string _text;
    private readonly Run[] _runs;
    private Choice[] _choices = new Choice[16];
    private int _choiceCount;
    private int _begin;
    private int _end;

    public RunePatternMatcher(RunePattern pattern, string text)
    {
        _pattern = pattern;
        _nodes = pattern.Nodes;
        _text = text;
        _runs = new Run[_nodes.Length];
    }

    /// <summary>Nodes visited and code points looked at so far: the work done.</summary>
    public long Steps { get; private set; }

    /// <summary>Takes the piece [begin, end) of the text; nothing outside it is seen.</summary>
    public void Enter(int begin, int end)
    {
        _begin = begin;
        _end = end;
        Array.Fill(_runs, new Run { Begin = 0, End = -1, FailedFrom = None });
    }

    /// <summary>Finds the next non-empty match that begins at <paramref name="from"/> or later.</summary>
    public bool TryFind(int from, out int matchBegin, out int matchEnd)
    {
        for (matchBegin = from; matchBegin < _end; matchBegin += char.IsHighSurrogate(_text[matchBegin]) ? 2 : 1)
        {
            matchEnd = MatchAt(_pattern.Start, matchBegin);
            if (matchEnd > matchBegin) return true;
        }

        matchEnd = matchBegin;
        return false;
    }

    /// <summary>End of the match that starts with a node at a position, or -1.</summary>
    private int MatchAt(int node, int position)
    {
        var floor = _choiceCount;
        while (true)
        {
            Steps++;
            var n = _nodes[node];
            var isAlive = true;
            switch (n.Kind)
            {
                case NodeKind.Accept:
                    _choiceCount = floor;
                    return position;
                case NodeKind.Fork:
                    Push(new Choice(node, position, 1));
                    node = n.Branches[0];
                    break;
                case NodeKind.Look:
                    isAlive = MatchAt(n.Look, position) >= 0 != n.IsNegated;
                    node = n.Next;
                    break;
                case NodeKind.LineEnd:
                    isAlive = position == _end || _text[position] == '\n';
                    node = n.Next;
                    break;
                case NodeKind.TextBegin:
                    isAlive = position == _begin || _text[position - 1] == '\n';
                    node = n.Next;
                    break;
                default:
                    isAlive = EnterRepeat(node, n, ref position);
                    node = n.Next;
                    break;
            }

            while (!isAlive)
            {
                if (_choiceCount == floor) return -1;
                isAlive = Retry(_choices[--_choiceCount], out node, out position);
            }
        }
    }

    /// <summary>Takes as many repetitions as there are and leaves the lower counts as choices.</summary>
    private bool EnterRepeat(int node, Node n, ref int position)
    {
        var isRun = n.Max == Unbounded;
        var end = isRun ? RunEnd(ref _runs[node], n.Class!, position) : Scan(n.Class!, position, n.Max);
        var lowest = n.Min == 0 ? position : Advance(position, n.Min, end);
        if (lowest < 0) return false;
        if (isRun && _runs[node].FailedFrom is var failed and not None)
        {
            // What follows is known to fail at every end from there on.
            if (failed <= lowest) return false;
            end = Back(failed);
        }

        if (end > lowest && !n.IsPossessive) Push(new Choice(node, end, lowest));
        position = end;
        return true;
    }

    private bool Retry(Choice choice, out int node, out int position)
    {
        var n = _nodes[choice.Node];
        position = choice.Position;
        if (n.Kind == NodeKind.Fork)
        {
            node = n.Branches[choice.Rest];
            if (choice.Rest + 1 < n.Branches.Length) Push(choice with { Rest = choice.Rest + 1 });
            return true;
        }

        if (n.Max == Unbounded) _runs[choice.Node].FailedFrom = position;
        position = Back(position);
        node = n.Next;
        if (position > choice.Rest) Push(choice with { Position = position });
        return true;
    }

    /// <summary>End of the run of class members at a position. All positions of one run share its end, found once, and its failures.</summary>
    private int RunEnd(ref Run run, RuneClass set, int position)
    {
        if (run.Begin <= position && position <= run.End) return run.End;
        var end = position;
        while (end < _end && end != run.Begin)
        {
            Steps++;
            var units = set.MatchAt(_text, end);
            if (units == 0) break;
            end += units;
        }

        if (end == run.Begin && run.End >= 0 && position < run.Begin) run.Begin = position;
        else run = new Run { Begin = position, End = Scan(set, end, Unbounded), FailedFrom = None };
        return run.End;
    }

    private int Scan(RuneClass set, int position, int max)
    {
        for (; max > 0 && position < _end; max--)
        {
            Steps++;
            var units = set.MatchAt(_text, position);
            if (units == 0) break;
            position += units;
        }

        return position;
    }

    private int Advance(int position, int count, int end)
    {
        for (; count > 0; count--)
        {
            if (position >= end) return -1;
            position += char.IsHighSurrogate(_text[position]) ? 2 : 1;
        }

        return position;
    }

    private int Back(int position) => position - (char.IsLowSurrogate(_text[position - 1]) ? 2 : 1);

    private void Push(Choice choice)
    {
        if (_choiceCount == _choices.Length) Array.Resize(ref _choices, 2 * _choices.Length);
        _choices[_choiceCount++] = choice;
    }

    /// <summary>A place to go back to: the next branch of a fork, or the current end of a repetition with the lowest one allowed.</summary>
    private readonly record struct Choice(int Node, int Position, int Rest);

    /// <summary>The run [Begin, End) that a repetition saw last; its continuation fails at every end from FailedFrom on.</summary>
    private struct Run
    {
        public int Begin;
        public int End;
        public int FailedFrom;
    }
}
