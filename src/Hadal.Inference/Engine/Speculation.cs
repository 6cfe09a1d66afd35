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

/// <summary>Says how many tokens are worth guessing. What a step costs is fitted by a line over its rows, older steps counting less.</summary>
/// <remarks>With <c>T(r) = a + b·r</c> seconds for r rows, n sequences get n tokens in T(n), so that a token is worth <c>T(n) / n</c>. The j-th guess of kind k is right with
/// probability <c>p_k^j</c> and costs b: it is made while <c>p_k^j · T(n) / n</c> is more than b. Belongs to the engine's thread.</remarks>
internal sealed class SpeculationCosts
{
    /// <summary>Tokens guessed at a time at most.</summary>
    public const int MostGuesses = 8;

    /// <summary>Gain that is asked for beside what is measured, because measures are noisy.</summary>
    private const double Margin = 1.15;

    private const double Memory = 0.99;

    private double _weight;
    private double _rows;
    private double _seconds;
    private double _squares;
    private double _products;
    private double _predictionSeconds;

    /// <summary>Counts a step that read no prompt.</summary>
    /// <param name="rows">Rows, guesses included.</param>
    /// <param name="seconds">What it took.</param>
    public void Record(int rows, double seconds)
    {
        _weight = (_weight * Memory) + 1;
        _rows = (_rows * Memory) + rows;
        _seconds = (_seconds * Memory) + seconds;
        _squares = (_squares * Memory) + ((double)rows * rows);
        _products = (_products * Memory) + (rows * seconds);
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
        var count = 0;
        for (var probability = share; count < MostGuesses && probability * worth >= Margin * row; probability *= share) count++;
        return count;
    }

    /// <summary>What a further row costs, and a step without guesses. As long as all steps had as many rows, a row counts as free: guessing will tell.</summary>
    private (double Row, double Step) Costs(int sequences)
    {
        if (_weight == 0) return (0, 0);
        double mean = _rows / _weight, meanSeconds = _seconds / _weight;
        var variance = (_squares / _weight) - (mean * mean);
        if (variance < 0.01) return (0, meanSeconds);
        var row = Math.Max(0, ((_products / _weight) - (mean * meanSeconds)) / variance);
        return (row, Math.Max(row * sequences, meanSeconds + (row * (sequences - mean))));
    }
}
