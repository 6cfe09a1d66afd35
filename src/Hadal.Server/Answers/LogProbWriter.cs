using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;

namespace Hadal.Server.Answers;

/// <summary>Writes log-probabilities in the forms of chat and of completions.</summary>
internal sealed class LogProbWriter(Tokenizer tokenizer)
{
    /// <summary>OpenAI's number for what is very unlikely; JSON has no infinity.</summary>
    private const float Unlikely = -9999f;

    /// <summary>The form of chat; what was thought stands beside what was answered.</summary>
    public void WriteChat(Utf8JsonWriter json, IReadOnlyList<PlacedToken> chunks)
    {
        json.WriteStartObject("logprobs");
        WriteTokens(json, "content", [.. chunks.Where(entry => !entry.IsReasoning).Select(entry => entry.Chunk)]);
        json.WriteNull("refusal");
        if (chunks.Any(entry => entry.IsReasoning)) WriteTokens(json, "reasoning_content", [.. chunks.Where(entry => entry.IsReasoning).Select(entry => entry.Chunk)]);
        json.WriteEndObject();
    }

    /// <summary>The form of completions.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="tokens">Tokens in order, with where they begin in the text of the answer.</param>
    public void WriteCompletion(Utf8JsonWriter json, IReadOnlyList<PlacedToken> tokens)
    {
        var chunks = tokens.Select(token => token.Chunk).ToList();
        var texts = chunks.Select(chunk => Text(chunk.TokenId!.Value)).ToList();
        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var chunk in chunks) json.WriteNumberValue(Value(chunk.LogProb!.Value));
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var chunk in chunks) WriteTop(json, chunk);
        json.WriteEndArray();
        json.WriteStartArray("text_offset");
        foreach (var token in tokens) json.WriteNumberValue(token.Offset);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static float Value(float logProb) => Math.Max(logProb, Unlikely);

    private string Text(int tokenId) => tokenizer.Decode([tokenId], skipSpecial: false);

    private void WriteTop(Utf8JsonWriter json, GeneratedChunk chunk)
    {
        json.WriteStartObject();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (tokenId, logProb) in chunk.TopLogProbs ?? [])
            if (seen.Add(Text(tokenId))) json.WriteNumber(Text(tokenId), Value(logProb));
        json.WriteEndObject();
    }

    private void WriteTokens(Utf8JsonWriter json, string name, IReadOnlyList<GeneratedChunk> chunks)
    {
        json.WriteStartArray(name);
        foreach (var chunk in chunks)
        {
            json.WriteStartObject();
            WriteToken(json, chunk.TokenId!.Value, chunk.LogProb!.Value);
            json.WriteStartArray("top_logprobs");
            foreach (var (tokenId, logProb) in chunk.TopLogProbs ?? [])
            {
                json.WriteStartObject();
                WriteToken(json, tokenId, logProb);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Bytes let clients join tokens that split a character.</summary>
    private void WriteToken(Utf8JsonWriter json, int tokenId, float logProb)
    {
        json.WriteString("token", Text(tokenId));
        json.WriteNumber("logprob", Value(logProb));
        json.WriteStartArray("bytes");
        foreach (var value in tokenizer.TokenBytes(tokenId)) json.WriteNumberValue(value);
        json.WriteEndArray();
    }
}
