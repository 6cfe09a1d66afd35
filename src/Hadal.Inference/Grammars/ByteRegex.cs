namespace Hadal.Inference.Grammars;

/// <summary>A regular expression over bytes: a number that means something to the <see cref="RegexPool"/> it came from. The default value is
/// <see cref="Nothing"/>.</summary>
public readonly record struct ByteRegex
{
    internal ByteRegex(int id) => Id = id;

    /// <summary>Matches no string at all.</summary>
    public static ByteRegex Nothing => new(RegexPool.NothingId);

    /// <summary>Matches the empty string only.</summary>
    public static ByteRegex Empty => new(RegexPool.EmptyId);

    /// <summary>Matches every byte string.</summary>
    public static ByteRegex Anything => new(RegexPool.AnythingId);

    internal int Id { get; }
}

/// <summary>Unicode scalar values from <paramref name="First"/> to <paramref name="Last"/>, both included.</summary>
/// <param name="First">Smallest.</param>
/// <param name="Last">Largest.</param>
public readonly record struct CodePointRange(int First, int Last);
