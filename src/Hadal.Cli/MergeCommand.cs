using System.CommandLine;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Cli;

/// <summary><c>hadal merge MODEL --adapter DIR -o OUT [--json]</c>.</summary>
internal static class MergeCommand
{
    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        model.Arity = ArgumentArity.ExactlyOne;
        model.Description = "The model the adapter was trained on: a checkpoint directory, or owner/name in the local hub cache.";
        var adapterPath = new Option<string>("--adapter") { Description = "A LoRA adapter: a directory with adapter_config.json and adapter_model.safetensors.", HelpName = "DIR", Required = true };
        var output = OutputDirectory.Option();
        var json = JsonOutput.Option();
        var command = new Command("merge", "Works an adapter into the weights of its model. Weights keep their format; a model in few bits becomes BF16.") { model, adapterPath, output, json };
        command.SetAction(parsed =>
        {
            var path = OutputDirectory.Find(shell, parsed.GetValue(output)!);
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            using var adapter = LoraAdapter.Open(Path.GetFullPath(parsed.GetValue(adapterPath)!, shell.CurrentDirectory), checkpoint.Config);
            if (adapter.OtherBase(checkpoint) is { } warning) shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(warning)}");
            var merger = new AdapterMerger(checkpoint, adapter);
            OutputDirectory.CheckSpace(path, merger.BytesAfter);
            using var work = shell.Interruption.Begin();
            if (!OutputDirectory.Run(shell, "merging", merger.WeightCount, (progress, token) => merger.Write(path, Environment.ProcessorCount, progress, token), work.Token)) return ExitCode.Interrupted;
            var result = new MergeResult(location.Name, adapter.Path, path, adapter.Modules.Count, merger.BytesAfter);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.MergeResult);
            else
            {
                Tables.WriteFields(shell, result.Model, [
                    ("path", result.Path), ("adapter", string.Create(CultureInfo.InvariantCulture, $"{result.Adapter}, {result.Modules} projections")), ("weights", Sizes.Bytes(result.Bytes)),
                ]);
            }

            return ExitCode.Done;
        });
        return command;
    }
}

/// <summary>What <c>merge --json</c> prints.</summary>
internal sealed record MergeResult(string Model, string Adapter, string Path, int Modules, long Bytes);
