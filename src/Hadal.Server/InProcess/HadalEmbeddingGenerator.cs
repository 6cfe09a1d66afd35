using Hadal.Inference.Engine;
using Microsoft.Extensions.AI;

namespace Hadal.Server.InProcess;

/// <summary>A model of this process as Microsoft.Extensions.AI's generator of embeddings: what the model has made of the last token, of unit length.</summary>
public sealed class HadalEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly ServedModel _model;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>A generator over a model, which whoever opened it closes.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="ArgumentNullException"><paramref name="model"/> is null.</exception>
    public HadalEmbeddingGenerator(ServedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _metadata = new EmbeddingGeneratorMetadata("hadal", defaultModelId: model.Name, defaultModelDimensions: model.Generator.EmbeddingLength);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="values"/> is null.</exception>
    /// <exception cref="ArgumentException">A text is empty, or other dimensions are asked for than the model has, or another model.</exception>
    /// <exception cref="GenerationException">Its <see cref="GenerationException.Fault"/> says why: the queue is full, a text too long, the engine failed, or the model was closed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } dimensions && dimensions != _model.Generator.EmbeddingLength)
            throw new ArgumentException(FormattableString.Invariant($"Dimensions: expected {_model.Generator.EmbeddingLength}, which this model has, found {dimensions}"), nameof(options));
        if (options?.ModelId is { } wanted && wanted != _model.Name) throw new ArgumentException($"ModelId: expected {_model.Name}, which this generator is over, found {wanted}", nameof(options));
        var made = new GeneratedEmbeddings<Embedding<float>>();
        var tokens = 0;
        foreach (var text in values)
        {
            if (string.IsNullOrEmpty(text)) throw new ArgumentException("values: expected texts, found an empty one", nameof(values));
            var settings = new GenerationOptions { IsContinuation = made.Count > 0 };
            var (vector, usage) = await _model.Generator.EmbedAsync(_model.Generator.Tokenizer.Encode(text), settings, cancellationToken).ConfigureAwait(false);
            made.Add(new Embedding<float>(vector) { ModelId = _model.Name });
            tokens += usage.PromptTokens;
        }

        made.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
        return made;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata)) return _metadata;
        return serviceType == typeof(ServedModel) ? _model : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Nothing: the model belongs to whoever opened it.</summary>
    public void Dispose()
    {
    }
}
