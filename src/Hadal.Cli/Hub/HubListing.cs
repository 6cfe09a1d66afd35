using System.Text.Json;

namespace Hadal.Cli.Hub;

/// <summary>What a revision consists of, as the hub tells it.</summary>
/// <param name="Commit">The commit that the revision names now; everything is fetched from it.</param>
/// <param name="Files">Files in the hub's order.</param>
internal sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files)
{
    private const int MaxFiles = 100_000;

    /// <summary>The largest file that is believed in: a pebibyte.</summary>
    private const long MaxFileBytes = 1L << 50;

    /// <summary>Reads the hub's answer. Names, sizes and hashes become paths and limits, so that nothing is taken on trust.</summary>
    /// <exception cref="CommandException">It is not what was expected.</exception>
    public static HubListing Read(string where, ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 64 });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) throw Fault("an object");
            var commit = Text(root, "sha");
            if (commit is null || !HubName.IsCommit(commit)) throw Fault("the id of a commit in 'sha'");
            if (!root.TryGetProperty("siblings", out var siblings) || siblings.ValueKind != JsonValueKind.Array) throw Fault("a list of files in 'siblings'");
            if (siblings.GetArrayLength() > MaxFiles) throw Fault($"at most {MaxFiles} files");
            return new HubListing(commit, [.. siblings.EnumerateArray().Select(ReadFile)]);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // The latter: a string with half a surrogate pair.
            throw CommandException.Failed($"{where}: the answer is not valid JSON: {fault.Message}", fault);
        }

        HubFile ReadFile(JsonElement element)
        {
            if (element.ValueKind != JsonValueKind.Object || Text(element, "rfilename") is not { } path) throw Fault("a name in 'rfilename'");
            if (!HubFile.StaysInside(path)) throw CommandException.Failed($"{where}: the file name '{path}' leads out of the model's folder; nothing was downloaded");
            var lfs = element.TryGetProperty("lfs", out var stored) && stored.ValueKind == JsonValueKind.Object ? stored : (JsonElement?)null;
            var hash = lfs is { } large ? Text(large, "sha256") : Text(element, "blobId");
            if (hash is null || hash.Length != (lfs is null ? 40 : 64) || !hash.All(char.IsAsciiHexDigitLower)) throw Fault($"the hash of '{path}'");
            return new HubFile(path, Size(lfs ?? element) ?? Size(element) ?? throw Fault($"the size of '{path}'"), hash);
        }

        CommandException Fault(string expected) => CommandException.Failed($"{where}: expected {expected}, found something else; is HF_ENDPOINT a model hub?");
    }

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Size(JsonElement element) =>
        element.TryGetProperty("size", out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var size) && size is >= 0 and <= MaxFileBytes ? size : null;
}
