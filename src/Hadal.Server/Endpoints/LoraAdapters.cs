using Hadal.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/load_lora_adapter</c> and <c>POST /v1/unload_lora_adapter</c>, in the form of vLLM.</summary>
internal static class LoraAdapters
{
    private const int LongestPath = 1024;

    /// <summary>Loads an adapter, or puts it in the place of the one of that name.</summary>
    public static async Task LoadAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var (name, path) = (request.RequiredText("lora_name"), request.Text("lora_path", LongestPath) ?? throw request.Missing("lora_path"));
        var (model, replaces) = (request.Text("base_model_name"), request.Flag("load_inplace") ?? true);
        request.End();
        var (parent, warning) = await Allowed(scope).LoadAsync(name, path, model, replaces, scope.Cancel.Token).ConfigureAwait(false);
        if (warning is not null) scope.Server.Options.Log(warning);
        Note(scope, $"the adapter '{name}' of '{parent}' was loaded from {path}");
        await WriteAsync(scope, $"Success: LoRA adapter '{name}' added successfully.{(warning is null ? "" : $" It was trained beside another model than '{parent}'; its answers may be worse.")}").ConfigureAwait(false);
    }

    /// <summary>Unloads an adapter.</summary>
    public static async Task UnloadAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var name = request.RequiredText("lora_name");

        // A number that vLLM gives adapters; the name is enough.
        request.Integer("lora_int_id", int.MinValue, int.MaxValue);
        request.End();
        Allowed(scope).Unload(name);
        Note(scope, $"the adapter '{name}' was unloaded");
        await WriteAsync(scope, $"Success: LoRA adapter '{name}' removed successfully.").ConfigureAwait(false);
    }

    /// <summary>Answers of everybody change with an adapter: who may load one was named by the operator, or is on this machine where no keys are asked for.</summary>
    private static AdapterLoading Allowed(RequestScope scope)
    {
        if (scope.Server.Adapters is not { } adapters)
            throw new ApiException(403, "this server has the adapters that it was started with; hadal serve --adapters DIR (ServerOptions.AdapterFolder) lets it load those of a directory", code: "adapters_not_allowed");
        if (scope.Server.Keys is null && !scope.Server.Options.IsLoopbackOnly)
            throw new ApiException(403, "this server can be reached from other machines without a key, and does not let everybody load adapters; hadal serve --api-key-file FILE with may=adapters behind a key lets that one", code: "adapters_not_allowed");
        if (scope.Server.Keys is not null && !scope.Caller.MayLoadAdapters)
            throw new ApiException(403, "this key may not load adapters; may=adapters behind it in the file of keys lets it", code: "adapters_not_allowed");
        return adapters;
    }

    /// <summary>Operators see what their users are answered with, and by whom that was changed.</summary>
    private static void Note(RequestScope scope, string what) => scope.Server.Options.Log(scope.Caller.Name.Length == 0 ? what : $"{what} by the key {scope.Caller.Name}");

    private static Task WriteAsync(RequestScope scope, string text)
    {
        scope.Http.Response.ContentType = "text/plain; charset=utf-8";
        return scope.Http.Response.WriteAsync(text, scope.Http.RequestAborted);
    }
}
