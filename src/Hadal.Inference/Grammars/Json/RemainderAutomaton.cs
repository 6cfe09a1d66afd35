namespace Hadal.Inference.Grammars.Json;

/// <summary>Digits, a point among them ignored, whose number divides by a modulus: a state for each remainder.</summary>
internal sealed class RemainderAutomaton(int modulus) : ByteAutomaton
{
    private static readonly ByteSet Digits = ByteSet.Range((byte)'0', (byte)'9') | ByteSet.Of((byte)'.');

    public override int Start => 0;

    public override bool IsFinite => false;

    public override int Next(int state, byte value) => value switch
    {
        (byte)'.' => state,
        >= (byte)'0' and <= (byte)'9' => (int)((state * 10L + value - '0') % modulus),
        _ => Dead,
    };

    public override bool Accepts(int state) => state == 0;

    public override ByteSet First(int state) => Digits;
}
