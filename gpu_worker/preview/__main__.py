"""``python -m gpu_worker.preview train | build | evaluate | contact-sheet``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from gpu_worker.preview import checkpoint
from gpu_worker.preview.contact_sheet import draw_contact_sheet
from gpu_worker.preview.evaluation import examine, load
from gpu_worker.preview.exam import questions, rehearsal
from gpu_worker.preview.publishing import publish
from gpu_worker.preview.recipe import STEPS
from gpu_worker.preview.training import Plan, train

WORK = Path("var/preview")


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    match options.command:
        case "train":
            train(Plan(seed=options.seed), options.work, threads=options.threads)
            publish(options.work, options.out)
            print(f"Trained weights are in {options.out}.")
        case "build":
            publish(options.work, options.out)
            print(f"Weights of {options.work} are in {options.out}.")
        case "evaluate":
            asked = rehearsal() if options.rehearsal else questions()
            report = examine(load(options.model), asked, num_inference_steps=options.steps)
            print(json.dumps(report.to_wire(), indent=2))
        case "contact-sheet":
            draw_contact_sheet(load(options.model), options.to)
            print(f"Wrote {options.to}.")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker.preview", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads of torch")
    commands = parser.add_subparsers(dest="command", required=True)
    train_command = commands.add_parser("train", help="train from nothing, or on from where training stopped")
    train_command.add_argument("--seed", type=int, default=0)
    build_command = commands.add_parser("build", help="make a pipeline of the step that training has reached")
    for command in (train_command, build_command):
        command.add_argument("--work", type=Path, default=WORK / "training", help="where training keeps its state")
        command.add_argument("--out", type=Path, default=checkpoint.SHIPPED, help="where the pipeline goes")
    evaluate_command = commands.add_parser("evaluate", help="the exam of 200 prompts, as JSON")
    evaluate_command.add_argument("--rehearsal", action="store_true", help="100 other prompts, to tune by")
    evaluate_command.add_argument("--steps", type=int, default=STEPS)
    sheet_command = commands.add_parser("contact-sheet", help="sixteen clips in one picture")
    sheet_command.add_argument("--to", type=Path, default=Path("docs/preview-contact-sheet.png"))
    for command in (evaluate_command, sheet_command):
        command.add_argument("--model", type=Path, default=checkpoint.SHIPPED, help="folder of the pipeline")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
