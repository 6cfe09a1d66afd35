using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

public sealed class ScheduleTests
{
    [Fact]
    public void Warm_up_rises_evenly_to_the_peak()
    {
        Assert.Equal([0.25, 0.5, 0.75, 1], Enumerable.Range(0, 4).Select(step => Schedule.Factor(step, 100, 4, null, 0.1)));
        Assert.Equal(1, Schedule.Factor(0, 100, 0, null, 0.1));
    }

    [Fact]
    public void Cosine_falls_from_the_peak_through_the_middle_to_the_floor()
    {
        Assert.Equal(1, Schedule.Factor(4, 104, 4, null, 0.1), 1e-12);
        Assert.Equal(0.55, Schedule.Factor(54, 104, 4, null, 0.1), 1e-12);
        Assert.Equal(0.1 + (0.9 * 0.5 * (1 + Math.Cos(Math.PI * 0.99))), Schedule.Factor(103, 104, 4, null, 0.1), 1e-12);
        Assert.Equal(0.1, Schedule.Factor(104, 104, 4, null, 0.1), 1e-12);
    }

    [Fact]
    public void With_a_decay_share_the_rate_is_constant_and_falls_evenly_at_the_end()
    {
        Assert.All(Enumerable.Range(10, 71), step => Assert.Equal(1, Schedule.Factor(step, 100, 10, 0.2, 0.1)));
        Assert.Equal(0.55, Schedule.Factor(90, 100, 10, 0.2, 0.1), 1e-12);
        Assert.Equal(0.1 + (0.9 * 0.05), Schedule.Factor(99, 100, 10, 0.2, 0.1), 1e-12);
    }

    [Fact]
    public void Stages_follow_each_other_with_their_own_rates_and_lengths()
    {
        var options = TinyRun.Options with
        {
            Steps = 30,
            IndexerWarmupSteps = 20,
            SparseSteps = 10,
            WarmupSteps = 5,
            LearningRate = 0.01,
            IndexerLearningRate = 0.001,
            SparseLearningRate = 0.0001,
            SequenceLength = 16,
            SparseSequenceLength = 32,
        };
        Assert.Equal(("dense", AttentionMode.Dense, 0L, 29L, 16), Of(29));
        Assert.Equal(("indexer_warmup", AttentionMode.IndexerWarmUp, 30L, 0L, 32), Of(30));
        Assert.Equal(("indexer_warmup", AttentionMode.IndexerWarmUp, 30L, 19L, 32), Of(49));
        Assert.Equal(("sparse", AttentionMode.Sparse, 50L, 0L, 32), Of(50));
        Assert.Equal((0.01, 0.0005, 0.0001), (PretrainStage.At(options, 4).LearningRate, PretrainStage.At(options, 30).LearningRate, PretrainStage.At(options, 50).LearningRate));
        Assert.Equal(["dense", "indexer_warmup", "sparse"], PretrainStage.Of(options).Select(stage => stage.Name));
        Assert.Equal(["dense"], PretrainStage.Of(options with { IndexerWarmupSteps = 0, SparseSteps = 0 }).Select(stage => stage.Name));
        Assert.Equal((0.3, 0.3, 0.1), (Pretrain.MtpWeight(options, 0), Pretrain.MtpWeight(options, 19), Pretrain.MtpWeight(options, 20)));

        (string, AttentionMode, long, long, int) Of(long step) => PretrainStage.At(options, step) is var stage ? (stage.Name, stage.Mode, stage.FirstStep, stage.Step, stage.SequenceLength) : default;
    }
}
