using System.Text.Json;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Training.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using Hadal.Training.Tests.Models;
using Hadal.Training.Tests.Trainers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Adapters;

/// <summary>The arithmetic of adapters, which projections they are put on, and what their files say.</summary>
public sealed class LowRankAdapterTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void The_example_gives_its_outputs_plain_with_root_scale_and_with_trained_lengths(bool hasRootScale, bool hasMagnitude)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var example = ModelFixture.Open("lora.json");
        using var projection = new Projection(3, 4, 1, CPU);
        projection.Weight.copy_(example.Numbers("weight"));
        var dora = example.GetProperty("dora");
        using var update = projection.Update = new LowRankUpdate(projection, 2, example.GetProperty(hasRootScale ? "rslora_scale" : "scale").GetDouble(), 0, hasMagnitude);
        Assert.True(update.A.abs().max().item<float>() <= example.GetProperty("kaiming_uniform_bound").GetProperty("bound").GetDouble());
        Assert.Equal(0, update.B.abs().max().item<float>());
        if (hasMagnitude) ModelFixture.Near(dora.Numbers("initial_magnitude"), update.Magnitude!, 1e-6);

        var x = example.Numbers("x");
        ModelFixture.Near(matmul(projection.Weight, x), projection.forward(x), 1e-6);
        update.A.copy_(example.Numbers("lora_A"));
        update.B.copy_(example.Numbers("lora_B"));
        update.Magnitude?.copy_(dora.Numbers("trained_magnitude"));
        var expected = hasMagnitude ? dora.Numbers("y") : hasRootScale ? matmul(example.Numbers("merged_rslora"), x) : example.Numbers("y");
        ModelFixture.Near(expected, projection.forward(x), 1e-5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dropout_acts_while_training_only_and_averages_to_nothing(bool hasMagnitude)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(1);
        using var projection = new Projection(5, 8, 1, CPU);
        using var update = projection.Update = new LowRankUpdate(projection, 2, 0.5, 0.3, hasMagnitude);
        update.B.normal_();
        update.Magnitude?.mul_(1.1);
        var x = randn(1, 8);
        var plain = projection.forward(x);
        ModelFixture.Near(plain, projection.forward(x), 0);
        update.IsTraining = true;
        var mean = projection.forward(x.expand(40_000, 8)).mean([0], keepdim: true);
        Assert.True((projection.forward(x) - plain).abs().max().item<float>() > 1e-3);

        // A sum of eight terms of size one, half a term's variance each, over 40,000 rows: about 0.01.
        ModelFixture.Near(plain, mean, 0.06);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void The_loss_of_an_adapted_head_and_its_gradients_are_those_of_the_matrix_it_makes(bool isTied, bool hasMagnitude)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(2);
        using var model = new GroupedQueryModel(TinyAdaptation.Qwen with { TieWordEmbeddings = isTied });
        var options = new LoraOptions { R = 3, LoraAlpha = 6, UseDora = hasMagnitude, TargetModules = JsonElement.Parse("""["lm_head"]""") };
        using var adapter = LowRankAdapter.Attach(model, options, "base");
        var update = model.Head!.Update!;
        using (no_grad())
        {
            update.B.normal_();
            update.Magnitude?.mul_(1.3);
        }

        // More rows than are computed at once.
        var (hidden, targets) = (randn(700, 16).requires_grad_(), randint(300, [700], dtype: ScalarType.Int64));
        var loss = model.Loss(hidden, targets);
        loss.backward();
        var (otherHidden, a, b, magnitude) = (hidden.detach().requires_grad_(), update.A.detach().requires_grad_(), update.B.detach().requires_grad_(), update.Magnitude?.detach().requires_grad_());
        var merged = model.Head.Weight.detach().add(matmul(b, a).mul(2));
        if (magnitude is not null) merged = merged * (magnitude / merged.detach().norm(1)).unsqueeze(1);
        var expected = nn.functional.cross_entropy(matmul(otherHidden, merged.t()), targets);
        expected.backward();
        ModelFixture.Near(expected, loss, 1e-5);
        ModelFixture.Near(otherHidden.grad!, hidden.grad!, 1e-6);
        ModelFixture.Near(a.grad!, update.A.grad!, 1e-5);
        ModelFixture.Near(b.grad!, update.B.grad!, 1e-5);
        if (magnitude is not null) ModelFixture.Near(magnitude.grad!, update.Magnitude!.grad!, 1e-5);
        Assert.True(a.grad!.abs().max().item<float>() > 1e-3);
        Assert.Null(model.Head.Weight.grad);
        Assert.Equal(hasMagnitude ? 3 : 2, adapter.Parameters.Count);
        ModelFixture.Near(expected, model.LogProbabilities(hidden, targets).mean().neg(), 1e-5);
    }

    [Fact]
    public void A_row_of_zeros_whose_length_is_trained_stays_zero_and_spoils_no_gradient()
    {
        using var scope = NewDisposeScope();
        using var projection = new Projection(3, 4, 0.5, CPU);
        using (no_grad()) projection.Weight[1].zero_();
        using var update = new LowRankUpdate(projection, 2, 1, dropout: 0, hasMagnitude: true);
        var output = update.Apply(projection, ones(2, 4));
        output.sum().backward();
        Assert.Equal([0f, 0f], output.select(1, 1).data<float>().ToArray());
        Assert.NotEqual(0, output.select(1, 0).data<float>()[0]);
        Assert.All((Parameter[])[update.A, update.B, update.Magnitude!], parameter => Assert.All(parameter.grad!.data<float>().ToArray(), number => Assert.True(float.IsFinite(number))));
    }

    [Fact]
    public void Names_endings_patterns_and_all_linear_find_their_projections()
    {
        using var qwen = new GroupedQueryModel(TinyAdaptation.Qwen);
        Assert.Equal(["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj", "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"], Find(qwen, """["q_proj", "v_proj"]"""));
        Assert.Equal(["model.layers.1.self_attn.q_proj"], Find(qwen, """["layers.1.self_attn.q_proj"]"""));
        Assert.Equal(["model.layers.0.mlp.up_proj"], Find(qwen, "\"model\\\\.layers\\\\.0\\\\..*up_proj\""));
        Assert.Equal(14, Find(qwen, "\"all-linear\"").Count);
        Assert.Throws<TrainingException>(() => Find(qwen, "\"up_proj\""));
        Assert.Throws<TrainingException>(() => Find(qwen, "\"(\""));

        Assert.Equal(["model.embed_tokens", "model.layers.0.self_attn.q_proj"], Find(qwen, """["embed_tokens", "layers.0.self_attn.q_proj"]"""));
        Assert.Equal(["model.layers.0.self_attn.q_proj", "lm_head"], Find(qwen, """["lm_head", "layers.0.self_attn.q_proj"]"""));
        Assert.Equal(["lm_head"], Find(qwen, "\"lm_head\""));
        Assert.Equal(15, Find(qwen, """["all-linear", "lm_head"]""").Count);
        using var labels = new GroupedQueryModel((GroupedQueryConfig)LabelConfig.With(TinyAdaptation.Qwen, ModelHead.Sequence, ["no", "yes"], isValue: false));
        Assert.Contains("'lm_head' is no matrix of this qwen2 model; it has embed_tokens, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", Assert.Throws<TrainingException>(() => Find(labels, """["lm_head"]""")).Message, StringComparison.Ordinal);

        // Neither indexers nor prediction layers, and not the matrix that the engine absorbs into queries; experts are no matrices of their own here.
        using var hadal = new DeepSeekModel(TinyAdaptation.Hadal);
        Assert.Equal(
            ["self_attn.q_a_proj", "self_attn.q_b_proj", "self_attn.kv_a_proj_with_mqa", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
            Find(hadal, null).Where(name => name.StartsWith("model.layers.0.", StringComparison.Ordinal)).Select(name => name["model.layers.0.".Length..]));
        Assert.All(Find(hadal, null), name => Assert.Matches("^model\\.layers\\.[01]\\.", name));
        Assert.Contains("model.layers.1.mlp.shared_experts.gate_proj", Find(hadal, null));
        Assert.Equal(["model.layers.0.self_attn.kv_b_proj", "model.layers.1.self_attn.kv_b_proj"], Find(hadal, """["kv_b_proj"]"""));
        Assert.Equal(["lm_head"], Find(hadal, """["lm_head"]"""));

        // The recipe for queries and values loads on latent attention too.
        Assert.Equal(["q_b_proj", "kv_a_proj_with_mqa"], Find(hadal, """["q_proj", "v_proj"]""").Select(name => name[(name.LastIndexOf('.') + 1)..]).Distinct());
    }

    [Fact]
    public void Ranks_and_scales_follow_the_patterns_and_stand_in_the_config()
    {
        using var qwen = new GroupedQueryModel(TinyAdaptation.Qwen);
        var options = new LoraOptions
        {
            R = 2, LoraAlpha = 4, TargetModules = JsonElement.Parse("""["all-linear", "embed_tokens", "lm_head"]"""),
            RankPattern = new Dictionary<string, int> { ["embed_tokens"] = 5, ["lm_head"] = 7, [@"layers\.1\..*_proj"] = 3 }, AlphaPattern = new Dictionary<string, double> { ["embed_tokens"] = 20 },
        };
        using var adapter = LowRankAdapter.Attach(qwen, options, "base");
        var found = qwen.Adaptable.ToDictionary(named => named.Name, named => (Rank: (int)named.Matrix.Update!.A.shape[0], named.Matrix.Update.Scale));
        Assert.Equal(16, found.Count);
        Assert.Equal((5, 4.0), found["model.embed_tokens"]);
        Assert.Equal((7, 4.0 / 7), found["lm_head"]);
        Assert.Equal((2, 2.0), found["model.layers.0.mlp.up_proj"]);
        Assert.Equal((3, 4.0 / 3), found["model.layers.1.self_attn.q_proj"]);
        var scales = new AdapterScales(adapter.Config, Assert.Fail);
        Assert.Equal((5, 3, 20.0), (scales.RankOf("model.embed_tokens"), scales.RankOf("model.layers.1.mlp.down_proj"), adapter.Config.AlphaPattern!["embed_tokens"]));
    }

    [Fact]
    public void The_config_says_short_names_where_they_mean_the_same_and_paths_where_they_do_not()
    {
        using var qwen = new GroupedQueryModel(TinyAdaptation.Qwen);
        Assert.Equal(["q_proj", "v_proj"], Described(qwen, """["q_proj", "v_proj"]"""));
        Assert.Equal(["model.layers.1.self_attn.q_proj"], Described(qwen, """["layers.1.self_attn.q_proj"]"""));
        Assert.Equal(["embed_tokens", "q_proj", "lm_head"], Described(qwen, """["embed_tokens", "lm_head", "q_proj"]"""));
        using var hadal = new DeepSeekModel(TinyAdaptation.Hadal);

        // gate_proj alone would mean the routed experts as well, and q_b_proj the prediction layer's.
        Assert.Contains("model.layers.1.mlp.shared_experts.gate_proj", Described(hadal, null));
    }

    private static List<string> Find(CausalModel model, string? targets) => [.. LoraTargets.Find(model, targets is null ? null : JsonElement.Parse(targets)).Select(target => target.Name)];

    private static IReadOnlyList<string> Described(CausalModel model, string? targets) => LoraTargets.Describe(LoraTargets.Find(model, targets is null ? null : JsonElement.Parse(targets)), model.Config);
}
