namespace Hadal.Checkpoints.Text;

/// <summary>A stretch of a prompt together with the question who wrote it.</summary>
/// <param name="Text">The text.</param>
/// <param name="IsTrusted">True for text of a chat template or of the program itself, where control tokens are recognised; false for text
/// of a caller, where they are plain text.</param>
public readonly record struct TextSegment(string Text, bool IsTrusted);
