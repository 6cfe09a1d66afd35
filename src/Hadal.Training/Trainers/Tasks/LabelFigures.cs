namespace Hadal.Training.Trainers.Tasks;

/// <summary>Figures of given labels.</summary>
public static class LabelFigures
{
    /// <summary>Mean over labels of <c>2 tp / (2 tp + fp + fn)</c>; labels that neither occur nor are given count 0, as in scikit-learn's <c>f1_score</c> where <c>labels</c> names all of them; without that it leaves them out.</summary>
    /// <param name="expected">Labels by number, 0 to below <paramref name="labelCount"/>.</param>
    /// <param name="found">What was given for each.</param>
    /// <param name="labelCount">How many labels there are.</param>
    public static double MacroF1(IReadOnlyList<int> expected, IReadOnlyList<int> found, int labelCount)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(found);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(labelCount);
        var sum = 0.0;
        for (var label = 0; label < labelCount; label++)
        {
            var right = expected.Zip(found).Count(pair => pair.First == label && pair.Second == label);
            var all = expected.Count(id => id == label) + found.Count(id => id == label);
            if (all > 0) sum += 2.0 * right / all;
        }

        return sum / labelCount;
    }
}
