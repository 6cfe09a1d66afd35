namespace Hadal.Training.Data.Examples;

/// <summary>What one record teaches, as token ids.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Labels">Per token what is to be learnt at it (for language: the token itself), or <see cref="NoLabel"/>; empty where the example has one label.</param>
/// <param name="Value">The label of the whole example, where it has one.</param>
internal sealed record TrainingExample(int[] Ids, int[] Labels, double Value = 0)
{
    /// <summary>Nothing is learnt at this token.</summary>
    public const int NoLabel = -100;

    /// <summary>Whether the record was longer than an example may be and lost its end.</summary>
    public bool IsCut { get; init; }

    /// <summary>Number of tokens that something is learnt at.</summary>
    public int LabelCount => Labels.Count(label => label != NoLabel);
}

/// <summary>Turns records into examples.</summary>
internal interface IExampleMaker
{
    /// <summary>What the examples depend on besides the records: a change of it makes data again.</summary>
    string Identity { get; }

    /// <summary>What is worth knowing of the examples made so far, in a sentence; null for nothing.</summary>
    string? Note => null;

    /// <summary>The examples of a record, usually one. Any number of threads may call it.</summary>
    /// <exception cref="Records.BadRecordException">The record cannot be learnt from.</exception>
    IReadOnlyList<TrainingExample> Make(Records.DataRecord record);
}
