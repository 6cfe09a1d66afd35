namespace Hadal.Finance.Data;

/// <summary>Divides texts so that near repeats stay on one side.</summary>
public static class Folds
{
    /// <summary>Texts that share so much of their word triples (Jaccard) count as one.</summary>
    private const double NearShare = 0.6;

    /// <summary>A fold for each text. Near repeats (numbers and case do not count) share a fold.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="count">Number of folds.</param>
    /// <param name="seed">Seed of the division.</param>
    public static int[] Of(IReadOnlyList<string> texts, int count, int seed)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var groups = Groups(texts);
        var random = new Random(seed);
        var sizes = new int[count];
        var folds = new int[texts.Count];
        var byGroup = Enumerable.Range(0, texts.Count).GroupBy(index => groups[index]).Select(group => group.ToList()).OrderBy(group => group[0]).ToArray();
        random.Shuffle(byGroup);

        // The largest first, each into the emptiest fold.
        foreach (var group in byGroup.OrderByDescending(group => group.Count))
        {
            var fold = Enumerable.Range(0, count).MinBy(index => sizes[index]);
            sizes[fold] += group.Count;
            foreach (var index in group) folds[index] = fold;
        }

        return folds;
    }

    /// <summary>A number for each text, equal where texts are near repeats, directly or by way of others.</summary>
    public static int[] Groups(IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var triples = texts.Select(Triples).ToList();
        var parent = Enumerable.Range(0, texts.Count).ToArray();
        var holders = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        for (var index = 0; index < texts.Count; index++)
        {
            var shared = new Dictionary<int, int>();
            foreach (var triple in triples[index])
            {
                if (!holders.TryGetValue(triple, out var list)) holders.Add(triple, list = []);
                foreach (var other in list) shared[other] = shared.GetValueOrDefault(other) + 1;
                list.Add(index);
            }

            foreach (var (other, common) in shared)
                if (common >= NearShare * (triples[index].Count + triples[other].Count - common)) parent[Root(parent, index)] = Root(parent, other);
        }

        return [.. Enumerable.Range(0, texts.Count).Select(index => Root(parent, index))];
    }

    private static int Root(int[] parent, int index)
    {
        while (parent[index] != index) index = parent[index] = parent[parent[index]];
        return index;
    }

    private static HashSet<string> Triples(string text)
    {
        var words = new string([.. text.ToLowerInvariant().Where(letter => !char.IsDigit(letter)).Select(letter => char.IsLetter(letter) ? letter : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries);

        // A Chinese headline is one word: its characters take the place of words.
        if (words.Any(word => word.Any(letter => letter >= '\u2E80'))) words = [.. string.Concat(words).Select(letter => letter.ToString())];
        return words.Length < 3 ? [string.Join(' ', words)] : [.. Enumerable.Range(0, words.Length - 2).Select(begin => string.Join(' ', words.AsSpan(begin, 3)!))];
    }
}
