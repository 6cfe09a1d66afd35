using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Training.Models.DeepSeek;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>Held-out text measured in bits per byte: <c>Σ −log2 p(token) / UTF-8 bytes</c>, which does not depend on the tokenizer.</summary>
public static class BitsPerByte
{
    private const int BatchSize = 4;

    /// <summary>Measures <paramref name="text"/>, cut into windows of <paramref name="sequenceLength"/> tokens that each see only themselves and one token before.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="text">The text.</param>
    /// <param name="sequenceLength">Window length, in tokens.</param>
    /// <param name="maxBytes">Only about the first so many bytes are read, to the end of a line; 0 for all.</param>
    /// <param name="mode">What attention reads.</param>
    public static double Measure(DeepSeekModel model, Tokenizer tokenizer, string text, int sequenceLength, int maxBytes, AttentionMode mode)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(text);
        if (maxBytes > 0 && Encoding.UTF8.GetByteCount(text) > maxBytes) text = Head(text, maxBytes);
        var ids = new EvaluationTokens(tokenizer, new StringReader(text)).Read().Select(id => (long)id).ToArray();

        using var noGradient = no_grad();
        var loss = 0.0;
        var begin = 0;
        while (begin + 1 < ids.Length)
        {
            using var scope = NewDisposeScope();
            var whole = Math.Min(BatchSize, (ids.Length - 1 - begin) / sequenceLength);
            var (rows, length) = whole > 0 ? (whole, sequenceLength) : (1, ids.Length - 1 - begin);
            var inputs = tensor(ids[begin..(begin + (rows * length))], [rows, length], device: model.Device);
            var targets = tensor(ids[(begin + 1)..(begin + 1 + (rows * length))], [rows * length], device: model.Device);
            var logits = model.Logits(model.Hidden(inputs, mode, new AuxiliaryLosses())).view(-1, model.Config.VocabSize).to(ScalarType.Float32);
            loss += nn.functional.cross_entropy(logits, targets, reduction: nn.Reduction.Sum).item<float>();
            begin += rows * length;
        }

        return loss / Math.Log(2) / Encoding.UTF8.GetByteCount(text);
    }

    private static string Head(string text, int maxBytes)
    {
        var characters = Math.Min(text.Length, maxBytes);
        while (Encoding.UTF8.GetByteCount(text.AsSpan(0, characters)) > maxBytes) characters = characters * 9 / 10;
        var line = text.LastIndexOf('\n', characters - 1) + 1;
        return line > 0 ? text[..line] : text[..(characters - (char.IsHighSurrogate(text[characters - 1]) ? 1 : 0))];
    }
}
