using Hadal.Inference.Engine;

namespace Hadal.Inference.Tests.Engine;

/// <summary>The sampler written down plainly: double precision, sorting, no tricks.</summary>
internal static class SamplerReference
{
    /// <summary>Probabilities of all tokens, and how near the nearest decision at an edge of a cut was (as a probability).</summary>
    public static (double[] Probabilities, double Margin) Distribution(float[] logits, int[] tokenIds, int promptLength, SamplingOptions options)
    {
        var adjusted = Adjusted(logits, tokenIds, promptLength, options);
        var max = adjusted.Max();
        var weights = adjusted.Select(logit => Math.Exp((logit - max) / options.Temperature)).ToArray();
        var order = Enumerable.Range(0, logits.Length).Where(id => weights[id] >= 1e-12).OrderByDescending(id => weights[id]).ThenBy(id => id).ToList();
        var margin = order.Min(id => Math.Abs(weights[id] - options.MinP));
        if (options.MinP == 0) margin = 1;
        order = [.. order.Where(id => weights[id] >= options.MinP)];
        if (options.TopK > 0) order = [.. order.Take(options.TopK)];
        if (options.TopP < 1)
        {
            var total = order.Sum(id => weights[id]);
            var (sum, count) = (0.0, 0);
            do
            {
                sum += weights[order[count++]] / total;
                margin = Math.Min(margin, Math.Abs(sum - options.TopP));
            }
            while (sum < options.TopP && count < order.Count);
            order = [.. order.Take(count)];
        }

        var kept = order.Sum(id => weights[id]);
        var probabilities = new double[logits.Length];
        foreach (var id in order) probabilities[id] = weights[id] / kept;
        return (probabilities, margin);
    }

    /// <summary>Logits with bias and penalties.</summary>
    public static double[] Adjusted(float[] logits, int[] tokenIds, int promptLength, SamplingOptions options)
    {
        var adjusted = logits.Select(logit => (double)logit).ToArray();
        foreach (var (id, bias) in options.LogitBias ?? new Dictionary<int, double>()) adjusted[id] += bias;
        foreach (var id in tokenIds.Distinct()) adjusted[id] = adjusted[id] > 0 ? adjusted[id] / options.RepetitionPenalty : adjusted[id] * options.RepetitionPenalty;
        foreach (var group in tokenIds.Skip(promptLength).GroupBy(id => id))
            adjusted[group.Key] -= (group.Count() * options.FrequencyPenalty) + options.PresencePenalty;
        return adjusted;
    }
}
