namespace Hadal.Inference.Grammars;

/// <summary>Where plain characters lead from a state of the lexer (see <see cref="PlainTokens"/>).</summary>
/// <param name="Target">The state most of them lead to, without a lexeme ending there; 0 where there is none.</param>
/// <param name="Exceptions">First bytes of plain characters that lead elsewhere.</param>
/// <param name="AllDead">No plain character leads anywhere.</param>
internal readonly record struct PlainStep(int Target, ByteSet Exceptions, bool AllDead);

/// <summary>Finds and keeps the plain steps of a lexer's states.</summary>
internal sealed class PlainSteps(LexerStates lexer)
{
    /// <summary>With more exceptions than this a walk over all tokens costs no more.</summary>
    private const int MaxExceptions = 48;

    private readonly List<PlainStep?> _known = [];

    /// <summary>True if every plain character leads from a state to itself.</summary>
    public bool IsLoop(int state) => lexer.Row(state)[' '] == state << 1 && Of(state) is var step && step.Target == state && step.Exceptions.IsEmpty;

    public PlainStep Of(int state)
    {
        while (_known.Count <= state) _known.Add(null);
        return _known[state] ??= Find(state);
    }

    private PlainStep Find(int state)
    {
        var row = lexer.Row(state);
        var target = MajorityTarget(row);
        if ((target & 1) != 0) return default;
        var exceptions = ByteSet.None;
        for (var value = 0x20; value <= 0x7E; value++)
            if (PlainTokens.IsPlainAscii((byte)value) && row[value] != target) exceptions |= ByteSet.Of((byte)value);
        if (exceptions.Count > MaxExceptions) return default;
        if (target == 0) return new PlainStep(0, exceptions, exceptions.IsEmpty && AllLeadsDead(row));
        for (var lead = 0xC2; lead <= 0xF4; lead++)
            if (!LeadsTo(row[lead], (byte)lead, target)) exceptions |= ByteSet.Of((byte)lead);
        return new PlainStep(target >> 1, exceptions, false);
    }

    /// <summary>The entry that more than half of the plain bytes share, if there is one (Boyer and Moore).</summary>
    private static int MajorityTarget(int[] row)
    {
        var (candidate, votes) = (0, 0);
        for (var value = 0x20; value <= 0x7E; value++)
        {
            if (!PlainTokens.IsPlainAscii((byte)value)) continue;
            if (votes == 0) candidate = row[value];
            votes += row[value] == candidate ? 1 : -1;
        }
        return candidate;
    }

    private static bool AllLeadsDead(int[] row)
    {
        for (var lead = 0xC2; lead <= 0xF4; lead++)
            if (row[lead] != 0) return false;
        return true;
    }

    /// <summary>True if all characters of a first byte, whose entry is given, lead to a target.</summary>
    private bool LeadsTo(int entry, byte lead, int target)
    {
        Utf8Lead.TryGet(lead, out var length, out var low, out var high);
        return entry != 0 && (entry & 1) == 0 && Continues(entry >> 1, length - 1, low, high, target);
    }

    private bool Continues(int state, int count, byte low, byte high, int target)
    {
        var row = lexer.Row(state);
        var last = -1;
        for (int value = low; value <= high; value++)
        {
            var entry = row[value];
            if (entry == last) continue;
            last = entry;
            if (count == 1 ? entry != target : entry == 0 || (entry & 1) != 0 || !Continues(entry >> 1, count - 1, 0x80, 0xBF, target)) return false;
        }
        return true;
    }
}
