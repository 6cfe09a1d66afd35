using Hadal.Checkpoints;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class MachineMemoryTests : IDisposable
{
    private const long MiB = 1 << 20, GiB = 1 << 30;
    private readonly string _root = Directory.CreateTempSubdirectory("hadal-").FullName;

    public MachineMemoryTests() => Make("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Without_groups_it_is_the_machines() => Assert.Equal(new MachineMemory(16 * GiB, 8 * GiB, false), MachineMemory.Read(_root));

    [Fact]
    public void A_group_of_version_2_limits_it_and_its_file_cache_counts_as_available()
    {
        Make("proc/self/cgroup", "0::/unit/job\n");
        Make("sys/fs/cgroup/unit/job/memory.max", "max\n");
        Make("sys/fs/cgroup/unit/memory.max", $"{4 * GiB}\n");
        Make("sys/fs/cgroup/unit/memory.current", $"{3 * GiB}\n");
        Make("sys/fs/cgroup/unit/memory.stat", $"anon {GiB}\ninactive_file {GiB}\n");
        Assert.Equal(new MachineMemory(4 * GiB, 2 * GiB, true), MachineMemory.Read(_root));
    }

    [Fact]
    public void A_container_that_sees_only_its_own_group_is_limited_by_it()
    {
        Make("proc/self/cgroup", "0::/outside/not/mounted/here\n");
        Make("sys/fs/cgroup/memory.max", $"{GiB}\n");
        Make("sys/fs/cgroup/memory.current", $"{2 * GiB}\n");
        Assert.Equal(new MachineMemory(GiB, 0, true), MachineMemory.Read(_root));
    }

    [Fact]
    public void A_group_of_version_1_limits_it()
    {
        Make("proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n");
        Make("sys/fs/cgroup/memory/job/memory.limit_in_bytes", $"{2 * GiB}\n");
        Make("sys/fs/cgroup/memory/job/memory.usage_in_bytes", $"{512 * MiB}\n");
        Make("sys/fs/cgroup/memory/job/memory.stat", $"inactive_file 1\ntotal_inactive_file {256 * MiB}\n");
        Make("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal(new MachineMemory(2 * GiB, (2 * GiB) - (256 * MiB), true), MachineMemory.Read(_root));
    }

    [Fact]
    public void This_machine_has_memory()
    {
        var memory = MachineMemory.Read();
        Assert.InRange(memory.TotalBytes, 64 * MiB, long.MaxValue);
        Assert.InRange(memory.AvailableBytes, 1, memory.TotalBytes);
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_with_numbers_and_a_context_that_fits()
    {
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("qwen2/model-Q4_K.gguf"));
        var options = new EngineOptions { MaxContext = 8192 };
        var need = MemoryEstimate.For(checkpoint, options);
        using var error = new StringWriter();
        Assert.Equal(options, ModelOpening.FitMemory(checkpoint, options, new MachineMemory(GiB, need.TotalBytes, false), error));
        var fault = Assert.Throws<CommandException>(() => ModelOpening.FitMemory(checkpoint, options, new MachineMemory(GiB, need.TotalBytes - 1, true), error));
        Assert.Equal(ExitCode.Failed, fault.ExitCode);
        Assert.Matches(
            @"^.*gguf: too little memory: expected \d\S* MiB \(weights \S+ [KM]iB, cache of 8192 tokens \S+ MiB, work \S+ MiB\), found \S+ MiB available of the container's 1\.00 GiB; --context 4096 would fit$",
            fault.Message);
        fault = Assert.Throws<CommandException>(() => ModelOpening.FitMemory(checkpoint, options, new MachineMemory(GiB, 1000, false), error));
        Assert.EndsWith("found 1000 bytes available of the machine's 1.00 GiB; use a smaller quantisation of the model, or a machine with more memory", fault.Message, StringComparison.Ordinal);
        Assert.Empty(error.ToString());
    }

    [Fact]
    public void Experts_that_do_not_fit_stay_in_the_file_and_that_is_said()
    {
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("deepseek-v3/hf"));
        var options = new EngineOptions { MaxContext = 64 };
        EngineOptions streamed = options with { KeepsExpertsInFile = true };
        long all = MemoryEstimate.For(checkpoint, options).TotalBytes, rest = MemoryEstimate.For(checkpoint, streamed).TotalBytes;
        Assert.InRange(rest, 1, all - 1);
        using var error = new StringWriter { NewLine = "\n" };
        Assert.Equal(streamed, ModelOpening.FitMemory(checkpoint, options, new MachineMemory(GiB, rest, false), error));
        Assert.Matches(@"^.*hf: \S+ [KM]iB of experts stay in the file, because \S+ [KM]iB of memory are available and \S+ [KM]iB would be needed; answers take longer\n$", error.ToString());
        Assert.Throws<CommandException>(() => ModelOpening.FitMemory(checkpoint, options, new MachineMemory(GiB, rest - 1, false), error));
    }

    private void Make(string relative, string content)
    {
        var path = Path.Combine(_root, relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }
}
