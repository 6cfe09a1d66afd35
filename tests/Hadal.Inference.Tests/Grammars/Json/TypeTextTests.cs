using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>Whatever the grammar of a type can write is read by the serializer, and whatever the serializer writes is in the grammar: random walks, and random values.</summary>
public sealed class TypeTextTests
{
    private const int Walks = 250;
    private const int Values = 60;
    private const int StepsMax = 400;
    private const int End = 256;

    private static readonly TokenTrie Bytes = new([.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), []], [End]);

    private static readonly SearchValues<byte> Closing = SearchValues.Create("\"}],"u8);

    private static readonly JsonSerializerOptions NamedEnums = new() { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) } };

    private static readonly JsonSerializerOptions NumbersAsStrings = new() { NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.WriteAsString };

    private static readonly JsonSerializerOptions NamedNumbers = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    [Fact]
    public void Whole_numbers()
    {
        Agree(random => (byte)random.Next());
        Agree(random => (sbyte)random.Next());
        Agree(random => (short)random.Next());
        Agree(random => (ushort)random.Next());
        Agree(random => (int)random.NextInt64());
        Agree(random => (uint)random.NextInt64());
        Agree(random => random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64), null, long.MinValue, long.MaxValue);
        Agree(random => (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64), null, ulong.MinValue, ulong.MaxValue);
        Agree(random => (Int128)random.NextInt64() * random.NextInt64(), null, Int128.MinValue, Int128.MaxValue);
        Agree(random => (UInt128)random.NextInt64() * (UInt128)random.NextInt64(), null, UInt128.MinValue, UInt128.MaxValue);
        Agree(random => random.Next(2) == 0 ? null : (int?)random.Next());
        Agree(random => random.Next(), NumbersAsStrings, int.MinValue);
        Agree(random => random.Next(2) == 0 ? null : (ulong?)random.Next(), NumbersAsStrings, ulong.MaxValue);
    }

    [Fact]
    public void Other_numbers()
    {
        Agree(Double, null, double.MaxValue, double.MinValue, double.Epsilon, 1e15, 1e-5, 123456789012345680, -0.0);
        Agree(random => (float)Math.Clamp(Double(random), -3e38, 3e38), null, float.MaxValue, float.MinValue, float.Epsilon, 1e7f, 16777216f);
        Agree(random => (Half)(random.NextDouble() * 60000), null, Half.MaxValue, Half.MinValue, Half.Epsilon);
        Agree(Decimal, null, decimal.MaxValue, decimal.MinValue, 0.0000000000000000000000000001m, 1.000m);
        Agree(Double, NamedNumbers, double.NaN, double.PositiveInfinity, double.NegativeInfinity);
        Agree(random => random.Next(2) == 0 ? null : (float?)random.NextSingle(), NamedNumbers, float.NaN);
        Agree(Double, NumbersAsStrings, double.MaxValue);
        Agree(Decimal, NumbersAsStrings, decimal.MaxValue);
        Agree(Double, new JsonSerializerOptions { NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals }, double.NaN);
    }

    [Fact]
    public void Times()
    {
        Agree(Date, null, DateTime.MinValue, DateTime.MaxValue, DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc));
        Agree(random => new DateTimeOffset(Date(random).Ticks, TimeSpan.FromMinutes(random.Next(-840, 841))), null, DateTimeOffset.MinValue, DateTimeOffset.MaxValue);
        Agree(random => DateOnly.FromDateTime(Date(random)), null, DateOnly.MinValue, DateOnly.MaxValue, new DateOnly(2000, 2, 29));
        Agree(random => TimeOnly.FromDateTime(Date(random)), null, TimeOnly.MinValue, TimeOnly.MaxValue, new TimeOnly(10, 20, 30));
        Agree(random => new TimeSpan(random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64)), null, TimeSpan.MinValue, TimeSpan.MaxValue, TimeSpan.Zero, TimeSpan.FromDays(3));
        Agree<DateTime?>(random => random.Next(2) == 0 ? null : Date(random));
    }

    [Fact]
    public void Texts_of_the_base_library()
    {
        Agree(random => random.Next(2) == 0);
        Agree(random => (char)random.Next(0x20, 0xD800), null, '"', '\\', '\n', '\uFFFF');
        Agree(Text);
        Agree(_ => Guid.NewGuid());
        Agree(random => new Version(random.Next(), random.Next(9)), null, new Version(1, 2, 3), new Version(1, 2, 3, int.MaxValue));
        Agree(Binary, null, []);
        Agree<ReadOnlyMemory<byte>>(random => Binary(random));
        Agree<Memory<byte>>(random => Binary(random));
        Agree(
            random => new Uri($"https://a{random.Next()}.example:{random.Next(65536)}/x%20y/z?q={random.Next()}&r=+#f"), null,
            new Uri("mailto:a.b@example.org"), new Uri("urn:isbn:0451450523"), new Uri("../a/b?c", UriKind.Relative), new Uri("file:///tmp/x"), new Uri("http://127.0.0.1:80/"));
    }

    [Fact]
    public void Enumerations()
    {
        Agree(random => (DayOfWeek)random.Next(7), null, (DayOfWeek)int.MaxValue);
        Agree(random => (Small)random.Next(3), null, (Small)255);
        Agree<DayOfWeek?>(random => random.Next(2) == 0 ? null : (DayOfWeek)random.Next(7));
        Agree(random => (DayOfWeek)random.Next(7), NamedEnums);
        Agree<DayOfWeek?>(random => random.Next(2) == 0 ? null : (DayOfWeek)random.Next(7), NamedEnums);
        Agree(random => (Sides)random.Next(8), NamedEnums);
        Agree<Sides?>(random => random.Next(3) == 0 ? null : (Sides)random.Next(8), NamedEnums);
        Agree(random => (Sides)random.Next(8), null, (Sides)(-5));
        Agree(random => new Marked((Sides)random.Next(8), (DayOfWeek)random.Next(7)));
    }

    [Fact]
    public void Dictionaries_have_keys_of_their_type()
    {
        Agree(random => Pairs(random, Text));
        Agree(random => Pairs(random, r => r.Next(-9, 9)));
        Agree(random => Pairs(random, _ => Guid.NewGuid()));
        Agree(random => Pairs(random, r => (DayOfWeek)r.Next(7)));
        Agree(random => Pairs(random, r => (DayOfWeek)r.Next(7)), NamedEnums);
        Agree(random => Pairs(random, r => (Sides)r.Next(1, 8)));
        Agree(random => Pairs(random, r => DateOnly.FromDateTime(Date(r))));
        Agree(random => Pairs(random, Date));
        Agree(random => Pairs(random, Decimal));
        Agree(random => Pairs(random, Double));
        Agree(random => Pairs(random, r => r.Next(2) == 0));
        Agree(random => Pairs(random, r => new TimeSpan(r.NextInt64())));
        Agree(random => Pairs(random, r => (char)r.Next('a', 'z')));
    }

    [Fact]
    public void Types_made_of_types()
    {
        Agree(random => new[] { random.Next(), 1 });
        Agree(random => new HashSet<string> { Text(random) });
        Agree(random => new List<DateTime?> { Date(random), null });
        Agree(random => new KeyValuePair<string, int>(Text(random), 3));
        Agree(random => Tree.Grown(random, 3));
        Agree<Shape>(random => random.Next(2) == 0 ? new Circle { R = random.NextDouble(), Label = "c" } : new Square { A = 2, Inner = new Circle { R = 1 } });
        Agree(Order.Random);
        Agree(Order.Random, new JsonSerializerOptions(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower });
        Agree(random => new Strict { A = random.Next(), B = random.Next(2) == 0 ? null : Text(random) });
        Agree(random => new Handled { Count = random.Next(), Share = random.NextDouble() });
        Agree(random => JsonSerializer.SerializeToElement(new { a = random.Next(), b = new object?[] { null, true, "x" } }));
        Agree<object>(random => random.Next());
        Agree(_ => new Empty());
    }

    [Fact]
    public void What_the_serializer_never_reads_is_refused_by_name()
    {
        Refused<IntPtr>("IntPtr");
        Refused<Holder<Type>>("System.Type, #/properties/Value");
        Refused<Abstract>("cannot make one");
        Refused<Holder<IDisposable>>("IDisposable");
        Refused<Holder<Converted>>("OwnConverter");
        Refused<Dictionary<byte[], int>>("keys of type System.Byte[]");
        Refused<int[,]>("Int32[,]");
        Refused<int>("AllowReadingFromString", new JsonSerializerOptions { NumberHandling = JsonNumberHandling.WriteAsString });
        Refused<Dictionary<string, int>>("AllowDuplicateProperties", new JsonSerializerOptions { AllowDuplicateProperties = false });
    }

    /// <summary>What the walks must not lead to by luck alone, and what they might leave out.</summary>
    [Theory]
    [InlineData(typeof(TimeOnly), "\"10:20:30\"", true)]
    [InlineData(typeof(TimeOnly), "\"10:20:30Z\"", false)]
    [InlineData(typeof(DateTime), "\"2024-01-02\"", true)]
    [InlineData(typeof(DateTime), "\"2024-01-02T03:04:05\"", true)]
    [InlineData(typeof(DateTime), "\"2024-01-02T03:04:05+15:00\"", false)]
    [InlineData(typeof(DateTime), "\"2024-01-02t03:04:05z\"", false)]
    [InlineData(typeof(DateTime), "\"0000-01-02T03:04:05Z\"", false)]
    [InlineData(typeof(byte), "-0", false)]
    [InlineData(typeof(ulong), "-0", false)]
    [InlineData(typeof(decimal), "1e400", false)]
    [InlineData(typeof(decimal), "79228162514264337593543950336", false)]
    [InlineData(typeof(Half), "1e9", false)]
    [InlineData(typeof(double), "1e400", false)]
    [InlineData(typeof(byte[]), "\"not base64!\"", false)]
    [InlineData(typeof(DayOfWeek), "8610101775179", false)]
    [InlineData(typeof(Dictionary<int, int>), """{"a":1}""", false)]
    [InlineData(typeof(int), "1.0", false)]
    public void Single_texts(Type type, string text, bool isAllowed)
    {
        var grammar = Grammar.FromType(JsonSerializerOptions.Default.GetTypeInfo(type));
        Assert.Equal(isAllowed, Accepts(grammar, text));
        if (isAllowed) Assert.NotNull(JsonSerializer.Deserialize(text, type));
    }

    private static void Refused<T>(string words, JsonSerializerOptions? options = null) =>
        Assert.Contains(words, Assert.Throws<GrammarException>(() => Grammar.FromType<T>(options)).Message, StringComparison.Ordinal);

    private static void Agree<T>(Func<Random, T> draw, JsonSerializerOptions? options = null, params ReadOnlySpan<T> more)
    {
        var grammar = Grammar.FromType<T>(options);
        var read = 0;
        for (var seed = 0; seed < Walks; seed++)
        {
            if (Walk(grammar, new Random(seed)) is not { } text) continue;
            read++;
            try
            {
                JsonSerializer.Deserialize<T>(text, options);
            }
            catch (Exception fault) when (fault is JsonException or NotSupportedException or InvalidOperationException)
            {
                Assert.Fail($"{typeof(T)}: the grammar writes {text}, the serializer says: {fault.Message}");
            }
        }

        Assert.True(read > Walks / 4, $"{typeof(T)}: {read} of {Walks} walks came to an end");
        var random = new Random(1);
        foreach (var value in (T[])[.. more, .. Enumerable.Range(0, Values).Select(_ => draw(random))])
        {
            var text = JsonSerializer.Serialize(value, options);
            Assert.True(Accepts(grammar, text), $"{typeof(T)}: the serializer writes {text}, the grammar does not");
        }
    }

    private static bool Accepts(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Bytes);
        return Encoding.UTF8.GetBytes(text).All(value => matcher.TryAccept(value)) && matcher.IsComplete;
    }

    /// <summary>A text of the grammar, drawn byte by byte; what closes is preferred more and more. Null where it does not end.</summary>
    private static string? Walk(Grammar grammar, Random random)
    {
        var matcher = new GrammarMatcher(grammar, Bytes);
        var mask = new ulong[Bytes.MaskLength];
        var text = new List<byte>();
        var (patience, allowed, closing) = (random.Next(60), new List<int>(), new List<int>());
        while (text.Count < StepsMax)
        {
            matcher.ComputeMask(mask);
            allowed.Clear();
            closing.Clear();
            for (var id = 0; id < End; id++)
            {
                if (!TokenMask.Contains(mask, id)) continue;
                allowed.Add(id);
                if (Closing.Contains((byte)id)) closing.Add(id);
            }

            if (matcher.IsComplete && (allowed.Count == 0 || text.Count > patience || random.Next(4) == 0)) return Encoding.UTF8.GetString([.. text]);
            var from = closing.Count > 0 && (text.Count > patience || random.Next(5) == 0) ? closing : allowed;
            var chosen = from[random.Next(from.Count)];
            matcher.Accept(chosen);
            text.Add((byte)chosen);
        }

        return null;
    }

    private static double Double(Random random) => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)) is var value && double.IsFinite(value) ? value : random.NextDouble();

    private static decimal Decimal(Random random) => new(random.Next(), random.Next(), random.Next(), random.Next(2) == 0, (byte)random.Next(29));

    private static DateTime Date(Random random) => new(random.NextInt64(TimeSpan.TicksPerDay, DateTime.MaxValue.Ticks - TimeSpan.TicksPerDay), DateTimeKind.Utc);

    private static string Text(Random random) => new([.. Enumerable.Range(0, random.Next(6)).Select(_ => "abc \"\\\n/é日–x0"[random.Next(13)])]);

    private static byte[] Binary(Random random)
    {
        var bytes = new byte[random.Next(9)];
        random.NextBytes(bytes);
        return bytes;
    }

    private static Dictionary<T, int> Pairs<T>(Random random, Func<Random, T> key) where T : notnull =>
        Enumerable.Range(0, random.Next(3)).Select(_ => key(random)).Distinct().ToDictionary(one => one, _ => 1);

    internal enum Small : byte
    {
        None,
        One,
    }

    [Flags]
    internal enum Sides
    {
        LeftSide = 1,
        RightSide = 2,
        UpperSide = 4,
    }

    internal sealed record Marked([property: JsonConverter(typeof(JsonStringEnumConverter<Sides>))] Sides Sides, [property: JsonConverter(typeof(JsonStringEnumConverter<DayOfWeek>))] DayOfWeek Day);

    internal sealed class Tree
    {
        public int V { get; set; }

        public Tree? L { get; set; }

        public List<Tree>? Kids { get; set; }

        public static Tree Grown(Random random, int depth) => new() { V = random.Next(), L = depth > 0 && random.Next(2) == 0 ? Grown(random, depth - 1) : null, Kids = depth > 1 ? [Grown(random, depth - 2)] : null };
    }

    [JsonDerivedType(typeof(Circle), "circle")]
    [JsonDerivedType(typeof(Square), "square")]
    internal abstract class Shape
    {
        public string? Label { get; set; }
    }

    internal sealed class Circle : Shape
    {
        public double R { get; set; }
    }

    internal sealed class Square : Shape
    {
        public float A { get; set; }

        public Shape? Inner { get; set; }
    }

    internal sealed class Line
    {
        public required string Article { get; set; }

        public decimal Price { get; set; }

        public ushort? Count { get; set; }
    }

    internal sealed class Order
    {
        public required Guid Id { get; init; }

        public DateTimeOffset When { get; set; }

        public TimeSpan? Delay { get; set; }

        public DayOfWeek Day { get; set; }

        [JsonPropertyName("x-y \"q\"")]
        public double Weight { get; set; }

        public List<Line> Lines { get; set; } = [];

        public Dictionary<DateOnly, bool> Open { get; set; } = [];

        public byte[]? Seal { get; set; }

        [JsonIgnore]
        public Type? Hidden { get; set; }

        public static Order Random(Random random) => new()
        {
            Id = Guid.NewGuid(), When = Date(random), Delay = random.Next(2) == 0 ? null : new TimeSpan(random.NextInt64()), Day = (DayOfWeek)random.Next(7), Weight = Double(random),
            Lines = [new Line { Article = Text(random), Price = Decimal(random), Count = 3 }], Open = new() { [new DateOnly(2024, 2, 29)] = true }, Seal = Binary(random),
        };
    }

    [JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
    internal sealed class Strict
    {
        public required int A { get; init; }

        public string? B { get; set; }
    }

    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    internal sealed class Handled
    {
        public int Count { get; set; }

        [JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)]
        public double Share { get; set; }
    }

    internal sealed class Empty;

    internal abstract class Abstract;

    internal sealed class Holder<T>
    {
        public T? Value { get; set; }
    }

    [JsonConverter(typeof(OwnConverter))]
    internal sealed class Converted;

    internal sealed class OwnConverter : JsonConverter<Converted>
    {
        public override Converted Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new JsonException();

        public override void Write(Utf8JsonWriter writer, Converted value, JsonSerializerOptions options) => writer.WriteNullValue();
    }
}
