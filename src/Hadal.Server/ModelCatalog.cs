using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Server.Http;

namespace Hadal.Server;

/// <summary>A model to be served, opened once the server listens.</summary>
/// <param name="Name">How requests call it.</param>
/// <param name="Open">Opens it; called once, on a thread of its own.</param>
/// <param name="AdapterNames">Names of the adapters it will have.</param>
public sealed record ModelSource(string Name, Func<ServedModel> Open, IReadOnlyList<string>? AdapterNames = null);

/// <summary>What a request's <c>model</c> means.</summary>
/// <param name="Name">The name, as the answer repeats it.</param>
/// <param name="Model">The model.</param>
/// <param name="Adapter">The adapter, or null.</param>
internal sealed record ModelChoice(string Name, ServedModel Model, DecoderAdapter? Adapter)
{
    /// <summary>What scores it instead of writing, or null.</summary>
    public LabelHead? Head => Model.Generator.HeadOf(Adapter);
}

/// <summary>All models of a server by name. They are opened beside each other; requests for one that is not ready are told to come again.</summary>
internal sealed class ModelCatalog : IAsyncDisposable
{
    private readonly Dictionary<string, (string? Parent, Task<ServedModel> Loading)> _models = new(StringComparer.Ordinal);
    private readonly List<Task<ServedModel>> _loading = [];

    /// <exception cref="ArgumentException">Two have one name, or there is none.</exception>
    public ModelCatalog(IReadOnlyList<ModelSource> sources, TimeProvider clock)
    {
        if (sources.Count == 0) throw new ArgumentException("models: expected at least one");
        Created = clock.GetUtcNow();
        foreach (var name in sources.SelectMany(source => (source.AdapterNames ?? []).Prepend(source.Name)).GroupBy(name => name).Where(group => group.Count() > 1))
            throw new ArgumentException($"models: '{name.Key}' is the name of two; rename a directory");
        foreach (var source in sources)
        {
            var loading = Task.Factory.StartNew(source.Open, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            _loading.Add(loading);
            _models.Add(source.Name, (null, loading));
            foreach (var adapter in source.AdapterNames ?? []) _models.Add(adapter, (source.Name, loading));
        }

        Loaded = Task.WhenAll(_loading);
    }

    /// <summary>A catalogue of one model that is ready. Whoever opened it closes it.</summary>
    public ModelCatalog(ServedModel model, TimeProvider clock)
    {
        Created = clock.GetUtcNow();
        _loading.Add(Task.FromResult(model));
        foreach (var name in model.AdapterNames.Prepend(model.Name)) _models.Add(name, (name == model.Name ? null : model.Name, _loading[0]));
        Loaded = _loading[0];
    }

    /// <summary>When the server began, which clients are told as the time a model was made.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>Ends when all models are ready; fails with the reason why one is not.</summary>
    public Task Loaded { get; }

    /// <summary>Models that are ready.</summary>
    public IEnumerable<ServedModel> Ready => _loading.Where(loading => loading.IsCompletedSuccessfully).Select(loading => loading.Result);

    /// <summary>Names of models and adapters, with the model an adapter belongs to.</summary>
    public IEnumerable<(string Name, string? Parent, ServedModel? Model)> Entries =>
        _models.Select(entry => (entry.Key, entry.Value.Parent, entry.Value.Loading.IsCompletedSuccessfully ? entry.Value.Loading.Result : null));

    /// <summary>Finds what a request asks for.</summary>
    /// <param name="name">The name; null for the only model, where there is one.</param>
    /// <exception cref="ApiException">There is no such model, or it is not ready.</exception>
    public ModelChoice Find(string? name)
    {
        if (name is null)
        {
            if (_loading.Count > 1) throw ApiException.Invalid("model", $"model: expected one of {string.Join(", ", _models.Keys)}, found nothing");
            name = _models.Keys.First();
        }

        if (!_models.TryGetValue(name, out var entry))
            throw new ApiException(404, $"The model '{name}' does not exist; this server has {string.Join(", ", _models.Keys)}", param: "model", code: "model_not_found");
        if (!entry.Loading.IsCompletedSuccessfully) throw ApiException.Unavailable($"the model '{name}' is being loaded", retryAfterSeconds: 2);
        var model = entry.Loading.Result;
        return entry.Parent is null ? new ModelChoice(name, model, null) : new ModelChoice(name, model.FormOf(name), model.Adapter(name));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var loading in _loading)
        {
            await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (loading.IsCompletedSuccessfully) await loading.Result.DisposeAsync().ConfigureAwait(false);
        }
    }
}
