using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

/// <summary>What a run does with folders that are not as it left them.</summary>
public sealed class TrainingCheckpointTests : IDisposable
{
    private readonly TinyRun _run = new("steps=6", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0", "checkpoint_every_steps=2", "keep_checkpoints=3");

    [Fact]
    public void Half_written_folders_do_not_count_and_are_removed()
    {
        _run.Run();
        var half = _run.CheckpointAt(99);
        var temporary = Path.Combine(_run.Checkpoints, ".step-0000098.5f3c.tmp");
        foreach (var folder in (string[])[half, temporary])
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "model.safetensors"), "half");
            File.WriteAllText(Path.Combine(folder, "trainer.json"), "{}");
        }

        // Other programs have such names too.
        string[] foreign = [Path.Combine(_run.Checkpoints, "step-500"), Path.Combine(_run.Checkpoints, "step-0000500")];
        foreach (var folder in foreign)
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "pytorch_model.bin"), "dear");
        }

        Assert.Equal(_run.CheckpointAt(6), TrainingCheckpoint.Latest(_run.Checkpoints));
        _run.Run(resume: true);
        Assert.False(Directory.Exists(half));
        Assert.False(Directory.Exists(temporary));
        Assert.All(foreign, folder => Assert.True(File.Exists(Path.Combine(folder, "pytorch_model.bin"))));
        Assert.True(Directory.Exists(_run.CheckpointAt(6)));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("optimizer.safetensors")]
    [InlineData("trainer.json")]
    [InlineData(".complete")]
    public void A_file_that_is_not_what_was_saved_is_named_and_nothing_is_overwritten(string file)
    {
        _run.Run();
        var path = Path.Combine(_run.CheckpointAt(6), file);
        var bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 0x80;
        File.WriteAllBytes(path, bytes);
        var fault = Assert.Throws<TrainingException>(() => _run.Run(resume: true));
        Assert.StartsWith(_run.CheckpointAt(6), fault.Message, StringComparison.Ordinal);
        Assert.Contains("remove the folder to resume from an earlier one", fault.Message, StringComparison.Ordinal);

        // That advice works.
        Directory.Delete(_run.CheckpointAt(6), recursive: true);
        Assert.Equal(_run.CheckpointAt(4), TrainingCheckpoint.Latest(_run.Checkpoints));
        _run.Run(resume: true);
    }

    [Fact]
    public void A_new_run_does_not_write_over_an_old_one_unless_it_resumes()
    {
        _run.Run();
        var fault = Assert.Throws<TrainingException>(() => _run.Run());
        Assert.Equal($"{_run.Checkpoints}: has checkpoints of an earlier run; use --resume to go on, or another output", fault.Message);
    }

    [Fact]
    public void Other_data_another_tokenizer_and_another_model_are_refused()
    {
        _run.Run();
        Assert.Contains("its config.json is not the model of this run", Refusal("model.num_hidden_layers=3"), StringComparison.Ordinal);
        Assert.Contains("was trained on other data or another tokenizer", Refusal("seed=8"), StringComparison.Ordinal);
        Assert.Contains("its config.json is not the model of this run", Refusal("tokenizer.vocab_size=290"), StringComparison.Ordinal);
        File.AppendAllText(_run.TextPath, "one more line\n");
        Assert.Contains("was trained on other data or another tokenizer", Refusal("model.vocab_size=300"), StringComparison.Ordinal);

        string Refusal(string change) => Assert.Throws<TrainingException>(() => _run.Run(resume: true, changes: change)).Message;
    }

    [Fact]
    public void Two_runs_cannot_share_a_folder()
    {
        Directory.CreateDirectory(_run.Checkpoints);
        using (new FileStream(Path.Combine(_run.Checkpoints, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
            Assert.StartsWith($"{_run.Checkpoints}/.lock: another hadal-train is at work there", Assert.Throws<TrainingException>(() => _run.Run()).Message, StringComparison.Ordinal);
        _run.Run();
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_said_in_one_line()
    {
        Directory.CreateDirectory(_run.Output);
        File.WriteAllText(_run.Checkpoints, "a file where the folder should be");
        var fault = Assert.Throws<TrainingException>(() => _run.Run());
        Assert.StartsWith($"output: {_run.Checkpoints}: cannot be written: ", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
    }

    public void Dispose() => _run.Dispose();
}
