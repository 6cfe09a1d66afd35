using System.Reflection;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;

namespace Hadal.Training.Torch;

/// <summary>Finds and loads libtorch before TorchSharp asks for it.</summary>
/// <remarks><para>The natives lie once per repository (<c>artifacts/torch</c>) or in a folder <c>torch</c> beside the executable. Once they are loaded
/// by full path, TorchSharp's own look-up by name finds them, because the system knows them by their soname.</para>
/// <para>TorchSharp's library asks for the symbol version GLIBCXX_3.4.32 only on behalf of a symbol that nothing calls. Where the C++ runtime is
/// older than GCC 13, a copy is made in which that need is weak; elsewhere the file is loaded as it is.</para></remarks>
public static partial class TorchRuntime
{
    private const string UnusedVersion = "GLIBCXX_3.4.32";
    private const string LibraryFile = "libLibTorchSharp.so";
    private static readonly string[] LibtorchFiles = ["libgomp-98b21ff3.so.1", "libc10.so", "libtorch_cpu.so", "libtorch.so"];
    private static readonly Lock InitializeLock = new();
    private static bool _isInitialized;

    /// <summary>Loads libtorch; the second and later calls do nothing. Safe from any thread.</summary>
    /// <remarks>Idle OpenMP threads are told to sleep (<c>OMP_WAIT_POLICY=passive</c>) unless the environment says otherwise: spinning ones
    /// slow training tenfold as soon as another process wants the cores.</remarks>
    /// <exception cref="DllNotFoundException">The natives are not where they should be, or the system cannot load them; the message says which and why.</exception>
    public static void Initialize()
    {
        lock (InitializeLock)
        {
            if (_isInitialized) return;
            if (OperatingSystem.IsLinux())
            {
                // libgomp reads the process environment when it is loaded; .NET keeps a copy of its own, so this goes to libc.
                _ = SetEnvironment("OMP_WAIT_POLICY", "passive", overwrite: 0);
                KeepMemory();
                var directory = FindDirectory();
                foreach (var file in LibtorchFiles) NativeLibrary.Load(Path.Combine(directory, file));
                LoadTorchSharp(Path.Combine(directory, LibraryFile));
            }

            _isInitialized = true;
        }
    }

    /// <summary>Lets malloc keep and reuse large blocks. By default each tensor above 32 MiB is mapped, zeroed by the kernel and unmapped again,
    /// which takes longer than most of what is computed on it.</summary>
    private static void KeepMemory()
    {
        const int TrimThreshold = -1, TopPad = -2, MmapMax = -4, ArenaMax = -8;
        _ = SetMallocOption(ArenaMax, 1);
        _ = SetMallocOption(MmapMax, 0);
        _ = SetMallocOption(TrimThreshold, int.MaxValue);
        _ = SetMallocOption(TopPad, 64 << 20);
    }

    private static string FindDirectory()
    {
        var beside = Path.Combine(AppContext.BaseDirectory, "torch");
        var built = typeof(TorchRuntime).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(metadata => metadata.Key == "TorchDirectory")?.Value;
        string[] candidates = built is null ? [beside] : [beside, built];
        return candidates.FirstOrDefault(directory => File.Exists(Path.Combine(directory, LibraryFile)))
            ?? throw new DllNotFoundException($"libtorch: expected {LibraryFile} in {string.Join(" or ", candidates)}, found none; build src/Hadal.Training or publish hadal-train again");
    }

    private static void LoadTorchSharp(string path)
    {
        try
        {
            NativeLibrary.Load(path);
        }
        catch (DllNotFoundException fault) when (fault.Message.Contains(UnusedVersion, StringComparison.Ordinal))
        {
            NativeLibrary.Load(Mended(path));
        }
    }

    /// <summary>A copy of the library at <paramref name="path"/> in which <see cref="UnusedVersion"/> is a weak need: beside it, or where that
    /// cannot be written, in the user's own data folder. Made once; two processes may make it at the same time.</summary>
    private static string Mended(string path)
    {
        // Not verified: where the home folder cannot be written, or is none, there may still be a copy beside the library.
        var own = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        List<string> folders = [Path.Combine(Path.GetDirectoryName(path)!, "mended")];
        if (own.Length > 0) folders.Add(Path.Combine(own, "hadal", "torch"));
        var length = new FileInfo(path).Length;
        foreach (var folder in folders)
        {
            var copy = new FileInfo(Path.Combine(folder, LibraryFile));
            if (copy.Exists && copy.Length == length && copy.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(path)) return copy.FullName;
        }

        var faults = new List<string>();
        var bytes = File.ReadAllBytes(path);
        if (ElfVersionNeeds.MakeWeak(bytes, UnusedVersion) == 0) throw new DllNotFoundException($"{path}: no need for {UnusedVersion} found, yet the system reports one");
        foreach (var folder in folders)
        {
            try
            {
                Directory.CreateDirectory(folder);
                var copy = Path.Combine(folder, LibraryFile);
                AtomicFile.Write(copy, stream => stream.Write(bytes));
                return copy;
            }
            catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
            {
                faults.Add(fault.Message);
            }
        }

        throw new DllNotFoundException($"{path}: needs a copy that this system can load, and none can be written: {string.Join("; ", faults)}; make {string.Join(" or ", folders)} writable");
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetMallocOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
