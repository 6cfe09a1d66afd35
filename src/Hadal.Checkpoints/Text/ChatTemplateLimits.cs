namespace Hadal.Checkpoints.Text;

/// <summary>What a template may use up. Templates come with model files, which may be hostile; Jinja itself leaves limits to its host.</summary>
public sealed record ChatTemplateLimits
{
    /// <summary>UTF-16 units of the template. The largest published templates have about 20,000.</summary>
    public int MaxSourceLength { get; init; } = 1 << 20;

    /// <summary>Steps of one rendering: one for every node evaluated, every list element made and every 16 UTF-16 units of text made.</summary>
    public long MaxSteps { get; init; } = 10_000_000;

    /// <summary>Levels of nesting: of expressions and blocks in the source, of macro calls, and of lists and mappings in each other.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>UTF-16 units of the rendered text, and of any single text on the way to it.</summary>
    public int MaxOutputLength { get; init; } = 1 << 24;

    /// <summary>Elements of one <c>range</c>, as in Jinja's own sandbox.</summary>
    public int MaxRange { get; init; } = 100_000;
}
