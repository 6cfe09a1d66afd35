using System.Runtime.CompilerServices;

namespace Hadal.Inference.Grammars;

/// <summary>Counts what building a grammar, and then every mask and every accepted token, costs, and ends what costs too much.</summary>
/// <remarks>A step is about what a node of the token trie takes, some nanoseconds; dearer work counts as several.</remarks>
internal sealed class StepBudget(GrammarLimits limits)
{
    /// <summary>Steps of making a term that was not there before: a derivative, a concatenation.</summary>
    public const int Term = 40;

    /// <summary>Steps of an item of the parser, or of a part of an alternative that is sorted and joined.</summary>
    public const int Part = 8;

    private bool _isBuilt;

    /// <summary>Steps that may still be taken.</summary>
    public long Left { get; private set; } = limits.MaxStepsToBuild;

    /// <summary>From here on, steps are those of one mask or one token.</summary>
    public void Begin()
    {
        _isBuilt = true;
        Left = limits.MaxStepsPerMask;
    }

    /// <summary>Takes steps.</summary>
    /// <exception cref="GrammarException">There are not as many left.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Spend(int steps)
    {
        Left -= steps;
        if (Left < 0) Fail();
    }

    private void Fail() => throw (_isBuilt
        ? GrammarException.Limit("steps for one mask", limits.MaxStepsPerMask, nameof(GrammarLimits.MaxStepsPerMask))
        : GrammarException.Limit("steps to be built", limits.MaxStepsToBuild, nameof(GrammarLimits.MaxStepsToBuild)));
}
