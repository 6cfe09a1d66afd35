namespace Hadal.Finance.Data;

/// <summary>A text and what a reader made of it.</summary>
/// <param name="Text">The text.</param>
/// <param name="Label">Index in <see cref="SentimentLabels.Names"/>.</param>
/// <param name="Weight">How much it counts while learning: less where readers disagreed.</param>
public sealed record LabelledText(string Text, int Label, double Weight = 1);

/// <summary>The labels of the product.</summary>
public static class SentimentLabels
{
    /// <summary>0 negative, 1 neutral, 2 positive.</summary>
    public static IReadOnlyList<string> Names { get; } = ["negative", "neutral", "positive"];

    /// <summary>Index of a label given by name or number.</summary>
    /// <param name="label">For example <c>positive</c> or <c>2</c>.</param>
    /// <param name="where">What to call the place in a message.</param>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static int IndexOf(string label, string where)
    {
        ArgumentNullException.ThrowIfNull(label);
        for (var index = 0; index < Names.Count; index++)
            if (label == Names[index] || label == FormattableString.Invariant($"{index}")) return index;
        throw new InvalidDataException($"{where}: expected a label of {string.Join(", ", Names)}, or 0 to {Names.Count - 1}, found '{label}'");
    }
}
