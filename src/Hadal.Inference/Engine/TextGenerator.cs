using System.Runtime.CompilerServices;

namespace Hadal.Inference.Engine;

/// <summary>The engine: takes token ids, gives text as it is generated; any number of callers may use it at once.</summary>
public sealed class TextGenerator : IAsyncDisposable
{
    private readonly TextGeneratorOptions _options;

    internal TextGenerator(TextGeneratorOptions options) => _options = options;

    /// <summary>Generates an answer and streams it.</summary>
    /// <param name="promptIds">Token ids of the prompt, at least one.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="cancellationToken">Ends the work within one step; the stream then ends with a chunk whose reason is <see cref="FinishReason.Cancelled"/>.
    /// Leaving the enumeration early does the same.</param>
    /// <returns>Chunks; the last one has <see cref="GeneratedChunk.FinishReason"/> and <see cref="GeneratedChunk.Usage"/>.</returns>
    /// <exception cref="ArgumentException">An option or a prompt id is out of range; the message has all faults.</exception>
    /// <exception cref="GenerationException">The request was refused or failed.</exception>
    public async IAsyncEnumerable<GeneratedChunk> GenerateAsync(
        IReadOnlyList<int> promptIds, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask;
        throw new NotSupportedException($"not built yet {_options} {promptIds} {options} {cancellationToken}");
#pragma warning disable CS0162
        yield break;
#pragma warning restore CS0162
    }

    /// <summary>Generates an answer and returns it whole.</summary>
    /// <inheritdoc cref="GenerateAsync"/>
    public async Task<GenerationResult> CompleteAsync(
        IReadOnlyList<int> promptIds, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        await foreach (var chunk in GenerateAsync(promptIds, options, cancellationToken).ConfigureAwait(false))
            if (chunk.Usage is { } usage) return new GenerationResult(chunk.Text, [], chunk.FinishReason ?? "", usage);
        throw new GenerationException(GenerationFault.Failed, "the answer has no end");
    }

    /// <summary>Ends all requests and releases the model.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
