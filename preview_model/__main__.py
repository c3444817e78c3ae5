"""``python -m preview_model train | build | evaluate | contact-sheet``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gpu_worker.preview.checkpoint import SHIPPED
from preview_model.contact_sheet import draw_contact_sheet
from preview_model.continuation_exam import (
    PictureQuestion,
    continued_questions,
    picture_questions,
    picture_rehearsal,
)
from preview_model.evaluation import continuations, examine, load, variety_pixels
from preview_model.exam import Question, pair_questions, pair_rehearsal, questions, rehearsal
from preview_model.plan import TrainingPlan
from preview_model.publishing import publish
from preview_model.recipe import STEPS
from preview_model.training import train

WORK = Path("var/preview")


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    match options.command:
        case "train":
            train(TrainingPlan(seed=options.seed, start=options.start), options.work, threads=options.threads)
            publish(options.work, options.out)
            print(f"Trained weights are in {options.out}. Before they are shipped, examine them: evaluate --model.")
        case "build":
            publish(options.work, options.out)
            print(f"Weights of {options.work} are in {options.out}.")
        case "evaluate":
            print(json.dumps(_evaluate(options), indent=2))
        case "contact-sheet":
            draw_contact_sheet(load(options.model), options.to)
            print(f"Wrote {options.to}.")
    return 0


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    pipeline = load(options.model)
    match options.exam:
        case "prompts":
            asked: Sequence[Question] | Sequence[PictureQuestion] = rehearsal() if options.rehearsal else questions()
        case "pairs":
            asked = pair_rehearsal() if options.rehearsal else pair_questions()
        case "pictures":
            asked = picture_rehearsal() if options.rehearsal else picture_questions()
        case "continued":
            asked = continuations(pipeline, rehearsal() if options.rehearsal else continued_questions())
        case "variety":
            return {"pixels_apart": variety_pixels(pipeline)}
    return examine(pipeline, asked, num_inference_steps=options.steps).to_wire()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m preview_model", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads of torch")
    commands = parser.add_subparsers(dest="command", required=True)
    train_command = commands.add_parser("train", help="train from nothing, or on from where training stopped")
    train_command.add_argument("--seed", type=int, default=0)
    train_command.add_argument("--start", default="", help="folder of a trained pipeline: skip the first part")
    build_command = commands.add_parser("build", help="make a pipeline of the step that training has reached")
    for command in (train_command, build_command):
        command.add_argument("--work", type=Path, default=WORK / "training", help="where training keeps its state")
        command.add_argument("--out", type=Path, default=WORK / "pipeline", help="where the pipeline goes")
    evaluate_command = commands.add_parser("evaluate", help="an exam, as JSON: by default the one of 200 prompts")
    evaluate_command.add_argument(
        "--exam", choices=("prompts", "pairs", "pictures", "continued", "variety"), default="prompts"
    )
    evaluate_command.add_argument("--rehearsal", action="store_true", help="other questions, to tune by")
    evaluate_command.add_argument("--steps", type=int, default=STEPS)
    sheet_command = commands.add_parser("contact-sheet", help="sixteen clips in one picture")
    sheet_command.add_argument("--to", type=Path, default=Path("docs/preview-contact-sheet.png"))
    for command in (evaluate_command, sheet_command):
        command.add_argument("--model", type=Path, default=SHIPPED, help="folder of the pipeline")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
