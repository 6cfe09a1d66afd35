using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Server.Http;

namespace Hadal.Server;

/// <summary>Loads and unloads adapters of a directory while the server answers, one at a time.</summary>
/// <param name="folders">The directory; nothing outside of it is opened.</param>
/// <param name="catalog">Where they get their names.</param>
internal sealed class AdapterLoading(AdapterFolders folders, ModelCatalog catalog) : IDisposable
{
    /// <summary>Adapters that a server has at most.</summary>
    private const int MostAdapters = 256;

    private const int LongestName = 128;

    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Loads an adapter and gives it a name; whoever asks for the name afterwards gets it.</summary>
    /// <param name="name">The name.</param>
    /// <param name="path">Its folder in the directory.</param>
    /// <param name="modelName">The model it is for; null for the one that it was trained beside, else the first that it fits.</param>
    /// <param name="replaces">Whether it may take the place of another one of that name.</param>
    /// <param name="cancel">Ends the waiting for others.</param>
    /// <returns>The model it is for, and what the operator is to be told, in one line with paths, or null.</returns>
    /// <exception cref="ApiException">It cannot be loaded; nothing has changed.</exception>
    public async Task<(string Model, string? Warning)> LoadAsync(string name, string path, string? modelName, bool replaces, CancellationToken cancel)
    {
        CheckName(name);
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (!catalog.Loaded.IsCompletedSuccessfully) throw ApiException.Unavailable("models are being loaded", retryAfterSeconds: 2);
            if (catalog.Has(name) && !replaces) throw ApiException.Invalid("lora_name", $"lora_name: '{name}' is loaded; leave load_inplace out, or give it as true, to replace it");
            if (!catalog.Has(name) && catalog.AdapterCount >= MostAdapters)
                throw ApiException.Invalid("lora_name", FormattableString.Invariant($"lora_name: this server has {MostAdapters} adapters, which is as many as it takes; unload one first"));
            var folder = Find(path);
            var models = catalog.Ready.Where(model => modelName is null || model.Name == modelName).ToList();
            if (models.Count == 0) throw new ApiException(404, $"base_model_name: '{modelName}' is no model of this server; expected one of {string.Join(", ", catalog.Ready.Select(model => model.Name))}", param: "base_model_name", code: "model_not_found");
            var adapter = await Task.Run(() => Open(folder, models), cancel).ConfigureAwait(false);
            catalog.Put(name, adapter);
            return (adapter.Form.Name, adapter.Warning);
        }
        catch (Exception fault) when (IsFault(fault))
        {
            throw ApiException.Invalid("lora_path", $"lora_path: {fault.Message.Replace(folders.RealPath + Path.DirectorySeparatorChar, "", StringComparison.Ordinal)}");
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Unloads an adapter: requests that have begun with it end with it, later ones do not find it.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ApiException">There is none.</exception>
    public void Unload(string name)
    {
        CheckName(name);
        if (!catalog.Remove(name)) throw new ApiException(404, $"lora_name: there is no adapter '{name}'", param: "lora_name", code: "model_not_found");
    }

    /// <summary>Opens an adapter on the model that it belongs to.</summary>
    /// <param name="folder">Its directory.</param>
    /// <param name="models">Models that it may belong to, at least one.</param>
    public static ServedAdapter Open(string folder, IReadOnlyList<ServedModel> models) =>
        models[LoraAdapter.FindBase(folder, [.. models.Select(model => model.Checkpoint)])].Load(folder, FreeBytes());

    /// <summary>Whether a fault of opening is the adapter's own.</summary>
    public static bool IsFault(Exception fault) => fault is CheckpointException or ChatTemplateException or OutOfMemoryException;

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    /// <summary>Memory that nobody uses, as the run time saw it when it last collected garbage.</summary>
    private static long FreeBytes()
    {
        var memory = GC.GetGCMemoryInfo();
        return memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes;
    }

    private string Find(string path)
    {
        try
        {
            return folders.Find(path) ?? throw new ApiException(404, $"lora_path: there is no folder '{path}' in the directory that --adapters names", param: "lora_path", code: "adapter_not_found");
        }
        catch (CheckpointException fault)
        {
            throw new ApiException(403, $"lora_path: {fault.Message}, which --adapters names", param: "lora_path", code: "path_not_allowed");
        }
    }

    private void CheckName(string name)
    {
        if (name.Length is 0 or > LongestName || name.Any(unit => char.IsControl(unit)))
            throw ApiException.Invalid("lora_name", FormattableString.Invariant($"lora_name: expected 1 to {LongestName} characters, none of them a control character"));
        if (catalog.IsModel(name)) throw ApiException.Invalid("lora_name", $"lora_name: '{name}' is a model of this server, expected the name of an adapter");
    }
}
