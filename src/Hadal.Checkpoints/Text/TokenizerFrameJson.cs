using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Reads what surrounds a text: <c>post_processor</c> and <c>decoder</c> of <c>tokenizer.json</c>, start and end tokens of
/// <c>tokenizer_config.json</c>.</summary>
internal static class TokenizerFrameJson
{
    private const int MaxAffix = 16;

    /// <summary>Builds the frame. <c>add_bos_token</c> and <c>add_eos_token</c>, where present, outrank the post-processor.</summary>
    /// <exception cref="CheckpointException">Something in it is not supported or names an unknown token.</exception>
    public static TokenizerFrame Read(JsonElement root, JsonElement? config, Vocabulary vocabulary, bool isByteLevel)
    {
        List<int> prefix = [], suffix = [];
        if (root.Find("post_processor") is { } processor) AddProcessor(processor, vocabulary, prefix, suffix);
        var bos = SpecialToken(config, "bos_token", vocabulary);
        var eos = SpecialToken(config, "eos_token", vocabulary);
        Override(config?.FindBoolean("add_bos_token"), bos, prefix);
        Override(config?.FindBoolean("add_eos_token"), eos, suffix);
        if (prefix.Count > MaxAffix || suffix.Count > MaxAffix) throw new CheckpointException($"post_processor adds more than {MaxAffix} tokens");
        return new TokenizerFrame
        {
            BosTokenId = bos ?? (prefix.Count > 0 ? prefix[0] : null),
            EosTokenIds = eos is { } id ? [id] : [],
            Prefix = prefix,
            Suffix = suffix,
            DropsLeadingSpace = root.Find("decoder") is { } decoder ? DropsLeadingSpace(decoder, isByteLevel) : !isByteLevel ? throw new CheckpointException("has no decoder") : false,
        };
    }

    private static void Override(bool? adds, int? token, List<int> affix)
    {
        if (adds is null || token is not { } id) return;
        if (adds == false) affix.Remove(id);
        else if (!affix.Contains(id)) affix.Add(id);
    }

    private static int? SpecialToken(JsonElement? config, string name, Vocabulary vocabulary)
    {
        if (config?.Find(name) is not { } value) return null;
        var text = value.ValueKind == JsonValueKind.Object ? value.FindString("content") : value.GetString();
        if (string.IsNullOrEmpty(text)) return null;
        return vocabulary.TryGetId(text, out var id) ? id : throw new CheckpointException($"{name} '{text}' of tokenizer_config.json is not in the vocabulary");
    }

    private static void AddProcessor(JsonElement value, Vocabulary vocabulary, List<int> prefix, List<int> suffix)
    {
        switch (value.FindString("type"))
        {
            case "Sequence":
                foreach (var part in (value.Find("processors") ?? throw new CheckpointException("post_processor Sequence has no processors")).EnumerateArray())
                    AddProcessor(part, vocabulary, prefix, suffix);
                break;
            case "ByteLevel":
                break;
            case "TemplateProcessing":
                AddTemplate(value, vocabulary, prefix, suffix);
                break;
            case "RobertaProcessing" or "BertProcessing":
                prefix.Add(Pair(value, "cls"));
                suffix.Add(Pair(value, "sep"));
                break;
            case var other:
                throw new CheckpointException(
                    $"post_processor {other ?? "without type"} is not supported; supported are Sequence, ByteLevel, TemplateProcessing, RobertaProcessing and BertProcessing");
        }

        int Pair(JsonElement processor, string name) => processor.Find(name) is { } pair && pair.GetArrayLength() == 2
            ? KnownId(pair[1].GetInt32(), vocabulary)
            : throw new CheckpointException($"post_processor has no {name}");
    }

    private static void AddTemplate(JsonElement value, Vocabulary vocabulary, List<int> prefix, List<int> suffix)
    {
        var isAfterText = false;
        foreach (var item in (value.Find("single") ?? throw new CheckpointException("post_processor TemplateProcessing has no single")).EnumerateArray())
        {
            if (item.Find("Sequence") is not null)
            {
                if (isAfterText) throw new CheckpointException("post_processor TemplateProcessing repeats the text");
                isAfterText = true;
                continue;
            }

            var name = item.Find("SpecialToken")?.FindString("id") ?? throw new CheckpointException("post_processor TemplateProcessing has an unknown part");
            var token = value.Find("special_tokens")?.Find(name)?.Find("ids") ?? throw new CheckpointException($"post_processor TemplateProcessing does not define '{name}'");
            foreach (var id in token.EnumerateArray()) (isAfterText ? suffix : prefix).Add(KnownId(id.GetInt32(), vocabulary));
        }

        if (!isAfterText) throw new CheckpointException("post_processor TemplateProcessing leaves out the text");
    }

    private static int KnownId(int id, Vocabulary vocabulary) =>
        vocabulary.KindOf(id) != TokenKind.None ? id : throw new CheckpointException($"post_processor adds id {id}, which no token has");

    /// <summary>Checks that the decoder undoes the spelling of the vocabulary, and says whether it drops a space at the start.</summary>
    private static bool DropsLeadingSpace(JsonElement decoder, bool isByteLevel)
    {
        var kind = decoder.FindString("type");
        if (isByteLevel)
            return kind == "ByteLevel" ? false : throw new CheckpointException($"decoder {kind} does not belong to a byte-level vocabulary");
        switch (kind)
        {
            case "Sequence":
                var drops = false;
                foreach (var part in (decoder.Find("decoders") ?? throw new CheckpointException("decoder Sequence has no decoders")).EnumerateArray()) drops |= DropsLeadingSpace(part, isByteLevel);
                return drops;
            case "ByteFallback" or "Fuse":
                return false;
            case "Replace" when decoder.Find("pattern")?.FindString("String") == "\u2581" && decoder.FindString("content") == " ":
                return false;
            case "Strip" when decoder.FindString("content") == " " && decoder.Find("start")?.GetInt32() == 1 && decoder.Find("stop")?.GetInt32() == 0:
                return true;
            case "Metaspace" when decoder.FindString("replacement") == "\u2581":
                return decoder.FindString("prepend_scheme") is { } scheme ? scheme != "never" : decoder.FindBoolean("add_prefix_space") ?? true;
            default:
                throw new CheckpointException($"decoder {kind ?? "without type"} is not supported; supported are ByteLevel, Metaspace, and Sequence of Replace, ByteFallback, Fuse and Strip");
        }
    }
}
