using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
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
/// <remarks>Adapters come and go while requests are answered. A name means one adapter at any time: it is replaced as a whole, and what was found under it stays loaded for whoever holds it.</remarks>
internal sealed class ModelCatalog : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<Task<ServedModel>> _loading = [];
    private readonly string _firstName;

    /// <summary>Never changed: whoever changes a name puts another table in its place.</summary>
    private volatile Dictionary<string, Entry> _entries;

    /// <summary>What a name means.</summary>
    /// <param name="IsModel">Whether it is a model, which stays; an adapter may go.</param>
    /// <param name="Parent">Of an adapter its model, once that is known.</param>
    /// <param name="Choice">What requests get.</param>
    private sealed record Entry(bool IsModel, string? Parent, Task<ModelChoice> Choice);

    /// <param name="sources">The models, with the adapters they are opened with.</param>
    /// <param name="clock">Tells when it began.</param>
    /// <param name="folders">Directory of further adapters, each of the model that it fits; null for none.</param>
    /// <param name="log">Told of adapters there that cannot be used, in one line each.</param>
    /// <exception cref="ArgumentException">Two have one name, or there is none.</exception>
    /// <exception cref="CheckpointException">The directory of adapters cannot be read.</exception>
    public ModelCatalog(IReadOnlyList<ModelSource> sources, TimeProvider clock, AdapterFolders? folders = null, Action<string>? log = null)
    {
        if (sources.Count == 0) throw new ArgumentException("models: expected at least one");
        Created = clock.GetUtcNow();
        var found = folders?.Names() ?? [];
        foreach (var name in sources.SelectMany(source => (source.AdapterNames ?? []).Prepend(source.Name)).Concat(found).GroupBy(name => name).Where(group => group.Count() > 1))
            throw new ArgumentException($"models: '{name.Key}' is the name of two; rename a directory");
        _firstName = sources[0].Name;
        var entries = new Dictionary<string, Entry>(StringComparer.Ordinal);
        foreach (var source in sources)
        {
            var loading = Task.Factory.StartNew(source.Open, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            _loading.Add(loading);
            Add(entries, source.Name, loading, source.AdapterNames ?? []);
        }

        foreach (var name in found) entries.Add(name, new Entry(false, null, new TaskCompletionSource<ModelChoice>().Task));
        _entries = entries;
        Loaded = LoadAsync(folders, found, log ?? (static _ => { }));
    }

    /// <summary>A catalogue of one model that is ready. Whoever opened it closes it.</summary>
    public ModelCatalog(ServedModel model, TimeProvider clock)
    {
        Created = clock.GetUtcNow();
        _firstName = model.Name;
        _loading.Add(Task.FromResult(model));
        _entries = new Dictionary<string, Entry>(StringComparer.Ordinal);
        Add(_entries, model.Name, _loading[0], model.AdapterNames);
        Loaded = _loading[0];
    }

    /// <summary>When the server began, which clients are told as the time a model was made.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>Ends when all models are ready, and adapters of the directory; fails with the reason why a model is not.</summary>
    public Task Loaded { get; }

    /// <summary>Models that are ready.</summary>
    public IEnumerable<ServedModel> Ready => _loading.Where(loading => loading.IsCompletedSuccessfully).Select(loading => loading.Result);

    /// <summary>Names of models and adapters, with the model an adapter belongs to and what requests get; null where that is not ready.</summary>
    public IEnumerable<(string Name, string? Parent, ModelChoice? Choice)> Entries =>
        _entries.Select(entry => (entry.Key, entry.Value.Parent, entry.Value.Choice.IsCompletedSuccessfully ? entry.Value.Choice.Result : null));

    /// <summary>Finds what a request asks for.</summary>
    /// <param name="name">The name; null for the only model, where there is one.</param>
    /// <exception cref="ApiException">There is no such model, or it is not ready.</exception>
    public ModelChoice Find(string? name)
    {
        var entries = _entries;
        if (name is null)
        {
            if (_loading.Count > 1) throw ApiException.Invalid("model", $"model: expected one of {string.Join(", ", entries.Keys)}, found nothing");
            name = _firstName;
        }

        if (!entries.TryGetValue(name, out var entry))
            throw new ApiException(404, $"The model '{name}' does not exist; this server has {string.Join(", ", entries.Keys)}", param: "model", code: "model_not_found");
        return entry.Choice.IsCompletedSuccessfully ? entry.Choice.Result : throw Loading(name);
    }

    /// <summary>Whether a name is that of a model, which is no adapter.</summary>
    public bool IsModel(string name) => _entries.TryGetValue(name, out var entry) && entry.IsModel;

    /// <summary>Whether a name has a meaning.</summary>
    public bool Has(string name) => _entries.ContainsKey(name);

    /// <summary>How many adapters there are.</summary>
    public int AdapterCount => _entries.Values.Count(entry => !entry.IsModel);

    /// <summary>Gives a name to an adapter, and lets go of the one that had it.</summary>
    /// <param name="name">No model's.</param>
    /// <param name="adapter">From now on the catalogue's.</param>
    public void Put(string name, ServedAdapter adapter)
    {
        var entry = new Entry(false, adapter.Form.Name, Task.FromResult(new ModelChoice(name, adapter.Form, adapter.Adapter)));
        LetGo(Change(entries => entries[name] = entry, name));
    }

    /// <summary>Takes the name from an adapter: requests that have it keep it, others do not find it.</summary>
    /// <exception cref="ApiException">It is being loaded.</exception>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string name)
    {
        if (_entries.TryGetValue(name, out var entry) && !entry.Choice.IsCompleted) throw Loading(name);
        var before = Change(entries => entries.Remove(name), name);
        LetGo(before);
        return before is not null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Loaded.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var entry in _entries.Values) LetGo(entry);
        foreach (var loading in _loading)
        {
            await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (loading.IsCompletedSuccessfully) await loading.Result.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static void Add(Dictionary<string, Entry> entries, string name, Task<ServedModel> loading, IEnumerable<string> adapters)
    {
        entries.Add(name, new Entry(true, null, OfAsync(model => new ModelChoice(name, model, null))));
        foreach (var adapter in adapters)
            entries.Add(adapter, new Entry(false, name, OfAsync(model => new ModelChoice(adapter, model.Opened(adapter).Form, model.Opened(adapter).Adapter))));

        async Task<ModelChoice> OfAsync(Func<ServedModel, ModelChoice> choose) => choose(await loading.ConfigureAwait(false));
    }

    /// <summary>Adapters of the directory are opened one by one behind the models; one that cannot be used keeps nobody from being served.</summary>
    private async Task LoadAsync(AdapterFolders? folders, IReadOnlyList<string> names, Action<string> log)
    {
        await Task.WhenAll(_loading).ConfigureAwait(false);
        foreach (var name in names)
        {
            try
            {
                var adapter = AdapterLoading.Open(folders!.Find(name) ?? throw new CheckpointException($"{name}: is gone"), [.. Ready]);
                if (adapter.Warning is { } warning) log(warning);
                Put(name, adapter);
            }
            catch (Exception fault) when (AdapterLoading.IsFault(fault))
            {
                log($"the adapter '{name}' is left out: {fault.Message}");
                Change(entries => entries.Remove(name), name);
            }
        }
    }

    /// <summary>Puts a changed table in the place of the one there is.</summary>
    /// <returns>What the name meant before.</returns>
    private Entry? Change(Action<Dictionary<string, Entry>> change, string name)
    {
        lock (_gate)
        {
            var before = _entries.GetValueOrDefault(name);
            var entries = new Dictionary<string, Entry>(_entries, StringComparer.Ordinal);
            change(entries);
            _entries = entries;
            return before;
        }
    }

    private static void LetGo(Entry? entry)
    {
        if (entry is { Choice.IsCompletedSuccessfully: true }) entry.Choice.Result.Adapter?.Dispose();
    }

    private static ApiException Loading(string name) => ApiException.Unavailable($"the model '{name}' is being loaded", retryAfterSeconds: 2);
}
