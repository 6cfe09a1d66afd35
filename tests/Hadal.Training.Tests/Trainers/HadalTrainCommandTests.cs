using System.Diagnostics;
using System.Text.RegularExpressions;
using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

/// <summary>The <c>hadal-train</c> process as a user meets it.</summary>
public sealed class HadalTrainCommandTests
{
    [Fact]
    public async Task Help_names_the_command_and_its_options()
    {
        var (code, output, error) = await Start(["--help"]).Ended();
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("pretrain", output, StringComparison.Ordinal);
        (code, output, error) = await Start(["pretrain", "--help"]).Ended();
        Assert.Equal((0, ""), (code, error));
        Assert.All(["CONFIG.json", "--resume", "--set"], word => Assert.Contains(word, output, StringComparison.Ordinal));
        (code, output, error) = await Start(["lora", "--help"]).Ended();
        Assert.Equal((0, ""), (code, error));
        Assert.All(["CONFIG.json", "--resume", "--set", "preset=classic"], word => Assert.Contains(word, output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Wrong_usage_is_2_and_a_fault_is_1_each_with_one_line()
    {
        var (code, output, error) = await Start(["pretrain"]).Ended();
        Assert.Equal((2, ""), (code, output));
        Assert.Matches("^hadal-train: [^\n]*see hadal-train --help\n$", error);
        (code, output, error) = await Start(["pretrian", "x.json"]).Ended();
        Assert.Equal((2, ""), (code, output));
        Assert.Matches("^hadal-train: [^\n]*; there is pretrain, sft, lora, dpo, instructions, eval; see hadal-train --help\n$", error);
        (code, output, error) = await Start(["eval", "m", "--suite", "language", "--data", "d", "--sequence-length", "abc"]).Ended();
        Assert.Equal((2, "", "hadal-train: --sequence-length: expected a whole number, got 'abc'; see hadal-train --help\n"), (code, output, error));
        (code, output, error) = await Start([]).Ended();
        Assert.Equal((2, "", "hadal-train: no command given; there is pretrain, sft, lora, dpo, instructions, eval; see hadal-train --help\n"), (code, output, error));

        using var run = new TinyRun();
        var folder = Path.GetDirectoryName(run.ConfigPath)!;
        (code, output, error) = await Start(["pretrain", folder]).Ended();
        Assert.Equal((1, "", $"hadal-train: {folder}: is a directory, expected a file\n"), (code, output, error));

        // No file of arguments, whether it exists or not.
        (code, output, error) = await Start(["pretrain", "@nobody.json"]).Ended();
        Assert.Equal((1, "", $"hadal-train: {Path.GetFullPath("@nobody.json")}: no such file\n"), (code, output, error));

        (code, output, error) = await Start(["pretrain", run.ConfigPath, "--set", "lerning_rate=1"]).Ended();
        Assert.Equal((1, ""), (code, output));
        Assert.Equal($"hadal-train: {run.ConfigPath}: lerning_rate: unknown key; did you mean learning_rate?\n", error);
    }

    [Fact]
    public async Task A_pipe_gets_the_path_of_the_model_and_nothing_else_and_idle_threads_sleep()
    {
        using var run = new TinyRun("steps=2", "indexer_warmup_steps=0", "sparse_steps=0");
        var (code, output, error) = await Start(Arguments(run), ("OMP_DISPLAY_ENV", "true")).Ended();
        Assert.Equal((0, Path.Combine(run.Output, "model") + "\n"), (code, output));

        // The OpenMP library shows its settings when asked; beside that, nothing is written.
        Assert.Contains("OMP_WAIT_POLICY = 'PASSIVE'", error, StringComparison.Ordinal);
        Assert.Equal("", Regex.Replace(error, @"\s*OPENMP DISPLAY ENVIRONMENT BEGIN.*OPENMP DISPLAY ENVIRONMENT END\s*", "", RegexOptions.Singleline));

        // Who sets the policy himself has it.
        using var other = new TinyRun("steps=1", "indexer_warmup_steps=0", "sparse_steps=0");
        (_, _, error) = await Start(Arguments(other), ("OMP_DISPLAY_ENV", "true"), ("OMP_WAIT_POLICY", "active")).Ended();
        Assert.Contains("OMP_WAIT_POLICY = 'ACTIVE'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Killed_at_any_moment_it_resumes_to_the_bits_of_an_undisturbed_run()
    {
        string[] changes = ["steps=30", "indexer_warmup_steps=10", "sparse_steps=10", "checkpoint_every_steps=4", "evaluate_every_steps=0"];
        using TinyRun undisturbed = new(changes), disturbed = new(changes);
        undisturbed.Run();

        // The moments differ from run to run whatever the seed is; it only spreads them over the stages.
        var random = new Random(1);
        var kills = 0;
        for (var begin = 0; kills < 3 && begin < 45;)
        {
            using var process = Start([.. Arguments(disturbed), "--resume"]).Process;
            // Some steps on, at whatever it is doing by then.
            var target = begin + random.Next(5, 15);
            while (!process.HasExited && LineCount(disturbed) < target) await Task.Delay(1, TestContext.Current.CancellationToken);
            if (process.HasExited) break;
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(128 + 9, process.ExitCode);
            kills++;
            begin = LineCount(disturbed);
        }

        Assert.True(kills >= 2, $"only {kills} kills hit the run");
        var (code, _, error) = await Start([.. Arguments(disturbed), "--resume"]).Ended();
        Assert.Equal((0, ""), (code, error));
        Assert.Equal(undisturbed.LatestHashes, disturbed.LatestHashes);
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);
        Assert.Empty(Directory.EnumerateDirectories(disturbed.Checkpoints, ".*"));
    }

    /// <summary>HADAL_KILLS asks for more kills than the five of the suite, in a run that is longer by as much: before the first step, in it, at any time, in the last step and behind it.</summary>
    [Fact]
    public async Task Killed_at_any_moment_an_adaptation_resumes_to_the_bits_of_an_undisturbed_one()
    {
        var wanted = int.Parse(Environment.GetEnvironmentVariable("HADAL_KILLS") ?? "5", System.Globalization.CultureInfo.InvariantCulture);
        var steps = 12 * wanted;
        string[] changes = [$"steps={steps}", "checkpoint_every_steps=3", "evaluate_every_steps=7", "lora.lora_dropout=0.1", "lora.r=4"];
        using TinyAdaptation undisturbed = new(TinyAdaptation.Hadal, changes), disturbed = new(TinyAdaptation.Hadal, changes);
        var expected = undisturbed.Run("lora");
        string[] arguments = ["lora", disturbed.ConfigPath, "--resume", .. changes.SelectMany(change => (string[])["--set", change])];
        var random = new Random(2);
        var kills = 0;
        for (var attempt = 0; attempt < wanted; attempt++)
        {
            using var process = Start(arguments).Process;
            var begin = LineCount(disturbed.MetricsPath);
            Func<bool> isTime = attempt switch
            {
                0 => () => File.Exists(Path.Combine(disturbed.Checkpoints, ".lock")),
                1 => () => LineCount(disturbed.MetricsPath) > 0,
                _ when attempt == wanted - 2 => () => LineCount(disturbed.MetricsPath) >= steps - 1,
                _ when attempt == wanted - 1 => () => LineCount(disturbed.MetricsPath) >= steps,
                _ => Reached(Math.Min(begin + random.Next(1, 18), steps - 1)),
            };

            // Then some time on, at whatever it is doing by then.
            for (var more = random.Next(0, 20); !process.HasExited && (!isTime() || more-- > 0);) await Task.Delay(1, TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            if (process.ExitCode == 128 + 9) kills++;
            else Assert.True(process.ExitCode == 0 && attempt >= wanted - 2, $"attempt {attempt} ended with {process.ExitCode}");
        }

        Assert.InRange(kills, wanted - 2, wanted);
        TestContext.Current.TestOutputHelper?.WriteLine($"{kills} kills");
        var (code, output, _) = await Start(arguments).Ended();
        Assert.Equal((0, Path.Combine(disturbed.Output, "adapter") + "\n"), (code, output));
        Assert.Equal(undisturbed.LatestHashes, disturbed.LatestHashes);
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);
        Assert.All(Directory.GetFiles(expected), file => Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(disturbed.Output, "adapter", Path.GetFileName(file)))));

        Func<bool> Reached(int target) => () => LineCount(disturbed.MetricsPath) >= target;
    }

    [Theory]
    [InlineData("-INT")]
    [InlineData("-TERM")]
    public async Task Asked_to_stop_it_writes_a_checkpoint_and_ends_with_130(string signal)
    {
        using var run = new TinyRun("steps=100000", "checkpoint_every_steps=0", "evaluate_every_steps=0");
        var started = Start(Arguments(run));
        Assert.SkipWhen(signal == "-INT" && IgnoresInterrupts(started.Process.Id), "the shell that runs the tests makes its children ignore SIGINT");
        while (!started.Process.HasExited && LineCount(run) < 3) await Task.Delay(1, TestContext.Current.CancellationToken);
        using (var kill = System.Diagnostics.Process.Start("kill", [signal, started.Process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        var (code, output, error) = await started.Ended();
        Assert.Equal((130, ""), (code, output));
        Assert.Equal("hadal-train: interrupted; a checkpoint was written, --resume goes on from it\n", error);
        var latest = TrainingCheckpoint.Latest(run.Checkpoints);
        Assert.Equal(run.CheckpointAt(LineCount(run)), latest);
    }

    [Fact]
    public async Task It_runs_where_no_home_folder_can_be_written()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        var (code, output, error) = await Start(
            ["eval", Path.Combine(run.Folder, "base"), "--suite", "language", "--data", Path.Combine(run.Folder, "valid.jsonl")], ("HOME", "/proc/nobody"), ("XDG_DATA_HOME", "/proc/nobody/data")).Ended();
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith("records  6\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eval_prints_its_figures_as_one_object_and_names_bad_records()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        string model = Path.Combine(run.Folder, "base"), data = Path.Combine(run.Folder, "valid.jsonl");
        var (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data, "--json"]).Ended();
        Assert.Equal((0, ""), (code, error));
        var figures = System.Text.Json.JsonElement.Parse(output);
        Assert.Equal(["model", "suite", "records", "loss"], figures.EnumerateObject().Select(field => field.Name));
        Assert.Equal(6, figures.GetProperty("records").GetInt32());
        (code, output, error) = await Start(["eval", model, "--suite", "chess", "--data", data]).Ended();
        Assert.Equal((1, "", "hadal-train: --suite: expected language, classification, regression, tagging, got 'chess'\n"), (code, output, error));
        (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data, "--column", "text=a", "--column", "text=b"]).Ended();
        Assert.Equal((1, "", "hadal-train: --column text=b: text is a already; name each column once\n"), (code, output, error));
        (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data, "--sequence-length", "-5"]).Ended();
        Assert.Equal((1, "", "hadal-train: --sequence-length: expected 2 to 64, for which the model was made, got -5\n"), (code, output, error));
        (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data, "--adapter", data, "--chat-template", "none.jinja"]).Ended();
        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith($"hadal-train: {data}: is no directory", error, StringComparison.Ordinal);
        (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data, "--chat-template", "none.jinja"]).Ended();
        Assert.Equal((1, "", "hadal-train: --chat-template: none.jinja: no such file\n"), (code, output, error));
        File.AppendAllText(data, "{}\n");
        (code, output, error) = await Start(["eval", model, "--suite", "language", "--data", data]).Ended();
        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith($"hadal-train: 1 of 7 records cannot be measured on: {data}:7: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_is_said_in_one_line_and_earlier_checkpoints_stay()
    {
        using var run = new TinyRun("steps=2", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0");
        run.Run();
        var size = new DirectoryInfo(run.CheckpointAt(2)).EnumerateFiles().Sum(file => file.Length);
        var hashes = run.LatestHashes;
        Directory.Delete(run.Checkpoints, recursive: true);
        Directory.CreateDirectory(run.Checkpoints);
        // Without the checkpoints it came from the model would be a stranger's, which no run replaces.
        Directory.Delete(Path.Combine(run.Output, "model"), recursive: true);

        // A file system of one and a half checkpoints, seen by the commands in it only.
        var train = $"dotnet exec '{CommandPath}' {string.Join(' ', Arguments(run).Select(argument => $"'{argument}'"))}";
        var script = $"mount -t tmpfs -o size={size * 3 / 2} none '{run.Checkpoints}' && {train} && {train} --resume --set steps=4; code=$?; ls -A '{run.Checkpoints}'; cat '{run.CheckpointAt(2)}/.complete'; exit $code";
        var (canMount, _, _) = await new Started("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", run.Checkpoints]).Ended();
        Assert.SkipUnless(canMount == 0, "needs the right to mount a file system in a namespace of its own");
        var (code, output, error) = await new Started("unshare", ["-Urm", "bash", "-c", script]).Ended();
        Assert.Equal(1, code);
        Assert.Matches($"^hadal-train: checkpoint {Regex.Escape(run.CheckpointAt(4))}: cannot be written: [^\n]*make room and use --resume\n$", error);
        Assert.Equal($"{run.Output}/model\n.lock\nstep-0000002\n{hashes}", output);
    }

    [Theory]
    [InlineData("sft", "model.safetensors")]
    [InlineData("lora", "adapter_model.safetensors")]
    public async Task An_adaptation_meets_a_full_disk_with_one_line_and_loses_no_checkpoint(string stage, string file)
    {
        string[] changes = ["steps=2", "checkpoint_every_steps=0", "evaluate_every_steps=0", "validation=[]"];
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, changes);
        run.Run(stage);
        var latest = TrainingCheckpoint.Latest(run.Checkpoints)!;
        var size = new DirectoryInfo(latest).EnumerateFiles().Sum(checkpointFile => (checkpointFile.Length + 4095) / 4096 * 4096);
        var weights = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(latest, file))));
        Directory.Delete(run.Output, recursive: true);
        Directory.CreateDirectory(run.Checkpoints);
        var (canMount, _, _) = await new Started("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", run.Checkpoints]).Ended();
        Assert.SkipUnless(canMount == 0, "needs the right to mount a file system in a namespace of its own");

        // A file system of one and a half checkpoints, seen by the commands in it only.
        var train = $"dotnet exec '{CommandPath}' {stage} '{run.ConfigPath}' {string.Join(' ', changes.Select(change => $"--set '{change}'"))}";
        var script = $"mount -t tmpfs -o size={size * 3 / 2} none '{run.Checkpoints}' && {train} 2>/dev/null >/dev/null && {train} --resume --set steps=4; code=$?; ls -A '{run.Checkpoints}'; sha256sum < '{latest}/{file}'; exit $code";
        var (code, output, error) = await new Started("unshare", ["-Urm", "bash", "-c", script]).Ended();
        Assert.Equal(1, code);
        Assert.Matches($"hadal-train: checkpoint {Regex.Escape(run.Checkpoints)}/step-0000004: cannot be written: [^\n]*make room and use --resume\n$", error);
        Assert.Equal($".lock\nstep-0000002\n{weights}  -\n", output);

        // Full from the start.
        Directory.Delete(run.Output, recursive: true);
        Directory.CreateDirectory(run.Output);
        (code, output, error) = await new Started("unshare", ["-Urm", "bash", "-c", $"mount -t tmpfs -o size=4096 none '{run.Output}' && {train}"]).Ended();
        Assert.Equal((1, ""), (code, output));
        Assert.Matches("hadal-train: [^\n]*No space left[^\n]*; make room there and use --resume\n$", error);
    }

    private static string CommandPath => Path.Combine(AppContext.BaseDirectory, "hadal-train.dll");

    private static string[] Arguments(TinyRun run) => ["pretrain", run.ConfigPath, .. run.Changes.SelectMany(change => (string[])["--set", change])];

    private static int LineCount(TinyRun run) => LineCount(run.MetricsPath);

    private static int LineCount(string path) => File.Exists(path) ? File.ReadAllText(path).Count(character => character == '\n') : 0;

    private static bool IgnoresInterrupts(int processId)
    {
        // Bit n − 1 of SigIgn is signal n; SIGINT is 2.
        var mask = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))[7..].Trim();
        return (Convert.ToUInt64(mask, 16) & 2) != 0;
    }

    private static Started Start(string[] arguments, params (string Name, string Value)[] environment) => new("dotnet", ["exec", CommandPath, .. arguments], environment);

    private sealed class Started
    {
        private readonly Task<string> _output;
        private readonly Task<string> _error;

        public Started(string file, string[] arguments, params (string Name, string Value)[] environment)
        {
            var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
            foreach (var (name, value) in environment) start.Environment[name] = value;
            Process = Process.Start(start)!;
            Process.StandardInput.Close();
            _output = Process.StandardOutput.ReadToEndAsync();
            _error = Process.StandardError.ReadToEndAsync();
        }

        public Process Process { get; }

        public async Task<(int Code, string Output, string Error)> Ended()
        {
            await Process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (Process.ExitCode, await _output, await _error);
        }
    }
}
