using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary>Numbers of the golden folders in the repository.</summary>
internal static class Golden
{
    /// <summary>The <c>golden.json</c> of a folder.</summary>
    public static JsonElement Of(string folder) => JsonElement.Parse(File.ReadAllBytes(GoldenData.PathOf($"{folder}/golden.json")));

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(element => element.GetInt32())];

    /// <summary>Rows of logits of a sequence.</summary>
    public static float[] Logits(string folder, string set, string sequence)
    {
        var bytes = File.ReadAllBytes(GoldenData.PathOf($"{folder}/logits.safetensors"));
        var headerLength = (int)BitConverter.ToInt64(bytes);
        var offsets = JsonElement.Parse(Encoding.UTF8.GetString(bytes, 8, headerLength)).GetProperty($"{set}.{sequence}").GetProperty("data_offsets");
        return MemoryMarshal.Cast<byte, float>(bytes.AsSpan()[(8 + headerLength + offsets[0].GetInt32())..(8 + headerLength + offsets[1].GetInt32())]).ToArray();
    }
}
