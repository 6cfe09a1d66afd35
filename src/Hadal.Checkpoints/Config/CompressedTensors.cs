using System.Text.Json;

namespace Hadal.Checkpoints.Config;

/// <summary>Holds a <c>quantization_config</c> of compressed-tensors against what is computed: signed bytes without zero points.</summary>
/// <remarks>vllm-project/compressed-tensors <c>quantization/quant_config.py</c>. Schemes for activations are read over: here they stay floats.</remarks>
internal static class CompressedTensors
{
    /// <summary>The value of <c>quant_method</c>.</summary>
    public const string Method = "compressed-tensors";

    /// <summary>The one <c>format</c> that is computed.</summary>
    public const string Format = "int-quantized";

    /// <summary>Key of the schemes.</summary>
    public const string GroupsKey = "config_groups";

    /// <summary>Calls <paramref name="unsupported"/> with key, value found and values supported for everything that is not computed.</summary>
    public static void Check(QuantizationConfig quantization, Action<string, string, string> unsupported)
    {
        if (quantization.Format != Format) unsupported("format", quantization.Format ?? "missing", Format);
        if (quantization.OtherKeys?.TryGetValue(GroupsKey, out var groups) != true || groups.ValueKind != JsonValueKind.Object)
        {
            unsupported(GroupsKey, "no object", "an object with one scheme or more");
            return;
        }

        foreach (var group in groups.EnumerateObject())
        {
            var key = $"{GroupsKey}.{group.Name}.weights";
            if (group.Value.ValueKind != JsonValueKind.Object || !group.Value.TryGetProperty("weights", out var weights) || weights.ValueKind != JsonValueKind.Object)
            {
                unsupported(key, "no object", "a scheme of 8 bits");
                continue;
            }

            Expect("num_bits", "8");
            Expect("type", "\"int\"");
            Expect("symmetric", "true");
            Expect("strategy", "\"channel\"", "\"group\"");

            void Expect(string name, params ReadOnlySpan<string> values)
            {
                var found = weights.TryGetProperty(name, out var value) ? value.GetRawText() : "missing";
                if (!values.Contains(found)) unsupported($"{key}.{name}", found.Length > 60 ? found[..60] + "…" : found, string.Join(", ", values));
            }
        }
    }
}
