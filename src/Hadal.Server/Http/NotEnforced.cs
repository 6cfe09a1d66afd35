using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Http;

/// <summary>Tells a client what its schemas ask and the answer need not keep, where it asked for best effort (<c>strict: false</c>).</summary>
internal static class NotEnforced
{
    /// <summary>The header: a JSON array of sentences in ASCII.</summary>
    public const string Header = "x-hadal-not-enforced";

    /// <summary>Clients and proxies read heads of some kilobytes.</summary>
    private const int LengthMax = 3_000;

    /// <summary>Sets the header before the answer begins; nothing where all is kept.</summary>
    public static void Tell(HttpContext http, IReadOnlyList<string> sentences)
    {
        if (sentences.Count == 0) return;
        var shown = new List<string>();
        var length = 0;
        foreach (var sentence in sentences)
        {
            length += Encoded([sentence]).Length;
            if (length > LengthMax) break;
            shown.Add(sentence);
        }

        if (shown.Count < sentences.Count) shown.Add(FormattableString.Invariant($"and {sentences.Count - shown.Count} more"));
        http.Response.Headers[Header] = Encoded(shown);
    }

    private static string Encoded(List<string> sentences)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var sentence in sentences) json.WriteStringValue(sentence);
            json.WriteEndArray();
        }

        return Encoding.ASCII.GetString(buffer.WrittenSpan);
    }
}
