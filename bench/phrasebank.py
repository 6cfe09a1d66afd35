"""Splits Financial PhraseBank (50 % agreement) as a row of docs/results.md has it, and writes the config of its run beside it. The sentences themselves stay out of the repository (CC BY-NC-SA).

    python3 bench/phrasebank.py [--data ../shared/data] [--out artifacts/phrasebank]
    hadal-train sft artifacts/phrasebank/fpb.json --set learning_rate=3e-4
    hadal-train eval artifacts/phrasebank/out/model --suite classification --data artifacts/phrasebank/test.csv --column text=sentence --json

Each different sentence once, in the order of random.Random(7): 767 to test, 191 to choose by, the rest to learn.
"""
import argparse, csv, json, os, random

args = argparse.ArgumentParser()
args.add_argument("--data", default="../shared/data")
args.add_argument("--out", default="artifacts/phrasebank")
args = args.parse_args()
texts = {}
with open(os.path.join(args.data, "finance/financial-phrasebank/Sentences_50Agree.txt"), encoding="latin-1") as file:
    for line in file:
        sentence, label = line.rstrip("\n").rsplit("@", 1)
        texts.setdefault(sentence, label.strip())
rows = list(texts.items())
random.Random(7).shuffle(rows)
os.makedirs(args.out, exist_ok=True)
for name, part in (("test", rows[:767]), ("valid", rows[767:958]), ("train", rows[958:])):
    with open(os.path.join(args.out, name + ".csv"), "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("sentence", "label"), *part])


def source(name):
    return [{"path": name, "columns": {"text": "sentence"}}]


with open(os.path.join(args.out, "fpb.json"), "w", encoding="utf-8") as file:
    json.dump({
        "output": "out", "model": os.path.relpath("models/hadal-mini", args.out), "task": "classification", "labels": ["negative", "neutral", "positive"], "train": source("train.csv"), "validation": source("valid.csv"),
        "epochs": 3, "sequence_length": 256, "batch_sequences": 16, "evaluate_every_steps": 60, "log_every_steps": 20, "checkpoint_every_steps": 0, "thread_count": 1, "packing": False,
    }, file, indent=2)
print(f"{args.out}: {len(rows)} different sentences, {len(rows) - 958} to learn")
