using System.Runtime.CompilerServices;
using Hadal.Training.Torch;

namespace Hadal.Tests;

internal static class TorchSetup
{
    /// <summary>Tests touch TorchSharp before anything of Hadal; without this it would look for libtorch by itself and copy the package into the output folder.</summary>
    [ModuleInitializer]
    internal static void LoadTorch() => TorchRuntime.Initialize();
}
