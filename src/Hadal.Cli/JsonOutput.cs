using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Hadal.Cli.Hub;

namespace Hadal.Cli;

/// <summary>Results as one JSON object on standard output.</summary>
internal static class JsonOutput
{
    /// <summary>For writers that make their object step by step.</summary>
    public static JsonWriterOptions WriterOptions { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The option that asks for it.</summary>
    public static Option<bool> Option() => new("--json") { Description = "Print one JSON object on standard output." };

    /// <summary>Writes an object and a line end.</summary>
    public static void Write<T>(Shell shell, T value, JsonTypeInfo<T> type)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, WriterOptions)) JsonSerializer.Serialize(writer, value, type);
        bytes.WriteByte((byte)'\n');
        shell.Output.Write(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        shell.Output.Flush();
    }
}

/// <summary>Writes results without reflection; keys follow the lower-snake naming policy.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(TokenizeResult))]
[JsonSerializable(typeof(DecodeResult))]
[JsonSerializable(typeof(RenderResult))]
[JsonSerializable(typeof(RunResult))]
[JsonSerializable(typeof(BenchResult))]
[JsonSerializable(typeof(BenchRates))]
[JsonSerializable(typeof(GrammarBenchResult))]
[JsonSerializable(typeof(InspectResult))]
[JsonSerializable(typeof(PerplexityJson))]
[JsonSerializable(typeof(QuantizeResult))]
[JsonSerializable(typeof(MergeResult))]
[JsonSerializable(typeof(DoctorResult))]
[JsonSerializable(typeof(PullResult))]
[JsonSerializable(typeof(ListResult))]
[JsonSerializable(typeof(RemoveResult))]
internal sealed partial class CommandJson : JsonSerializerContext;
