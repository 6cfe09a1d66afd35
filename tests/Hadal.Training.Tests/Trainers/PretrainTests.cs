using System.Globalization;
using System.Xml.Linq;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Trainers;

/// <summary>Whole runs, as small as they can be.</summary>
public sealed class PretrainTests
{
    /// <summary>Losses of the first ten steps as this program computed them on an AVX-512 machine; they change only with a reason that the commit states.
    /// Rounding in another order (threads, vector width) changes a loss by some 1e-6, and ten steps enlarge that less than a hundredfold.</summary>
    private static readonly Dictionary<string, double[]> FirstLosses = new()
    {
        ["adamw"] = [5.68466, 5.68257, 5.65570, 5.64655, 5.41250, 5.35885, 5.20643, 5.10309, 4.88822, 4.99549],
        ["muon"] = [5.68466, 5.68127, 5.65915, 5.64784, 5.46796, 5.44125, 5.34780, 5.23115, 5.16390, 5.12227],
    };

    [Theory]
    [InlineData("adamw")]
    [InlineData("muon")]
    public void The_first_ten_losses_are_the_golden_ones(string optimizer)
    {
        using var run = new TinyRun($"optimizer={optimizer}", "steps=10", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0");
        var losses = new List<double>();
        run.Run(onStep: metrics => losses.Add(metrics.Loss));
        Assert.True(
            FirstLosses[optimizer].Zip(losses).All(pair => Math.Abs(pair.First - pair.Second) < 2e-4) && losses.Count == 10,
            string.Join(", ", losses.Select(loss => loss.ToString("F5", CultureInfo.InvariantCulture))));
        Assert.True(losses[^1] < losses[0] - 0.3, "ten steps should teach something");
    }

    [Fact]
    public void No_tensor_outlives_the_step_that_made_it()
    {
        using var run = new TinyRun("steps=12", "indexer_warmup_steps=8", "sparse_steps=8", "checkpoint_every_steps=0");
        var counts = new List<(string Stage, long Count)>();
        run.Run(onStep: metrics => counts.Add((metrics.Stage, Tensor.TotalCount)));
        foreach (var stage in counts.GroupBy(count => count.Stage))
        {
            // The first steps of a stage make optimiser state and rotary tables.
            var steady = stage.Skip(3).Select(count => count.Count).ToList();
            Assert.True(steady.Count >= 5);

            // Fewer may be left when the collector meets tensors of earlier tests; more would be ours.
            Assert.All(steady.Zip(steady.Skip(1)), pair => Assert.True(pair.Second <= pair.First, $"{stage.Key}: {string.Join(", ", steady)}"));
        }
    }

    [Theory]
    [InlineData("float32", "adamw")]
    [InlineData("bfloat16", "muon")]
    public void A_run_that_was_killed_and_stopped_again_and_again_ends_with_the_bits_of_an_undisturbed_one(string computeType, string optimizer)
    {
        string[] changes = [$"compute_type={computeType}", $"optimizer={optimizer}"];
        using TinyRun undisturbed = new(changes), disturbed = new(changes);
        undisturbed.Run();

        // A kill leaves what is on disk at that moment: before the first checkpoint, in each stage, and right behind a checkpoint.
        foreach (var step in (long[])[3, 7, 10, 11, 14]) Assert.Throws<KilledException>(() => disturbed.Run(resume: true, metrics => KillAt(metrics, step)));

        // Ctrl+C ends with a checkpoint of the very step.
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => disturbed.Run(resume: true, metrics => CancelAt(metrics, 12), cancellation.Token));
        Assert.Equal(disturbed.CheckpointAt(12), TrainingCheckpoint.Latest(disturbed.Checkpoints));
        disturbed.Run(resume: true);

        Assert.Equal(undisturbed.CheckpointAt(16)[undisturbed.Output.Length..], TrainingCheckpoint.Latest(disturbed.Checkpoints)![disturbed.Output.Length..]);
        Assert.Equal(undisturbed.LatestHashes, disturbed.LatestHashes);
        Assert.Equal(File.ReadAllBytes(Path.Combine(undisturbed.Output, "model", "model.safetensors")), File.ReadAllBytes(Path.Combine(disturbed.Output, "model", "model.safetensors")));
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);
        Assert.Equal(16, undisturbed.Metrics.Count);

        void CancelAt(StepMetrics metrics, long step)
        {
            if (metrics.Step == step) cancellation.Cancel();
        }
    }

    [Fact]
    public void A_run_that_is_stopped_while_it_reads_has_done_nothing_and_says_so()
    {
        using var run = new TinyRun();
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        var fault = Assert.Throws<OperationCanceledException>(() => run.Run(cancellation: cancellation.Token));
        Assert.StartsWith("interrupted while the texts were read, before a step", fault.Message, StringComparison.Ordinal);
        Assert.Null(TrainingCheckpoint.Latest(run.Checkpoints));
        Assert.False(Directory.Exists(Path.Combine(run.Output, "tokenizer")));
        run.Run(changes: ["steps=1", "indexer_warmup_steps=0", "sparse_steps=0"]);
    }

    [Fact]
    public void Damaged_data_files_are_made_again_and_the_run_goes_on_with_the_same_bits()
    {
        string[] changes = ["steps=6", "indexer_warmup_steps=0", "sparse_steps=0", "checkpoint_every_steps=1"];
        using TinyRun undisturbed = new(changes), disturbed = new(changes);
        undisturbed.Run();
        var step = 1;
        Action<string>[] damages =
        [
            data => File.WriteAllText(Path.Combine(data, "data.json"), "{"),
            data => File.WriteAllBytes(Path.Combine(data, "train-0.bin"), [.. File.ReadAllBytes(Path.Combine(data, "train-0.bin")).Select(_ => (byte)0xFF)]),
            data => File.WriteAllBytes(Path.Combine(data, "train-1.bin"), File.ReadAllBytes(Path.Combine(data, "train-1.bin"))[..100]),
            data => File.AppendAllText(Path.Combine(data, "heldout-zh.txt"), "x"),
            data => File.Delete(Path.Combine(data, "train-1.bin")),
        ];
        foreach (var damage in damages)
        {
            step++;
            Assert.Throws<KilledException>(() => disturbed.Run(resume: true, metrics => KillAt(metrics, step)));
            damage(Path.Combine(disturbed.Output, "data"));
        }

        disturbed.Run(resume: true);
        Assert.Equal(undisturbed.LatestHashes, disturbed.LatestHashes);
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);
        Assert.All(Directory.GetFiles(Path.Combine(undisturbed.Output, "data")), file =>
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(disturbed.Output, "data", Path.GetFileName(file)))));
    }

    [Fact]
    public void Fewer_steps_than_are_done_are_refused()
    {
        using var run = new TinyRun("steps=3", "indexer_warmup_steps=0", "sparse_steps=0");
        run.Run();
        var fault = Assert.Throws<TrainingException>(() => run.Run(resume: true, changes: "steps=2"));
        Assert.Equal($"{run.CheckpointAt(3)}: has done 3 steps, more than the 2 of this run; ask for more steps, or use another output", fault.Message);
        Assert.Equal(Path.Combine(run.Output, "model"), run.Run(resume: true));
    }

    [Fact]
    public void Accumulated_batches_teach_what_one_large_batch_teaches()
    {
        var losses = new List<double>[2];
        string[][] changes = [["batch_sequences=4"], ["batch_sequences=2", "accumulation_steps=2"]];
        for (var way = 0; way < 2; way++)
        {
            using var run = new TinyRun([.. changes[way], "steps=5", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0"]);
            var seen = losses[way] = [];
            run.Run(onStep: metrics => seen.Add(metrics.Loss));
        }

        Assert.All(losses[0].Zip(losses[1]), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void A_finished_run_leaves_a_model_that_opens_a_log_and_a_picture()
    {
        using var run = new TinyRun("keep_checkpoints=2");
        var model = run.Run();
        Assert.Equal(Path.Combine(run.Output, "model"), model);
        Assert.Equal(["step-0000015", "step-0000016"], Directory.GetDirectories(run.Checkpoints).Select(Path.GetFileName).Order());
        using (var checkpoint = Checkpoint.Open(model))
        {
            var tokenizer = checkpoint.LoadTokenizer();
            Assert.True(tokenizer.VocabSize <= checkpoint.Config.VocabSize);
            Assert.Equal("the sea", tokenizer.Decode(tokenizer.Encode("the sea", addSpecial: false)));
            Assert.Equal(DType.BF16, checkpoint.Tensors["model.embed_tokens.weight"].DType);
            Assert.Equal("bfloat16", checkpoint.Config.TorchDtype);
            using var trained = Checkpoint.Open(run.CheckpointAt(16));
            foreach (var (name, tensor) in trained.Tensors)
            {
                using var scope = NewDisposeScope();
                var expected = Torch.TensorBytes.Read(tensor).to(Torch.TensorBytes.ScalarTypeOf(checkpoint.Tensors[name].DType));
                Assert.True(expected.bytes.SequenceEqual(checkpoint.Tensors[name].Bytes), name);
            }
        }

        var lines = File.ReadLines(run.MetricsPath).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(Enumerable.Range(1, 16), lines.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(8 * 16 * 2, lines[7].GetProperty("tokens").GetInt64());
        Assert.Equal((8 * 16 * 2) + (8 * 24 * 2), lines[15].GetProperty("tokens").GetInt64());
        Assert.Equal(["dense", "indexer_warmup", "sparse"], lines.Select(line => line.GetProperty("stage").GetString()).Distinct());
        Assert.All(lines, line => Assert.Equal(line.GetProperty("stage").GetString() != "dense", line.TryGetProperty("indexer_loss", out _)));
        Assert.Equal([6, 12, 16], lines.Where(line => line.TryGetProperty("bits_per_byte", out _)).Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(["en", "zh"], lines[15].GetProperty("bits_per_byte").EnumerateObject().Select(language => language.Name));

        var picture = XDocument.Load(Path.Combine(run.Output, "loss.svg"));
        XNamespace svg = "http://www.w3.org/2000/svg";
        Assert.Equal(svg + "svg", picture.Root!.Name);
        Assert.Equal(5, picture.Descendants(svg + "polyline").Count());
        Assert.Equal(16, ((string)picture.Descendants(svg + "polyline").First().Attribute("points")!).Split(' ').Length);
    }

    [Fact]
    public void A_step_without_a_finite_loss_is_left_out_and_said_and_the_run_goes_on()
    {
        using var run = new TinyRun("steps=60", "batch_sequences=8", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0", "checkpoint_every_steps=0");
        File.AppendAllText(run.TextPath, string.Concat(Enumerable.Repeat("the sea is deep and cold light falls no further\n", 20)) + "the ✓ sea\n" + string.Concat(Enumerable.Repeat("the sea is cold\n", 20)));
        Assert.Throws<KilledException>(() => run.Run(onStep: metrics => KillAt(metrics, 2), changes: "checkpoint_every_steps=1"));
        Poison(run, '✓');
        run.Run(resume: true);
        var skipped = File.ReadLines(run.MetricsPath).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).Where(line => line.TryGetProperty("skipped_steps", out _)).ToList();
        Assert.NotEmpty(skipped);
        Assert.All(skipped, line => Assert.InRange(line.GetProperty("skipped_steps").GetInt32(), 1, 4));
        using var model = Checkpoint.Open(run.CheckpointAt(60));
        using var scope = NewDisposeScope();
        Assert.All(model.Tensors.Where(tensor => tensor.Key != "model.embed_tokens.weight"), tensor => Assert.True(Torch.TensorBytes.Read(tensor.Value).isfinite().all().item<bool>(), tensor.Key));
    }

    [Fact]
    public void A_run_that_diverges_stops_and_says_what_to_do()
    {
        using var run = new TinyRun("learning_rate=1e30", "warmup_steps=0");
        var fault = Assert.Throws<TrainingException>(() => run.Run());
        Assert.Matches(@"^step \d+: 5 steps in a row without a finite loss .*; there is no checkpoint yet: lower learning_rate \(now [0-9.]+E\+\d+\) and use --resume$", fault.Message);
    }

    private static void Poison(TinyRun run, char character)
    {
        // The row of the character's last byte becomes not-a-number in the checkpoint, whose marker is made to agree.
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var folder = TrainingCheckpoint.Latest(run.Checkpoints)!;
        using var checkpoint = Checkpoint.Open(folder);
        var tokenId = checkpoint.LoadTokenizer().Encode(character.ToString(), addSpecial: false)[^1];
        using var model = (DeepSeekModel)ModelFiles.Load(checkpoint);
        model.PublishedWeights().First(weight => weight.Spec.Name == "model.embed_tokens.weight").Tensor[tokenId].fill_(float.NaN);
        ModelFiles.Save(model, folder, DType.F32);
        var file = Path.Combine(folder, "model.safetensors");
        var marker = Path.Combine(folder, ".complete");
        var hashes = System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(marker))!;
        hashes["model.safetensors"] = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)));
        File.WriteAllText(marker, System.Text.Json.JsonSerializer.Serialize(hashes));
    }

    private static void KillAt(StepMetrics metrics, long step)
    {
        if (metrics.Step == step) throw new KilledException();
    }

    private sealed class KilledException : Exception;

    [Fact]
    public void A_model_that_is_not_its_own_is_never_replaced_and_changed_rows_are_noticed()
    {
        using var run = new TinyRun();
        var foreign = Path.Combine(run.Output, "model", "model.safetensors");
        Directory.CreateDirectory(Path.GetDirectoryName(foreign)!);
        File.WriteAllText(foreign, "somebody's");
        foreach (var isResumed in (bool[])[false, true])
            Assert.Contains("exists and is no result of this run", Assert.Throws<TrainingException>(() => run.Run(resume: isResumed)).Message, StringComparison.Ordinal);
        Assert.Equal("somebody's", File.ReadAllText(foreign));
        Directory.Delete(Path.GetDirectoryName(foreign)!, recursive: true);

        Assert.Throws<KilledException>(() => run.Run(onStep: metrics => { if (metrics.Step == 6) throw new KilledException(); }));
        Assert.Contains("was trained with 2 rows a step, this run has 4 rows a step", Assert.Throws<TrainingException>(() => run.Run(resume: true, changes: "batch_sequences=4")).Message, StringComparison.Ordinal);
        Assert.EndsWith("model", run.Run(resume: true, changes: ["batch_sequences=1", "accumulation_steps=2"]), StringComparison.Ordinal);
    }
}
