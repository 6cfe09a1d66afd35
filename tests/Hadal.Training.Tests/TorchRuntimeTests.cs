using System.Runtime.InteropServices;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Tests;

public sealed class TorchRuntimeTests
{
    [Fact]
    public void Libtorch_loads_and_computes_with_gradients()
    {
        TorchRuntime.Initialize();
        TorchRuntime.Initialize();
        using var x = tensor([1f, 2f, 3f], requires_grad: true);
        using var sum = x.pow(2).sum();
        sum.backward();
        Assert.Equal(14f, sum.item<float>());
        Assert.Equal([2f, 4f, 6f], x.grad!.data<float>().ToArray());
    }

    [Fact]
    public void Output_folder_carries_no_copy_of_libtorch()
    {
        var natives = Directory.EnumerateFiles(AppContext.BaseDirectory, "*.so*", SearchOption.AllDirectories).Select(Path.GetFileName).ToList();
        Assert.DoesNotContain(natives, file => file!.Contains("torch", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_version_need_is_made_weak_and_nothing_else_changes()
    {
        var before = TinyLibrary();
        var after = TinyLibrary();
        Assert.Equal(1, ElfVersionNeeds.MakeWeak(after, "GLIBCXX_3.4.32"));
        var changed = Enumerable.Range(0, before.Length).Where(index => before[index] != after[index]).ToList();
        Assert.Equal([NeedOffset + 16 + 4], changed);
        Assert.Equal(2, after[changed[0]]);
        Assert.Equal(0, ElfVersionNeeds.MakeWeak(TinyLibrary(), "GLIBCXX_9.9.9"));
    }

    [Fact]
    public void Bytes_that_are_no_library_or_point_outside_are_refused()
    {
        Assert.Throws<InvalidDataException>(() => ElfVersionNeeds.MakeWeak(new byte[10], "X"));
        for (var length = 64; length < SectionsOffset + 64 + 0x2c; length++)
        {
            var cut = TinyLibrary().AsSpan(0, length).ToArray();
            Assert.Throws<InvalidDataException>(() => ElfVersionNeeds.MakeWeak(cut, "GLIBCXX_3.4.32"));
        }
    }

    private const int StringsOffset = 64, NeedOffset = 96, SectionsOffset = 128;

    /// <summary>An ELF64 header, one string table with the version's name, one need with one auxiliary entry, and their two section headers.</summary>
    private static byte[] TinyLibrary()
    {
        var file = new byte[SectionsOffset + 128];
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(file);
        Put(file, 0x28, (long)SectionsOffset);
        Put(file, 0x3a, (short)64);
        Put(file, 0x3c, (short)2);
        "\0GLIBCXX_3.4.32\0"u8.CopyTo(file.AsSpan(StringsOffset));
        Put(file, NeedOffset, (short)1);
        Put(file, NeedOffset + 2, (short)1);
        Put(file, NeedOffset + 8, 16);
        Put(file, NeedOffset + 16 + 8, 1);
        Put(file, SectionsOffset + 4, 3);
        Put(file, SectionsOffset + 0x18, (long)StringsOffset);
        Put(file, SectionsOffset + 64 + 4, 0x6ffffffe);
        Put(file, SectionsOffset + 64 + 0x18, (long)NeedOffset);
        return file;
    }

    private static void Put<T>(byte[] file, int offset, T value) where T : unmanaged => MemoryMarshal.Write(file.AsSpan(offset), in value);
}
