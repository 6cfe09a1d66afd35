using System.Globalization;
using System.Text;
using Hadal.Inference.Engine;

namespace Hadal.Cli;

/// <summary>An answer that has been generated.</summary>
/// <param name="Text">The text.</param>
/// <param name="FinishReason">One of <see cref="Inference.Engine.FinishReason"/>.</param>
/// <param name="Usage">Counts and times.</param>
internal sealed record Answer(string Text, string FinishReason, GenerationUsage Usage)
{
    /// <summary>Generates an answer, writing it as it comes.</summary>
    /// <param name="generator">The engine.</param>
    /// <param name="promptIds">The prompt.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="shell">Ctrl+C there ends the answer; its terminal gets a line of speeds.</param>
    /// <param name="output">Where to, or null.</param>
    public static async Task<Answer> ReadAsync(TextGenerator generator, IReadOnlyList<int> promptIds, GenerationOptions options, Shell shell, TextWriter? output)
    {
        using var work = shell.Interruption.Begin();
        var text = new StringBuilder();
        try
        {
            await foreach (var chunk in generator.GenerateAsync(promptIds, options, work.Token).ConfigureAwait(false))
            {
                text.Append(chunk.Text);
                if (output is not null && chunk.Text.Length > 0) output.Write(shell.IsOutputTerminal ? TerminalText.Visible(chunk.Text) : chunk.Text);
                if (chunk is not { FinishReason: { } reason, Usage: { } usage }) continue;
                var answer = new Answer(text.ToString(), reason, usage);
                if (output is not null) End(answer, shell, output);
                return answer;
            }
        }
        catch (GenerationException) when (output is not null && text.Length > 0 && text[^1] != '\n')
        {
            output.WriteLine(); // What is said about it begins a line of its own.
            throw;
        }

        throw new GenerationException(GenerationFault.Failed, "the answer has no end");
    }

    private static void End(Answer answer, Shell shell, TextWriter output)
    {
        if (!answer.Text.EndsWith('\n')) output.WriteLine();
        if (shell is { IsOutputTerminal: true, IsErrorTerminal: true }) Messages.Dim(shell, answer.Summary());
    }

    private string Summary()
    {
        var end = FinishReason switch
        {
            Inference.Engine.FinishReason.Length => ", token limit reached",
            Inference.Engine.FinishReason.Cancelled => ", stopped",
            _ => "",
        };
        return string.Create(
            CultureInfo.InvariantCulture,
            $"[{Usage.CompletionTokens} tokens, {Sizes.Rate(Usage.DecodeTokensPerSecond)} tokens/s, first after {Usage.TimeToFirstToken.TotalMilliseconds:F0} ms{end}]");
    }
}
