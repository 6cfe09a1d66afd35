using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Hadal.Inference.Kernels;

namespace Hadal.Cli;

/// <summary><c>hadal doctor [--json]</c>.</summary>
internal static class DoctorCommand
{
    public static Command Create(Shell shell)
    {
        var json = JsonOutput.Option();
        var command = new Command("doctor", "Shows what the program runs on and where it looks for models, and computes with the built-in one to see that it is right.") { json };
        command.SetAction(parsed =>
        {
            var result = Examine(shell);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.DoctorResult);
            else Tables.WriteFields(shell, $"hadal {result.Version}", [.. Fields(result)]);
            if (!result.SelfCheck.Ok) throw CommandException.Failed($"self check: {result.SelfCheck.Detail}");
            return ExitCode.Done;
        });
        return command;
    }

    private static DoctorResult Examine(Shell shell)
    {
        var memory = MachineMemory.Read();
        var locator = new ModelLocator(shell);
        return new DoctorResult
        {
            Version = Version,
            Runtime = RuntimeInformation.FrameworkDescription,
            NativeAot = !RuntimeFeature.IsDynamicCodeSupported,
            Os = RuntimeInformation.OSDescription,
            Architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
            VectorWidth = VectorWidth.Bits,
            InstructionSets = InstructionSets(),
            Processors = Environment.ProcessorCount,
            Threads = ThreadCrew.DefaultThreadCount,
            MemoryBytes = memory.TotalBytes,
            MemoryAvailableBytes = memory.AvailableBytes,
            InContainer = memory.IsContainer,
            BuiltInModel = locator.BuiltInPath,
            ModelFolders = [.. locator.CacheFolders.Select(folder => new DoctorFolder(folder, Directory.Exists(folder)))],
            Models = [.. locator.CachedModels()],
            SelfCheck = SelfCheck.Run(locator),
        };
    }

    /// <summary>Version of the program.</summary>
    private static string Version => typeof(DoctorCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static IReadOnlyList<string> InstructionSets() =>
    [
        .. new (string Name, bool IsSupported)[]
        {
            ("sse4.2", Sse42.IsSupported), ("avx", Avx.IsSupported), ("avx2", Avx2.IsSupported), ("fma", Fma.IsSupported), ("bmi2", Bmi2.IsSupported),
            ("avx-vnni", AvxVnni.IsSupported), ("avx512f", Avx512F.IsSupported), ("avx512bw", Avx512BW.IsSupported), ("avx512vbmi", Avx512Vbmi.IsSupported),
            ("neon", AdvSimd.IsSupported), ("dotprod", Dp.IsSupported),
        }.Where(set => set.IsSupported).Select(set => set.Name),
    ];

    private static IEnumerable<(string Name, string Value)> Fields(DoctorResult result)
    {
        yield return ("runtime", $"{result.Runtime}{(result.NativeAot ? " (native)" : "")} on {result.Os}, {result.Architecture}");
        yield return ("vectors", string.Create(CultureInfo.InvariantCulture, $"{(result.VectorWidth == 0 ? "none, all code is scalar" : $"{result.VectorWidth} bits")} ({string.Join(", ", result.InstructionSets)})"));
        yield return ("threads", string.Create(CultureInfo.InvariantCulture, $"{result.Threads} of {result.Processors} processors"));
        yield return ("memory", $"{Sizes.Bytes(result.MemoryAvailableBytes)} available of the {(result.InContainer ? "container's" : "machine's")} {Sizes.Bytes(result.MemoryBytes)}");
        yield return ("built-in model", result.BuiltInModel);
        foreach (var folder in result.ModelFolders) yield return ("hub cache", folder.Exists ? folder.Path : $"{folder.Path} (not there)");
        if (result.Models.Count > 0) yield return ("models in it", string.Join(", ", result.Models));
        yield return ("self check", result.SelfCheck.Ok ? result.SelfCheck.Detail : $"FAILED: {result.SelfCheck.Detail}");
    }
}

/// <summary>What <c>doctor --json</c> prints.</summary>
internal sealed record DoctorResult
{
    public required string Version { get; init; }

    public required string Runtime { get; init; }

    /// <summary>Whether the program was compiled ahead of time.</summary>
    public required bool NativeAot { get; init; }

    public required string Os { get; init; }

    public required string Architecture { get; init; }

    /// <summary>Width in bits that the kernels run at; 0 where only scalar code runs.</summary>
    public required int VectorWidth { get; init; }

    public required IReadOnlyList<string> InstructionSets { get; init; }

    /// <summary>Processors this process may use, control groups regarded.</summary>
    public required int Processors { get; init; }

    /// <summary>Threads that models use unless told otherwise.</summary>
    public required int Threads { get; init; }

    public required long MemoryBytes { get; init; }

    public required long MemoryAvailableBytes { get; init; }

    /// <summary>Whether a control group limits the memory.</summary>
    public required bool InContainer { get; init; }

    public required string BuiltInModel { get; init; }

    public required IReadOnlyList<DoctorFolder> ModelFolders { get; init; }

    /// <summary>Models in the hub cache.</summary>
    public required IReadOnlyList<string> Models { get; init; }

    public required SelfCheckResult SelfCheck { get; init; }
}

/// <summary>A folder where models are looked for.</summary>
internal sealed record DoctorFolder(string Path, bool Exists);

/// <summary>How the self check went.</summary>
/// <param name="Ok">Whether everything was as expected.</param>
/// <param name="BitsPerByte">Of the built-in model on the check's text; null where it did not come so far.</param>
/// <param name="Detail">One sentence.</param>
internal sealed record SelfCheckResult(bool Ok, double? BitsPerByte, string Detail);
