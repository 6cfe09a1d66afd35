namespace Hadal.Server.Answers;

/// <summary>How calls of tools stand in the answers of a family of models.</summary>
internal sealed record ToolCallFormat
{
    /// <summary>DeepSeek-V3 and R1: a kind, a separator, the name, and the arguments in a fenced block.</summary>
    public static readonly ToolCallFormat DeepSeekFenced = new()
    {
        SectionBegin = "<｜tool▁calls▁begin｜>",
        CallBegin = "<｜tool▁call▁begin｜>",
        BeforeName = "function<｜tool▁sep｜>",
        BeforeArguments = "\n```json\n",
        CallEnd = "\n```<｜tool▁call▁end｜>",
    };

    /// <summary>DeepSeek-V3.1: the name, a separator, the arguments.</summary>
    public static readonly ToolCallFormat DeepSeekPlain = DeepSeekFenced with
    {
        BeforeName = "",
        BeforeArguments = "<｜tool▁sep｜>",
        CallEnd = "<｜tool▁call▁end｜>",
    };

    /// <summary>Qwen and Hermes: a JSON object with <c>name</c> and <c>arguments</c> between tags.</summary>
    public static readonly ToolCallFormat Tagged = new()
    {
        SectionBegin = "",
        CallBegin = "<tool_call>",
        BeforeName = "\n{\"name\": \"",
        BeforeArguments = "\", \"arguments\": ",
        CallEnd = "}\n</tool_call>",
    };

    /// <summary>In front of all calls of an answer; empty where there is no such mark.</summary>
    public required string SectionBegin { get; init; }

    /// <summary>In front of a call.</summary>
    public required string CallBegin { get; init; }

    /// <summary>Between that and the name.</summary>
    public required string BeforeName { get; init; }

    /// <summary>Between the name and the arguments.</summary>
    public required string BeforeArguments { get; init; }

    /// <summary>Behind the arguments.</summary>
    public required string CallEnd { get; init; }

    /// <summary>The marks that calls begin with.</summary>
    public IReadOnlyList<string> Marks => SectionBegin.Length > 0 ? [SectionBegin, CallBegin] : [CallBegin];

    /// <summary>The form a chat template writes calls in, or null where it writes none that is known here.</summary>
    public static ToolCallFormat? Of(string template)
    {
        if (template.Contains("<｜tool▁sep｜>", StringComparison.Ordinal))
            return template.Contains("```json", StringComparison.Ordinal) ? DeepSeekFenced : DeepSeekPlain;
        return template.Contains("<tool_call>", StringComparison.Ordinal) ? Tagged : null;
    }
}
