using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Training.Data.Records;

namespace Hadal.Training.Data.Examples;

/// <summary>Where the examples of a run come from.</summary>
/// <param name="Folder">Where relative paths start.</param>
/// <param name="Train">Records to learn from.</param>
/// <param name="Validation">Records to measure on; may be empty.</param>
/// <param name="HeldOut">Share of the training records that is measured on instead of learnt; equal records are drawn alike.</param>
/// <param name="Seed">Draws them.</param>
/// <param name="SkipsBadRecords">Whether records that cannot be learnt from are left out, or end the run before it begins.</param>
internal sealed record DataPlan(string Folder, IReadOnlyList<RecordSource> Train, IReadOnlyList<RecordSource> Validation, double HeldOut, long Seed, bool SkipsBadRecords);

/// <summary>The examples of a run: made from the records once, kept in the output folder, and found again by a run that is resumed.</summary>
internal sealed class AdaptationData : IDisposable
{
    private const int ShownFaults = 10;
    private const string FaultsFile = "bad-records.txt";

    private AdaptationData(ExampleFile train, ExampleFile validation, string fingerprint) => (Train, Validation, Fingerprint) = (train, validation, fingerprint);

    /// <summary>What is learnt.</summary>
    public ExampleFile Train { get; }

    /// <summary>What is measured on; may be empty.</summary>
    public ExampleFile Validation { get; }

    /// <summary>Hash of everything the examples depend on.</summary>
    public string Fingerprint { get; }

    /// <summary>Opens the examples in <paramref name="directory"/>, making them first where they are missing, damaged or made from something else.</summary>
    /// <param name="directory">Where the files belong.</param>
    /// <param name="plan">The records.</param>
    /// <param name="maker">Turns them into examples.</param>
    /// <param name="tokenizerHash">Hash of the tokenizer.</param>
    /// <param name="check">Told the hash of the examples before anything is made; it throws where they are not wanted.</param>
    /// <param name="note">Told what is worth knowing, one sentence each.</param>
    /// <param name="cancellation">Ends the making.</param>
    /// <exception cref="TrainingException">A source cannot be read, records are bad, or nothing is left to learn.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static AdaptationData Open(string directory, DataPlan plan, IExampleMaker maker, ReadOnlySpan<byte> tokenizerHash, Action<string> check, Action<string>? note, CancellationToken cancellation)
    {
        var fingerprint = FingerprintOf(plan, maker, tokenizerHash, cancellation);
        check(Convert.ToHexStringLower(fingerprint));
        string train = Path.Combine(directory, "train.examples"), validation = Path.Combine(directory, "validation.examples");
        return TryOpen(train, validation, fingerprint) ?? Make();

        AdaptationData Make()
        {
            Directory.CreateDirectory(directory);
            new Making(directory, plan, maker, fingerprint, note, cancellation).Run(train, validation);
            return TryOpen(train, validation, fingerprint) ?? throw new TrainingException($"{directory}: its files are not what was just written there; look at the disk, or use another output");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Train.Dispose();
        Validation.Dispose();
    }

    private static AdaptationData? TryOpen(string train, string validation, byte[] fingerprint)
    {
        if (ExampleFile.TryOpen(train, fingerprint) is not { } examples) return null;
        if (ExampleFile.TryOpen(validation, fingerprint) is { } measured) return new AdaptationData(examples, measured, Convert.ToHexStringLower(fingerprint));
        examples.Dispose();
        return null;
    }

    private static byte[] FingerprintOf(DataPlan plan, IExampleMaker maker, ReadOnlySpan<byte> tokenizerHash, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(tokenizerHash);
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new { maker.Identity, plan.Train, plan.Validation, plan.HeldOut, plan.Seed, plan.SkipsBadRecords }));
        foreach (var source in plan.Train.Concat(plan.Validation))
        {
            var path = Path.GetFullPath(source.Path, plan.Folder);
            using var file = RegularFile.Open(path, path);
            hash.AppendData(TokenData.HashOf(file, cancellation));
        }

        return hash.GetHashAndReset();
    }

    /// <summary>One making of the files.</summary>
    private sealed class Making(string directory, DataPlan plan, IExampleMaker maker, byte[] fingerprint, Action<string>? note, CancellationToken cancellation)
    {
        private readonly List<string> _faults = [];
        private long _recordCount;
        private long _cutCount;

        /// <summary>Hashes of what is learnt, where records of their own are measured on.</summary>
        private readonly HashSet<long> _learnt = [];

        public void Run(string trainPath, string validationPath)
        {
            AtomicFile.Write(validationPath, validationStream => AtomicFile.Write(trainPath, trainStream =>
            {
                using ExampleFile.Writer train = new(trainStream, fingerprint), validation = new(validationStream, fingerprint);
                foreach (var (record, examples) in Examples(plan.Train))
                {
                    var target = plan.HeldOut > 0 && IsHeldOut(record) ? validation : train;
                    foreach (var example in examples)
                    {
                        target.Add(example);
                        if (plan.Validation.Count > 0 && target == train) _learnt.Add(HashOf(example));
                    }
                }

                var repeated = 0L;
                foreach (var (_, examples) in Examples(plan.Validation))
                {
                    foreach (var example in examples)
                    {
                        validation.Add(example);
                        if (_learnt.Contains(HashOf(example))) repeated++;
                    }
                }

                Judge(train.Count);
                train.End();
                validation.End();
                if (plan.HeldOut > 0 && validation.Count == 0)
                    note?.Invoke("held_out: no record was drawn, so that nothing is measured and the last weights are the result; raise it, give more different records, or name some as validation");
                if (repeated > 0) note?.Invoke($"validation: {repeated} of {validation.Count} examples are among those that are learnt, and say nothing of how others will do; leave them out of one of the two");
                if (maker.Note is { } worth) note?.Invoke(worth);
                if (_cutCount > 0) note?.Invoke(string.Create(CultureInfo.InvariantCulture, $"{_cutCount} of {train.Count + validation.Count} examples are longer than sequence_length and lose their end, which is not learnt; raise sequence_length to keep it"));
                note?.Invoke(string.Create(CultureInfo.InvariantCulture,
                    $"{_recordCount} records: {train.Count} examples of {train.TokenCount} tokens to learn, {validation.Count} examples of {validation.TokenCount} tokens to measure on"));
            }));
        }

        private static long HashOf(TrainingExample example) =>
            BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData([.. MemoryMarshal.AsBytes<int>(example.Ids), .. MemoryMarshal.AsBytes<int>(example.Labels), .. BitConverter.GetBytes(example.Value)]));

        private void Judge(long trainCount)
        {
            var path = Path.Combine(directory, FaultsFile);
            File.Delete(path);
            if (_faults.Count > 0) AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Join('\n', _faults) + "\n")));
            var some = string.Join("; ", _faults.Take(ShownFaults)) + (_faults.Count > ShownFaults ? "; …" : "");
            if (_faults.Count > 0 && !plan.SkipsBadRecords)
                throw new TrainingException($"{_faults.Count} of {_recordCount} records cannot be learnt from, all in {path}: {some}; mend them, or leave them out with bad_records=skip");
            if (_faults.Count > 0) note?.Invoke($"{_faults.Count} of {_recordCount} records are left out, all in {path}: {some}");
            if (trainCount == 0) throw new TrainingException("train: no example is left to learn from");
        }

        private IEnumerable<(DataRecord Record, IReadOnlyList<TrainingExample> Examples)> Examples(IReadOnlyList<RecordSource> sources)
        {
            foreach (var source in sources)
            {
                // Records are independent, so they are encoded in parallel and joined in order.
                var made = RecordReader.Read(source, plan.Folder, cancellation).AsParallel().AsOrdered().WithCancellation(cancellation).Select(Make);
                foreach (var (record, examples, fault) in Unwrapped(made))
                {
                    _recordCount++;
                    _cutCount += examples.Count(example => example.IsCut);
                    if (fault is null) yield return (record, examples);
                    else _faults.Add(record.Describe(fault));
                }
            }
        }

        private (DataRecord Record, IReadOnlyList<TrainingExample> Examples, string? Fault) Make(DataRecord record)
        {
            if (record.Fault is { } fault) return (record, [], fault);
            try
            {
                return (record, maker.Make(record), null);
            }
            catch (BadRecordException bad)
            {
                return (record, [], bad.Message.ReplaceLineEndings(" "));
            }
        }

        /// <summary>The items of a parallel query, whose faults come as they were thrown.</summary>
        private static IEnumerable<T> Unwrapped<T>(ParallelQuery<T> query)
        {
            using var items = query.GetEnumerator();
            while (true)
            {
                try
                {
                    if (!items.MoveNext()) yield break;
                }
                catch (AggregateException faults) when (faults.Flatten().InnerExceptions.OfType<TrainingException>().FirstOrDefault() is { } fault)
                {
                    throw new TrainingException(fault.Message, fault);
                }

                yield return items.Current;
            }
        }

        private bool IsHeldOut(DataRecord record)
        {
            var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{plan.Seed}|{record.Fields.GetRawText()}")));
            return BinaryPrimitives.ReadUInt64LittleEndian(hash) * Math.Pow(2, -64) < plan.HeldOut;
        }
    }
}
