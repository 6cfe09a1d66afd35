using System.CommandLine;
using Hadal.Training.Data.Instructions;
using Hadal.Training.Trainers;

namespace Hadal.Train;

/// <summary><c>hadal-train instructions PRETRAIN.json -o DIR</c>: instruction data of our own making.</summary>
internal static class InstructionsCommand
{
    private const int Conversations = 80_000, Texts = 700, Tests = 3_000;

    public static Command Create()
    {
        var config = new Argument<FileInfo>("PRETRAIN.json") { Description = "The pretraining whose texts are taken: models/hadal-mini/pretrain.json." };
        var output = new Option<string>("--output", "-o") { Description = "Where train.jsonl, text.jsonl, test.jsonl and the held-out texts go.", HelpName = "DIR", Required = true };
        var seed = new Option<long>("--seed") { Description = "Draws all of it. Default: 1.", HelpName = "S", DefaultValueFactory = _ => 1 };
        var command = new Command("instructions", "Writes short tasks in English and Chinese, made by rule, to adapt a small model to.") { config, output, seed };
        command.SetAction(parsed => TrainingCommand.Guarded(cancellation =>
        {
            var directory = Path.GetFullPath(parsed.GetValue(output)!);
            InstructionData.Write(PretrainOptions.Read(parsed.GetValue(config)!.FullName, []), directory, Conversations, Texts, Tests, parsed.GetValue(seed), cancellation);
            return directory;
        }));
        return command;
    }
}
