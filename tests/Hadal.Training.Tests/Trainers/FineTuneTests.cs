using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Training.Data.Records;
using Hadal.Training.Trainers;
using Hadal.Training.Trainers.Tasks;

namespace Hadal.Training.Tests.Trainers;

/// <summary>Whole adaptations, as small as they can be.</summary>
public sealed class FineTuneTests
{
    [Theory]
    [InlineData("sft", "qwen2")]
    [InlineData("sft", "hadal")]
    [InlineData("lora", "qwen2")]
    [InlineData("lora", "hadal")]
    public void An_adaptation_learns_and_leaves_what_the_validation_found_best(string stage, string family)
    {
        using var run = new TinyAdaptation(family == "hadal" ? TinyAdaptation.Hadal : TinyAdaptation.Qwen, "steps=40", stage == "lora" ? "learning_rate=0.03" : "learning_rate=0.01");
        var path = run.Run(stage);
        var scores = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Select(line => (Step: line.GetProperty("step").GetInt32(), Loss: line.GetProperty("validation").GetProperty("loss").GetDouble())).ToList();
        Assert.Equal(10, scores.Count);
        var best = scores.MinBy(score => score.Loss);
        Assert.True(best.Loss < scores[0].Loss - 0.5, string.Join(", ", scores));
        Assert.All(run.Lines, line => Assert.Equal(stage, line.GetProperty("stage").GetString()));

        if (stage == "lora")
        {
            Assert.Equal(Path.Combine(run.Output, "adapter"), path);
            using var checkpoint = Checkpoint.Open(Path.Combine(run.Folder, "base"));
            using var adapter = LoraAdapter.Open(path, checkpoint.Config);
            Assert.All(adapter.Modules, module => Assert.Equal(2, module.Scale));
            Assert.Equal("CAUSAL_LM", adapter.Config.TaskType);
            return;
        }

        Assert.Equal(Path.Combine(run.Output, "model"), path);
        using var model = Checkpoint.Open(path);
        Assert.Equal(TinyAdaptation.Template, model.ChatTemplate);
        Assert.Equal(3, model.LoadTokenizer().Encode("<｜User｜>", addSpecial: false, parseSpecial: true)[0]);
    }

    [Theory]
    [InlineData("sft", "hadal", "compute_type=float32", "optimizer=muon")]
    [InlineData("lora", "qwen2", "compute_type=bfloat16", "lora={\"lora_dropout\": 0.2, \"use_dora\": true, \"bias\": \"lora_only\"}")]
    [InlineData("lora", "hadal", "compute_type=float32", "recompute_activations=true", "lora.lora_dropout=0.1")]
    [InlineData("lora", "hadal", "lora={\"target_modules\": [\"embed_tokens\", \"o_proj\"], \"use_dora\": true}")]
    [InlineData("lora", "qwen2", "lora={\"target_modules\": [\"lm_head\", \"o_proj\"], \"use_dora\": true, \"lora_dropout\": 0.2}")]
    public void A_run_that_was_killed_and_stopped_again_and_again_ends_with_the_bits_of_an_undisturbed_one(string stage, string family, params string[] changes)
    {
        var config = family == "hadal" ? (Checkpoints.Config.ModelConfig)TinyAdaptation.Hadal : TinyAdaptation.Qwen;
        using TinyAdaptation undisturbed = new(config, changes), disturbed = new(config, changes);
        var result = undisturbed.Run(stage);
        foreach (var step in (long[])[2, 6, 7]) Assert.Throws<KilledException>(() => disturbed.Run(stage, resume: true, metrics => KillAt(metrics, step)));
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => disturbed.Run(stage, resume: true, metrics => CancelAt(metrics, 8), cancellation.Token));
        Assert.Throws<KilledException>(() => disturbed.Run(stage, resume: true, metrics => KillAt(metrics, 11)));
        var again = disturbed.Run(stage, resume: true);

        Assert.Equal(undisturbed.LatestHashes, disturbed.LatestHashes);
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);
        Assert.Equal(12, undisturbed.Metrics.Count);
        foreach (var file in Directory.GetFiles(result)) Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(again, Path.GetFileName(file))));

        // One that is finished is left as it is.
        Assert.Equal(again, disturbed.Run(stage, resume: true));
        Assert.Equal(undisturbed.Metrics, disturbed.Metrics);

        void CancelAt(StepMetrics metrics, long step)
        {
            if (metrics.Step == step) cancellation.Cancel();
        }
    }

    [Fact]
    public void Only_what_is_adapted_changes()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Hadal, "steps=3");
        using var trained = Checkpoint.Open(run.Run());
        using var start = Checkpoint.Open(Path.Combine(run.Folder, "base"));
        foreach (var (name, tensor) in start.Tensors)
        {
            var isFrozen = name.Contains(".indexer.", StringComparison.Ordinal) || name.StartsWith("model.layers.2.", StringComparison.Ordinal) || name.EndsWith("e_score_correction_bias", StringComparison.Ordinal);
            Assert.True(isFrozen == tensor.Bytes.SequenceEqual(trained.Tensors[name].Bytes), name);
        }
    }

    [Theory]
    [InlineData("sft", "model.safetensors")]
    [InlineData("lora", "adapter_model.safetensors")]
    public void A_validation_that_gets_no_better_ends_the_run_and_the_best_weights_stay(string stage, string file)
    {
        // Far too fast: the first measurement is the best.
        using var run = new TinyAdaptation(
            TinyAdaptation.Qwen, "steps=60", "learning_rate=3", "patience=2", "evaluate_every_steps=2", "warmup_steps=8", "decay_share=0.1", "checkpoint_every_steps=2", "keep_checkpoints=100");
        var path = run.Run(stage);
        var losses = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Select(line => line.GetProperty("validation").GetProperty("loss").GetDouble()).ToList();
        Assert.True(losses.Count < 30, "the run should have ended early");
        Assert.Equal(losses.Min(), losses[^3]);
        Assert.True(losses[^1] > losses[^3] && losses[^2] > losses[^3]);
        AssertBest();
        Assert.Equal(path, run.Run(stage, resume: true));
        Assert.Equal(losses.Count, run.Lines.Count(line => line.TryGetProperty("validation", out _)));
        AssertBest();

        // Gone, the last weights do not take their place in silence.
        Directory.Delete(path, recursive: true);
        var fault = Assert.Throws<TrainingException>(() => run.Run(stage, resume: true)).Message;
        Assert.Equal($"{path}: is gone, and with it the weights of step {BestStep()}, the best so far; put it back, or use another output", fault);
        Assert.False(Directory.Exists(path));

        void AssertBest()
        {
            var weights = File.ReadAllBytes(Path.Combine(path, file));
            Assert.Equal(File.ReadAllBytes(Path.Combine(run.Checkpoints, $"step-{BestStep():D7}", file)), weights);
            Assert.NotEqual(File.ReadAllBytes(Path.Combine(TrainingCheckpoint.Latest(run.Checkpoints)!, file)), weights);
        }

        long BestStep() => run.Lines.Where(line => line.TryGetProperty("validation", out _)).MinBy(line => line.GetProperty("validation").GetProperty("loss").GetDouble()).GetProperty("step").GetInt64();
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(1, true)]
    public void A_run_that_diverges_costs_no_good_checkpoint_and_goes_on_from_it_as_it_is_told(int every, bool isLastUnsound)
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, $"checkpoint_every_steps={every}", "evaluate_every_steps=0");
        run.Run(changes: "steps=6");
        var good = Path.Combine(run.Checkpoints, "step-0000006");
        var hashes = run.LatestHashes;
        string fault;
        for (var attempt = 0; attempt < 2; attempt++)
        {
            // What destroys the weights is a step whose own loss is still finite.
            fault = Assert.Throws<TrainingException>(() => run.Run(resume: true, changes: ["steps=40", "warmup_steps=0", attempt == 0 ? "learning_rate=1e30" : "learning_rate=1e29"])).Message;
            Assert.Contains("5 steps in a row without a finite loss", fault, StringComparison.Ordinal);
            Assert.Contains("lower learning_rate", fault, StringComparison.Ordinal);
            Assert.Equal(hashes, File.ReadAllText(Path.Combine(good, ".complete")));
            Assert.Equal(good, TrainingCheckpoint.Latest(run.Checkpoints));
            var ruined = Path.Combine(run.Checkpoints, "step-0000007");
            Assert.Equal(isLastUnsound, Directory.Exists(ruined));
            Assert.Contains($"{(isLastUnsound ? $"{ruined} holds ruined weights and counts no more; " : "; ")}the last checkpoint is {good}: ", fault, StringComparison.Ordinal);
        }

        run.Run(resume: true, changes: ["steps=10", "learning_rate=1e-3"]);
        Assert.All(run.Lines, line => Assert.False(line.TryGetProperty("skipped_steps", out _)));
        Assert.Equal(Path.Combine(run.Checkpoints, "step-0000010"), TrainingCheckpoint.Latest(run.Checkpoints));
    }

    [Fact]
    public void A_run_whose_last_steps_have_no_finite_loss_leaves_no_result()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=3", "learning_rate=1e30", "warmup_steps=0", "evaluate_every_steps=0", "validation=[]");
        Assert.StartsWith("step 3: 2 steps in a row without a finite loss", Assert.Throws<TrainingException>(() => run.Run()).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(run.Output, "model")));
        Assert.Null(TrainingCheckpoint.Latest(run.Checkpoints));
    }

    [Theory]
    [InlineData("sft", "sft", "optimizer=muon", "was trained by adamw on 26 tensors of the model, this run by muon on 26 tensors of the model")]
    [InlineData("sft", "lora", "steps=12", "was trained by adamw on 26 tensors of the model, this run by adamw on 28 tensors of an adapter")]
    [InlineData("lora", "sft", "steps=12", "was trained by adamw on 28 tensors of an adapter, this run by adamw on 26 tensors of the model")]
    [InlineData("lora", "lora", "lora.r=4", "its adapter_config.json is not the adapter of this run")]
    public void A_run_does_not_go_on_in_another_way_than_it_began(string stage, string otherStage, string change, string fault)
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=12");
        Assert.Throws<KilledException>(() => run.Run(stage, onStep: metrics => KillAt(metrics, 6)));
        var message = Assert.Throws<TrainingException>(() => run.Run(otherStage, resume: true, changes: change)).Message;
        Assert.Contains(fault, message, StringComparison.Ordinal);
        Assert.StartsWith(Path.Combine(run.Checkpoints, "step-0000005"), message, StringComparison.Ordinal);
        run.Run(stage, resume: true);
    }

    [Fact]
    public void A_head_alone_does_not_go_on_from_a_whole_model_nor_the_other_way_round()
    {
        foreach (var isHeadFirst in (bool[])[false, true])
        {
            using var run = new TinyAdaptation(TinyAdaptation.Qwen, "task=regression");
            foreach (var file in (string[])["train.jsonl", "valid.jsonl"])
                File.WriteAllLines(Path.Combine(run.Folder, file), Enumerable.Range(0, 20).Select(row => $$"""{"text": "sea {{row}}", "value": {{row % 3}}}"""));
            Assert.Throws<KilledException>(() => run.Run(onStep: metrics => KillAt(metrics, 6), changes: isHeadFirst ? "head_only=true" : "head_only=false"));
            Assert.Contains(
                "resume with the command and the config it was made with", Assert.Throws<TrainingException>(() => run.Run(resume: true, changes: isHeadFirst ? "head_only=false" : "head_only=true")).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Preferences_are_not_learnt_on_beside_another_reference()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        foreach (var file in (string[])["train.jsonl", "valid.jsonl"])
            File.WriteAllLines(Path.Combine(run.Folder, file), Enumerable.Range(0, 20).Select(row => $$"""{"prompt": "deep {{row}}", "chosen": "cold", "rejected": "light"}"""));
        Assert.Throws<KilledException>(() => run.Run("dpo", onStep: metrics => KillAt(metrics, 6)));
        var weights = Path.Combine(run.Folder, "base", "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, [.. bytes[..^1], (byte)(bytes[^1] ^ 1)]);
        Assert.Contains("or from another model", Assert.Throws<TrainingException>(() => run.Run("dpo", resume: true)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(weights, bytes);
        run.Run("dpo", resume: true);
    }

    [Fact]
    public void Accumulated_batches_teach_what_one_large_batch_teaches()
    {
        string[][] ways =
        [
            ["batch_sequences=4", "accumulation_steps=1", "packing=false"], ["batch_sequences=1", "accumulation_steps=4", "packing=false"],
            ["batch_sequences=4", "accumulation_steps=1", "packing=false", "recompute_activations=true"],
        ];
        var losses = ways.Select(way =>
        {
            using var run = new TinyAdaptation(TinyAdaptation.Hadal, [.. way, "steps=5"]);
            run.Run();
            return run.Lines.Select(line => line.GetProperty("loss").GetDouble()).ToList();
        }).ToList();
        Assert.All(losses, way => Assert.All(losses[0].Zip(way), pair => Assert.Equal(pair.First, pair.Second, 1e-4)));
    }

    [Theory]
    [InlineData("qwen2")]
    [InlineData("hadal")]
    public void Packed_rows_teach_what_rows_of_one_example_teach(string family)
    {
        // A step is all examples, so that no order tells the two ways apart.
        var losses = ((string[])["packing=true", "packing=false"]).Select(packing =>
        {
            using var run = new TinyAdaptation(family == "hadal" ? TinyAdaptation.Hadal : TinyAdaptation.Qwen, packing, "steps=5", "batch_sequences=40", "accumulation_steps=1");
            run.Run();
            return run.Lines.Select(line => line.GetProperty("loss").GetDouble()).ToList();
        }).ToList();
        Assert.Equal(5, losses[0].Distinct().Count());
        Assert.All(losses[0].Zip(losses[1]), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void A_model_that_gives_no_finite_loss_ends_the_run_with_advice_and_leaves_nothing_that_looks_finished()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=6");
        var path = Path.Combine(run.Folder, "base", "model.safetensors");
        using (var checkpoint = Checkpoint.Open(Path.Combine(run.Folder, "base")))
        {
            // One number of the head, which is the embedding here: every step has it in its sum.
            var tokenizer = checkpoint.LoadTokenizer();
            var token = tokenizer.Encode("wave", addSpecial: false)[0];
            var bytes = File.ReadAllBytes(path);
            var offset = bytes.Length - checkpoint.Tensors.Values.Sum(tensor => tensor.ByteLength);
            foreach (var (name, tensor) in checkpoint.Tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                if (name == "model.embed_tokens.weight") BitConverter.TryWriteBytes(bytes.AsSpan((int)offset + (token * 64)), float.NaN);
                offset += tensor.ByteLength;
            }

            File.WriteAllBytes(path, bytes);
        }

        var fault = Assert.Throws<TrainingException>(() => run.Run());
        Assert.Contains("steps in a row without a finite loss", fault.Message, StringComparison.Ordinal);
        Assert.Contains("lower learning_rate", fault.Message, StringComparison.Ordinal);
        Assert.Contains("step 5: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("there is no checkpoint yet", fault.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(run.Output, "model")));
    }

    [Fact]
    public void Bad_records_are_all_named_with_file_and_line_and_can_be_left_out()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=2");
        var path = Path.Combine(run.Folder, "train.jsonl");
        var lines = File.ReadAllLines(path).ToList();
        lines.Insert(1, "{\"messages\": [");
        lines.Insert(3, "");
        lines.Insert(4, """{"messages": [{"role": "user", "content": "nobody answers"}]}""");
        lines.Insert(5, """{"question": "what?"}""");
        lines.Insert(6, "[1]");
        File.WriteAllLines(path, lines);
        var fault = Assert.Throws<TrainingException>(() => run.Run()).Message;
        var listed = File.ReadAllLines(Path.Combine(run.Output, "data", "bad-records.txt"));
        Assert.Equal([$"{path}:2: ", $"{path}:5: ", $"{path}:6: ", $"{path}:7: "], listed.Select(line => line[..(path.Length + 4)]));
        Assert.StartsWith($"4 of 50 records cannot be learnt from, all in {Path.Combine(run.Output, "data", "bad-records.txt")}: ", fault, StringComparison.Ordinal);
        Assert.All(listed, line => Assert.Contains(line, fault, StringComparison.Ordinal));
        Assert.Contains("question", listed[2], StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault);

        run.Run(changes: "bad_records=skip");
        Assert.Contains(run.Notes, note => note.StartsWith("4 of 50 records are left out", StringComparison.Ordinal));
        Assert.Contains(run.Notes, note => note.StartsWith("50 records: 40 examples", StringComparison.Ordinal));
    }

    [Fact]
    public void Pairs_teach_which_answer_is_better()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=30", "learning_rate=0.005", "batch_sequences=4", "evaluate_every_steps=10", "lora.r=4");
        foreach (var (file, first) in ((string, int)[])[("train.jsonl", 0), ("valid.jsonl", 40)])
        {
            File.WriteAllLines(Path.Combine(run.Folder, file), Enumerable.Range(first, 40).Select(number => number % 2 == 0
                ? $$"""{"prompt": "deep {{number}}", "chosen": "cold", "rejected": "light {{number}}"}"""
                : $$"""{"chosen": [{"role": "user", "content": "sea {{number}}"}, {"role": "assistant", "content": "cold"}], "rejected": [{"role": "user", "content": "sea {{number}}"}, {"role": "assistant", "content": "light"}]}"""));
        }

        run.Run("dpo");
        var measured = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Select(line => line.GetProperty("validation")).ToList();
        Assert.Equal(3, measured.Count);

        // Before the first step the model is its own reference, and the loss is that of a coin.
        Assert.Equal(Math.Log(2), run.Lines[0].GetProperty("loss").GetDouble(), 1e-5);
        Assert.True(measured[^1].GetProperty("loss").GetDouble() < 0.5, measured[^1].GetRawText());
        Assert.True(measured[^1].GetProperty("accuracy").GetDouble() > 0.9, measured[^1].GetRawText());
        Assert.True(measured[^1].GetProperty("margin").GetDouble() > 0, measured[^1].GetRawText());
    }

    [Fact]
    public void Wrong_configs_are_said_in_the_words_of_the_file()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        Assert.Contains("lora: trains an adapter; use hadal-train lora", Refusal("sft", "lora.r=4"), StringComparison.Ordinal);
        Assert.Contains("preset: hadal trains an adapter; use hadal-train lora, or leave it out", Refusal("sft", "preset=hadal"), StringComparison.Ordinal);
        Assert.Contains("lora.r: expected 1 to 1024, got 0", Refusal("lora", "lora.r=0"), StringComparison.Ordinal);
        Assert.Contains("lora.rank_pattern: expected an object of whole numbers, found an object", Refusal("lora", """lora.rank_pattern={"q_proj": "4"}"""), StringComparison.Ordinal);
        Assert.Contains("lora.rank_pattern.q_proj: expected 1 to 1024, got 2000", Refusal("lora", """lora.rank_pattern={"q_proj": 2000}"""), StringComparison.Ordinal);
        Assert.Contains("lora.alpha_pattern.q_proj: expected a positive number, got -1", Refusal("lora", """lora.alpha_pattern={"q_proj": -1}"""), StringComparison.Ordinal);
        Assert.Contains("lora.alpha_pattern: '(' is no pattern", Refusal("lora", """lora.alpha_pattern={"(": 1}"""), StringComparison.Ordinal);
        Assert.Contains("preset: expected classic or hadal, got 'best'", Refusal("lora", "preset=best"), StringComparison.Ordinal);
        Assert.Contains("epochs: expected 1 to 100000, got 0", Refusal("sft", "epochs=0"), StringComparison.Ordinal);
        Assert.Contains("packing: expected true or false, found 1", Refusal("sft", "packing=1"), StringComparison.Ordinal);
        Assert.Contains("train[0].columns: expected an object of texts, found \"a\"", Refusal("sft", """train=[{"path": "a.csv", "columns": "a"}]"""), StringComparison.Ordinal);
        Assert.Contains("sequence_length: expected at most 64, for which the model was made, got 65", Refusal("sft", "sequence_length=65"), StringComparison.Ordinal);
        Assert.Contains("'w_proj' is no matrix of this qwen2 model; it has embed_tokens, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", Refusal("lora", """lora.target_modules=["w_proj"]"""), StringComparison.Ordinal);
        Assert.Contains("dpo learns nothing else", Refusal("dpo", "task=language"), StringComparison.Ordinal);
        Assert.Contains("nobody.jsonl: no such file", Refusal("sft", """train=[{"path": "nobody.jsonl"}]"""), StringComparison.Ordinal);
        Assert.Contains("expected a name that ends in", Refusal("sft", """train=[{"path": "adapt.json.zip"}]""", "adapt.json.zip"), StringComparison.Ordinal);

        string Refusal(string stage, string change, string? file = null)
        {
            if (file is not null) File.WriteAllText(Path.Combine(run.Folder, file), "x");
            return Assert.Throws<TrainingException>(() => run.Run(stage, changes: change)).Message;
        }
    }

    [Theory]
    [InlineData("output=.", "model=model", "the model to start from, which the result would replace")]
    [InlineData("output=out", "model=out/model", "the model to start from, which the result would replace")]
    [InlineData("output=out", "model=out/adapter/", "the model to start from, which the result would replace")]
    [InlineData("output=.", "model=base", "exists and is no result of this run")]
    public void A_result_never_takes_the_place_of_a_model_that_is_not_its_own(string output, string model, string fault)
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, output, model);
        var kept = Path.Combine(run.Folder, model == "model=base" ? "model" : model["model=".Length..].TrimEnd('/'));
        TinyAdaptation.WriteModel(TinyAdaptation.Qwen, kept);
        var files = Directory.GetFiles(kept).ToDictionary(path => path, File.ReadAllBytes);
        foreach (var isResumed in (bool[])[false, true]) Assert.Contains(fault, Assert.Throws<TrainingException>(() => run.Run(resume: isResumed)).Message, StringComparison.Ordinal);
        Assert.All(files, file => Assert.Equal(file.Value, File.ReadAllBytes(file.Key)));
    }

    [Fact]
    public void A_run_killed_between_its_first_result_and_its_first_checkpoint_begins_again()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=3", "evaluate_every_steps=1", "checkpoint_every_steps=0");
        Assert.Throws<KilledException>(() => run.Run(onStep: metrics => KillAt(metrics, 2)));
        var result = Path.Combine(run.Output, "model");
        Assert.True(Directory.Exists(result));
        Assert.Null(TrainingCheckpoint.Latest(run.Checkpoints));

        // As a kill in the middle of the swap leaves it.
        Directory.Move(result, Path.Combine(run.Output, ".model.replaced"));
        Assert.Equal(result, run.Run(resume: true));
        Assert.True(File.Exists(Path.Combine(result, "model.safetensors")));
        Assert.False(Directory.Exists(Path.Combine(run.Output, ".model.replaced")));
    }

    [Fact]
    public void A_preset_does_not_hurry_preferences_and_lora_without_an_adapter_is_refused()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        File.WriteAllText(run.ConfigPath, """{ "output": "out", "model": "base", "train": [{ "path": "train.jsonl" }] }""");
        Assert.Equal(1e-5, FineTuneOptions.Read(run.ConfigPath, ["preset=hadal"], "dpo").LearningRate);
        var ours = FineTuneOptions.Read(run.ConfigPath, ["preset=hadal"], "lora");
        Assert.Equal((5e-3, 8, 32.0, "all-linear"), (ours.LearningRate, ours.Lora!.R, ours.Lora.LoraAlpha, ours.Lora.TargetModules!.Value.GetString()));
        Assert.Null(ours.Lora.RankPattern);
        var labels = FineTuneOptions.Read(run.ConfigPath, ["preset=hadal", "task=classification", """labels=["good","bad"]""", "lora.r=2"], "lora");
        Assert.Equal((7e-3, 2, 4.0, 18, 72.0, "all-linear,embed_tokens"), (labels.LearningRate, labels.Lora!.R, labels.Lora.LoraAlpha, labels.Lora.RankPattern!["embed_tokens"], labels.Lora.AlphaPattern!["embed_tokens"], string.Join(',', labels.Lora.TargetModules!.Value.EnumerateArray())));
        Assert.Contains("lora: expected an object, got null", Assert.Throws<TrainingException>(() => FineTuneOptions.Read(run.ConfigPath, ["lora=null"], "lora")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pairs_of_different_conversations_are_bad_and_the_system_text_is_read()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        using var start = Checkpoint.Open(Path.Combine(run.Folder, "base"));
        var tokenizer = start.LoadTokenizer();
        var task = new PreferenceTask(tokenizer, TinyAdaptation.Template, 48, new PreferenceOptions());
        var made = task.Make(Record("""{"system": "salt", "prompt": "sea", "chosen": "cold", "rejected": "light"}"""));
        Assert.Contains("salt<｜User｜>sea<｜Assistant｜>cold", tokenizer.Decode(made[0].Ids, skipSpecial: false), StringComparison.Ordinal);
        var fault = Assert.Throws<BadRecordException>(() => task.Make(Record(
            """{"chosen": [{"role": "user", "content": "sea"}, {"role": "assistant", "content": "cold"}], "rejected": [{"role": "user", "content": "fish"}, {"role": "assistant", "content": "light"}]}""")));
        Assert.StartsWith("rejected: its messages before the last one differ from those of chosen", fault.Message, StringComparison.Ordinal);

        // A prompt beside messages must be what they begin with.
        const string answers =
            """
            "chosen": [{"role": "user", "content": "sea"}, {"role": "assistant", "content": "cold"}], "rejected": [{"role": "user", "content": "sea"}, {"role": "assistant", "content": "light"}]
            """;
        Assert.Equal(2, task.Make(Record($$"""{"prompt": "sea", {{answers}}}""")).Count);
        Assert.Equal(2, task.Make(Record($$"""{"prompt": [{"role": "user", "content": "sea"}], {{answers}}}""")).Count);
        Assert.Equal(2, task.Make(Record("""{"prompt": "sea", "chosen": [{"role": "assistant", "content": "cold"}], "rejected": [{"role": "assistant", "content": "light"}]}""")).Count);
        foreach (var prompt in (string[])["\"fish\"", """[{"role": "user", "content": "fish"}]""", """[{"role": "system", "content": "x"}, {"role": "user", "content": "sea"}]"""])
        {
            var differs = Assert.Throws<BadRecordException>(() => task.Make(Record($$"""{"prompt": {{prompt}}, {{answers}}}""")));
            Assert.StartsWith("prompt: differs from the messages before the answers", differs.Message, StringComparison.Ordinal);
        }

        static DataRecord Record(string json) => new("a.jsonl", 1, System.Text.Json.JsonElement.Parse(json), null);
    }

    [Theory]
    [InlineData("sft", "batch_sequences=4")]
    [InlineData("sft", "accumulation_steps=1")]
    [InlineData("lora", "packing=false")]
    public void A_resumed_run_that_would_read_other_records_is_refused(string stage, string change)
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        Assert.Throws<KilledException>(() => run.Run(stage, onStep: metrics => KillAt(metrics, 6)));
        var fault = Assert.Throws<TrainingException>(() => run.Run(stage, resume: true, changes: change)).Message;
        Assert.Contains("was trained with 4 rows a step, packed, this run has ", fault, StringComparison.Ordinal);
        Assert.Contains("use another output", fault, StringComparison.Ordinal);

        // As many rows in other batches are the same records.
        run.Run(stage, resume: true, changes: ["batch_sequences=1", "accumulation_steps=4"]);
        Assert.Equal(12, run.Metrics.Count);
    }

    [Fact]
    public void Examples_that_lose_their_end_are_counted()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=1");
        run.Run();
        Assert.DoesNotContain(run.Notes, note => note.Contains("lose their end", StringComparison.Ordinal));
        File.AppendAllText(Path.Combine(run.Folder, "train.jsonl"), $$"""
            {"instruction": "sea", "output": "{{string.Join(' ', Enumerable.Repeat("deep cold", 40))}}"}
            {"text": "{{string.Join(' ', Enumerable.Repeat("deep cold", 40))}}"}

            """);
        run.Run(changes: "output=again");
        Assert.Contains(run.Notes, note => note.StartsWith("1 of ", StringComparison.Ordinal) && note.Contains("are longer than sequence_length and lose their end", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("qwen2", "lora={\"use_dora\": true, \"bias\": \"lora_only\"}")]
    [InlineData("hadal", "lora={\"use_rslora\": true, \"target_modules\": [\"q_proj\", \"experts\"]}")]
    [InlineData("qwen2", "lora={\"target_modules\": [\"lm_head\", \"q_proj\"], \"rank_pattern\": {\"lm_head\": 3}, \"use_dora\": true}", "optimizer=muon")]
    [InlineData("qwen2", "lora={\"target_modules\": [\"embed_tokens\", \"q_proj\"], \"rank_pattern\": {\"embed_tokens\": 3}, \"alpha_pattern\": {\"1.self_attn.q_proj\": 5}}", "optimizer=muon")]
    public void An_adapter_is_measured_beside_its_model_and_another_model_is_told(string family, string lora, params string[] changes)
    {
        using var run = new TinyAdaptation(family == "hadal" ? TinyAdaptation.Hadal : TinyAdaptation.Qwen, [lora, "learning_rate=0.03", .. changes]);
        var path = run.Run("lora");
        var model = Path.Combine(run.Folder, "base");
        var best = run.Lines.Where(line => line.TryGetProperty("validation", out _)).Min(line => line.GetProperty("validation").GetProperty("loss").GetDouble());
        var notes = new List<string>();
        Assert.Equal(best, Loss(new EvaluationOptions { Adapter = path }), 1e-4);
        Assert.Empty(notes);
        Assert.NotEqual(best, Loss(new EvaluationOptions()), 1e-2);
        Assert.Equal(
            family == "hadal" ? ["lora.target_modules: attention of this hadal model has latents; adapted are q_b_proj for q_proj"] : [], run.Notes.Where(note => note.StartsWith("lora.target_modules", StringComparison.Ordinal)));

        // The same shapes with other numbers in them: an answer, and a warning.
        var weights = Path.Combine(model, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, [.. bytes[..^1], (byte)(bytes[^1] ^ 1)]);
        Loss(new EvaluationOptions { Adapter = path });
        Assert.Equal($"{path}: was trained beside another model (base) than {model}, whose weights differ; its answers may be worse", Assert.Single(notes));
        File.WriteAllBytes(weights, bytes);
        notes.Clear();

        // A model without a template is measured on conversations with one that is given, and an adapter with its own.
        var tokenizer = Path.Combine(model, "tokenizer_config.json");
        var settings = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(tokenizer))!.AsObject();
        Assert.True(settings.Remove("chat_template"));
        File.WriteAllText(tokenizer, settings.ToJsonString());
        Assert.Contains("--chat-template", Assert.Throws<TrainingException>(() => Loss(new EvaluationOptions())).Message, StringComparison.Ordinal);
        var template = Path.Combine(run.Folder, "template.jinja");
        File.WriteAllText(template, TinyAdaptation.Template);
        Assert.Equal(best, Loss(new EvaluationOptions { Adapter = path, ChatTemplate = template }), 1e-4);
        File.Copy(template, Path.Combine(path, "chat_template.jinja"));
        Assert.Equal(best, Loss(new EvaluationOptions { Adapter = path }), 1e-4);

        double Loss(EvaluationOptions options) => Evaluation.Run(model, "language", new RecordSource { Path = Path.Combine(run.Folder, "valid.jsonl") }, options, notes.Add, CancellationToken.None).Figures["loss"];
    }

    [Fact]
    public void The_common_recipe_says_which_matrices_it_means_where_attention_has_latents()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Hadal, "preset=classic", "steps=1");
        run.Run("lora");
        Assert.Contains("lora.target_modules: attention of this hadal model has latents; adapted are q_b_proj for q_proj, kv_a_proj_with_mqa for v_proj; kv_a_proj_with_mqa makes keys and values alike", run.Notes);
    }

    [Fact]
    public void Shares_count_what_answers_depend_on()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Hadal, "steps=1");
        run.Run("lora");
        using var start = Checkpoint.Open(Path.Combine(run.Folder, "base"));
        var counted = start.Tensors.Where(tensor => !tensor.Key.StartsWith("model.layers.2.", StringComparison.Ordinal) && !tensor.Key.EndsWith("e_score_correction_bias", StringComparison.Ordinal)).Sum(tensor => tensor.Value.ElementCount);
        Assert.Contains(run.Notes, note => note.Contains($"the model's {counted} (", StringComparison.Ordinal));
    }

    [Fact]
    public void A_share_that_holds_out_nothing_is_said()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=1", "validation=[]", "held_out=0.1");
        File.WriteAllLines(Path.Combine(run.Folder, "train.jsonl"), Enumerable.Repeat("""{"instruction": "sea", "output": "cold"}""", 20));
        run.Run();
        Assert.Contains(run.Notes, note => note.StartsWith("held_out: no record was drawn", StringComparison.Ordinal));
    }

    [Fact]
    public void Names_that_look_like_numbers_are_names()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=1", "output=2024", "preset=classic");
        Assert.Equal(Path.Combine(run.Folder, "2024", "model"), FineTuneOptions.Read(run.ConfigPath, [.. run.Changes, "save_type=float32"], "lora").OutputDirectory + Path.DirectorySeparatorChar + "model");
        Assert.Equal("true", FineTuneOptions.Read(run.ConfigPath, [.. run.Changes, "chat_template=true"], "lora").ChatTemplate);
        Assert.Null(FineTuneOptions.Read(run.ConfigPath, [.. run.Changes, "chat_template=null"], "lora").ChatTemplate);
        Assert.Contains("epochs: expected", Assert.Throws<TrainingException>(() => FineTuneOptions.Read(run.ConfigPath, [.. run.Changes, "epochs=many"], "lora")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_preset_gives_what_the_file_leaves_out()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        File.WriteAllText(run.ConfigPath, """{ "output": "out", "model": "base", "train": [{ "path": "train.jsonl" }], "preset": "classic" }""");
        var options = FineTuneOptions.Read(run.ConfigPath, [], "lora");
        Assert.Equal((16, 32.0, 0.05, "none"), (options.Lora!.R, options.Lora.LoraAlpha, options.Lora.LoraDropout, options.Lora.Bias));
        Assert.Equal(["q_proj", "v_proj"], options.Lora.TargetModules!.Value.EnumerateArray().Select(name => name.GetString()));
        Assert.Equal((1e-5, 16, 3), (options.LearningRate, options.BatchSequences, options.Epochs));
        options = FineTuneOptions.Read(run.ConfigPath, ["lora.r=4", "epochs=5"], "lora");
        Assert.Equal((4, 32.0, 5), (options.Lora!.R, options.Lora.LoraAlpha, options.Epochs));
    }

    private static void KillAt(StepMetrics metrics, long step)
    {
        if (metrics.Step == step) throw new KilledException();
    }

    private sealed class KilledException : Exception;
}
