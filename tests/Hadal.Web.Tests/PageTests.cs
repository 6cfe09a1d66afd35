namespace Hadal.Web.Tests;

/// <summary>What a reader can do with the page, in a real browser.</summary>
public sealed class PageTests(PageRun run) : IClassFixture<PageRun>
{
    [Fact]
    public void An_answer_appears_while_it_is_written_with_its_figures() => run.Passed("streams");
}
