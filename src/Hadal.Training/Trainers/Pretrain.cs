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
        using var run = TrainingRun.Open(options, resume, progress, cancellation);
        run.Reserve("model");
        var (tokenizerDirectory, tokenizer, config, data) = Prepare(options, cancellation);

        random.manual_seed(options.Seed);
        using var model = new DeepSeekModel(config, options.ComputeScalar);
        var parameters = TrainedParameter.Of(model);
        var weights = TrainedWeights.Of(model, parameters, folder => CheckpointTexts.Copy(tokenizerDirectory, folder));
        run.Restore(weights, data.Fingerprint, TrainingMethod.Of(options, isPacked: false, isAdapter: false, parameters.Count), options.TotalSteps);
        var readers = PretrainStage.Of(options).ToDictionary(stage => stage.Name, stage => new BatchReader(data, stage.SequenceLength + 1, options.Seed + stage.FirstStep), StringComparer.Ordinal);
        var optimizer = new OptimizerStep(options);
        while (!run.IsDone)
        {
            run.Add(Step(options, model, parameters, optimizer, readers, run.Step));
            run.Log(run.Evaluates
                ? metrics => metrics with { BitsPerByte = Evaluate(options, model, tokenizer, data, run.Step - 1, run.IsDone ? 0 : options.EvaluateBytes) }
                : null);
            run.Save(weights);
        }

        return run.Publish("model", folder =>
        {
            ModelFiles.Save(model, folder, options.SaveType == "bfloat16" ? DType.BF16 : DType.F32);
            CheckpointTexts.Copy(tokenizerDirectory, folder);
        });
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

    /// <summary>One optimiser step: batches, forward, losses, backward, clip, update, balance.</summary>
    private static StepResult Step(
        PretrainOptions options, DeepSeekModel model, IReadOnlyList<TrainedParameter> parameters, OptimizerStep optimizer, Dictionary<string, BatchReader> readers, long step)
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
            (Total(losses, stage.Mode, options, step) / Number.Of(options.AccumulationSteps)).backward();
            loss += losses.Language.item<float>() / options.AccumulationSteps;
            mtpLoss += (losses.Mtp?.item<float>() ?? 0) / options.AccumulationSteps;
            indexerLoss += (losses.Indexer?.item<float>() ?? 0) / options.AccumulationSteps / Math.Max(1, model.Layers.Count);
        }

        var norm = ClipEach(parameters, options.GradientClip);
        var isFinite = double.IsFinite(loss) && double.IsFinite(norm);
        if (isFinite) optimizer.Apply(parameters, stage.LearningRate, parameter => parameter.IsIndexer ? step + 1 - options.Steps : step + 1);
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
            var part = model.Loss(predictions[depth - 1], ids.narrow(0, 0, predicted).narrow(1, depth + 1, tokens - depth)) / Number.Of(predictions.Count);
            mtp = mtp is null ? part : mtp.add(part, Number.One);
        }

        return (language, mtp, Mean(auxiliary.Balance), Sum(auxiliary.Indexer));
    }

    /// <summary>What one backward pass goes through: the losses of the stage, weighed.</summary>
    private static Tensor Total((Tensor Language, Tensor? Mtp, Tensor? Balance, Tensor? Indexer) losses, AttentionMode mode, PretrainOptions options, long step)
    {
        if (mode == AttentionMode.IndexerWarmUp) return losses.Indexer!;
        var total = losses.Language;
        if (losses.Mtp is not null) total = total.add(losses.Mtp, Number.Of(MtpWeight(options, step)));
        if (losses.Balance is not null) total = total.add(losses.Balance, Number.Of(options.BalanceWeight));
        return mode == AttentionMode.Sparse && losses.Indexer is not null ? total.add(losses.Indexer, Number.One) : total;
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
        var model = OptimizerStep.Clip([.. parameters.Where(parameter => !parameter.IsIndexer)], limit);
        var indexers = OptimizerStep.Clip([.. parameters.Where(parameter => parameter.IsIndexer)], limit);
        return model == 0 || !double.IsFinite(indexers) ? indexers : model;
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
}
