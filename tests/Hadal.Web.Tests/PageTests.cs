namespace Hadal.Web.Tests;

/// <summary>What a reader can do with the page, in a real browser.</summary>
public sealed class PageTests(PageRun run) : IClassFixture<PageRun>
{
    [Fact]
    public void An_answer_appears_while_it_is_written_with_its_figures() => run.Passed("streams");

    [Fact]
    public void An_answer_is_stopped_and_the_conversation_goes_on() => run.Passed("stops");

    [Fact]
    public void Answers_anew_edits_and_forks_are_branches_and_nothing_is_lost() => run.Passed("branches");

    [Fact]
    public void Markdown_code_and_formulas_are_drawn_and_copied() => run.Passed("shows_markdown");

    [Fact]
    public void Hostile_text_runs_nothing_and_the_policy_of_the_page_holds() => run.Passed("stays_unharmed");

    [Fact]
    public void Files_that_are_malformed_are_refused_in_one_line() => run.Passed("refuses_files");

    [Fact]
    public void Conversations_are_kept_found_renamed_exported_and_deleted() => run.Passed("keeps_conversations");

    [Fact]
    public void An_answer_whose_page_is_closed_is_kept_as_far_as_it_was_written() => run.Passed("keeps_what_is_written");

    [Fact]
    public void A_full_store_is_told() => run.Passed("says_when_full");

    [Fact]
    public void System_prompt_model_and_sampling_belong_to_a_conversation() => run.Passed("chooses_per_conversation");

    [Fact]
    public void Reasoning_is_folded() => run.Passed("folds_reasoning");

    [Fact]
    public void Calls_of_tools_and_their_results_are_shown_and_sent_along() => run.Passed("shows_tool_calls");

    [Fact]
    public void Two_models_answer_side_by_side_and_one_goes_on() => run.Passed("compares_models");

    [Fact]
    public void The_bench_marks_what_a_schema_forced() => run.Passed("benches_schemas");

    [Fact]
    public void Errors_are_told_in_one_line_where_they_belong() => run.Passed("tells_errors");

    [Fact]
    public void A_key_is_asked_for_and_stays_in_the_browser() => run.Passed("takes_a_key");

    [Fact]
    public void Everything_is_reached_by_keyboard_in_order() => run.Passed("works_by_keyboard");

    [Fact]
    public void The_page_is_dark_and_Chinese_where_the_reader_is() => run.Passed("is_dark_and_chinese");

    [Fact]
    public void A_phone_has_room_for_it() => run.Passed("fits_a_phone");

    [Fact]
    public void Attachments_and_adapters_are_offered_where_a_model_has_them() => run.Passed("offers_what_a_model_can_do");
}
