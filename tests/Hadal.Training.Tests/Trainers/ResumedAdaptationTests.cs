using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

/// <summary>What an adaptation goes on from, what it refuses to go on from, and what it never writes over.</summary>
public sealed class ResumedAdaptationTests
{
    [Fact]
    public void Where_the_first_checkpoint_is_ruined_already_the_run_begins_anew_as_it_is_told()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "checkpoint_every_steps=1", "evaluate_every_steps=1");
        var fault = Assert.Throws<TrainingException>(() => run.Run(changes: ["learning_rate=1e30", "warmup_steps=0"])).Message;
        Assert.Contains($"{Path.Combine(run.Checkpoints, "step-0000001")} holds ruined weights and counts no more; no checkpoint is left, and the run begins anew: lower learning_rate", fault, StringComparison.Ordinal);
        run.Run(resume: true, changes: "steps=3");
        Assert.Equal([1, 2, 3], run.Lines.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(Path.Combine(run.Checkpoints, "step-0000003"), TrainingCheckpoint.Latest(run.Checkpoints));
    }

    [Fact]
    public void An_adapter_does_not_go_on_beside_another_model_of_the_same_shapes()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        Assert.Throws<KilledException>(() => run.Run("lora", onStep: metrics => KillAt(metrics, 6)));
        var weights = Path.Combine(run.Folder, "base", "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("or from another model; use another output", Assert.Throws<TrainingException>(() => run.Run("lora", resume: true)).Message, StringComparison.Ordinal);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        run.Run("lora", resume: true);
    }

    [Fact]
    public void A_model_may_be_written_in_another_way_when_an_adapter_goes_on()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        Assert.Throws<KilledException>(() => run.Run("lora", onStep: metrics => KillAt(metrics, 6)));
        run.Run("lora", resume: true, changes: $"model={Path.Combine(run.Folder, "base")}");
        var resumed = File.ReadAllBytes(Path.Combine(run.Output, "adapter", "adapter_model.safetensors"));
        run.Run("lora", changes: "output=undisturbed");
        Assert.Equal(File.ReadAllBytes(Path.Combine(run.Folder, "undisturbed", "adapter", "adapter_model.safetensors")), resumed);
    }

    [Fact]
    public void A_refused_resume_leaves_the_examples_as_they_are()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "held_out=0.2");
        Assert.Throws<KilledException>(() => run.Run(onStep: metrics => KillAt(metrics, 6)));
        var files = Directory.GetFiles(Path.Combine(run.Output, "data")).ToDictionary(file => file, File.ReadAllBytes);
        Assert.NotEmpty(files);
        Assert.Contains("with another seed", Assert.Throws<TrainingException>(() => run.Run(resume: true, changes: "seed=4")).Message, StringComparison.Ordinal);
        File.AppendAllText(Path.Combine(run.Folder, "train.jsonl"), """{"text": "one more"}""");
        Assert.Contains("was trained on other data", Assert.Throws<TrainingException>(() => run.Run(resume: true)).Message, StringComparison.Ordinal);
        Assert.All(files, file => Assert.Equal(file.Value, File.ReadAllBytes(file.Key)));
    }

    [Theory]
    [InlineData("metrics.jsonl", "{\"mine\": 1}\n")]
    [InlineData("loss.svg", "<svg/>")]
    public void A_log_or_a_picture_of_somebody_else_is_never_written_over(string name, string text)
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen, "steps=2");
        var path = Path.Combine(Directory.CreateDirectory(run.Output).FullName, name);
        File.WriteAllText(path, text);
        Assert.Equal($"{path}: exists and was not written by this program; move it away, or use another output", Assert.Throws<TrainingException>(() => run.Run()).Message);
        Assert.Equal(text, File.ReadAllText(path));

        // What a run left that was killed before its first checkpoint is its own.
        File.Delete(path);
        Assert.Throws<KilledException>(() => run.Run(onStep: metrics => KillAt(metrics, 1), changes: "evaluate_every_steps=1"));
        run.Run();
    }

    [Fact]
    public void An_output_without_a_name_is_refused()
    {
        using var run = new TinyAdaptation(TinyAdaptation.Qwen);
        Assert.Contains("output: expected a folder, found an empty name", Assert.Throws<TrainingException>(() => run.Run(changes: "output=")).Message, StringComparison.Ordinal);
    }

    private static void KillAt(StepMetrics metrics, long step)
    {
        if (metrics.Step == step) throw new KilledException();
    }

    private sealed class KilledException : Exception;
}
