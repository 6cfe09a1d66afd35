using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Data;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Optimizers;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>Trains a decoder from text files: tokenizer, data, dense stage, indexer warm-up, sparse stage, checkpoint directory.</summary>
public static class Pretrain
{
    /// <summary>A step whose loss or gradient is no finite number is left out; after this many in a row there is nothing left to hope for.</summary>
    private const int MaxSkippedInARow = 5;

    /// <summary>Codes of a file that another process has opened: EWOULDBLOCK, and a sharing violation.</summary>
    private const int LockedLinux = 11, LockedMac = 35, LockedWindows = unchecked((int)0x80070020);

    /// <summary>Runs or resumes a training.</summary>
    /// <param name="options">The run.</param>
    /// <param name="resume">Goes on from the newest complete checkpoint of the output folder, where there is one.</param>
    /// <param name="progress">Told after every step; may be null.</param>
    /// <param name="cancellation">Checked while texts are read and between steps; then a checkpoint is written before leaving. The exception's message says which.</param>
    /// <returns>Path of the finished checkpoint directory.</returns>
    /// <exception cref="TrainingException">The run cannot start or go on.</exception>
    /// <exception cref="CheckpointException">Tokenizer, config or checkpoint cannot be used.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Run(PretrainOptions options, bool resume, IProgress<StepMetrics>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        TorchRuntime.Initialize();
        set_num_threads(options.ThreadCount > 0 ? options.ThreadCount : Environment.ProcessorCount);
        var output = options.OutputDirectory;
        var checkpoints = Path.Combine(output, "checkpoints");
        using var claim = Claim(checkpoints);
        TrainingCheckpoint.RemoveLeftovers(checkpoints);
        var latest = TrainingCheckpoint.Latest(checkpoints);
        if (latest is not null && !resume) throw new TrainingException($"{checkpoints}: has checkpoints of an earlier run; use --resume to go on, or another output");
        var (tokenizerDirectory, tokenizer, config, data) = Prepare(options, cancellation);

        random.manual_seed(options.Seed);
        using var model = new DeepSeekModel(config, ComputeTypeOf(options));
        var parameters = TrainedParameter.Of(model);
        var step = 0L;
        if (latest is not null)
        {
            var state = TrainingCheckpoint.Load(latest, model, parameters);
            if (state.DataFingerprint != data.Fingerprint) throw new TrainingException($"{latest}: was trained on other data or another tokenizer; use another output");
            step = state.Step;
            if (step > options.TotalSteps) throw new TrainingException($"{latest}: has done {step} steps, more than the {options.TotalSteps} of this run; ask for more steps, or use another output");
        }

        var log = MetricsLog.Open(Path.Combine(output, "metrics.jsonl"), step);
        var readers = PretrainStage.Of(options).ToDictionary(stage => stage.Name, stage => new BatchReader(data, stage.SequenceLength + 1, options.Seed + stage.FirstStep), StringComparer.Ordinal);
        var window = new LogWindow(options);
        var skippedInARow = 0;
        while (step < options.TotalSteps)
        {
            var result = Step(options, model, parameters, readers, step);
            step++;
            window.Add(result);
            skippedInARow = result.IsFinite ? 0 : skippedInARow + 1;
            if (skippedInARow == MaxSkippedInARow)
            {
                throw new TrainingException($"step {step}: {skippedInARow} steps in a row without a finite loss (now {result.Loss}, gradient length {result.GradientNorm}); the last checkpoint is "
                    + $"{TrainingCheckpoint.Latest(checkpoints) ?? "none"}: lower learning_rate (now {result.LearningRate}) and use --resume");
            }

            var isLast = step == options.TotalSteps;
            var evaluates = isLast || (options.EvaluateEverySteps > 0 && step % options.EvaluateEverySteps == 0);
            if (!window.IsEmpty)
            {
                var metrics = window.Metrics(step);
                if (evaluates) metrics = metrics with { BitsPerByte = Evaluate(options, model, tokenizer, data, step - 1, isLast ? 0 : options.EvaluateBytes) };
                if (evaluates || step % options.LogEverySteps == 0)
                {
                    log.Add(metrics);
                    window = new LogWindow(options);
                }

                if (evaluates) AtomicFile.Write(Path.Combine(output, "loss.svg"), stream => stream.Write(Encoding.UTF8.GetBytes(LossPicture.Draw(log.Lines))));
                progress?.Report(metrics);
            }

            if (isLast || cancellation.IsCancellationRequested || (options.CheckpointEverySteps > 0 && step % options.CheckpointEverySteps == 0))
                TrainingCheckpoint.Save(checkpoints, model, parameters, new TrainingState(step, data.Fingerprint), tokenizerDirectory, options.KeepCheckpoints);
            if (cancellation.IsCancellationRequested) throw new OperationCanceledException("interrupted; a checkpoint was written, --resume goes on from it", cancellation);
        }

        return Finish(options, model, tokenizerDirectory);
    }

    /// <summary>What a run needs before it has a model: made once, and found again by a run that is resumed.</summary>
    private static (string TokenizerDirectory, Tokenizer Tokenizer, DeepSeekConfig Config, TokenData Data) Prepare(PretrainOptions options, CancellationToken cancellation)
    {
        try
        {
            var directory = TrainedTokenizer.Prepare(options, cancellation);
            var tokenizer = TokenizerLoader.FromDirectory(directory);
            var config = ReadConfig(options, tokenizer);
            return (directory, tokenizer, config, TokenData.Open(Path.Combine(options.OutputDirectory, "data"), options.Sources, options.Folder, directory, options.Seed, cancellation));
        }
        catch (OperationCanceledException fault)
        {
            throw new OperationCanceledException("interrupted while the texts were read, before a step; the same command begins again", fault, cancellation);
        }
    }

    private static ScalarType ComputeTypeOf(PretrainOptions options) => options.ComputeType == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Creates the run's folders and keeps other processes out of them until it is disposed of or the process ends, however it ends.</summary>
    private static FileStream Claim(string checkpoints)
    {
        var path = Path.Combine(checkpoints, ".lock");
        try
        {
            Directory.CreateDirectory(checkpoints);
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException(fault.HResult is LockedLinux or LockedMac or LockedWindows
                ? $"{path}: another hadal-train is at work there ({fault.Message}); wait for it, or use another output"
                : $"output: {checkpoints}: cannot be written: {fault.Message}; use another output", fault);
        }
    }

    /// <summary>One optimiser step: batches, forward, losses, backward, clip, update, balance.</summary>
    private static StepResult Step(PretrainOptions options, DeepSeekModel model, IReadOnlyList<TrainedParameter> parameters, Dictionary<string, BatchReader> readers, long step)
    {
        using var scope = NewDisposeScope();
        var stage = PretrainStage.At(options, step);
        Unfreeze(parameters, stage.Name);
        model.zero_grad(set_to_none: true);
        double loss = 0, mtpLoss = 0, indexerLoss = 0;
        var reader = readers[stage.Name];
        var firstSequence = stage.Step * options.BatchSequences * options.AccumulationSteps;
        for (var batch = 0; batch < options.AccumulationSteps; batch++)
        {
            using var batchScope = NewDisposeScope();
            var ids = reader.Read(firstSequence + ((long)batch * options.BatchSequences), options.BatchSequences, model.Device);
            var losses = Losses(model, ids, stage.Mode, options.MtpShare);
            var total = stage.Mode == AttentionMode.IndexerWarmUp
                ? losses.Indexer!
                : losses.Language + (losses.Mtp is null ? 0 : losses.Mtp * MtpWeight(options, step)) + (losses.Balance is null ? 0 : losses.Balance * options.BalanceWeight);
            if (stage.Mode == AttentionMode.Sparse && losses.Indexer is not null) total = total + losses.Indexer;
            (total / options.AccumulationSteps).backward();
            loss += losses.Language.item<float>() / options.AccumulationSteps;
            mtpLoss += (losses.Mtp?.item<float>() ?? 0) / options.AccumulationSteps;
            indexerLoss += (losses.Indexer?.item<float>() ?? 0) / options.AccumulationSteps / Math.Max(1, model.Layers.Count);
        }

        var norm = ClipEach(parameters, options.GradientClip);
        var isFinite = double.IsFinite(loss) && double.IsFinite(norm);
        if (isFinite) Update(options, parameters, stage, step + 1);
        var imbalance = model.Routers.Any() ? model.Routers.Average(router => router.Load.Max() * (double)router.Load.Count / Math.Max(1, router.Load.Sum())) : (double?)null;
        var biasSpeed = isFinite && step < options.Steps * 29 / 30 ? options.BiasSpeed : 0;
        foreach (var router in model.Routers) router.UpdateBias(biasSpeed);
        return new StepResult(
            stage.Name, loss, model.PredictionLayers.Any() ? mtpLoss : null, stage.Mode == AttentionMode.Dense ? null : indexerLoss, imbalance, norm, stage.LearningRate,
            (long)options.BatchSequences * options.AccumulationSteps * stage.SequenceLength);
    }

    /// <summary>Forward pass and losses of one batch.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">[batch, sequence_length + 1].</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="mtpShare">Share of the sequences that the prediction layers see.</param>
    internal static (Tensor Language, Tensor? Mtp, Tensor? Balance, Tensor? Indexer) Losses(DeepSeekModel model, Tensor ids, AttentionMode mode, double mtpShare = 1)
    {
        var tokens = ids.shape[1] - 1;
        var auxiliary = new AuxiliaryLosses();
        var inputs = ids.narrow(1, 0, tokens);
        var hidden = model.Hidden(inputs, mode, auxiliary);
        var language = model.Loss(hidden, ids.narrow(1, 1, tokens));
        Tensor? mtp = null;
        var predicted = (long)Math.Ceiling(ids.shape[0] * mtpShare);
        var predictions = model.Predict(hidden.narrow(0, 0, predicted), inputs.narrow(0, 0, predicted), mode, auxiliary);
        for (var depth = 1; depth <= predictions.Count; depth++)
        {
            var part = model.Loss(predictions[depth - 1], ids.narrow(0, 0, predicted).narrow(1, depth + 1, tokens - depth)) / predictions.Count;
            mtp = mtp is null ? part : mtp + part;
        }

        return (language, mtp, Mean(auxiliary.Balance), Sum(auxiliary.Indexer));
    }

    private static Tensor? Sum(List<Tensor> losses) => losses.Count == 0 ? null : stack(losses).sum();

    private static Tensor? Mean(List<Tensor> losses) => losses.Count == 0 ? null : stack(losses).mean();

    /// <summary>In the warm-up of the indexers everything else is frozen; in the dense stage the indexers are not reached.</summary>
    private static void Unfreeze(IReadOnlyList<TrainedParameter> parameters, string stage)
    {
        foreach (var parameter in parameters)
            parameter.Parameter.requires_grad = stage != "indexer_warmup" || parameter.IsIndexer;
    }

    internal static double MtpWeight(PretrainOptions options, long step) => step * 3 < options.Steps * 2 ? options.MtpWeight : options.MtpWeightLate;

    /// <summary>Clips the model's gradient and that of its indexers, each by itself: they come from separate losses, and a long one must not shrink the other.</summary>
    /// <returns>Length of the model's gradient; that of the indexers where only they learn, or where it is no finite number.</returns>
    internal static double ClipEach(IReadOnlyList<TrainedParameter> parameters, double limit)
    {
        var model = Clip([.. parameters.Where(parameter => !parameter.IsIndexer)], limit);
        var indexers = Clip([.. parameters.Where(parameter => parameter.IsIndexer)], limit);
        return model == 0 || !double.IsFinite(indexers) ? indexers : model;
    }

    /// <summary>Scales all gradients down together where they are longer than <paramref name="limit"/>.</summary>
    /// <returns>Their length before.</returns>
    internal static double Clip(IReadOnlyList<TrainedParameter> parameters, double limit)
    {
        using var scope = NewDisposeScope();
        var gradients = parameters.Select(parameter => parameter.Parameter.grad).OfType<Tensor>().ToList();
        var norm = gradients.Count == 0 ? 0 : stack(gradients.Select(gradient => gradient.pow(2).sum())).sum().sqrt().item<float>();
        if (norm > limit) foreach (var gradient in gradients) gradient.mul_(limit / norm);
        return norm;
    }

    private static void Update(PretrainOptions options, IReadOnlyList<TrainedParameter> parameters, PretrainStage stage, long updateCount)
    {
        using var noGradient = no_grad();
        var adam = new AdamW(options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay);
        var muon = new Muon(options.Momentum, options.WeightDecay, ComputeTypeOf(options));
        foreach (var parameter in parameters)
        {
            using var scope = NewDisposeScope();
            if (options.Optimizer == "muon" && parameter.IsHiddenMatrix && !parameter.IsIndexer) muon.Step(parameter, stage.LearningRate);
            else adam.Step(parameter, stage.LearningRate, parameter.IsIndexer ? updateCount - options.Steps : updateCount);
        }
    }

    private static SortedDictionary<string, double> Evaluate(PretrainOptions options, DeepSeekModel model, Tokenizer tokenizer, TokenData data, long step, int maxBytes)
    {
        var stage = PretrainStage.At(options, step);
        var result = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var language in data.Languages)
        {
            var text = File.ReadAllText(data.HeldOutPath(language));
            var bits = text.Length > 0 ? BitsPerByte.Measure(model, tokenizer, text, stage.SequenceLength, maxBytes, stage.Mode) : double.NaN;
            if (double.IsFinite(bits)) result.Add(language, Math.Round(bits, 5));
        }

        foreach (var router in model.Routers) router.UpdateBias(0);
        return result;
    }

    private static DeepSeekConfig ReadConfig(PretrainOptions options, Tokenizer tokenizer)
    {
        var json = ModelJson(options);
        json["vocab_size"] ??= tokenizer.VocabSize;
        json["bos_token_id"] ??= tokenizer.BosTokenId;
        json["eos_token_id"] ??= tokenizer.EosTokenIds.Count > 0 ? tokenizer.EosTokenIds[0] : null;
        var config = ModelConfigReader.Parse(json.ToJsonString());
        if (config is not DeepSeekConfig deepSeek) throw new TrainingException($"model.model_type: expected hadal or a DeepSeek family, got '{config.ModelType}'");
        if (config.VocabSize < tokenizer.VocabSize) throw new TrainingException($"model.vocab_size: expected at least {tokenizer.VocabSize} (the tokenizer's), got {config.VocabSize}");
        if (Math.Max(options.SequenceLength, options.SparseSequenceLength) is var longest && longest > config.MaxPositionEmbeddings)
            throw new TrainingException($"model.max_position_embeddings: expected at least {longest} (the longest training sequence), got {config.MaxPositionEmbeddings}");
        if (!deepSeek.HasIndexer && options.IndexerWarmupSteps + options.SparseSteps > 0)
            throw new TrainingException("indexer_warmup_steps, sparse_steps: expected 0, the model has no index_topk");
        return deepSeek;
    }

    private static JsonObject ModelJson(PretrainOptions options)
    {
        if (options.Model.ValueKind == JsonValueKind.Object) return JsonObject.Create(options.Model)!;
        if (options.Model.ValueKind != JsonValueKind.String) throw new TrainingException("model: expected a config.json object or its path");
        var path = Path.GetFullPath(options.Model.GetString()!, options.Folder);
        try
        {
            var text = RegularFile.ReadText(path, $"model: {path}");
            return JsonNode.Parse(text, null, new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject ?? throw new TrainingException($"model: {path}: expected a JSON object");
        }
        catch (JsonException fault)
        {
            throw new TrainingException($"model: {path}: {JsonFault.Describe(fault)}", fault);
        }
    }

    /// <summary>Writes the finished model beside its place and swaps it in.</summary>
    private static string Finish(PretrainOptions options, DeepSeekModel model, string tokenizerDirectory)
    {
        var final = Path.Combine(options.OutputDirectory, "model");
        var temporary = final + ".tmp";
        try
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            ModelFiles.Save(model, temporary, options.SaveType == "bfloat16" ? DType.BF16 : DType.F32);
            TrainingCheckpoint.CopyTokenizer(tokenizerDirectory, temporary);
            if (Directory.Exists(final)) Directory.Delete(final, recursive: true);
            Directory.Move(temporary, final);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException($"{final}: cannot be written: {fault.Message}; the checkpoints are complete, make room and use --resume", fault);
        }

        return final;
    }
}
