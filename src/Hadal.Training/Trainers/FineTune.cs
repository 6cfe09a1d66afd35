using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Adapters;
using Hadal.Training.Data;
using Hadal.Training.Data.Examples;
using Hadal.Training.Models;
using Hadal.Training.Optimizers;
using Hadal.Training.Torch;
using Hadal.Training.Trainers.Tasks;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>Adapts a checkpoint to records, all of its weights or an adapter beside them, and keeps what a validation finds best.</summary>
public static class FineTune
{
    private const string TemplateFile = "chat_template.jinja";

    /// <summary>Runs or resumes an adaptation.</summary>
    /// <param name="options">The run.</param>
    /// <param name="stage">What logs call it: <c>sft</c>, <c>lora</c> or <c>dpo</c>.</param>
    /// <param name="resume">Goes on from the newest complete checkpoint of the output folder, where there is one.</param>
    /// <param name="progress">Told after every step; may be null.</param>
    /// <param name="note">Told what is worth knowing beside the figures, one sentence each; may be null.</param>
    /// <param name="cancellation">Checked while records are read and between steps; then a checkpoint is written before leaving. The exception's message says which.</param>
    /// <returns>Path of the finished checkpoint directory or adapter.</returns>
    /// <exception cref="TrainingException">The run cannot start or go on.</exception>
    /// <exception cref="CheckpointException">The model cannot be used.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Run(FineTuneOptions options, string stage, bool resume, IProgress<StepMetrics>? progress, Action<string>? note, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        RefuseOwnResult(options);
        using var run = TrainingRun.Open(options, resume, progress, cancellation);
        var name = options.Lora is null ? "model" : "adapter";
        run.Reserve(name);
        using var start = Checkpoint.Open(options.ModelDirectory);
        if (start.Format != "safetensors") throw new TrainingException($"model: {start.Path}: is a GGUF file, expected a directory with safetensors: its tokenizer and template could not be carried over");
        if (options.SequenceLength > start.Config.MaxPositionEmbeddings)
            throw new TrainingException($"sequence_length: expected at most {start.Config.MaxPositionEmbeddings}, for which the model was made, got {options.SequenceLength}");
        var template = options.ChatTemplate is { } file ? RegularFile.ReadText(Path.GetFullPath(file, options.Folder), $"chat_template: {file}") : start.ChatTemplate;
        var task = LearningTasks.Create(options.Task, start, template, options.SequenceLength, options.Labels, options.Preference);
        using var data = ReadData(options, start, task, run.EnsureSameExamples, note, cancellation);

        random.manual_seed(options.Seed);
        var config = ConfigFor(options, start.Config);
        if (config is not null && start.Config.Head != ModelHead.Language && !ModelFiles.HasHeadOf(start, config))
            note?.Invoke($"the model's head scores {string.Join(", ", start.Config.Labels.Take(12))}, which are not the labels of this run in their order; a new head is trained");
        using var model = ModelFiles.Load(start, options.ComputeScalar, config: config);
        if (model.IsQuantized && options.Lora is null)
            throw new TrainingException($"model: {start.Path}: its weights are in few bits, beside which only an adapter can be trained; use hadal-train lora, or the checkpoint it was made from");
        model.RecomputesActivations = options.RecomputeActivations;
        using var adapter = options.Lora is null ? null : LowRankAdapter.Attach(model, options.Lora, options.Model);
        var parameters = adapter?.Parameters ?? Unfrozen(model, options.HeadOnly);
        var standsOn = adapter is null ? null : AdapterBase.Of(start);
        var weights = adapter is null ? TrainedWeights.Of(model, parameters, CopyTexts) : new TrainedWeights(parameters, adapter.Save, adapter.Load);
        if (options.Lora is not null && LoraTargets.Substitutions(model, options.Lora.TargetModules) is { } substitutions) note?.Invoke(substitutions);
        note?.Invoke(Shares(model, parameters));
        foreach (var examples in (ExampleFile[])[data.Train, data.Validation])
            task.Prepare(model, examples, units => Batches(examples, units, task.GroupSize, options.BatchSequences));

        var plan = new BatchPlan(Lengths(data.Train, task.GroupSize), options.Packing ? options.SequenceLength : 0, options.BatchSequences * options.AccumulationSteps, options.Seed);
        var totalSteps = options.Steps > 0 ? options.Steps : plan.StepsOf(options.Epochs);

        // An adapter stands on the model it was begun with, and preferences are held to it.
        var fingerprint = adapter is null && options.Task != "preference" ? data.Fingerprint : $"{data.Fingerprint}|{HashOfWeights(options.ModelDirectory, cancellation)}";
        run.Restore(weights, fingerprint, TrainingMethod.Of(options, options.Packing, adapter is not null, parameters.Count), totalSteps, options.Patience);
        run.EnsureBestIsThere(name);
        var optimizer = new OptimizerStep(options);
        while (!run.IsDone)
        {
            adapter?.Train(true);
            var rate = options.LearningRate * Schedule.Factor(run.Step, totalSteps, options.WarmupSteps, options.DecayShare, options.LearningRateFloor);
            run.Add(Step(options, stage, model, task, parameters, optimizer, [.. Batches(data.Train, plan.At(run.Step), task.GroupSize, options.BatchSequences)], run.Step, rate));
            adapter?.Train(false);
            SortedDictionary<string, double>? measured = null;
            run.Log(run.Evaluates ? metrics => metrics with { Validation = measured = Measure(model, task, data.Validation, options) } : null);
            if (measured is not null && run.IsBest(task.ScoreOf(measured))) Publish();
            run.Save(weights);
        }

        var result = Path.Combine(options.OutputDirectory, name);
        if (run.HasOnlyScoresThatAreNoNumbers)
            throw new TrainingException($"validation: no measurement gave a finite score, and {result} is not written: lower learning_rate (now {options.LearningRate}) and use another output");
        run.EnsureBestIsThere(name);
        return run.HasBest ? result : Publish();

        string Publish() => adapter is not null
            ? run.Publish(name, folder =>
            {
                adapter.Save(folder);
                standsOn!.Write(folder);
                CopyTemplate(folder);
            })
            : run.Publish(name, folder =>
            {
                ModelFiles.Save(model, folder, options.SaveType == "bfloat16" ? DType.BF16 : DType.F32);
                CopyTexts(folder);
            });

        void CopyTexts(string folder)
        {
            CheckpointTexts.Copy(options.ModelDirectory, folder);
            CopyTemplate(folder);
        }

        void CopyTemplate(string folder)
        {
            if (options.ChatTemplate is not null) AtomicFile.Write(Path.Combine(folder, TemplateFile), stream => stream.Write(Encoding.UTF8.GetBytes(template!)));
        }
    }

    /// <summary>A result is swapped in as a whole: what stood in its place is removed, and that must not be the model.</summary>
    private static void RefuseOwnResult(FineTuneOptions options)
    {
        var model = Path.TrimEndingDirectorySeparator(options.ModelDirectory);
        foreach (var result in (string[])["model", "adapter"])
        {
            if (model == Path.GetFullPath(Path.Combine(options.OutputDirectory, result)))
                throw new TrainingException($"output: {options.OutputDirectory}: its {result} is the model to start from, which the result would replace; use another output");
        }
    }

    /// <summary>The model's config with the head that the task needs; null where it is the model's own.</summary>
    private static ModelConfig? ConfigFor(FineTuneOptions options, ModelConfig config) => options.Task switch
    {
        "classification" => LabelConfig.With(config, ModelHead.Sequence, options.Labels, isValue: false),
        "regression" => LabelConfig.With(config, ModelHead.Sequence, ["value"], isValue: true),
        "tagging" => LabelConfig.With(config, ModelHead.Token, options.Labels, isValue: false),
        _ => config.Head == ModelHead.Language ? null : throw new TrainingException($"model: scores labels ({config.Architectures![0]}), expected one that writes text, or the task classification, regression or tagging"),
    };

    private static AdaptationData ReadData(FineTuneOptions options, Checkpoint start, ILearningTask task, Action<string> check, Action<string>? note, CancellationToken cancellation)
    {
        try
        {
            var plan = new DataPlan(options.Folder, options.Train, options.Validation, options.HeldOut, options.Seed, options.BadRecords == "skip");
            var tokenizerHash = SHA256.HashData(File.ReadAllBytes(Path.Combine(start.Path, "tokenizer.json")));
            return AdaptationData.Open(Path.Combine(options.OutputDirectory, "data"), plan, task, tokenizerHash, check, note, cancellation);
        }
        catch (OperationCanceledException fault)
        {
            throw new OperationCanceledException("interrupted while the records were read, before a step; the same command begins again", fault, cancellation);
        }
    }

    /// <summary>All weights that answers depend on. Indexers learn from a loss of their own, prediction layers from another; both stay as they are.</summary>
    private static List<TrainedParameter> Unfrozen(CausalModel model, bool headOnly)
    {
        var trained = new List<TrainedParameter>();
        foreach (var parameter in TrainedParameter.Of(model))
        {
            parameter.Parameter.requires_grad = (!headOnly || parameter.Name.StartsWith("score.", StringComparison.Ordinal)) && !parameter.IsIndexer && !IsPredicting(parameter.Name, model.Config);
            if (parameter.Parameter.requires_grad) trained.Add(parameter);
        }

        return trained;
    }

    /// <summary>Whether a weight is of a prediction layer, which no answer depends on.</summary>
    private static bool IsPredicting(string name, ModelConfig config) => config is DeepSeekConfig deepSeek && Enumerable.Range(config.NumHiddenLayers, deepSeek.NumNextnPredictLayers)
        .Any(layer => name.StartsWith(string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}."), StringComparison.Ordinal));

    /// <summary>One optimiser step: batches, forward, loss, backward, clip, update.</summary>
    private static StepResult Step(
        FineTuneOptions options, string stage, CausalModel model, ILearningTask task, IReadOnlyList<TrainedParameter> parameters, OptimizerStep optimizer,
        IReadOnlyList<ExampleBatch> batches, long step, double learningRate)
    {
        using var scope = NewDisposeScope();
        foreach (var parameter in parameters) parameter.Parameter.grad = null;

        // Every token counts alike, in whichever batch it is.
        var shares = batches.Select(batch => batch.Examples.Sum(placed => task.WeightOf(placed.Example))).ToList();
        var (total, loss) = (shares.Sum(), 0.0);
        for (var index = 0; index < batches.Count; index++)
        {
            using var batchScope = NewDisposeScope();
            var part = task.Loss(model, batches[index]) * Number.Of(shares[index] / total);
            part.backward();
            loss += part.item<float>();
        }

        var norm = OptimizerStep.Clip(parameters, options.GradientClip);
        var result = new StepResult(stage, loss, null, null, null, norm, learningRate, batches.Sum(batch => batch.TokenCount));
        if (result.IsFinite) optimizer.Apply(parameters, learningRate, _ => step + 1);
        return result;
    }

    /// <summary>The figures of the validation; null where there is none.</summary>
    private static SortedDictionary<string, double>? Measure(CausalModel model, ILearningTask task, ExampleFile examples, FineTuneOptions options)
    {
        if (examples.Count == 0) return null;
        using var noGradient = no_grad();
        var rows = Enumerable.Range(0, examples.Count / task.GroupSize).OrderBy(unit => examples.Lengths[unit * task.GroupSize]).Select(unit => new[] { unit });
        return task.Measure(model, Batches(examples, [.. rows], task.GroupSize, options.BatchSequences));
    }

    /// <summary>The examples of rows, so many rows at a time; the examples of a unit that has several are a row each.</summary>
    private static IEnumerable<ExampleBatch> Batches(ExampleFile examples, IReadOnlyList<int[]> rows, int groupSize, int batchSequences) =>
        rows.Chunk(batchSequences).Select(chunk => new ExampleBatch(groupSize == 1
            ? [.. chunk.Select(row => row.Select(examples.Read).ToList())]
            : [.. chunk.SelectMany(row => row).SelectMany(unit => Enumerable.Range(unit * groupSize, groupSize)).Select(index => new[] { examples.Read(index) })]));

    private static IReadOnlyList<int> Lengths(ExampleFile examples, int groupSize) => groupSize == 1
        ? examples.Lengths
        : [.. Enumerable.Range(0, examples.Count / groupSize).Select(unit => examples.Lengths.Skip(unit * groupSize).Take(groupSize).Sum())];

    /// <summary>How much is trained, of the weights that answers depend on: prediction layers do not count, which a model with a head for labels has not.</summary>
    private static string Shares(CausalModel model, IReadOnlyList<TrainedParameter> parameters)
    {
        var trained = parameters.Sum(parameter => parameter.Parameter.NumberOfElements);
        var whole = model.named_parameters().Where(named => !IsPredicting(named.name, model.Config)).Sum(named => named.parameter.NumberOfElements);
        return string.Create(CultureInfo.InvariantCulture, $"{trained} numbers are trained beside or among the model's {whole} ({100.0 * trained / whole:F2} %)");
    }

    /// <summary>Hash of the weights that what is trained stands on or is held to.</summary>
    private static string HashOfWeights(string directory, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in Directory.EnumerateFiles(directory, "*.safetensors").Order(StringComparer.Ordinal))
        {
            using var file = RegularFile.Open(path, path);
            hash.AppendData(TokenData.HashOf(file, cancellation));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
