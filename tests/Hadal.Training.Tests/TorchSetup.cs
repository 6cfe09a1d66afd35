using System.Runtime.CompilerServices;
using Hadal.Training.Torch;

// Torch draws from one generator for the whole process, and some tests count its tensors.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Hadal.Tests;

internal static class TorchSetup
{
    /// <summary>Tests touch TorchSharp before anything of Hadal; without this it would look for libtorch by itself and copy the package into the output folder.</summary>
    [ModuleInitializer]
    internal static void LoadTorch() => TorchRuntime.Initialize();
}
