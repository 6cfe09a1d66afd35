using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary><c>y = Σ_k w_k · expert_k(x) + shared(x)</c>: routed experts chosen per token, and one wide shared feed-forward.</summary>
/// <remarks>Tokens are ordered by expert, so that an expert's weights are read once per pass. The sum of a token is float32 in the order its
/// experts were chosen in, the shared part last: batch mates change no bit. DeepSeek-V3 <c>inference/model.py</c>.</remarks>
internal sealed unsafe class MixtureOfExperts
{
    private readonly DeepSeekConfig _config;
    private readonly WeightMatrix _gate;
    private readonly Router _router;
    private readonly FeedForward[] _experts;
    private readonly FeedForward? _sharedExperts;
    private readonly bool _readsQuantizedRows;
    private readonly bool _readsValues;
    private readonly bool _keepsExpertsInFile;

    public MixtureOfExperts(DeepSeekConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        _gate = weights.Matrix(prefix + "gate.weight");
        _router = new Router(config, config.TopkMethod == "noaux_tc" ? weights.Vector(prefix + "gate.e_score_correction_bias") : null);
        _experts = new FeedForward[config.NRoutedExperts!.Value];
        for (var i = 0; i < _experts.Length; i++)
            _experts[i] = new FeedForward(weights, string.Create(CultureInfo.InvariantCulture, $"{prefix}experts.{i}."));
        if (config.NSharedExperts is > 0) _sharedExperts = new FeedForward(weights, prefix + "shared_experts.");
        _readsQuantizedRows = _experts.Any(expert => expert.ReadsQuantizedRows);
        _readsValues = _experts.Any(expert => expert.ReadsValues);
        _keepsExpertsInFile = weights.KeepsExpertsInFile;
    }

    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences.</param>
    /// <param name="x">[rows, hidden_size], normalised.</param>
    /// <param name="y">[rows, hidden_size].</param>
    /// <param name="state">Scratch.</param>
    public void Forward(ThreadCrew crew, Pass pass, float* x, float* y, DeepSeekState state)
    {
        var rows = pass.RowCount;
        var width = _config.HiddenSize;
        var perToken = _config.NumExpertsPerTok!.Value;
        Route(crew, rows, x, state);
        OrderByExpert(rows * perToken, perToken, state);
        if (_keepsExpertsInFile) AskForExperts(state);

        var isQuantized = _readsQuantizedRows || _sharedExperts is { ReadsQuantizedRows: true };
        var input = crew.Activations.Prepare(crew, x, width, rows, width, isQuantized);
        var gather = new GatherJob(this, input, rows * perToken, _readsValues || pass.HasAdapters, state, RowJobs.Parts(crew, rows));
        crew.Run(ref gather, gather.PartCount);
        FeedForwardJob.Run(crew, state.Tasks, FillTasks(pass, input, y, state), width);
        var combine = new CombineJob(y, width, rows, perToken, _sharedExperts is not null, state, RowJobs.Parts(crew, rows));
        crew.Run(ref combine, combine.PartCount);
    }

    private void Route(ThreadCrew crew, int rows, float* x, DeepSeekState state)
    {
        var (experts, perToken) = (_experts.Length, _config.NumExpertsPerTok!.Value);
        _gate.Multiply(crew, x, _gate.Columns, rows, state.RouterLogits, experts);
        var room = new Span<float>(state.RouterRoom, experts + (_config.NGroup ?? 1));
        for (var row = 0; row < rows; row++)
        {
            _router.Route(
                new Span<float>(state.RouterLogits + ((long)row * experts), experts),
                state.ExpertOfSlot.AsSpan(row * perToken, perToken),
                state.WeightOfSlot.AsSpan(row * perToken, perToken),
                room);
        }
    }

    /// <summary>Counting sort of the slots by expert; slots of one expert keep the order of their rows.</summary>
    private static void OrderByExpert(int slotCount, int perToken, DeepSeekState state)
    {
        var ends = state.ExpertEnds.AsSpan();
        ends.Clear();
        for (var slot = 0; slot < slotCount; slot++) ends[state.ExpertOfSlot[slot] + 1]++;
        for (var expert = 1; expert < ends.Length; expert++) ends[expert] += ends[expert - 1];
        for (var slot = 0; slot < slotCount; slot++)
        {
            // ends[e] is the next free place of expert e, and becomes its end.
            var place = ends[state.ExpertOfSlot[slot]]++;
            state.PlaceOfSlot[slot] = place;
            state.RowsByExpert[place] = slot / perToken;
        }
    }

    /// <summary>All chosen experts are asked for at once: the disk works while the first are multiplied.</summary>
    private void AskForExperts(DeepSeekState state)
    {
        for (var expert = 0; expert < _experts.Length; expert++)
            if (state.ExpertEnds[expert] > (expert == 0 ? 0 : state.ExpertEnds[expert - 1])) _experts[expert].WillNeed();
    }

    private int FillTasks(Pass pass, in ProjectionInput input, float* y, DeepSeekState state)
    {
        long width = _config.HiddenSize, inner = _config.MoeIntermediateSize!.Value;
        long quantizedInner = QuantizedRows.FloatsOf(1, (int)inner) * sizeof(float);
        var quantizedX = _readsQuantizedRows ? new QuantizedRows(state.QuantizedExpertInput, (int)width) : default;
        var taskCount = 0;
        var begin = 0;
        for (var expert = 0; expert < _experts.Length; expert++)
        {
            var end = state.ExpertEnds[expert];
            if (end > begin)
            {
                state.Tasks[taskCount++] = new FeedForwardTask
                {
                    Weights = _experts[expert],
                    Adapted = pass.HasAdapters ? pass : null,
                    Rows = state.RowsByExpert,
                    RowBegin = begin,
                    X = state.ExpertInput + (begin * width),
                    QuantizedX = _readsQuantizedRows ? quantizedX.From(begin) : default,
                    TokenCount = end - begin,
                    Gate = state.ExpertGate + (begin * inner),
                    Up = state.ExpertUp + (begin * inner),
                    QuantizedActivation = state.QuantizedExpertActivation + (begin * quantizedInner),
                    Y = state.ExpertOutput + (begin * width),
                };
            }

            begin = end;
        }

        if (_sharedExperts is not null)
        {
            state.Tasks[taskCount++] = new FeedForwardTask
            {
                Weights = _sharedExperts, Adapted = pass.HasAdapters ? pass : null, X = (float*)input.Values, QuantizedX = input.Quantized, TokenCount = input.TokenCount,
                Gate = state.Gate, Up = state.Up, QuantizedActivation = state.QuantizedActivation, Y = y,
            };
        }

        return taskCount;
    }

    /// <summary>Brings the inputs of every expert together, in the forms that experts read.</summary>
    private readonly struct GatherJob(MixtureOfExperts layer, ProjectionInput input, int slotCount, bool readsValues, DeepSeekState state, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            var width = layer._config.HiddenSize;
            for (var place = partIndex; place < slotCount; place += partCount)
            {
                var row = state.RowsByExpert[place];
                if (readsValues)
                {
                    new Span<float>((float*)input.Values + ((long)row * width), width)
                        .CopyTo(new Span<float>(state.ExpertInput + ((long)place * width), width));
                }

                if (layer._readsQuantizedRows)
                {
                    var bytes = (int)input.Quantized.RowBytes;
                    new Span<byte>(input.Quantized.From(row).Data, bytes).CopyTo(new Span<byte>(state.QuantizedExpertInput + ((long)place * bytes), bytes));
                }
            }
        }
    }

    private readonly struct CombineJob(float* y, int width, int rows, int perToken, bool hasShared, DeepSeekState state, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            var one = 1f;
            for (var row = partIndex; row < rows; row += partCount)
            {
                // The routed sum grows in the place of the row's first expert input, which is no longer needed.
                var sum = state.ExpertInput + ((long)row * perToken * width);
                new Span<float>(sum, width).Clear();
                for (var slot = row * perToken; slot < (row + 1) * perToken; slot++)
                {
                    var weight = state.WeightOfSlot[slot];
                    Attention.WeightedSum(&weight, state.ExpertOutput + ((long)state.PlaceOfSlot[slot] * width), width, 1, width, sum);
                }

                var output = y + ((long)row * width);
                if (hasShared) Attention.WeightedSum(&one, output, width, 1, width, sum);
                new Span<float>(sum, width).CopyTo(new Span<float>(output, width));
            }
        }
    }
}
