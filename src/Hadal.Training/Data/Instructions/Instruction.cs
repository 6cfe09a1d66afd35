namespace Hadal.Training.Data.Instructions;

/// <summary>How an answer is judged.</summary>
internal enum AnswerCheck
{
    /// <summary>It is the expected text, but for white space at its ends.</summary>
    Exact,

    /// <summary>The last number in it is the expected one.</summary>
    Number,

    /// <summary>Its last line is the expected text.</summary>
    LastLine,

    /// <summary>It is JSON of the expected value.</summary>
    Json,

    /// <summary>One of the expected texts is in it.</summary>
    Contains,
}

/// <summary>A question and its answer, made by rule.</summary>
/// <param name="Kind">What it practises, for example <c>addition</c>.</param>
/// <param name="Language"><c>en</c> or <c>zh</c>.</param>
/// <param name="Key">What makes it the task it is, whatever the words around it: tasks of one key are all learnt or all held out.</param>
/// <param name="Prompt">The question.</param>
/// <param name="Answer">The answer.</param>
/// <param name="Check">How another answer is judged.</param>
/// <param name="Expected">What it is judged by.</param>
internal sealed record Instruction(string Kind, string Language, string Key, string Prompt, string Answer, AnswerCheck Check, params IReadOnlyList<string> Expected)
{
    /// <summary>What was said before the question: pairs of the user's and the assistant's words.</summary>
    public IReadOnlyList<(string User, string Assistant)> Before { get; init; } = [];

    /// <summary>A JSON schema of the answer; null where it is no JSON.</summary>
    public string? Schema { get; init; }
}

/// <summary>Random choices that depend on a seed only.</summary>
internal sealed class Draw(long seed, long stream)
{
    private SeededOrder _order = new(seed, stream);

    /// <summary>A number in [0, <paramref name="limit"/>).</summary>
    public int Next(int limit) => _order.Next(limit);

    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public int Between(int least, int most) => least + _order.Next(most - least + 1);

    /// <summary>True in this share of the cases.</summary>
    public bool Chance(double share) => _order.NextDouble() < share;

    /// <summary>One of them.</summary>
    public T Of<T>(params ReadOnlySpan<T> items) => items[_order.Next(items.Length)];

    /// <summary>One of them.</summary>
    public T From<T>(IReadOnlyList<T> items) => items[_order.Next(items.Count)];

    /// <summary>So many different ones.</summary>
    public T[] Several<T>(IReadOnlyList<T> items, int count)
    {
        var chosen = new HashSet<int>();
        var result = new List<T>();
        while (result.Count < Math.Min(count, items.Count))
        {
            var index = _order.Next(items.Count);
            if (chosen.Add(index)) result.Add(items[index]);
        }

        return [.. result];
    }

    /// <summary>The items in random order.</summary>
    public T[] Shuffled<T>(IEnumerable<T> items)
    {
        var array = items.ToArray();
        _order.Shuffle(array.AsSpan());
        return array;
    }

    /// <summary>A number of one to three digits, mostly two.</summary>
    public int Number() => Next(10) switch
    {
        < 2 => Next(10),
        < 8 => Between(10, 99),
        _ => Between(100, 999),
    };
}
