namespace Hadal.Inference.Engine;

/// <summary>Whether the engine guesses tokens and computes them together with the next one. An answer is the same to the last bit either way: a guess counts only
/// if it is the token that would have been chosen.</summary>
public enum Speculation
{
    /// <summary>Guesses where that was measured to be faster: from how often guesses of their kind were right, and what further rows of a step cost. Guessing that does not pay ends by itself and is tried again now and then.</summary>
    Auto,

    /// <summary>Never.</summary>
    Off,

    /// <summary>Whenever there is something to guess, whether or not it pays; to compare, and for tests.</summary>
    Always,
}

/// <summary>Where a guess comes from.</summary>
internal enum GuessKind
{
    /// <summary>What followed the last two tokens when they stood together before (prompt lookup).</summary>
    TwoTokens,

    /// <summary>What followed the last three.</summary>
    ThreeTokens,

    /// <summary>What followed the last four.</summary>
    FourTokens,

    /// <summary>The model's layer for multi-token prediction.</summary>
    Prediction,
}

/// <summary>Says how many tokens are worth guessing. What a step costs is fitted by a line over its rows for each number of sequences, older steps counting less.</summary>
/// <remarks>With <c>T(r) = a + b·r</c> seconds for r rows, n sequences get n tokens in T(n), so that a token is worth <c>T(n) / n</c>. The j-th guess of kind k is right with
/// probability <c>p_k^j</c> and costs b: it is made while <c>p_k^j · T(n) / n</c> is more than b. Rows are not alike: the first share the reading of the weights, further ones are products,
/// so that steps of other numbers of sequences say little; they stand in until guesses were made beside as many. Belongs to the engine's thread.</remarks>
internal sealed class SpeculationCosts
{
    /// <summary>Tokens guessed at a time at most.</summary>
    public const int MostGuesses = 8;

    /// <summary>Gain that is asked for beside what is measured, because measures are noisy.</summary>
    private const double Margin = 1.15;

    private Line _all;
    private Line[] _bySequences = new Line[9];
    private double _predictionSeconds;

    /// <summary>Counts a step that read no prompt.</summary>
    /// <param name="sequences">Sequences of the step.</param>
    /// <param name="rows">Rows, guesses included.</param>
    /// <param name="seconds">What it took.</param>
    public void Record(int sequences, int rows, double seconds)
    {
        if (sequences >= _bySequences.Length) Array.Resize(ref _bySequences, 2 * sequences);
        _bySequences[sequences].Add(rows, seconds);
        _all.Add(rows, seconds);
    }

    /// <summary>Counts what asking the prediction layer took.</summary>
    public void RecordPrediction(double seconds) => _predictionSeconds = _predictionSeconds == 0 ? seconds : (0.95 * _predictionSeconds) + (0.05 * seconds);

    /// <summary>How many guesses are worth their rows; 0 for none.</summary>
    /// <param name="share">How often guesses of this kind are right.</param>
    /// <param name="sequences">Sequences of the step.</param>
    /// <param name="isPrediction">Guesses cost the prediction layer, too.</param>
    public int WorthwhileCount(double share, int sequences, bool isPrediction)
    {
        var (row, step) = Costs(sequences);
        if (isPrediction) row += _predictionSeconds;
        var worth = step / sequences;
        var (count, most) = (0, IsKnown(sequences) ? MostGuesses : 1);
        for (var probability = share; count < most && probability * worth >= Margin * row; probability *= share) count++;
        return count;
    }

    /// <summary>Whether guesses were made beside as many sequences; until then one guess each must do, because many rows may take long.</summary>
    private bool IsKnown(int sequences) => sequences < _bySequences.Length && _bySequences[sequences].Row is not null;

    /// <summary>What a further row costs, and a step without guesses. As long as all steps had as many rows, a row counts as free: guessing will tell.</summary>
    private (double Row, double Step) Costs(int sequences)
    {
        var own = sequences < _bySequences.Length ? _bySequences[sequences] : default;
        var row = own.Row ?? _all.Row ?? 0;
        var step = (own.IsEmpty ? _all : own).At(sequences, row);
        return (row, Math.Max(row * sequences, step));
    }

    /// <summary>Seconds over rows, fitted by least squares.</summary>
    private struct Line
    {
        private const double Memory = 0.99;

        private double _weight;
        private double _rows;
        private double _seconds;
        private double _squares;
        private double _products;

        public readonly bool IsEmpty => _weight == 0;

        /// <summary>What a row adds; null while rows did not differ.</summary>
        public readonly double? Row
        {
            get
            {
                if (IsEmpty) return null;
                double mean = _rows / _weight, variance = (_squares / _weight) - (mean * mean);
                return variance < 0.01 ? null : Math.Max(0, ((_products / _weight) - (mean * _seconds / _weight)) / variance);
            }
        }

        /// <summary>What a step of some rows takes, from the mean step and what a row adds.</summary>
        public readonly double At(int rows, double row) => IsEmpty ? 0 : (_seconds / _weight) + (row * (rows - (_rows / _weight)));

        public void Add(int rows, double seconds)
        {
            _weight = (_weight * Memory) + 1;
            _rows = (_rows * Memory) + rows;
            _seconds = (_seconds * Memory) + seconds;
            _squares = (_squares * Memory) + ((double)rows * rows);
            _products = (_products * Memory) + (rows * seconds);
        }
    }
}
