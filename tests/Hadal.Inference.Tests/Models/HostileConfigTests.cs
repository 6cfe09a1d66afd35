using System.Text.Json.Nodes;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;

namespace Hadal.Inference.Tests.Models;

/// <summary>Configs with any value in any key, over weights that do not change: a model computes, or is refused before it does.</summary>
public sealed class HostileConfigTests
{
    private static readonly string[] Values =
    [
        "null", "0", "1", "2", "3", "4", "7", "8", "16", "64", "1000", "65536", "2147483647", "-1", "0.5", "1e-30", "1e30", "1e400", "true", "false", "\"\"", "\"yarn\"", "\"greedy\"", "\"sigmoid\"", "[]", "{}",
        "{\"type\":\"yarn\",\"factor\":40,\"original_max_position_embeddings\":1}", "{\"type\":\"yarn\",\"factor\":0.001,\"beta_fast\":1e6,\"beta_slow\":1e-6}",
        "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4}", "{\"rope_type\":\"linear\",\"factor\":1e-5}",
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_value_of_any_key_computes_or_is_refused(bool isDeepSeek)
    {
        ModelConfig config = isDeepSeek ? TinyModel.DeepSeek with { NumNextnPredictLayers = 1 } : TinyModel.GroupedQuery;
        var folder = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            using (var model = new TinyModel(config, seed: 3)) SafetensorsWriter.WriteModel(folder.FullName, model.Tensors.Values.SelectMany(TensorToWrite.From));
            int computed = 0, refused = 0;
            var json = JsonNode.Parse(config.ToJson())!.AsObject();
            foreach (var key in json.Select(pair => pair.Key).Append("rope_scaling").Append("q_lora_rank").Append("tie_word_embeddings").Distinct().ToList())
            {
                foreach (var value in Values)
                {
                    var changed = json.DeepClone().AsObject();
                    changed[key] = JsonNode.Parse(value);
                    File.WriteAllText(Path.Combine(folder.FullName, "config.json"), changed.ToJsonString());
                    if (Computes(folder.FullName, $"{key} = {value}")) computed++;
                    else refused++;
                }
            }

            Assert.InRange(computed, 50, int.MaxValue);
            Assert.InRange(refused, 100, int.MaxValue);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static bool Computes(string path, string what)
    {
        try
        {
            using var checkpoint = Checkpoint.Open(path);
            using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 1, MaxContext = 16, MaxBatchTokens = 16 });
            Assert.Equal(12 * checkpoint.Config.VocabSize, Generation.AllLogits(model, TinyModel.Tokens(12, 5)).Length);
            return true;
        }
        catch (CheckpointException)
        {
            return false;
        }
        catch (Exception fault) when (fault is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException($"{what}: {fault.GetType().Name}: {fault.Message}", fault);
        }
    }
}
