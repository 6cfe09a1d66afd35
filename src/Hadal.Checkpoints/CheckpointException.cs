using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints;

/// <summary>A checkpoint that cannot be used. The message is one line: what, where, expected, found, and what to do.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Creates the exception with its one-line message.</summary>
    public CheckpointException(string message) : base(OneLine(message))
    {
    }

    /// <summary>Creates the exception with its one-line message and the fault beneath it.</summary>
    public CheckpointException(string message, Exception? innerException) : base(OneLine(message), innerException)
    {
    }

    /// <summary>Creates the exception without a message; present because the framework's guidelines ask for it.</summary>
    public CheckpointException()
    {
    }

    /// <summary>Names come from files: control characters are spelt out and endless ones cut, so that a message is one line whatever they hold.</summary>
    private static string OneLine(string message)
    {
        const int MaxLength = 8000;
        var text = new StringBuilder();
        foreach (var character in message.AsSpan(0, Math.Min(message.Length, MaxLength)))
        {
            if (char.IsControl(character) || character is '\u2028' or '\u2029') text.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}");
            else text.Append(character);
        }

        return message.Length > MaxLength ? text.Append('…').ToString() : text.ToString();
    }
}
