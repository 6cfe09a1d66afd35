namespace Hadal.Inference.Engine;

/// <summary>Looks for stop strings in text that arrives in pieces, in time proportional to the text.</summary>
/// <remarks>Knuth, Morris and Pratt 1977, one automaton per string, compared by UTF-16 unit. Where the pieces end makes no difference: the string
/// that is complete first wins, of several complete at the same unit the longest.</remarks>
internal sealed class StopStrings
{
    private readonly Automaton[] _automata;

    public StopStrings(IReadOnlyList<string> strings) => _automata = [.. strings.Select(text => new Automaton(text))];

    /// <summary>Units at the end of the text so far that may be the beginning of a stop string.</summary>
    public int HeldLength { get; private set; }

    /// <summary>The stop string that was completed last, or null.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes the next unit; returns the length of the stop string that it completes, or 0.</summary>
    public int Append(char unit)
    {
        var complete = 0;
        HeldLength = 0;
        foreach (var automaton in _automata)
        {
            var matched = automaton.Append(unit);
            if (matched == automaton.Length && matched > complete) (complete, Found) = (matched, automaton.Text);
            HeldLength = Math.Max(HeldLength, matched);
        }

        return complete;
    }

    private sealed class Automaton
    {
        private readonly string _text;
        private readonly int[] _borders;
        private int _matched;

        public Automaton(string text)
        {
            _text = text;
            _borders = new int[text.Length];
            for (var i = 1; i < text.Length; i++) _borders[i] = Next(_borders[i - 1], text[i]);
        }

        public string Text => _text;

        public int Length => _text.Length;

        /// <summary>Units of the string that the text so far ends with.</summary>
        public int Append(char unit) => _matched = Next(_matched, unit);

        private int Next(int matched, char unit)
        {
            if (matched == _text.Length) matched = _borders[matched - 1];
            while (matched > 0 && _text[matched] != unit) matched = _borders[matched - 1];
            return _text[matched] == unit ? matched + 1 : 0;
        }
    }
}
