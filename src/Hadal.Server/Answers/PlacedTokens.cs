using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;

namespace Hadal.Server.Answers;

/// <summary>A token of an answer with its probability.</summary>
/// <param name="Chunk">The token.</param>
/// <param name="Offset">UTF-16 units of the text in front of it.</param>
/// <param name="IsReasoning">Whether it was thought.</param>
internal readonly record struct PlacedToken(GeneratedChunk Chunk, int Offset, bool IsReasoning);

/// <summary>Tokens of an answer whose probabilities are told: those of its text. Beside stop strings they are given out once it is certain that the text has them; tokens of a stop string, or that only end the answer, are not.</summary>
/// <remarks>Control tokens that are left out of the text begin where the next token does, and tokens that share a character begin where it does.</remarks>
/// <param name="tokenizer">Decodes them.</param>
/// <param name="options">What the answer was asked for.</param>
/// <param name="endTokenIds">Tokens that end answers of the model.</param>
/// <param name="start">UTF-16 units in front of the first.</param>
internal sealed class PlacedTokens(Tokenizer tokenizer, GenerationOptions options, IReadOnlyList<int> endTokenIds, int start = 0)
{
    private readonly IncrementalDecoder _decoder = new(tokenizer, options.SkipSpecial);
    private readonly Queue<PlacedToken> _held = new();
    private int _offset = start;
    private int _certain = start;

    /// <summary>Takes the next chunk.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="isReasoning">Whether its token is thought.</param>
    /// <param name="keepsStop">Whether the stop string that it may end with is text all the same.</param>
    /// <param name="isText">Whether its token is text, and no mark.</param>
    /// <returns>Tokens that became certain, in order.</returns>
    public IReadOnlyList<PlacedToken> Add(in GeneratedChunk chunk, bool isReasoning = false, bool keepsStop = false, bool isText = true)
    {
        if (options.TopLogProbs is null) return [];
        if (isText && chunk is { LogProb: not null, TokenId: { } tokenId } && !IsEnd(chunk))
        {
            _held.Enqueue(new PlacedToken(chunk, _offset, isReasoning));
            _offset += _decoder.Append(tokenId).Length;
        }

        _certain += chunk.Text.Length;
        var takesAll = options.StopStrings.Count == 0 || (chunk.FinishReason is not null && (chunk.StopString is null || keepsStop));
        var tokens = new List<PlacedToken>();
        while (_held.TryPeek(out var first) && (takesAll || first.Offset < _certain)) tokens.Add(_held.Dequeue());
        return tokens;
    }

    private bool IsEnd(in GeneratedChunk chunk) =>
        chunk is { FinishReason: FinishReason.Stop, StopString: null, TokenId: { } id } && (endTokenIds.Contains(id) || options.StopTokenIds.Contains(id));
}
