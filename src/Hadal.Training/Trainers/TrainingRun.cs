using System.Text;
using Hadal.Checkpoints;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>The folder of a run and how far it is: who may write there, where it goes on, what is logged, and when it is saved. The loop itself is the trainer's.</summary>
internal sealed class TrainingRun : IDisposable
{
    /// <summary>A step whose loss or gradient is no finite number is left out; after this many in a row there is nothing left to hope for.</summary>
    private const int MaxSkippedInARow = 5;

    /// <summary>Codes of a file that another process has opened: EWOULDBLOCK, and a sharing violation.</summary>
    private const int LockedLinux = 11, LockedMac = 35, LockedWindows = unchecked((int)0x80070020);

    private readonly RunOptions _options;
    private readonly IProgress<StepMetrics>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly string _checkpoints;
    private readonly FileStream _claim;
    private readonly string? _latest;
    private TrainingState _state = new(0, "") { Method = new TrainingMethod(0, false, "", false, 0) };
    private MetricsLog? _log;
    private LogWindow _window = new();
    private long _totalSteps;
    private int _patience;
    private int _skippedInARow;

    private TrainingRun(RunOptions options, bool resume, IProgress<StepMetrics>? progress, CancellationToken cancellation)
    {
        _options = options;
        _progress = progress;
        _cancellation = cancellation;
        _checkpoints = Path.Combine(options.OutputDirectory, "checkpoints");
        _claim = Claim(_checkpoints);
        _latest = TrainingCheckpoint.Latest(_checkpoints);
        try
        {
            if (_latest is null) MetricsLog.EnsureOwn(MetricsPath, PicturePath);
            else if (!resume) throw new TrainingException($"{_checkpoints}: has checkpoints of an earlier run; use --resume to go on, or another output");
            TrainingCheckpoint.RemoveLeftovers(_checkpoints);
        }
        catch
        {
            _claim.Dispose();
            throw;
        }
    }

    /// <summary>Steps done.</summary>
    public long Step => _state.Step;

    /// <summary>Whether there is no step left, or the validation has not improved for as long as the run waits.</summary>
    public bool IsDone => Step >= _totalSteps || (_patience > 0 && _state.ScoresSinceBest >= _patience);

    /// <summary>Whether the step just done is to be measured on held-out data, and taught something that could have changed it.</summary>
    public bool Evaluates => !_window.IsEmpty && (Step == _totalSteps || (_options.EvaluateEverySteps > 0 && Step % _options.EvaluateEverySteps == 0));

    /// <summary>Starts libtorch, takes the output folder and finds what is there.</summary>
    /// <exception cref="TrainingException">The folder cannot be written, is another run's, or has checkpoints that shall not be resumed from.</exception>
    public static TrainingRun Open(RunOptions options, bool resume, IProgress<StepMetrics>? progress, CancellationToken cancellation)
    {
        TorchRuntime.Initialize();
        set_num_threads(options.ThreadCount > 0 ? options.ThreadCount : Environment.ProcessorCount);
        return new TrainingRun(options, resume, progress, cancellation);
    }

    /// <summary>Reads the newest checkpoint, where there is one.</summary>
    /// <param name="weights">What is trained; it is set to what the checkpoint holds.</param>
    /// <param name="dataFingerprint">Hash of the data, which must be that of the checkpoint.</param>
    /// <param name="method">Which records each step reads and what changes which weights, which must be as in the checkpoint.</param>
    /// <param name="totalSteps">Steps of the whole run.</param>
    /// <param name="patience">Validation scores in a row that may fall short of the best before the run stops; 0 for any number.</param>
    /// <exception cref="TrainingException">The checkpoint is of another run, or damaged.</exception>
    public void Restore(TrainedWeights weights, string dataFingerprint, TrainingMethod method, long totalSteps, int patience = 0)
    {
        (_totalSteps, _patience) = (totalSteps, patience);
        _state = new TrainingState(0, dataFingerprint) { Method = method };
        if (_latest is not null)
        {
            _state = TrainingCheckpoint.Load(_latest, weights, method);
            if (_state.DataFingerprint != dataFingerprint) throw OtherData();
            if (Step > totalSteps) throw new TrainingException($"{_latest}: has done {Step} steps, more than the {totalSteps} of this run; ask for more steps, or use another output");
        }

        _log = MetricsLog.Open(MetricsPath, Step);
        _window = new LogWindow();
    }

    /// <summary>Makes sure that the newest checkpoint, where there is one, was trained on the data of this run, before that is made again from other records.</summary>
    /// <param name="examples">Hash of the examples, with which that of the data begins.</param>
    /// <exception cref="TrainingException">It was trained on other data.</exception>
    public void EnsureSameExamples(string examples)
    {
        if (_latest is not null && TrainingCheckpoint.DataFingerprintOf(_latest).Split('|')[0] != examples) throw OtherData();
    }

    private TrainingException OtherData() => new($"{_latest}: was trained on other data or another tokenizer, with another seed, or from another model; use another output");

    /// <summary>Counts a step.</summary>
    /// <exception cref="TrainingException">It is one too many without a finite loss and gradient.</exception>
    public void Add(StepResult result)
    {
        _state = _state with { Step = Step + 1, Tokens = _state.Tokens + result.Tokens };
        _window.Add(result);
        _skippedInARow = result.IsFinite ? 0 : _skippedInARow + 1;
        if (_skippedInARow == 0 || (_skippedInARow < MaxSkippedInARow && Step < _totalSteps)) return;
        throw new TrainingException($"step {Step}: {_skippedInARow} steps in a row without a finite loss and gradient (loss {result.Loss}, gradient length {result.GradientNorm}); {WhereToGoOn()}: "
            + $"lower learning_rate (now {result.LearningRate}) and use --resume");
    }

    /// <summary>The checkpoint to resume from. One whose weights gave no finite step gives none to whoever goes on from it either, at whatever learning rate: it counts no more.</summary>
    private string WhereToGoOn()
    {
        var ruined = TrainingCheckpoint.Latest(_checkpoints);
        if (ruined is null || ruined != TrainingCheckpoint.FolderOf(_checkpoints, Step - _skippedInARow)) return Last(ruined);
        TrainingCheckpoint.Discount(ruined);
        var earlier = TrainingCheckpoint.Latest(_checkpoints);

        // What a validation published is this run's still.
        if (earlier is null) File.WriteAllText(PublishedMark, "");
        return $"{ruined} holds ruined weights and counts no more; {(earlier is null ? "no checkpoint is left, and the run begins anew" : Last(earlier))}";
    }

    private static string Last(string? folder) => folder is null ? "there is no checkpoint yet" : $"the last checkpoint is {folder}";

    /// <summary>Writes the line of the log that is due, and shows where the run is.</summary>
    /// <param name="measure">Adds what the step was measured to; null where it was not.</param>
    public void Log(Func<StepMetrics, StepMetrics>? measure)
    {
        if (_window.IsEmpty) return;
        var metrics = _window.Metrics(Step, _state.Tokens) with { TotalSteps = _totalSteps };
        if (measure is not null) metrics = measure(metrics);
        if (measure is not null || Step % _options.LogEverySteps == 0)
        {
            _log!.Add(metrics);
            _window = new LogWindow();
        }

        if (measure is not null) AtomicFile.Write(PicturePath, stream => stream.Write(Encoding.UTF8.GetBytes(LossPicture.Draw(_log!.Lines))));
        _progress?.Report(metrics);
    }

    /// <summary>Whether a validation has chosen weights.</summary>
    public bool HasBest => _state.BestStep is not null;

    /// <summary>Makes sure that the weights which a validation chose are still where they were published: no checkpoint need have them.</summary>
    /// <param name="name">Their folder in the output: <c>model</c> or <c>adapter</c>.</param>
    /// <exception cref="TrainingException">They are gone.</exception>
    public void EnsureBestIsThere(string name)
    {
        var place = Path.Combine(_options.OutputDirectory, name);
        if (HasBest && !Directory.Exists(place))
            throw new TrainingException($"{place}: is gone, and with it the weights of step {_state.BestStep}, the best so far; put it back, or use another output");
    }

    /// <summary>Whether there were validations, and none of them had a score that is a finite number.</summary>
    public bool HasOnlyScoresThatAreNoNumbers => !HasBest && _state.ScoresSinceBest > 0;

    /// <summary>Holds a score of the validation against the best so far.</summary>
    /// <param name="score">Higher is better.</param>
    /// <returns>Whether it is the best.</returns>
    public bool IsBest(double score)
    {
        var isBest = double.IsFinite(score) && (_state.BestScore is not { } best || score > best);
        _state = isBest
            ? _state with { BestStep = Step, BestScore = score, ScoresSinceBest = 0 }
            : _state with { ScoresSinceBest = _state.ScoresSinceBest + 1 };
        return isBest;
    }

    /// <summary>Saves where a checkpoint is due or somebody asked to stop; never behind a step without a finite loss, whose cause may be in the weights.</summary>
    /// <exception cref="OperationCanceledException">Somebody did; the message says whether a checkpoint of this step was written.</exception>
    public void Save(TrainedWeights weights)
    {
        var isDue = IsDone || _cancellation.IsCancellationRequested || (_options.CheckpointEverySteps > 0 && Step % _options.CheckpointEverySteps == 0);
        var isSound = _skippedInARow == 0;
        if (isDue && isSound)
        {
            _log!.Flush();
            TrainingCheckpoint.Save(_checkpoints, weights, _state, _options.KeepCheckpoints);
        }

        if (!_cancellation.IsCancellationRequested) return;
        throw new OperationCanceledException(isSound
            ? "interrupted; a checkpoint was written, --resume goes on from it"
            : $"interrupted after a step without a finite loss, behind which no checkpoint is written; {Last(TrainingCheckpoint.Latest(_checkpoints))}", _cancellation);
    }

    /// <summary>Makes sure that the place of the result is free or holds an earlier result of this run, and puts back what a kill left beside it.</summary>
    /// <param name="name">Its folder in the output: <c>model</c> or <c>adapter</c>.</param>
    /// <exception cref="TrainingException">Something else is there.</exception>
    public void Reserve(string name)
    {
        var (final, old) = (Path.Combine(_options.OutputDirectory, name), ReplacedFolder(name));
        if (!Directory.Exists(final) && Directory.Exists(old)) Directory.Move(old, final);
        if (_latest is null && Directory.Exists(final) && !File.Exists(PublishedMark))
            throw new TrainingException($"{final}: exists and is no result of this run, which has no checkpoint yet; move it away, or use another output");
    }

    /// <summary>Writes what the run is for beside its place and swaps it in.</summary>
    /// <param name="name">Its folder in the output: <c>model</c> or <c>adapter</c>.</param>
    /// <param name="write">Writes its files into the folder it is given.</param>
    /// <returns>Full path of it.</returns>
    public string Publish(string name, Action<string> write)
    {
        var final = Path.Combine(_options.OutputDirectory, name);
        var (temporary, old) = (final + ".tmp", ReplacedFolder(name));
        try
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            Directory.CreateDirectory(temporary);
            write(temporary);
            if (TrainingCheckpoint.Latest(_checkpoints) is null) File.WriteAllText(PublishedMark, "");

            // At every moment the old result or the new one is whole, under its name or beside it.
            if (Directory.Exists(final))
            {
                if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
                Directory.Move(final, old);
            }

            DurableName.Move(temporary, final);
            if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException($"{final}: cannot be written: {fault.Message}; the checkpoints are complete, make room and use --resume", fault);
        }

        return final;
    }

    private string MetricsPath => Path.Combine(_options.OutputDirectory, "metrics.jsonl");

    private string PicturePath => Path.Combine(_options.OutputDirectory, "loss.svg");

    /// <summary>An empty file that says: a result in the output is this run's, even before its first checkpoint.</summary>
    private string PublishedMark => Path.Combine(_checkpoints, ".published");

    /// <summary>Where the earlier result is while the new one takes its place.</summary>
    private string ReplacedFolder(string name) => Path.Combine(_options.OutputDirectory, $".{name}.replaced");

    /// <inheritdoc/>
    public void Dispose() => _claim.Dispose();

    /// <summary>Creates the run's folders and keeps other processes out of them until it is disposed of or the process ends, however it ends.</summary>
    private static FileStream Claim(string checkpoints)
    {
        var path = Path.Combine(checkpoints, ".lock");
        try
        {
            Directory.CreateDirectory(checkpoints);
            DurableName.Flush(Path.GetDirectoryName(checkpoints)!);
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException(fault.HResult is LockedLinux or LockedMac or LockedWindows
                ? $"{path}: another hadal-train is at work there ({fault.Message}); wait for it, or use another output"
                : $"output: {checkpoints}: cannot be written: {fault.Message}; use another output", fault);
        }
    }
}
