using System.Text;
using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Reads the <c>normalizer</c> of a <c>tokenizer.json</c>.</summary>
internal static class NormalizerJson
{
    private const int MaxSteps = 32, MaxReplacement = 1024;

    // Times that replacements may make a text longer, all steps together; published ones put one character for one.
    private const int MaxGrowth = 16;

    /// <summary>Builds the normalizer; a missing one changes nothing.</summary>
    /// <exception cref="CheckpointException">It has a step that is not supported.</exception>
    public static TextNormalizer Read(JsonElement? value)
    {
        var steps = new List<Func<string, string>>();
        var growth = 1;
        if (value is { } root) Add(root, steps, ref growth);
        return TextNormalizer.Of(steps);
    }

    private static void Add(JsonElement value, List<Func<string, string>> steps, ref int growth)
    {
        if (steps.Count >= MaxSteps) throw new CheckpointException($"normalizer has more than {MaxSteps} steps");
        switch (value.FindString("type"))
        {
            case "Sequence":
                foreach (var part in (value.Find("normalizers") ?? throw new CheckpointException("normalizer Sequence has no normalizers")).EnumerateArray()) Add(part, steps, ref growth);
                break;
            case "NFC":
                steps.Add(text => Normalization.Apply(text, NormalizationForm.FormC));
                break;
            case "NFD":
                steps.Add(text => Normalization.Apply(text, NormalizationForm.FormD));
                break;
            case "NFKC":
                steps.Add(text => Normalization.Apply(text, NormalizationForm.FormKC));
                break;
            case "NFKD":
                steps.Add(text => Normalization.Apply(text, NormalizationForm.FormKD));
                break;
            case "Lowercase":
                steps.Add(TextNormalizer.Lowercase);
                break;
            case "StripAccents":
                steps.Add(TextNormalizer.StripAccents);
                break;
            case "Strip":
                var (left, right) = (value.FindBoolean("strip_left") ?? true, value.FindBoolean("strip_right") ?? true);
                steps.Add(text => TextNormalizer.Strip(text, left, right));
                break;
            case "Prepend":
                var prefix = Short(value.FindString("prepend"), "Prepend");
                Grow(ref growth, 1 + prefix.Length);
                steps.Add(text => TextNormalizer.Prepend(text, prefix));
                break;
            case "Replace":
                var (pattern, content) = (PreTokenizerJson.Pattern(value), Short(value.FindString("content"), "Replace"));
                Grow(ref growth, content.Length);
                steps.Add(text => Replace(text, pattern, content));
                break;
            case var other:
                throw new CheckpointException(
                    $"normalizer {other ?? "without type"} is not supported; supported are Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend and Replace");
        }
    }

    private static void Grow(ref int growth, int times)
    {
        growth *= Math.Max(1, times);
        if (growth > MaxGrowth) throw new CheckpointException($"normalizer: its replacements can make a text more than {MaxGrowth} times as long");
    }

    private static string Short(string? text, string step) => text is { Length: <= MaxReplacement }
        ? text
        : throw new CheckpointException($"normalizer {step}: its text is missing or has more than {MaxReplacement} characters");

    private static string Replace(string text, RunePattern pattern, string content)
    {
        var matcher = new RunePatternMatcher(pattern, text);
        matcher.Enter(0, text.Length);
        var result = new StringBuilder(text.Length);
        var position = 0;
        while (matcher.TryFind(position, out var begin, out var end))
        {
            result.Append(text, position, begin - position).Append(content);
            position = end;
        }

        return position == 0 ? text : result.Append(text, position, text.Length - position).ToString();
    }
}
