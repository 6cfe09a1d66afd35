using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars.Json;

/// <summary>A finding, as a report holds it.</summary>
internal sealed record Finding(string Name, byte Grade, Laterality Side, decimal? SizeInMillimetres, IReadOnlyList<Finding>? Parts, Dictionary<string, bool> Flags);

/// <summary>A side of the body.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Laterality>))]
internal enum Laterality
{
    Left,
    Right,
}

[JsonSerializable(typeof(Finding))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
internal sealed partial class FindingJson : JsonSerializerContext;

/// <summary>C# types as grammars.</summary>
public class TypeGrammarTests
{
    private const string Whole = """{"name":"nodule","grade":255,"side":"Left","size_in_millimetres":4.5,"parts":[],"flags":{"new":true}}""";

    [Theory]
    [InlineData(Whole, true)]
    [InlineData("""{"name":"n","grade":1,"side":"Right","size_in_millimetres":null,"parts":null,"flags":{}}""", true)]
    [InlineData("""{"name":"n","grade":256,"side":"Right","size_in_millimetres":null,"parts":null,"flags":{}}""", false)]
    [InlineData("""{"name":"n","grade":1.0,"side":"Right","size_in_millimetres":null,"parts":null,"flags":{}}""", false)]
    [InlineData("""{"name":"n","grade":1,"side":"Up","size_in_millimetres":null,"parts":null,"flags":{}}""", false)]
    [InlineData("""{"name":null,"grade":1,"side":"Left","size_in_millimetres":null,"parts":null,"flags":{}}""", false)]
    [InlineData("""{"name":"n","grade":1,"side":"Left","size_in_millimetres":null,"parts":null,"flags":{},"more":1}""", false)]
    [InlineData("""{"name":"n","grade":1,"side":"Left","size_in_millimetres":null,"parts":[{}],"flags":{}}""", false)]
    public void A_type_is_the_texts_that_its_serializer_reads(string text, bool isAllowed)
    {
        var grammar = Grammar.FromType(FindingJson.Default.Finding);
        Assert.Equal(isAllowed, new ByteAcceptor(grammar).Accepts(Encoding.UTF8.GetBytes(text)));
        if (isAllowed) Assert.NotNull(JsonSerializer.Deserialize(text, FindingJson.Default.Finding));
    }

    [Fact]
    public void A_recursive_type_holds_itself()
    {
        var acceptor = new ByteAcceptor(Grammar.FromType(FindingJson.Default.Finding));
        Assert.True(acceptor.Accepts(Encoding.UTF8.GetBytes(Whole.Replace("[]", $"[{Whole}, {Whole}]", StringComparison.Ordinal))));
    }

    [Fact]
    public void A_type_found_by_reflection_gives_the_same_texts()
    {
        var grammar = Grammar.FromType<Finding>(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower });
        Assert.True(new ByteAcceptor(grammar).Accepts(Encoding.UTF8.GetBytes(Whole)));
        Assert.True(new ByteAcceptor(Grammar.FromType<int[]>()).Accepts("[1, -2147483648]"u8));
        Assert.False(new ByteAcceptor(Grammar.FromType<int[]>()).Accepts("[2147483648]"u8));
    }
}
