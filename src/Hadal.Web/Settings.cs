using Hadal.Web.Language;

namespace Hadal.Web;

/// <summary>Which colours are wanted.</summary>
public enum ThemeChoice
{
    /// <summary>Those of the system.</summary>
    System,

    /// <summary>Light.</summary>
    Light,

    /// <summary>Dark.</summary>
    Dark,
}

/// <summary>What a reader has chosen for the whole page. It is kept in this browser and goes nowhere else.</summary>
/// <param name="browser">Keeps it.</param>
public sealed class Settings(Browser browser)
{
    private bool _systemIsDark;

    /// <summary>Something has changed.</summary>
    public event Action? Changed;

    /// <summary>The words of the page.</summary>
    public Texts Texts { get; private set; } = Texts.English;

    /// <summary>Which colours are wanted.</summary>
    public ThemeChoice Theme { get; private set; }

    /// <summary>Whether the colours are dark now.</summary>
    public bool IsDark => Theme == ThemeChoice.Dark || (Theme == ThemeChoice.System && _systemIsDark);

    /// <summary>The key that the server asks for; empty for none.</summary>
    public string ApiKey { get; private set; } = "";

    /// <summary>Reads what was chosen.</summary>
    public async Task LoadAsync()
    {
        var taste = await browser.TasteAsync();
        _systemIsDark = taste.IsDark;
        Texts = Texts.Of(await browser.ReadAsync("language") ?? taste.Language);
        Theme = Enum.TryParse<ThemeChoice>(await browser.ReadAsync("theme"), out var theme) && Enum.IsDefined(theme) ? theme : ThemeChoice.System;
        ApiKey = await browser.ReadAsync("key") ?? "";
        await browser.DressAsync(Texts.Code, IsDark);
    }

    /// <summary>Changes the language.</summary>
    public Task SpeakAsync(Texts texts)
    {
        Texts = texts;
        return ChangeAsync("language", texts.Code);
    }

    /// <summary>Changes the colours.</summary>
    public Task DressAsync(ThemeChoice theme)
    {
        Theme = theme;
        return ChangeAsync("theme", theme.ToString());
    }

    /// <summary>Changes the key.</summary>
    public Task UnlockAsync(string key)
    {
        ApiKey = key.Trim();
        return ChangeAsync("key", ApiKey.Length > 0 ? ApiKey : null);
    }

    private async Task ChangeAsync(string name, string? value)
    {
        await browser.WriteAsync(name, value);
        await browser.DressAsync(Texts.Code, IsDark);
        Changed?.Invoke();
    }
}
