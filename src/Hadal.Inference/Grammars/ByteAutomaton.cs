namespace Hadal.Inference.Grammars;

/// <summary>A deterministic automaton over bytes that stands as a part of expressions, where an expression would be too large: a lexicon, the multiples
/// of a number. From each of its states some match can be reached.</summary>
internal abstract class ByteAutomaton
{
    /// <summary>What <see cref="Next"/> gives where no match goes on.</summary>
    public const int Dead = -1;

    /// <summary>Where every match begins.</summary>
    public abstract int Start { get; }

    /// <summary>Whether only finitely many strings match.</summary>
    public abstract bool IsFinite { get; }

    /// <summary>Where a byte leads, or <see cref="Dead"/>.</summary>
    public abstract int Next(int state, byte value);

    /// <summary>Whether a match may end in a state.</summary>
    public abstract bool Accepts(int state);

    /// <summary>The bytes that lead on.</summary>
    public abstract ByteSet First(int state);
}
