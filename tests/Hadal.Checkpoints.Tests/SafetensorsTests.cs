using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

public sealed class SafetensorsTests
{
    [Fact]
    public void Loading_and_saving_a_published_file_gives_the_same_bytes()
    {
        var source = GoldenData.PathOf("deepseek-v3/hf/model.safetensors");
        var copy = Path.Combine(Directory.CreateTempSubdirectory("hadal-").FullName, "copy.safetensors");
        using (var checkpoint = Checkpoint.Open(GoldenData.PathOf("deepseek-v3/hf")))
            SafetensorsWriter.Write(copy, checkpoint.Tensors.Values.SelectMany(TensorToWrite.From));

        Assert.Equal(File.ReadAllBytes(source), File.ReadAllBytes(copy));
        Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
    }
}
