using System.Globalization;

namespace Hadal.Cli;

/// <summary>Memory that this process may use: of the machine, or of its container where that is less.</summary>
/// <param name="TotalBytes">All there is.</param>
/// <param name="AvailableBytes">What can still be had; memory that only caches files counts as available.</param>
/// <param name="IsContainer">Whether a control group sets the limit.</param>
internal sealed record MachineMemory(long TotalBytes, long AvailableBytes, bool IsContainer)
{
    /// <summary>Reads what the system says.</summary>
    /// <param name="root">Root of the file system, another one in tests.</param>
    public static MachineMemory Read(string root = "/")
    {
        if (MemInfo(Path.Combine(root, "proc/meminfo")) is not { } machine)
        {
            var info = GC.GetGCMemoryInfo();
            return new MachineMemory(info.TotalAvailableMemoryBytes, info.TotalAvailableMemoryBytes - info.MemoryLoadBytes, IsContainer: false);
        }

        var groups = ControlGroups(root).ToList();
        var total = groups.Select(group => group.LimitBytes).Append(machine.TotalBytes).Min();
        var available = groups.Select(group => Math.Max(0, group.LimitBytes - group.UsedBytes)).Append(machine.AvailableBytes).Min();
        return new MachineMemory(total, available, total < machine.TotalBytes);
    }

    private static MachineMemory? MemInfo(string path)
    {
        if (Fields(path, ':') is not { } fields) return null;
        return fields.TryGetValue("MemTotal", out var total) && fields.TryGetValue("MemAvailable", out var available)
            ? new MachineMemory(total * 1024, available * 1024, IsContainer: false)
            : null;
    }

    /// <summary>Limits of the control groups this process is in, own group first, then those around it; version 2 and 1.</summary>
    private static IEnumerable<(long LimitBytes, long UsedBytes)> ControlGroups(string root)
    {
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            if (line.Split(':', 3) is not [_, var controllers, var group]) continue;
            var isVersion2 = controllers.Length == 0;
            if (!isVersion2 && !controllers.Split(',').Contains("memory")) continue;
            var mount = Path.Combine(root, isVersion2 ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
            var (limit, used, cached) = isVersion2
                ? ("memory.max", "memory.current", "inactive_file")
                : ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
            for (var folder = group.Trim('/'); ; folder = Path.GetDirectoryName(folder) ?? "")
            {
                var path = Path.Combine(mount, folder);
                if (Number(Path.Combine(path, limit)) is { } limitBytes)
                {
                    var cachedBytes = Fields(Path.Combine(path, "memory.stat"), ' ')?.GetValueOrDefault(cached) ?? 0;
                    yield return (limitBytes, (Number(Path.Combine(path, used)) ?? 0) - cachedBytes);
                }

                if (folder.Length == 0) break;
            }
        }
    }

    /// <summary>The number in a file of one line, or null where there is none (<c>max</c>, or no file).</summary>
    private static long? Number(string path) =>
        Lines(path) is [var line, ..] && long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static Dictionary<string, long>? Fields(string path, char separator)
    {
        var lines = Lines(path);
        if (lines.Length == 0) return null;
        var fields = new Dictionary<string, long>();
        foreach (var line in lines)
        {
            if (line.Split(separator, 2) is not [var name, var rest]) continue;
            var word = rest.Trim().Split(' ')[0];
            if (long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) fields[name] = number;
        }

        return fields;
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A group that may not be looked at sets no limit that could be told.
            return [];
        }
    }
}
