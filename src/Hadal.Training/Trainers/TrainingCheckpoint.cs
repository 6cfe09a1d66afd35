using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Models;
using Hadal.Training.Optimizers;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>What a run must have in common with the one it goes on from, beside the data: which records a step reads, and what changes which weights.</summary>
/// <param name="RowsPerStep">Rows of one optimiser step, in however many batches.</param>
/// <param name="IsPacked">Whether records share a row.</param>
/// <param name="Optimizer"><see cref="RunOptions.Optimizer"/>, whose state is in the checkpoint.</param>
/// <param name="IsAdapter">Whether what is trained is an adapter.</param>
/// <param name="TensorCount">Number of tensors that are trained.</param>
internal sealed record TrainingMethod(long RowsPerStep, bool IsPacked, string Optimizer, bool IsAdapter, int TensorCount)
{
    /// <summary>The method of a run.</summary>
    public static TrainingMethod Of(RunOptions options, bool isPacked, bool isAdapter, int tensorCount) =>
        new((long)options.BatchSequences * options.AccumulationSteps, isPacked, options.Optimizer, isAdapter, tensorCount);

    /// <summary>Refuses to read weights of another kind.</summary>
    /// <exception cref="TrainingException">The checkpoint has the model where this run trains an adapter, or the other way round.</exception>
    public void EnsureSameKind(TrainingMethod before, string folder)
    {
        if (before.IsAdapter != IsAdapter) throw Other(before, folder);
    }

    /// <summary>Refuses to go on from a checkpoint that was made in another way.</summary>
    /// <exception cref="TrainingException">It was.</exception>
    public void EnsureSame(TrainingMethod before, string folder)
    {
        if (before.What != What) throw Other(before, folder);
        if (before.Rows != Rows)
            throw new TrainingException($"{folder}: was trained with {before.Rows}, this run has {Rows}, so that records would be left out or learnt twice; keep batch_sequences times accumulation_steps and packing as they were, or use another output");
    }

    private TrainingException Other(TrainingMethod before, string folder) =>
        new($"{folder}: was trained by {before.What}, this run by {What}; resume with the command and the config it was made with, or use another output");

    private string What => string.Create(CultureInfo.InvariantCulture, $"{Optimizer} on {TensorCount} tensors of {(IsAdapter ? "an adapter" : "the model")}");

    private string Rows => string.Create(CultureInfo.InvariantCulture, $"{RowsPerStep} rows a step{(IsPacked ? ", packed" : "")}");
}

/// <summary>What a run needs to go on as if it had never stopped, besides weights and optimiser state.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="DataFingerprint">Hash of the data; a resumed run must have the same.</param>
internal sealed record TrainingState(long Step, string DataFingerprint)
{
    /// <summary>How it was trained.</summary>
    public required TrainingMethod Method { get; init; }

    /// <summary>Tokens trained on.</summary>
    public long Tokens { get; init; }

    /// <summary>Step with the best validation score; null before the first one.</summary>
    public long? BestStep { get; init; }

    /// <summary>That score; higher is better.</summary>
    public double? BestScore { get; init; }

    /// <summary>Scores since then that were no better.</summary>
    public int ScoresSinceBest { get; init; }
}

/// <summary>What a run trains, and how its files are written and read.</summary>
/// <param name="Parameters">What the optimiser changes.</param>
/// <param name="Save">Writes everything that is trained, in float32, into the folder it is given; the result is what the engine opens.</param>
/// <param name="Load">Reads it from there; throws where the folder is of another model.</param>
internal sealed record TrainedWeights(IReadOnlyList<TrainedParameter> Parameters, Action<string> Save, Action<string> Load)
{
    /// <summary>All weights of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="parameters">Those of its parameters that are trained.</param>
    /// <param name="copyTexts">Copies tokenizer and the like into a folder.</param>
    public static TrainedWeights Of(CausalModel model, IReadOnlyList<TrainedParameter> parameters, Action<string> copyTexts) => new(
        parameters,
        folder =>
        {
            ModelFiles.Save(model, folder, DType.F32);
            copyTexts(folder);
        },
        folder =>
        {
            using var checkpoint = Checkpoint.Open(folder);
            if (checkpoint.Config.ToJson() != (model.Config with { TorchDtype = checkpoint.Config.TorchDtype }).ToJson())
                throw new TrainingException($"{folder}: its config.json is not the model of this run; resume with the config it was made with, or use another output");
            foreach (var (spec, tensor) in model.PublishedWeights()) tensor.copy_(TensorBytes.Read(checkpoint.Tensors[spec.Name]));
        });
}

/// <summary>Folders <c>step-0000123</c>: a checkpoint directory or an adapter that the engine opens (float32), plus <c>optimizer.safetensors</c>, <c>trainer.json</c> and, last of
/// all, <c>.complete</c> with the hashes of the other files. A folder without that marker does not count, as one does not whose weights proved to be ruined: the marker is <c>.diverged</c> there.</summary>
internal static class TrainingCheckpoint
{
    private const string Marker = ".complete";
    private const string RuinedMarker = ".diverged";
    private const string OptimizerFile = "optimizer.safetensors";
    private const string StateFile = "trainer.json";
    private const string GeneratorName = "torch.generator";

    /// <summary>Writes a checkpoint under a temporary name, marks it complete and renames it; then removes all but the newest <paramref name="keep"/>.</summary>
    /// <exception cref="TrainingException">It cannot be written; earlier checkpoints are as they were.</exception>
    public static string Save(string root, TrainedWeights weights, TrainingState state, int keep)
    {
        var final = Path.Combine(root, FolderName(state.Step));
        var temporary = Path.Combine(root, $".{FolderName(state.Step)}.{Guid.NewGuid():N}.tmp");
        try
        {
            Directory.CreateDirectory(temporary);
            weights.Save(temporary);
            using (NewDisposeScope()) SafetensorsWriter.Write(Path.Combine(temporary, OptimizerFile), StateTensors(weights.Parameters));
            AtomicFile.Write(Path.Combine(temporary, StateFile), stream => JsonSerializer.Serialize(stream, state));
            var hashes = Directory.EnumerateFiles(temporary).Order(StringComparer.Ordinal).ToDictionary(file => Path.GetFileName(file), HashOf);
            AtomicFile.Write(Path.Combine(temporary, Marker), stream => JsonSerializer.Serialize(stream, hashes));
            if (Directory.Exists(final))
            {
                if (!IsOurs(final)) throw new TrainingException($"checkpoint {final}: cannot be written: a folder of something else has that name; move it away and use --resume");
                Remove(final);
            }

            DurableName.Move(temporary, final);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Discard(temporary);
            throw new TrainingException($"checkpoint {final}: cannot be written: {fault.Message}; earlier checkpoints are untouched, make room and use --resume", fault);
        }

        foreach (var old in Complete(root).SkipLast(keep)) Remove(old);
        return final;
    }

    /// <summary>Removes what interrupted runs left half-written under <paramref name="root"/>, and nothing that others have there. Only the one run that owns the folder may call it.</summary>
    public static void RemoveLeftovers(string root)
    {
        var halves = Directory.EnumerateDirectories(root, "step-*").Except(Complete(root)).Where(folder => IsOurs(folder) && !File.Exists(Path.Combine(folder, RuinedMarker)));
        foreach (var folder in Directory.EnumerateDirectories(root, ".step-*.tmp").Concat(halves).ToList()) Discard(folder);
    }

    /// <summary>Whether a folder was written here: other programs have folders <c>step-500</c> too.</summary>
    private static bool IsOurs(string folder)
    {
        var name = Path.GetFileName(folder);
        return name.Length >= FolderName(0).Length && name.AsSpan("step-".Length).IndexOfAnyExceptInRange('0', '9') < 0 && File.Exists(Path.Combine(folder, StateFile));
    }

    /// <summary>Removes a checkpoint. Under its temporary name it does not count, however far the removal gets.</summary>
    private static void Remove(string folder)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(folder)!, $".{Path.GetFileName(folder)}.{Guid.NewGuid():N}.tmp");
        Directory.Move(folder, temporary);
        Directory.Delete(temporary, recursive: true);
    }

    /// <summary>The newest complete checkpoint under <paramref name="root"/>, or null.</summary>
    public static string? Latest(string root) => Complete(root).LastOrDefault();

    /// <summary>Makes a checkpoint one that nobody goes on from. Its files stay, until a checkpoint of the same step takes their place.</summary>
    public static void Discount(string folder) => File.Move(Path.Combine(folder, Marker), Path.Combine(folder, RuinedMarker), overwrite: true);

    /// <summary>Where the checkpoint of a step is, if there is one.</summary>
    public static string FolderOf(string root, long step) => Path.Combine(root, FolderName(step));

    /// <summary>Reads weights, optimiser state and generator of the checkpoint <paramref name="folder"/>.</summary>
    /// <exception cref="TrainingException">A file is not the one that was written, or the checkpoint is of another model or was trained in another way.</exception>
    /// <exception cref="CheckpointException">The weights cannot be read.</exception>
    public static TrainingState Load(string folder, TrainedWeights weights, TrainingMethod method)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        CheckHashes(folder);
        var state = StateOf(folder);
        method.EnsureSameKind(state.Method, folder);
        weights.Load(folder);
        method.EnsureSame(state.Method, folder);
        var stored = TensorBytes.ReadAll(Path.Combine(folder, OptimizerFile));
        var byName = weights.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        foreach (var (name, tensor) in stored)
        {
            var bar = name.IndexOf('|', StringComparison.Ordinal);
            if (bar < 0) continue;
            if (!byName.TryGetValue(name[..bar], out var parameter)) throw new TrainingException($"{folder}: trained {name[..bar]}, which this run does not; resume with the config it was made with, or use another output");
            parameter.StateOf(name[(bar + 1)..]).copy_(tensor);
        }

        random.set_rng_state(stored[GeneratorName]);
        return state;
    }

    /// <summary>The data that a checkpoint was trained on, without its weights being read.</summary>
    /// <exception cref="TrainingException">The file that says so is not the one that was written.</exception>
    public static string DataFingerprintOf(string folder)
    {
        CheckHashes(folder, StateFile);
        return StateOf(folder).DataFingerprint;
    }

    private static TrainingState StateOf(string folder)
    {
        var path = Path.Combine(folder, StateFile);
        try
        {
            return JsonSerializer.Deserialize<TrainingState>(File.ReadAllBytes(path))!;
        }
        catch (JsonException fault)
        {
            throw new TrainingException($"{path}: was written by another version of this program, which does not say how the run was trained: {JsonFault.Describe(fault)}; use another output", fault);
        }
    }

    private static IEnumerable<TensorToWrite> StateTensors(IReadOnlyList<TrainedParameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            foreach (var (name, tensor) in parameter.State) yield return TensorBytes.Describe($"{parameter.Name}|{name}", tensor, DType.F32);
        }

        yield return TensorBytes.Describe(GeneratorName, random.get_rng_state(), DType.U8);
    }

    /// <param name="folder">The checkpoint.</param>
    /// <param name="only">The file that is looked at; null for all.</param>
    private static void CheckHashes(string folder, string? only = null)
    {
        var marker = Path.Combine(folder, Marker);
        try
        {
            foreach (var (file, hash) in JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllBytes(marker))!)
            {
                if (only is not null && file != only) continue;
                var path = Path.Combine(folder, file);
                if (!File.Exists(path) || HashOf(path) != hash) throw new TrainingException($"{path}: is not the file that was saved; remove the folder to resume from an earlier one");
            }
        }
        catch (JsonException fault)
        {
            throw new TrainingException($"{marker}: is not what was saved; remove the folder to resume from an earlier one", fault);
        }
    }

    private static string FolderName(long step) => string.Create(CultureInfo.InvariantCulture, $"step-{step:D7}");

    private static List<string> Complete(string root) => Directory.Exists(root)
        ? [.. Directory.EnumerateDirectories(root, "step-*").Where(folder => File.Exists(Path.Combine(folder, Marker))).Order(StringComparer.Ordinal)]
        : [];

    private static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private static void Discard(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (IOException)
        {
            // The disk refuses even that; the folder has no marker and is never read.
            return;
        }
    }
}
