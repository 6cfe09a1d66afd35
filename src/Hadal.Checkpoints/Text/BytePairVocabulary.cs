namespace Hadal.Checkpoints.Text;

/// <summary>Turns the merges of a vocabulary file into ids.</summary>
internal static class BytePairVocabulary
{
    /// <summary>Looks up both sides and the result of each merge. Merges that touch a control token are left out, so that no plain text
    /// can grow into one.</summary>
    /// <param name="merges">Left and right by rank, as the file spells them.</param>
    /// <param name="ids">Ids by the spelling of the file.</param>
    /// <param name="vocabulary">The tokens.</param>
    /// <exception cref="CheckpointException">A side or a result is no token.</exception>
    public static List<(int Left, int Right, int Merged)> Resolve(
        IEnumerable<(string Left, string Right)> merges, IReadOnlyDictionary<string, int> ids, Vocabulary vocabulary)
    {
        var resolved = new List<(int, int, int)>();
        var rank = 0;
        foreach (var (left, right) in merges)
        {
            int leftId = Find(left), rightId = Find(right), mergedId = Find(left + right);
            if (!vocabulary.IsControl(leftId) && !vocabulary.IsControl(rightId) && !vocabulary.IsControl(mergedId)) resolved.Add((leftId, rightId, mergedId));
            rank++;
        }

        return resolved;

        int Find(string token) => ids.TryGetValue(token, out var id) ? id : throw new CheckpointException($"merge {rank}: '{token}' is not in the vocabulary");
    }
}
