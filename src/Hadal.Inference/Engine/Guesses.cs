using Hadal.Inference.Models;

namespace Hadal.Inference.Engine;

/// <summary>Guesses the next tokens of one sequence, and keeps count of how often it was right.</summary>
/// <remarks>A repetition is looked for first: what followed when the last four, three or two tokens stood together before, most recently (prompt lookup; Saxena 2023,
/// github.com/apoorvumang/prompt-lookup-decoding). Else the model's prediction layer is asked, where it has one (DeepSeek-V3, arXiv:2412.19437, section 2.2). That layer has read the
/// sequence only since the answer began. Belongs to the engine's thread.</remarks>
/// <param name="mode">Whether costs count.</param>
/// <param name="costs">Shared by all sequences of an engine.</param>
/// <param name="predictor">The model's prediction layer for this sequence; null where it has none.</param>
internal sealed class Guesses(Speculation mode, SpeculationCosts costs, TokenPredictor? predictor) : IDisposable
{
    private const int LongestMatch = 4, ShortestMatch = 2;

    /// <summary>How often something is tried again that did not pay.</summary>
    private const int RestSteps = 64;

    /// <summary>For how long the prediction layer is tried again.</summary>
    private const int TrialSteps = 8;

    private readonly double[] _shares = [0.3, 0.5, 0.7, 0.7];
    private readonly int[] _rests = new int[4];
    private GuessKind _kind;
    private int _predicted = -1;
    private int _predictionRest;
    private int _predictionTrial = TrialSteps;

    /// <summary>Tokens guessed so far.</summary>
    public int GuessedCount { get; private set; }

    /// <summary>Of them, those that were right.</summary>
    public int AcceptedCount { get; private set; }

    /// <summary>Guesses what follows.</summary>
    /// <param name="tokenIds">The tokens so far.</param>
    /// <param name="room">Takes the guesses.</param>
    /// <param name="sequences">Sequences of the step.</param>
    /// <returns>How many there are.</returns>
    public int Guess(ReadOnlySpan<int> tokenIds, Span<int> room, int sequences)
    {
        room = room[..Math.Min(room.Length, SpeculationCosts.MostGuesses)];
        if (room.IsEmpty) return 0;
        for (var length = Math.Min(LongestMatch, tokenIds.Length - 1); length >= ShortestMatch; length--)
        {
            var found = tokenIds[..^1].LastIndexOf(tokenIds[^length..]);
            if (found < 0) continue;
            _kind = (GuessKind)(length - ShortestMatch);
            var count = Math.Min(CountOf(_kind, sequences), room.Length);
            return count == 0 ? GuessPredicted(room, sequences) : Repeat(tokenIds, found + length, room[..count]);
        }

        return GuessPredicted(room, sequences);
    }

    /// <summary>Learns how many of the last guesses were right.</summary>
    public void Note(int guessed, int accepted)
    {
        GuessedCount += guessed;
        AcceptedCount += accepted;
        ref var share = ref _shares[(int)_kind];
        for (var i = 0; i < Math.Min(guessed, accepted + 1); i++) share += 0.1 * ((i < accepted ? 1 : 0) - share);
    }

    /// <summary>Asks the prediction layer what follows the tokens that were chosen, if that is worth it.</summary>
    /// <param name="tokenIds">Chosen in this step.</param>
    /// <param name="hidden">[tokens, hidden_size] what each was chosen from.</param>
    /// <param name="sequences">Sequences of the step.</param>
    /// <param name="clock">Measures what it takes.</param>
    public void Predict(ReadOnlySpan<int> tokenIds, ReadOnlySpan<float> hidden, int sequences, TimeProvider clock)
    {
        _predicted = -1;
        if (predictor is null || !WantsPrediction(sequences)) return;
        var start = clock.GetTimestamp();
        _predicted = predictor.Predict(tokenIds, hidden);
        costs.RecordPrediction(clock.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Tokens were taken that the prediction layer has not seen: it begins anew.</summary>
    public void Forget()
    {
        _predicted = -1;
        predictor?.Reset();
    }

    /// <inheritdoc/>
    public void Dispose() => predictor?.Dispose();

    /// <summary>What followed; a repetition that reaches the end goes on within what it has repeated.</summary>
    private static int Repeat(ReadOnlySpan<int> tokenIds, int begin, Span<int> room)
    {
        for (var i = 0; i < room.Length; i++) room[i] = begin + i < tokenIds.Length ? tokenIds[begin + i] : room[begin + i - tokenIds.Length];
        return room.Length;
    }

    private int GuessPredicted(Span<int> room, int sequences)
    {
        if (_predicted < 0 || !(mode == Speculation.Always || costs.WorthwhileCount(_shares[(int)GuessKind.Prediction], sequences, isPrediction: false) > 0 || _predictionTrial > 0)) return 0;
        _kind = GuessKind.Prediction;
        room[0] = _predicted;
        return 1;
    }

    private int CountOf(GuessKind kind, int sequences)
    {
        if (mode == Speculation.Always) return SpeculationCosts.MostGuesses;
        var count = costs.WorthwhileCount(_shares[(int)kind], sequences, isPrediction: false);
        if (count > 0) return count;
        ref var rest = ref _rests[(int)kind];
        rest = (rest + 1) % RestSteps;
        return rest == 0 ? 1 : 0;
    }

    private bool WantsPrediction(int sequences)
    {
        if (mode == Speculation.Always || costs.WorthwhileCount(_shares[(int)GuessKind.Prediction], sequences, isPrediction: true) > 0) return true;
        if (_predictionTrial > 0)
        {
            _predictionTrial--;
            return true;
        }

        // What it has not read meanwhile is lost to it.
        if (_predictionRest == 0) predictor!.Reset();
        if (++_predictionRest < RestSteps) return false;
        (_predictionRest, _predictionTrial) = (0, TrialSteps);
        return false;
    }
}
