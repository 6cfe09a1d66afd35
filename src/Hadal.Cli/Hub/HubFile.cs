using System.Buffers;
using System.Text;

namespace Hadal.Cli.Hub;

/// <summary>A file of a revision.</summary>
/// <param name="Path">Where it stands in the repository, with slashes.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Hash">SHA-256 of its content where it is stored apart (LFS), else git's SHA-1 of it, in lower hexadecimal; the name of its blob in the cache.</param>
internal sealed record HubFile(string Path, long Size, string Hash)
{
    private const int MaxPathLength = 1024, MaxPartBytes = 255;

    private static readonly SearchValues<char> ReservedOnWindows = SearchValues.Create("<>:\"|?*");

    private static readonly HashSet<string> Devices = new(
        ["CON", "PRN", "AUX", "NUL", .. Enumerable.Range(0, 10).SelectMany(number => new[] { FormattableString.Invariant($"COM{number}"), FormattableString.Invariant($"LPT{number}") })],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether <see cref="Hash"/> is a SHA-256.</summary>
    public bool IsSha256 => Hash.Length == 64;

    /// <summary>Whether it stands in no folder.</summary>
    public bool IsAtTop => !Path.Contains('/', StringComparison.Ordinal);

    /// <summary>Whether a path stays within the folder it is put into.</summary>
    public static bool StaysInside(string path) =>
        path.Length is > 0 and <= MaxPathLength && !path.AsSpan().ContainsAny("\\\0") && path.Split('/').All(part => part is not ("" or "." or ".."));

    /// <summary>Whether every system can have a file of this name.</summary>
    public static bool IsPortable(string path) => path.Split('/').All(part =>
        Encoding.UTF8.GetByteCount(part) <= MaxPartBytes && !part.Any(char.IsControl) && !part.AsSpan().ContainsAny(ReservedOnWindows) && part[^1] is not ('.' or ' ')
        && !Devices.Contains(part.Split('.')[0].TrimEnd()));
}
