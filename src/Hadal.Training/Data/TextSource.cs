namespace Hadal.Training.Data;

/// <summary>One text file to learn from.</summary>
public sealed record TextSource
{
    private const int ManyDocuments = 200;

    /// <summary>Plain UTF-8 text, or gzip of it where the name ends in <c>.gz</c>. Relative paths start at the config file's folder.</summary>
    public required string Path { get; init; }

    /// <summary>A line that stands between documents; the empty string for blank lines. Null: the file is one document.</summary>
    public string? Separator { get; init; }

    /// <summary>How often the text is read per epoch; 1 once, 0.5 every other window, 3 three times. At most 100.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Under which name its held-out part is measured, for example <c>en</c> or <c>zh</c>.</summary>
    public string Language { get; init; } = "text";

    /// <summary>Share of the text that is kept back and never trained on: whole documents drawn by the seed where there are at least 200,
    /// otherwise the end of every document.</summary>
    public double HeldOut { get; init; } = 0.01;

    /// <summary>Reads the documents, without empty ones.</summary>
    /// <exception cref="TrainingException">The file cannot be read, is damaged or no UTF-8.</exception>
    internal List<string> ReadDocuments(string folder, CancellationToken cancellation)
    {
        var text = SourceText.Read(System.IO.Path.GetFullPath(Path, folder), SourceText.MaxCharacters, cancellation).ReplaceLineEndings("\n");
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
