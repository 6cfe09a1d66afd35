using System.Text.Json;
using System.Xml.Linq;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>Which project may use which: the arrows point from the commands to the checkpoint, and nothing that runs models needs libtorch.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Hadal.Checkpoints"] = [],
        ["Hadal.Inference"] = ["Hadal.Checkpoints"],
        ["Hadal.Training"] = ["Hadal.Checkpoints"],
        ["Hadal.Knowledge"] = ["Hadal.Checkpoints"],
        ["Hadal.Server"] = ["Hadal.Checkpoints", "Hadal.Inference"],
        ["Hadal.Gateway"] = [],
        ["Hadal.Web"] = [],
        ["Hadal.Cli"] = ["Hadal.Checkpoints", "Hadal.Inference", "Hadal.Server"],
        ["Hadal.Train"] = ["Hadal.Checkpoints", "Hadal.Inference", "Hadal.Training"],
    };

    [Fact]
    public void Every_project_uses_only_the_projects_it_may()
    {
        var projects = Projects();
        Assert.Contains("Hadal.Cli", projects.Keys);
        foreach (var (name, file) in projects)
        {
            Assert.True(Allowed.TryGetValue(name, out var allowed), $"{name}: a new project needs its arrows here and its reason in docs/decisions.md");
            Assert.All(ReferencesOf(file), reference => Assert.Contains(reference, allowed));
        }
    }

    [Fact]
    public void Who_only_runs_models_never_restores_libtorch()
    {
        var projects = Projects();
        var torch = LockedPackages(projects["Hadal.Train"]);
        Assert.Contains(torch, IsTorch);
        string[] runners = ["Hadal.Checkpoints", "Hadal.Inference", "Hadal.Server", "Hadal.Cli"];
        foreach (var (name, file) in projects.Where(project => runners.Contains(project.Key)))
            Assert.False(LockedPackages(file).Any(IsTorch), $"{name} restores {string.Join(", ", LockedPackages(file).Where(IsTorch))}");
    }

    private static bool IsTorch(string package) => package.Contains("torch", StringComparison.OrdinalIgnoreCase) || package.StartsWith("hadal.train", StringComparison.OrdinalIgnoreCase);

    private static Dictionary<string, string> Projects() => Directory.EnumerateFiles(Path.Combine(SharedData.RepositoryRoot, "src"), "*.csproj", SearchOption.AllDirectories)
        .ToDictionary(file => Path.GetFileNameWithoutExtension(file), file => file);

    private static List<string> ReferencesOf(string project) =>
        [.. XDocument.Load(project).Descendants("ProjectReference").Select(reference => Path.GetFileNameWithoutExtension(((string)reference.Attribute("Include")!).Replace('\\', '/')))];

    private static List<string> LockedPackages(string project)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json")));
        return [.. document.RootElement.GetProperty("dependencies").EnumerateObject().SelectMany(framework => framework.Value.EnumerateObject()).Select(package => package.Name)];
    }
}
