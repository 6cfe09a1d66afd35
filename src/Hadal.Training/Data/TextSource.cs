using System.IO.Compression;
using System.Text;

namespace Hadal.Training.Data;

/// <summary>One text file to learn from.</summary>
public sealed record TextSource
{
    private const int ManyDocuments = 200;

    /// <summary>Plain UTF-8 text, or gzip of it where the name ends in <c>.gz</c>. Relative paths start at the config file's folder.</summary>
    public required string Path { get; init; }

    /// <summary>A line that stands between documents; the empty string for blank lines. Null: the file is one document.</summary>
    public string? Separator { get; init; }

    /// <summary>How often the text is read per epoch; 1 once, 0.5 every other window, 3 three times.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Under which name its held-out part is measured, for example <c>en</c> or <c>zh</c>.</summary>
    public string Language { get; init; } = "text";

    /// <summary>Share of the text that is kept back and never trained on: whole documents drawn by the seed where there are at least 200,
    /// otherwise the end of every document.</summary>
    public double HeldOut { get; init; } = 0.01;

    /// <summary>Reads the documents, without empty ones.</summary>
    /// <exception cref="TrainingException">The file cannot be read.</exception>
    internal List<string> ReadDocuments(string folder)
    {
        var path = System.IO.Path.GetFullPath(Path, folder);
        string text;
        try
        {
            using var file = File.OpenRead(path);
            using Stream stream = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file;
            using var reader = new StreamReader(stream, Encoding.UTF8);
            text = reader.ReadToEnd();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new TrainingException($"sources: {path}: {fault.Message}", fault);
        }

        // U+FFFD stands for what was not UTF-8; the tokenizer asks for well-formed text.
        text = text.ReplaceLineEndings("\n");
        if (Separator is null) return string.IsNullOrWhiteSpace(text) ? [] : [text];

        var mark = Separator.Length == 0 ? "\n\n" : $"\n{Separator}\n";
        return [.. text.Split(mark).Select(document => document.Trim('\n') + "\n").Where(document => document.Length > 1)];
    }

    /// <summary>Splits documents into what is trained on and what is held out.</summary>
    internal (List<string> Train, List<string> HeldOut) Split(List<string> documents, long seed, int sourceIndex)
    {
        if (HeldOut <= 0) return (documents, []);
        List<string> train = [], heldOut = [];
        var order = new SeededOrder(seed, sourceIndex);
        foreach (var document in documents)
        {
            if (documents.Count >= ManyDocuments)
            {
                (order.NextDouble() < HeldOut ? heldOut : train).Add(document);
                continue;
            }

            var cut = document.IndexOf('\n', (int)(document.Length * (1 - HeldOut))) + 1;
            if (cut <= 0 || cut >= document.Length)
            {
                train.Add(document);
                continue;
            }

            train.Add(document[..cut]);
            heldOut.Add(document[cut..]);
        }

        return (train, heldOut);
    }
}
