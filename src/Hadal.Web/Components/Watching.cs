using Hadal.Web.Language;
using Microsoft.AspNetCore.Components;

namespace Hadal.Web.Components;

/// <summary>A part of the page that is drawn again when the settings or the workspace have changed.</summary>
public abstract class Watching : ComponentBase, IDisposable
{
    /// <summary>What was chosen for the whole page.</summary>
    [Inject]
    protected Settings Settings { get; private set; } = null!;

    /// <summary>What the page works on.</summary>
    [Inject]
    protected Workspace Workspace { get; private set; } = null!;

    /// <summary>The words of the page.</summary>
    protected Texts T => Settings.Texts;

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        Settings.Changed += StateHasChanged;
        Workspace.Changed += StateHasChanged;
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Settings.Changed -= StateHasChanged;
        Workspace.Changed -= StateHasChanged;
        GC.SuppressFinalize(this);
    }
}
