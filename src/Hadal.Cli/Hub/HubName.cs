namespace Hadal.Cli.Hub;

/// <summary>A model of a hub, <c>owner/name</c> or <c>owner/name@revision</c>. Every part is a plain word: parts become names of folders.</summary>
/// <param name="Owner">Who published it.</param>
/// <param name="Name">Its name there.</param>
/// <param name="Revision">A branch, a tag or a commit; null where none was given.</param>
internal sealed record HubName(string Owner, string Name, string? Revision)
{
    private const string FolderPrefix = "models--", Separator = "--";
    private const int MaxLength = 96, MaxRevisionLength = 128;

    /// <summary><c>owner/name</c>.</summary>
    public string Repository => $"{Owner}/{Name}";

    /// <summary>Name of its folder in the cache: <c>models--owner--name</c>.</summary>
    public string FolderName => $"{FolderPrefix}{Owner}{Separator}{Name}";

    /// <inheritdoc/>
    public override string ToString() => Revision is null ? Repository : $"{Repository}@{Revision}";

    /// <summary>Reads a name; null where the text is none.</summary>
    public static HubName? TryParse(string text)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var revision = at < 0 ? null : text[(at + 1)..];
        if (revision is not null && !IsRevision(revision)) return null;
        return (at < 0 ? text : text[..at]).Split('/') is [var owner, var name] && IsPart(owner) && IsPart(name) ? new HubName(owner, name, revision) : null;
    }

    /// <summary>Reads the name of a folder of the cache; null where it is none.</summary>
    public static HubName? OfFolder(string folderName) =>
        folderName.StartsWith(FolderPrefix, StringComparison.Ordinal) && folderName[FolderPrefix.Length..].Split(Separator) is [var owner, var name] && IsPart(owner) && IsPart(name)
            ? new HubName(owner, name, null)
            : null;

    /// <summary>Whether a text names a branch, a tag or a commit: words, between slashes where there are several.</summary>
    public static bool IsRevision(string text) => text.Length is > 0 and <= MaxRevisionLength && text.Split('/').All(IsWord);

    /// <summary>Whether a text is the id of a commit.</summary>
    public static bool IsCommit(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);

    private static bool IsPart(string text) =>
        text.Length is > 0 and <= MaxLength && IsWord(text) && !text.Contains(Separator, StringComparison.Ordinal) && !text.Contains("..", StringComparison.Ordinal);

    private static bool IsWord(string text) =>
        text.Length > 0 && char.IsAsciiLetterOrDigit(text[0]) && text.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '.' or '_' or '-');
}
