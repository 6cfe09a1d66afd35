// LLGuidance's side of mask-peers.cs: runs cases by the rules of MaskBench (maskbench/llg_engine.py) and appends one line of JSON for each.
//   dotnet run llguidance.cs -- VOCABULARY CASES FIRST OUT
// The library lies inside ONNX Runtime GenAI's, which does not export it but keeps its symbols: they are looked up in the file's symbol table.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property AllowUnsafeBlocks=true
#:property ManagePackageVersionsCentrally=false
#:property RestorePackagesWithLockFile=false
#:property RuntimeIdentifier=linux-x64
#:property SelfContained=false
#:property NoWarn=NU1603
#:package Microsoft.ML.OnnxRuntimeGenAI@0.18.0

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

var library = Path.Combine(AppContext.BaseDirectory, "libonnxruntime-genai.so");
if (!File.Exists(library)) library = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libonnxruntime-genai.so");
var engine = new LlGuidance(library, File.ReadAllText(args[0]));
var cases = File.ReadAllLines(args[1]);
using var writer = new StreamWriter(args[3], append: true) { AutoFlush = true };
engine.Run(JsonNode.Parse(cases[0])!);
for (var index = int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture); index < cases.Length; index++)
{
    var outcome = engine.Run(JsonNode.Parse(cases[index])!);
    outcome["index"] = index;
    writer.WriteLine(outcome.ToJsonString());
}

/// <summary>The C interface of LLGuidance (parser/llguidance.h, version 1).</summary>
internal sealed unsafe class LlGuidance
{
    [StructLayout(LayoutKind.Sequential)]
    private struct TokenizerInit
    {
        public uint VocabSize, EndToken;
        public uint* Lengths;
        public byte* Bytes;
        public byte* TokenizerJson;
        public byte AssumesString;
        public nint Tokenize;
        public byte UseGreedyTokenize;
        public nint UserData;
        public nint Slices;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct MaskResult
    {
        public uint* Mask;
        public float Temperature;
        public byte IsStop;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct CommitResult
    {
        public uint* Tokens;
        public uint Count;
        public byte IsStop;
    }

    private readonly delegate* unmanaged<byte*, byte*, nint> _newConstraint;
    private readonly delegate* unmanaged<nint, byte*> _error;
    private readonly delegate* unmanaged<nint, nint> _clone;
    private readonly delegate* unmanaged<nint, void> _free;
    private readonly delegate* unmanaged<nint, MaskResult*, int> _computeMask;
    private readonly delegate* unmanaged<nint, uint, CommitResult*, int> _commit;
    private readonly byte* _init = (byte*)NativeMemory.AllocZeroed(1024);

    public LlGuidance(string library, string vocabulary)
    {
        var symbols = new SymbolTable(library);
        _newConstraint = (delegate* unmanaged<byte*, byte*, nint>)symbols["llg_new_constraint_json"];
        _error = (delegate* unmanaged<nint, byte*>)symbols["llg_get_error"];
        _clone = (delegate* unmanaged<nint, nint>)symbols["llg_clone_constraint"];
        _free = (delegate* unmanaged<nint, void>)symbols["llg_free_constraint"];
        _computeMask = (delegate* unmanaged<nint, MaskResult*, int>)symbols["llg_compute_mask"];
        _commit = (delegate* unmanaged<nint, uint, CommitResult*, int>)symbols["llg_commit_token"];

        var read = JsonNode.Parse(vocabulary)!;
        var tokens = read["tokens"]!.AsArray().Select(token => Convert.FromBase64String(token!.GetValue<string>())).ToArray();
        var lengths = (uint*)NativeMemory.Alloc((nuint)tokens.Length * 4);
        var bytes = (byte*)NativeMemory.Alloc((nuint)tokens.Sum(token => token.Length));
        var position = 0;
        for (var id = 0; id < tokens.Length; id++)
        {
            lengths[id] = (uint)tokens[id].Length;
            tokens[id].CopyTo(new Span<byte>(bytes + position, tokens[id].Length));
            position += tokens[id].Length;
        }
        var init = new TokenizerInit { VocabSize = (uint)tokens.Length, EndToken = read["ends"]![0]!.GetValue<uint>(), Lengths = lengths, Bytes = bytes, UseGreedyTokenize = 1 };
        var message = stackalloc byte[1024];
        var tokenizer = ((delegate* unmanaged<TokenizerInit*, byte*, nuint, nint>)symbols["llg_new_tokenizer"])(&init, message, 1024);
        if (tokenizer == 0) throw new InvalidOperationException($"llg_new_tokenizer: {Marshal.PtrToStringUTF8((nint)message)}");
        ((delegate* unmanaged<byte*, nint, void>)symbols["llg_constraint_init_set_defaults"])(_init, tokenizer);
    }

    public JsonObject Run(JsonNode testCase)
    {
        var schema = Encoding.UTF8.GetBytes(testCase["schema"]!.GetValue<string>() + "\0");
        var times = new JsonArray();
        var start = Stopwatch.GetTimestamp();
        nint initial;
        fixed (byte* text = schema) initial = _newConstraint(_init, text);
        var first = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        if (_error(initial) != null)
        {
            var fault = Marshal.PtrToStringUTF8((nint)_error(initial));
            _free(initial);
            return new JsonObject { ["result"] = "compile error", ["first_us"] = 0, ["mask_us"] = times, ["fault"] = fault };
        }
        var result = "passing";
        foreach (var test in testCase["tests"]!.AsArray())
        {
            var valid = test!["valid"]!.GetValue<bool>();
            var accepted = TryAll(initial, test["tokens"]!.AsArray().Select(token => token!.GetValue<int>()).ToArray(), times);
            if (accepted is null || accepted == false && valid) result = "validation error";
            else if (accepted == true && !valid) result = "invalidation error";
        }
        _free(initial);
        return new JsonObject { ["result"] = result, ["first_us"] = first, ["mask_us"] = times };
    }

    /// <summary>Whether all tokens are in their masks; null where the engine failed.</summary>
    private bool? TryAll(nint initial, int[] tokens, JsonArray times)
    {
        var constraint = _clone(initial);
        bool? accepted = true;
        foreach (var token in tokens)
        {
            var start = Stopwatch.GetTimestamp();
            MaskResult mask;
            CommitResult commit;
            var failed = _computeMask(constraint, &mask) != 0;
            accepted = !failed && mask.Mask != null && (mask.Mask[token / 32] >> (token % 32) & 1) != 0;
            if (accepted == true && _commit(constraint, (uint)token, &commit) != 0) failed = true;
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            if (failed) accepted = null;
            if (accepted != true) break;
        }
        _free(constraint);
        return accepted;
    }
}

/// <summary>Addresses of a loaded library's symbols, those that it does not export included (ELF, 64 bits).</summary>
internal sealed class SymbolTable
{
    private const uint SymbolTableType = 2;
    private readonly Dictionary<string, nint> _addresses = [];

    public SymbolTable(string library)
    {
        var file = File.ReadAllBytes(library);
        var handle = NativeLibrary.Load(library);
        var sections = (int)BitConverter.ToInt64(file, 40);
        for (var index = 0; index < BitConverter.ToUInt16(file, 60); index++)
        {
            var section = sections + 64 * index;
            if (BitConverter.ToUInt32(file, section + 4) != SymbolTableType) continue;
            var names = (int)BitConverter.ToInt64(file, sections + 64 * BitConverter.ToInt32(file, section + 40) + 24);
            var (from, length) = ((int)BitConverter.ToInt64(file, section + 24), (int)BitConverter.ToInt64(file, section + 32));
            for (var symbol = from; symbol < from + length; symbol += 24)
            {
                var name = names + BitConverter.ToInt32(file, symbol);
                var end = Array.IndexOf(file, (byte)0, name);
                _addresses.TryAdd(Encoding.ASCII.GetString(file, name, end - name), (nint)BitConverter.ToInt64(file, symbol + 8));
            }
        }
        const string exported = "OgaShutdown";
        var start = NativeLibrary.GetExport(handle, exported) - _addresses[exported];
        foreach (var name in _addresses.Keys) _addresses[name] += start;
    }

    public nint this[string name] => _addresses.TryGetValue(name, out var address) ? address : throw new InvalidOperationException($"the library has no {name}; expected LLGuidance inside it");
}
