using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A module whose parts are named by its constructor, with the names of the published checkpoints.</summary>
/// <remarks>TorchSharp names fields by reflection once, when the first part is registered; doing that while no field is set yet leaves all names to the constructor.</remarks>
public abstract class NamedModule : nn.Module
{
    /// <summary>Starts with no parts.</summary>
    protected NamedModule(string name) : base(name) => RegisterComponents();
}

/// <summary>A <see cref="NamedModule"/> that maps one tensor to one tensor.</summary>
public abstract class NamedMap : nn.Module<Tensor, Tensor>
{
    /// <summary>Starts with no parts.</summary>
    protected NamedMap(string name) : base(name) => RegisterComponents();
}
