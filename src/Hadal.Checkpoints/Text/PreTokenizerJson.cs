using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Reads the <c>pre_tokenizer</c> of a <c>tokenizer.json</c>.</summary>
internal static class PreTokenizerJson
{
    private const int MaxStages = 32;
    private const string PunctuationClass = @"[\p{P}!-/:-@\[-`{-~]";

    /// <summary>Builds the pre-tokenizer; a missing one leaves the text whole.</summary>
    /// <exception cref="CheckpointException">It has a stage that is not supported.</exception>
    public static PreTokenizer Read(JsonElement? value)
    {
        var plan = new Plan();
        if (value is { } root) Add(root, plan);
        return new PreTokenizer { Stages = plan.Stages, PrefixSpace = plan.PrefixSpace, SpaceSign = plan.SpaceSign };
    }

    private static void Add(JsonElement value, Plan plan)
    {
        if (plan.Stages.Count >= MaxStages) throw new CheckpointException($"pre_tokenizer has more than {MaxStages} stages");
        switch (value.FindString("type"))
        {
            case "Sequence":
                foreach (var part in (value.Find("pretokenizers") ?? throw new CheckpointException("pre_tokenizer Sequence has no pretokenizers")).EnumerateArray()) Add(part, plan);
                break;
            case "Split":
                plan.Stages.Add(new PreTokenizerStage(Pattern(value), Behavior(value.FindString("behavior")), value.FindBoolean("invert") ?? false));
                break;
            case "Digits":
                plan.Stages.Add(new PreTokenizerStage(RunePattern.Parse(value.FindBoolean("individual_digits") ?? false ? @"\p{N}" : @"\p{N}+")));
                break;
            case "Punctuation":
                plan.Stages.Add(new PreTokenizerStage(RunePattern.Parse(PunctuationClass), Behavior(value.FindString("behavior") ?? "Isolated")));
                break;
            case "ByteLevel":
                if (value.FindBoolean("add_prefix_space") ?? true) plan.AddPrefix(PrefixSpace.Always, "ByteLevel");
                plan.Stages.Add(new PreTokenizerStage(value.FindBoolean("use_regex") ?? true ? RunePattern.Parse(PreTokenizer.Gpt2Pattern) : null) { SpellsBytes = true });
                break;
            case "Metaspace":
                AddMetaspace(value, plan);
                break;
            case var other:
                throw new CheckpointException(
                    $"pre_tokenizer {other ?? "without type"} is not supported; supported are Sequence, Split, Digits, Punctuation, ByteLevel and Metaspace");
        }
    }

    private static void AddMetaspace(JsonElement value, Plan plan)
    {
        if (value.FindString("replacement") is not { Length: 1 } sign || char.IsSurrogate(sign[0])) throw new CheckpointException("pre_tokenizer Metaspace: replacement is not one character");
        if (plan.Stages.Count > 0) throw new CheckpointException("pre_tokenizer Metaspace is supported as the first stage only");
        plan.SpaceSign = sign[0];
        var scheme = value.FindString("prepend_scheme") ?? (value.FindBoolean("add_prefix_space") ?? true ? "always" : "never");
        plan.AddPrefix(
            scheme switch
            {
                "always" => PrefixSpace.Always,
                "first" => PrefixSpace.First,
                "never" => PrefixSpace.Never,
                _ => throw new CheckpointException($"pre_tokenizer Metaspace: prepend_scheme '{scheme}' is not supported"),
            },
            "Metaspace");
        if (value.FindBoolean("split") ?? true) plan.Stages.Add(new PreTokenizerStage(RunePattern.Literal(sign), SplitBehavior.MergedWithNext));
    }

    /// <summary>The pattern of a <c>Split</c> stage or <c>Replace</c> normalizer: a regular expression or a literal string.</summary>
    internal static RunePattern Pattern(JsonElement value)
    {
        var pattern = value.Find("pattern") ?? throw new CheckpointException($"{value.FindString("type")} has no pattern");
        if (pattern.FindString("Regex") is { } expression) return RunePattern.Parse(expression);
        return pattern.FindString("String") is { Length: > 0 } literal
            ? RunePattern.Literal(literal)
            : throw new CheckpointException($"{value.FindString("type")}: the pattern is neither Regex nor String");
    }

    private static SplitBehavior Behavior(string? name) =>
        Enum.TryParse<SplitBehavior>(name, out var behavior) && behavior.ToString() == name
            ? behavior
            : throw new CheckpointException($"pre_tokenizer: behavior '{name}' is not supported");

    private sealed class Plan
    {
        public List<PreTokenizerStage> Stages { get; } = [];

        public PrefixSpace PrefixSpace { get; private set; }

        public char? SpaceSign { get; set; }

        public void AddPrefix(PrefixSpace prefix, string stage)
        {
            if (prefix != PrefixSpace.Never && Stages.Count > 0) throw new CheckpointException($"pre_tokenizer {stage} adds a space after other stages, which is not supported");
            PrefixSpace = prefix;
        }
    }
}
