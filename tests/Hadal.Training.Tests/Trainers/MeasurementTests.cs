using System.Text;
using System.Xml.Linq;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Tests.Models;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Trainers;

/// <summary>Bits per byte, the log and the picture.</summary>
public sealed class MeasurementTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(120)]
    public void Bits_per_byte_are_the_surprise_of_every_token_given_its_window(int maxBytes)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var directory = Directory.CreateTempSubdirectory("hadal-bits-");
        try
        {
            const string text = "the sea is deep\nand cold 深海 无光\nlight falls no further\nthe sea is deep and cold, the light falls\nno further 😀 than here\nthe end of it\n";
            TokenizerFiles.Write(directory.FullName, BpeTrainer.Train([text, text], new BpeTrainerOptions { VocabSize = 290 }), null, 64);
            File.WriteAllText(Path.Combine(directory.FullName, "generation_config.json"), """{"bos_token_id": 0, "eos_token_id": 1}""");
            var tokenizer = TokenizerLoader.FromDirectory(directory.FullName);
            using var model = new DeepSeekModel(ModelFixture.Tiny with { VocabSize = 290 });
            model.Draw(3, 0.2);
            const int window = 7;
            var measured = BitsPerByte.Measure(model, tokenizer, text, window, maxBytes, AttentionMode.Sparse);

            // Directly: one token after another, each from the beginning of its window; the token before the window is the last it sees of the past.
            var read = maxBytes == 0 ? text : text[..(text.LastIndexOf('\n', 100) + 1)];
            Assert.True(maxBytes == 0 || Encoding.UTF8.GetByteCount(read) <= maxBytes);
            long[] ids = [0, .. tokenizer.Encode(read, addSpecial: false).Select(id => (long)id)];
            Assert.True(ids.Length > 4 * window + 3);
            var bits = 0.0;
            for (var index = 1; index < ids.Length; index++)
            {
                var begin = (index - 1) / window * window;
                var seen = tensor(ids[begin..index]).unsqueeze(0);
                var logits = model.Logits(model.Hidden(seen, AttentionMode.Sparse, new AuxiliaryLosses()))[0, -1];
                bits -= logits.log_softmax(-1)[ids[index]].item<float>() / Math.Log(2);
            }

            Assert.Equal(bits / Encoding.UTF8.GetByteCount(read), measured, 1e-5);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void Reopened_the_log_keeps_whole_lines_up_to_the_step_and_no_more()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("hadal-log-").FullName, "metrics.jsonl");
        var log = MetricsLog.Open(path, 0);
        for (var step = 1; step <= 6; step++) log.Add(Line(step));
        File.AppendAllText(path, """{"step":7,"stage":"den""");

        Assert.Equal([1, 2, 3, 4], MetricsLog.Open(path, 4).Lines.Select(line => line.Step));
        Assert.Equal(4, File.ReadAllLines(path).Length);
        var again = MetricsLog.Open(path, 4);
        again.Add(Line(5));
        Assert.Equal(Enumerable.Range(1, 5).Select(step => (long)step), MetricsLog.Open(path, 9).Lines.Select(line => line.Step));
        Assert.Equal(1.5, MetricsLog.Open(path, 9).Lines[0].BitsPerByte!["zh"]);
        Assert.Empty(MetricsLog.Open(path, 0).Lines);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public void Figures_that_are_no_finite_numbers_are_left_out_of_the_log()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-log-");
        var path = Path.Combine(folder.FullName, "metrics.jsonl");
        var log = MetricsLog.Open(path, 0);
        log.Add(Line(1) with { Validation = new Dictionary<string, double> { ["loss"] = double.NaN, ["accuracy"] = 0.5 } });
        log.Add(Line(2) with { Validation = new Dictionary<string, double> { ["loss"] = double.PositiveInfinity } });
        var lines = MetricsLog.Open(path, 9).Lines;
        Assert.Equal(["accuracy"], lines[0].Validation!.Keys);
        Assert.Null(lines[1].Validation);
        folder.Delete(recursive: true);
    }

    [Fact]
    public void The_picture_is_well_formed_whatever_was_logged()
    {
        XNamespace svg = "http://www.w3.org/2000/svg";
        Assert.Empty(Parse([]).Descendants(svg + "polyline"));
        Assert.Empty(Parse([Line(1)]).Descendants(svg + "polyline"));
        var picture = Parse([Line(1), Line(2, "<a & \"b\">"), Line(3, "<a & \"b\">")]);
        Assert.Equal(3, picture.Descendants(svg + "polyline").Count());
        Assert.Contains(picture.Descendants(svg + "text"), text => text.Value == "bits per byte, <a & \"b\">");
        var points = picture.Descendants(svg + "polyline").SelectMany(line => ((string)line.Attribute("points")!).Split(' ')).Select(point => point.Split(',').Select(number => double.Parse(number, System.Globalization.CultureInfo.InvariantCulture)).ToArray());
        Assert.All(points, point => Assert.True(point[0] is >= 0 and <= 900 && point[1] is >= 0 and <= 480));

        static XElement Parse(IReadOnlyList<StepMetrics> lines) => XDocument.Parse(LossPicture.Draw(lines)).Root!;
    }

    private static StepMetrics Line(long step, string language = "zh") => new()
    {
        Step = step, Stage = "dense", Tokens = step * 10, Loss = 5.0 / step, MtpLoss = 6, GradientNorm = 1, LearningRate = 1e-3, TokensPerSecond = 100,
        BitsPerByte = new Dictionary<string, double> { [language] = 1.5 },
    };
}
