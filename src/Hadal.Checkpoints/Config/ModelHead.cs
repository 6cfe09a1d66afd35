namespace Hadal.Checkpoints.Config;

/// <summary>What a checkpoint's head says of a text, by the ending of its class in <c>architectures</c>.</summary>
public enum ModelHead
{
    /// <summary>The next token: <c>lm_head.weight</c>.</summary>
    Language,

    /// <summary>One set of scores per text, read at its last token: <c>score.weight</c> (<c>…ForSequenceClassification</c>); labels, or with one of them a value.</summary>
    Sequence,

    /// <summary>Scores of each token: <c>score.weight</c> and <c>score.bias</c> (<c>…ForTokenClassification</c>).</summary>
    Token,
}
