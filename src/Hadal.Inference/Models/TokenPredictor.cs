namespace Hadal.Inference.Models;

/// <summary>Guesses one token beyond the next of one sequence, from what the model made of its last tokens.</summary>
internal abstract class TokenPredictor : IDisposable
{
    /// <summary>Reads further tokens.</summary>
    /// <param name="nextTokenIds">For each position the token behind it.</param>
    /// <param name="hidden">[tokens, hidden_size] the model's stream after its final norm.</param>
    /// <returns>The most likely token behind the last one; −1 if there is no room to read them or the numbers are broken.</returns>
    public abstract int Predict(ReadOnlySpan<int> nextTokenIds, ReadOnlySpan<float> hidden);

    /// <summary>Forgets what was read.</summary>
    public abstract void Reset();

    /// <summary>Gives its memory back.</summary>
    public abstract void Dispose();
}
