using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /tokenize</c> and <c>POST /detokenize</c>, in the forms of llama-server and vLLM.</summary>
internal static class Tokens
{
    /// <summary>Characters or tokens of a request at most: no engine bounds how many of these are worked on at once.</summary>
    private const int MaxTextLength = 1 << 20;

    /// <summary>Text to tokens: <c>content</c> or <c>prompt</c>.</summary>
    public static async Task TokenizeAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var choice = scope.Find(request.Text("model"));
        scope.Asked(choice);
        var text = request.Text("content", MaxTextLength) ?? request.Text("prompt", MaxTextLength) ?? throw request.Missing("content");
        request.Take("prompt");
        var (addSpecial, parseSpecial) = (request.Flag("add_special") ?? request.Flag("add_special_tokens") ?? false, request.Flag("parse_special") ?? false);
        request.Take("add_special_tokens");
        var withPieces = request.Flag("with_pieces") ?? false;
        request.End();
        var tokenizer = choice.Model.Generator.Tokenizer;
        var ids = tokenizer.Encode(text, addSpecial, parseSpecial);
        await JsonBody.WriteAsync(scope.Http, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count", ids.Count);
            json.WriteNumber("max_model_len", choice.Model.Generator.MaxContext);
            json.WriteStartArray("tokens");
            foreach (var id in ids)
            {
                if (!withPieces)
                {
                    json.WriteNumberValue(id);
                    continue;
                }

                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("piece", tokenizer.Decode([id], skipSpecial: false));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>Tokens to text.</summary>
    public static async Task DetokenizeAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var choice = scope.Find(request.Text("model"));
        scope.Asked(choice);
        var tokens = request.List("tokens", MaxTextLength) ?? throw request.Missing("tokens");
        request.End();
        int[] ids = [.. tokens.Select(token => GenerationFields.Id(token, "tokens"))];
        if (Array.Find(ids, id => id >= choice.Model.VocabSize) is var beyond and > 0) throw ApiException.Invalid("tokens", FormattableString.Invariant($"tokens: expected ids below {choice.Model.VocabSize}, found {beyond}"));
        var text = choice.Model.Generator.Tokenizer.Decode(ids, skipSpecial: false);
        await JsonBody.WriteAsync(scope.Http, json =>
        {
            json.WriteStartObject();
            json.WriteString("content", text);
            json.WriteString("prompt", text);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}
