using System.Text.Json;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>The hand-checkable numbers beside these tests.</summary>
internal static class Fixture
{
    public static JsonDocument Open(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Kernels", "Fixtures", name)));

    public static float[] Floats(this JsonElement parent, string name) => parent.GetProperty(name).Floats();

    public static float[] Floats(this JsonElement array) => [.. array.EnumerateArray().Select(Number)];

    public static double[] Doubles(this JsonElement parent, string name) => [.. parent.GetProperty(name).EnumerateArray().Select(value => value.GetDouble())];

    public static byte[] Bytes(this JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetByte())];

    private static float Number(JsonElement value) => value.ValueKind == JsonValueKind.String ? float.NaN : value.GetSingle();
}
