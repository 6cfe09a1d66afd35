using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hadal.Web;

/// <summary>What only the browser can do: its stores, its clipboard, downloads, keys and scrolling. The other side is <c>hadal.js</c>.</summary>
/// <param name="runtime">Calls into the browser.</param>
public sealed class Browser(IJSRuntime runtime) : IAsyncDisposable
{
    private IJSObjectReference? _module;

    /// <summary>A small text kept in this browser, or null.</summary>
    public async Task<string?> ReadAsync(string key) => await (await ModuleAsync()).InvokeAsync<string?>("read", key);

    /// <summary>Keeps a small text; null forgets it.</summary>
    public async Task WriteAsync(string key, string? value) => await (await ModuleAsync()).InvokeVoidAsync("write", key, value);

    /// <summary>All conversations that are kept, as JSON.</summary>
    public async Task<string[]> LoadAsync() => await (await ModuleAsync()).InvokeAsync<string[]>("load");

    /// <summary>Keeps a conversation; false where the browser gives no more room.</summary>
    public async Task<bool> KeepAsync(string id, string json) => await (await ModuleAsync()).InvokeAsync<bool>("keep", id, json);

    /// <summary>Forgets a conversation.</summary>
    public async Task ForgetAsync(string id) => await (await ModuleAsync()).InvokeVoidAsync("forget", id);

    /// <summary>Puts a text on the clipboard; false where the browser refuses.</summary>
    public async Task<bool> CopyAsync(string text) => await (await ModuleAsync()).InvokeAsync<bool>("copy", text);

    /// <summary>Saves a text as a file.</summary>
    public async Task DownloadAsync(string name, string text) => await (await ModuleAsync()).InvokeVoidAsync("download", name, text);

    /// <summary>Moves the focus to the first element that a selector finds.</summary>
    public async Task FocusAsync(string selector) => await (await ModuleAsync()).InvokeVoidAsync("focus", selector);

    /// <summary>Tells the document its language and its colours.</summary>
    public async Task DressAsync(string language, bool isDark) => await (await ModuleAsync()).InvokeVoidAsync("dress", language, isDark);

    /// <summary>Whether the system asks for dark colours, and which language it prefers.</summary>
    public async Task<SystemTaste> TasteAsync() => await (await ModuleAsync()).InvokeAsync<SystemTaste>("taste");

    /// <summary>Whether there is room for a list beside the conversation.</summary>
    public async Task<bool> IsWideAsync() => await (await ModuleAsync()).InvokeAsync<bool>("isWide");

    /// <summary>Keeps the end of a scrolled element in sight while it grows, as long as the reader is there.</summary>
    public async Task FollowAsync(ElementReference scrolled) => await (await ModuleAsync()).InvokeVoidAsync("follow", scrolled);

    /// <summary>Shows the end of a scrolled element.</summary>
    public async Task ScrollToEndAsync(ElementReference scrolled) => await (await ModuleAsync()).InvokeVoidAsync("toEnd", scrolled);

    /// <summary>Tells an object of shortcuts, by its method <c>OnShortcut</c>.</summary>
    public async Task ListenAsync<T>(DotNetObjectReference<T> target)
        where T : class => await (await ModuleAsync()).InvokeVoidAsync("listen", target);

    /// <summary>Makes Enter in a field call <c>OnSubmit</c>, unless a word is being composed or Shift is held.</summary>
    public async Task SubmitOnEnterAsync<T>(ElementReference field, DotNetObjectReference<T> target)
        where T : class => await (await ModuleAsync()).InvokeVoidAsync("submitOnEnter", field, target);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_module is not null) await _module.DisposeAsync();
    }

    private async Task<IJSObjectReference> ModuleAsync() => _module ??= await runtime.InvokeAsync<IJSObjectReference>("import", "./hadal.js");
}

/// <summary>What the system prefers.</summary>
/// <param name="IsDark">Dark colours.</param>
/// <param name="Language">For example <c>zh-CN</c>.</param>
public sealed record SystemTaste(bool IsDark, string Language);
