using System.Text.Json;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>The hand-checkable numbers beside these tests.</summary>
internal static class Fixture
{
    public static JsonDocument Open(string name, string folder = "Kernels") =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, folder, "Fixtures", name)));

    /// <summary>A list of rows as one row-major array.</summary>
    public static float[] Matrix(this JsonElement parent, string name) =>
        [.. parent.GetProperty(name).EnumerateArray().SelectMany(row => row.EnumerateArray().Select(Number))];

    public static float[] Floats(this JsonElement parent, string name) => parent.GetProperty(name).Floats();

    public static float[] Floats(this JsonElement array) => [.. array.EnumerateArray().Select(Number)];

    public static double[] Doubles(this JsonElement parent, string name) => [.. parent.GetProperty(name).EnumerateArray().Select(value => value.GetDouble())];

    public static byte[] Bytes(this JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetByte())];

    private static float Number(JsonElement value) => value.ValueKind == JsonValueKind.String ? float.NaN : value.GetSingle();
}
