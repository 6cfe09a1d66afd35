using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;

namespace Hadal.Finance.Sentiment;

/// <summary>The folder of a classifier while one is made: what is there stays in use until a whole new one takes its place, and what is of somebody else is refused before anything is done.</summary>
internal sealed class ClassifierFolder : IDisposable
{
    public const string SettingsFile = "sentiment.json", WordsFile = "words.tsv.gz", AdapterFolder = "adapter";

    /// <summary>Names in <see cref="Work"/>: the texts, the config and the run of the network.</summary>
    public const string TrainFile = "train.jsonl", ValidFile = "valid.jsonl", ConfigFile = "adapt.json", RunFolder = "out";

    private const string WorkFolder = ".training", NewFolder = "new", OldFolder = "old", LockFile = "lock";

    /// <summary>The settings go first and come last: a folder without them is no classifier, so that nobody opens parts of two.</summary>
    private static readonly string[] Parts = [SettingsFile, WordsFile, AdapterFolder];

    private static readonly HashSet<string> WorkNames = [TrainFile, ValidFile, ConfigFile, RunFolder, NewFolder, OldFolder, LockFile];

    /// <summary>What an adapter of the trainer consists of.</summary>
    private static readonly HashSet<string> AdapterNames = ["adapter_config.json", "adapter_model.safetensors", "label_names.json", AdapterBase.FileName, "chat_template.jinja"];

    private readonly string _path;
    private FileStream? _lock;

    private ClassifierFolder(string path) => _path = path;

    /// <summary>Where a training works. It stays where something ends the training, which goes on from there.</summary>
    public string Work => Path.Combine(_path, WorkFolder);

    /// <summary>Creates the folder, or takes one that is empty or has a classifier, beside whatever else.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="InvalidDataException">Something that a training would replace or remove is not of a classifier, or the folder is a file.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another training is at work there.</exception>
    public static ClassifierFolder Claim(string path)
    {
        if (File.Exists(path)) throw new InvalidDataException($"{Path.GetFullPath(path)}: is a file, expected a folder; use another output");
        var folder = new ClassifierFolder(Directory.CreateDirectory(path).FullName);
        RefuseOthers(folder.Work, WorkNames);
        RefuseOthers(Path.Combine(folder._path, AdapterFolder), AdapterNames);

        // A process was ended while a whole new classifier took its place: that is finished first.
        var isWhole = File.Exists(folder.In(NewFolder, SettingsFile));
        if (!isWhole) folder.RefuseOtherParts();
        Directory.CreateDirectory(folder.Work);
        folder._lock = new FileStream(folder.In(LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        try
        {
            if (isWhole) folder.Replace();
            foreach (var rest in isWhole ? [NewFolder, OldFolder, RunFolder] : (string[])[NewFolder, OldFolder])
                if (Directory.Exists(folder.In(rest))) Directory.Delete(folder.In(rest), recursive: true);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Lets others train there.</summary>
    public void Dispose() => _lock?.Dispose();

    /// <summary>Writes a classifier beside its place, swaps it in, and removes <see cref="Work"/>.</summary>
    /// <param name="adapter">Folder of the adapter; it is copied, because the run goes on from it where something ends this.</param>
    /// <param name="words">The word model.</param>
    /// <param name="settings">What stands in <c>sentiment.json</c>.</param>
    /// <exception cref="InvalidDataException">Something that it would remove was put beside the adapter meanwhile; the next call finishes it.</exception>
    /// <exception cref="IOException">It cannot be written; what was there is there still.</exception>
    public void Publish(string adapter, WordModel words, SentimentSettings settings)
    {
        Directory.CreateDirectory(In(NewFolder, AdapterFolder));
        foreach (var file in Directory.EnumerateFiles(adapter))
        {
            AtomicFile.Write(In(NewFolder, AdapterFolder, Path.GetFileName(file)), stream =>
            {
                using var source = File.OpenRead(file);
                source.CopyTo(stream);
            });
        }

        words.Save(In(NewFolder, WordsFile));

        // Last: it says that the others are whole.
        settings.Write(In(NewFolder, SettingsFile));
        Replace();
        Dispose();
        Directory.Delete(Work, recursive: true);
    }

    private string In(params ReadOnlySpan<string> names) => Path.Combine([Work, .. names]);

    /// <summary>Swaps the new parts in. What was moved before the process was ended is not moved again.</summary>
    private void Replace()
    {
        // A training takes long enough for somebody to put something there.
        RefuseOthers(Path.Combine(_path, AdapterFolder), AdapterNames);
        Directory.CreateDirectory(In(OldFolder));
        var moved = new Stack<(string From, string To)>();
        try
        {
            foreach (var part in Parts.Where(part => Exists(In(NewFolder, part)) && Exists(Path.Combine(_path, part)))) Take(Path.Combine(_path, part), In(OldFolder, part));
            foreach (var part in Parts.Reverse().Where(part => Exists(In(NewFolder, part)))) Take(In(NewFolder, part), Path.Combine(_path, part));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            while (moved.TryPop(out var move)) Move(move.To, move.From);
            throw;
        }

        void Take(string from, string to)
        {
            Move(from, to);
            moved.Push((from, to));
        }
    }

    private void RefuseOtherParts()
    {
        if (Parts.FirstOrDefault(part => Exists(Path.Combine(_path, part))) is not { } found) return;
        try
        {
            SentimentSettings.Read(Path.Combine(_path, SettingsFile));
        }
        catch (InvalidDataException fault)
        {
            throw new InvalidDataException($"{Path.Combine(_path, found)}: exists and is of no classifier ({fault.Message}); move it away, or use another output", fault);
        }
    }

    private static void RefuseOthers(string folder, HashSet<string> names)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).FirstOrDefault(path => !names.Contains(Path.GetFileName(path))) is { } other)
            throw new InvalidDataException($"{other}: is nothing that a training made, and would be removed; move it away, or use another output");
    }

    private static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

    private static void Move(string from, string to)
    {
        if (Directory.Exists(from)) Directory.Move(from, to);
        else File.Move(from, to);
        DurableName.Flush(Path.GetDirectoryName(to)!);
    }
}
