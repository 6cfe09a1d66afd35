using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Training.Adapters;
using Hadal.Training.Data;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Models;
using Hadal.Training.Torch;
using Hadal.Training.Trainers.Tasks;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>How a checkpoint is measured.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Tokens of an example at most; longer texts are measured in several windows, longer answers and labelled texts lose their end. Null for the model's context, at most 4,096.</summary>
    public int? SequenceLength { get; init; }

    /// <summary>Directory of a low-rank adapter to measure the model with; null for none.</summary>
    public string? Adapter { get; init; }

    /// <summary>File with the chat template that conversations are written with; null for that of the adapter or the model.</summary>
    public string? ChatTemplate { get; init; }
}

/// <summary>Measures a checkpoint on records, with the figures that adaptations are chosen by.</summary>
public static class Evaluation
{
    private const int MaxBatchSequences = 16;

    /// <summary>Tokens computed at once, and of one example where nothing else is said: memory stays bounded whatever context the model has.</summary>
    private const int MaxBatchTokens = 1 << 14, DefaultLength = 1 << 12;

    /// <summary>A text of fewer tokens predicts none.</summary>
    private const int ShortestLength = 2;

    private const int ShownFaults = 10;

    /// <summary>Names of what can be measured.</summary>
    public static IReadOnlyList<string> Suites { get; } = ["language", "classification", "regression", "tagging"];

    /// <inheritdoc cref="Run(string, string, RecordSource, EvaluationOptions, Action{string}?, CancellationToken)"/>
    public static (long Records, IReadOnlyDictionary<string, double> Figures) Run(string model, string suite, RecordSource data, CancellationToken cancellation) =>
        Run(model, suite, data, new EvaluationOptions(), null, cancellation);

    /// <summary>Measures a checkpoint.</summary>
    /// <param name="model">The checkpoint directory.</param>
    /// <param name="suite">One of <see cref="Suites"/>; all but the first need a checkpoint with such a head.</param>
    /// <param name="data">The records.</param>
    /// <param name="options">How.</param>
    /// <param name="note">Told what is worth knowing beside the figures; may be null.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <returns>Number of records, and figures by name.</returns>
    /// <exception cref="TrainingException">The suite is unknown or the model cannot do it, or records are bad.</exception>
    /// <exception cref="CheckpointException">The model cannot be read.</exception>
    public static (long Records, IReadOnlyDictionary<string, double> Figures) Run(string model, string suite, RecordSource data, EvaluationOptions options, Action<string>? note, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        if (!Suites.Contains(suite)) throw new TrainingException($"--suite: expected {string.Join(", ", Suites)}, got '{suite}'");
        if (LearningTasks.FaultOf(suite, data.Columns) is { } unknown) throw new TrainingException($"--column {unknown}");
        TorchRuntime.Initialize();
        using var checkpoint = Checkpoint.Open(model);
        using var adapter = options.Adapter is { } directory ? LoraAdapter.Open(directory, checkpoint.Config) : null;
        if (adapter?.OtherBase(checkpoint) is { } warning) note?.Invoke(warning);
        var config = adapter?.Score is null ? checkpoint.Config : LabelConfig.With(checkpoint.Config, adapter.Head, adapter.Labels, isValue: adapter.Labels.Count == 1);
        var head = suite switch { "language" => ModelHead.Language, "tagging" => ModelHead.Token, _ => ModelHead.Sequence };
        if (config.Head != head || (suite == "regression") != (config.ProblemType == "regression"))
            throw new TrainingException($"{adapter?.Path ?? checkpoint.Path}: is {config.Architectures?[0] ?? config.ModelType}{(config.ProblemType is { } kind ? $" ({kind})" : "")}, expected one with a head for {suite}");
        if (options.SequenceLength is < ShortestLength || options.SequenceLength > config.MaxPositionEmbeddings)
            throw new TrainingException($"--sequence-length: expected {ShortestLength} to {config.MaxPositionEmbeddings}, for which the model was made, got {options.SequenceLength}");
        var length = options.SequenceLength ?? Math.Min(config.MaxPositionEmbeddings, DefaultLength);
        var template = options.ChatTemplate is { } file ? RegularFile.ReadText(Path.GetFullPath(file), $"--chat-template: {file}") : adapter?.ChatTemplate ?? checkpoint.ChatTemplate;
        var task = LearningTasks.Create(suite, checkpoint, template, length, config.Labels, new PreferenceOptions());
        using var twin = ModelFiles.Load(checkpoint, config: adapter?.Score is null ? null : config);
        using var applied = adapter is null ? null : new AppliedAdapter(twin, adapter);
        using var noGradient = no_grad();
        var faults = new List<string>();
        var (count, cut) = (0L, 0L);
        using var batches = Batches(Examples()).GetEnumerator();
        var figures = batches.MoveNext() ? task.Measure(twin, From(batches)) : null;
        if (faults.Count > 0) throw new TrainingException($"{faults.Count} of {count} records cannot be measured on: {string.Join("; ", faults.Take(ShownFaults))}{(faults.Count > ShownFaults ? "; …" : "")}");
        if (cut > 0) note?.Invoke($"{cut} of {count} records are longer than {length} tokens and lost their end; --sequence-length raises that");
        return (count, figures ?? throw new TrainingException($"--data: {data.Path}: has no records, expected at least one to measure on"));

        static IEnumerable<ExampleBatch> From(IEnumerator<ExampleBatch> batches)
        {
            do yield return batches.Current;
            while (batches.MoveNext());
        }

        IEnumerable<TrainingExample> Examples()
        {
            foreach (var record in RecordReader.Read(data, Environment.CurrentDirectory, cancellation))
            {
                count++;
                foreach (var example in Made(record))
                {
                    if (example.IsCut) cut++;
                    yield return example;
                }
            }
        }

        IReadOnlyList<TrainingExample> Made(DataRecord record)
        {
            try
            {
                if (record.Fault is null) return task.Make(record);
                faults.Add(record.Describe(record.Fault));
            }
            catch (BadRecordException bad)
            {
                faults.Add(record.Describe(bad.Message.ReplaceLineEndings(" ")));
            }

            return [];
        }
    }

    /// <summary>Examples in their order, a row each, as many at once as the bounds allow.</summary>
    internal static IEnumerable<ExampleBatch> Batches(IEnumerable<TrainingExample> examples)
    {
        var (rows, width) = (new List<TrainingExample[]>(), 0);
        foreach (var example in examples)
        {
            var wider = Math.Max(width, example.Ids.Length);
            if (rows.Count > 0 && (rows.Count == MaxBatchSequences || (rows.Count + 1) * wider > MaxBatchTokens))
            {
                yield return new ExampleBatch([.. rows]);
                rows.Clear();
                wider = example.Ids.Length;
            }

            rows.Add([example]);
            width = wider;
        }

        if (rows.Count > 0) yield return new ExampleBatch([.. rows]);
    }
}
