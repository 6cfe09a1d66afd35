using System.Text.Json;

namespace Hadal.Checkpoints.Weights;

/// <summary>Opens the weight files of a directory: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names.</summary>
internal static class SafetensorsShards
{
    private const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";
    private const int MaxIndexBytes = 64 << 20;
    private const int MaxShards = 10000;

    /// <summary>Opens all files.</summary>
    /// <exception cref="CheckpointException">One is missing or faulty, or holds other tensors than the index says.</exception>
    public static List<SafetensorsFile> Open(CheckpointFolder folder)
    {
        if (folder.Find(SingleName) is { } single) return [SafetensorsFile.Open(single)];
        if (folder.Find(IndexName) is { } index) return OpenShards(folder, index);
        var others = folder.Names("*.safetensors");
        var found = others.Count == 0 ? "neither exists" : $"found {string.Join(", ", others.Take(4))} instead";
        throw new CheckpointException($"{folder.Path}: looked for {SingleName} and {IndexName}, {found}");
    }

    private static List<SafetensorsFile> OpenShards(CheckpointFolder folder, string indexPath)
    {
        var weightMap = ReadWeightMap(indexPath, TextFile.Read(indexPath, MaxIndexBytes));
        var names = weightMap.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (names.Count > MaxShards) throw new CheckpointException($"{indexPath}: names {names.Count} files, the limit is {MaxShards}");
        var missing = names.Where(name => folder.Find(name) is null).ToList();
        if (missing.Count > 0)
        {
            throw new CheckpointException(
                $"{folder.Path}: {missing.Count} of {names.Count} files that {IndexName} names do not exist: {string.Join(", ", missing.Take(4))}; complete the download");
        }

        var shards = new List<SafetensorsFile>();
        try
        {
            foreach (var name in names) shards.Add(SafetensorsFile.Open(folder.Find(name)!));
            CheckContents(indexPath, weightMap, names, shards);
            return shards;
        }
        catch
        {
            foreach (var shard in shards) shard.Dispose();
            throw;
        }
    }

    private static Dictionary<string, string> ReadWeightMap(string where, ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
                throw new CheckpointException($"{where}: has no weight_map object");
            var weightMap = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var entry in map.EnumerateObject())
            {
                if (entry.Value.ValueKind != JsonValueKind.String)
                    throw new CheckpointException($"{where}: weight_map '{entry.Name}' is no file name");
                if (!weightMap.TryAdd(entry.Name, entry.Value.GetString()!))
                    throw new CheckpointException($"{where}: weight_map has '{entry.Name}' twice");
            }

            return weightMap.Count > 0 ? weightMap : throw new CheckpointException($"{where}: weight_map is empty");
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // The latter: a string with a lone surrogate.
            throw new CheckpointException($"{where}: is not valid JSON: {fault.Message}", fault);
        }
    }

    /// <summary>Every tensor must lie in the shard that the index says, and nowhere else.</summary>
    private static void CheckContents(string where, Dictionary<string, string> weightMap, List<string> names, List<SafetensorsFile> shards)
    {
        var faults = new FaultList(where);
        for (var index = 0; index < shards.Count; index++)
        {
            foreach (var tensor in shards[index].Entries.Keys)
            {
                if (!weightMap.TryGetValue(tensor, out var expected)) faults.Add($"{tensor}: lies in {names[index]}, the index does not name it");
                else if (expected != names[index]) faults.Add($"{tensor}: lies in {names[index]}, the index says {expected}");
            }
        }

        var shardOf = names.Zip(shards).ToDictionary(pair => pair.First, pair => pair.Second, StringComparer.Ordinal);
        foreach (var (tensor, file) in weightMap)
            if (!shardOf[file].Entries.ContainsKey(tensor)) faults.Add($"{tensor}: is not in {file}, where the index says it is");

        faults.ThrowIfAny("index and shards are not of one model");
    }
}
