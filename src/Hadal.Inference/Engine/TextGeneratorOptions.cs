using System.Globalization;

namespace Hadal.Inference.Engine;

/// <summary>Limits of a <see cref="TextGenerator"/>.</summary>
public sealed record TextGeneratorOptions
{
    /// <summary>Sequences computed together at most, 1 to 1024; each holds a cache. Default: 8.</summary>
    public int MaxConcurrent { get; init; } = 8;

    /// <summary>Sequences that wait beyond those, 0 to 65536; the next one is refused. A tenant with a name takes a place only while more are free than it holds, or while nobody else has one and it
    /// does not fill <see cref="MaxConcurrent"/>. Default: 64.</summary>
    public int MaxQueued { get; init; } = 64;

    /// <summary>Rows of one forward pass, 1 to 65536: decoding sequences and, in chunks, prompts. Default: 256.</summary>
    public int MaxBatchTokens { get; init; } = 256;

    /// <summary>Chunks that wait for a slow reader before its sequence pauses, 1 to 65536. Default: 256.</summary>
    public int MaxUnreadChunks { get; init; } = 256;

    /// <summary>Whether tokens are guessed. Default: where it pays.</summary>
    public Speculation Speculation { get; init; }

    /// <summary>Everything that is out of range, one sentence each; empty if the options can be used.</summary>
    public IReadOnlyList<string> Faults()
    {
        var faults = new List<string>();
        Check(nameof(MaxConcurrent), MaxConcurrent, 1, 1024);
        Check(nameof(MaxQueued), MaxQueued, 0, 65536);
        Check(nameof(MaxBatchTokens), MaxBatchTokens, 1, 65536);
        Check(nameof(MaxUnreadChunks), MaxUnreadChunks, 1, 65536);
        return faults;

        void Check(string name, int value, int min, int max)
        {
            if (value < min || value > max) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: expected {min} to {max}, got {value}"));
        }
    }
}
