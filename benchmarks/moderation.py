"""How far the rules for prompts reach, and what they take.

    python -m benchmarks.moderation                              # on the corpus of the tests
    python -m benchmarks.moderation --hard FILE --innocent FILE  # on prompts of your own, a line each

Recall is the share of hard prompts that are held or refused. Known words, their disguises and prompts written apart
from the rules are counted apart, since the first two say nothing of the third. False is the share of innocent prompts
that are refused. Innocent ones are counted twice: those of the corpus, and 2,000 that are put together from parts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from generation.moderation.rules import judge
from generation.moderation.verdict import Outcome
from tests.moderation import corpus
from tests.moderation.corpus import DISGUISES

HOSTILE = {
    "one long word": "a" * 8_000,
    "letters alone": "n u d e " * 1_000,
    "signs for letters": "1@1@1@1@1@1@1@1@ " * 470,
    "numbers": "one year " * 880,
    "one Chinese word": "裸" * 8_000,
    "terms alone": "nude child " * 720,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hard", type=Path, help="prompts that are to be held or refused, a line each")
    parser.add_argument("--innocent", type=Path, help="prompts that are to be allowed, a line each")
    options = parser.parse_args()
    known = [line.prompt for line in corpus.read("known.txt")]
    latin = [prompt for prompt in known if prompt.isascii()]
    disguised = [change(prompt) for change in DISGUISES.values() for prompt in latin]
    recalls = {"known words": _recall(known), "the same, disguised": _recall(disguised)}
    hard = _lines(options.hard) if options.hard else _of_corpus("apart.txt")
    innocent = _lines(options.innocent) if options.innocent else _of_corpus("innocent.txt", "innocent-apart.txt")
    if hard:
        recalls["your own" if options.hard else "written apart from the rules"] = _recall(hard)
    for name, recall in recalls.items():
        print(f"recall, {name:30} {recall:.3f}")
    refused = _print_false("your own" if options.innocent else "of the corpus", innocent)
    if not options.innocent:
        _print_false("put together from parts", corpus.composed())
    print(f"{_microseconds(innocent):.0f} µs of processor time a prompt")
    for name, prompt in HOSTILE.items():
        print(f"{_microseconds([prompt]) / 1000:.0f} ms for 8,000 characters of {name}")
    print(f"recall {_recall(hard if options.hard else known + disguised):.3f} false {refused:.2f} %")
    return 0


def _print_false(name: str, prompts: list[str]) -> float:
    """Print how many innocent prompts are refused and held, and return the former in per cent."""
    outcomes = [judge(prompt).outcome for prompt in prompts]
    refused, held = (100 * outcomes.count(each) / len(outcomes) for each in (Outcome.REFUSED, Outcome.HELD))
    print(f"innocent, {name}, {len(prompts)} prompts: {refused:.2f} % refused, {held:.2f} % held")
    return refused


def _recall(prompts: list[str]) -> float:
    return sum(judge(prompt).outcome is not Outcome.ALLOWED for prompt in prompts) / len(prompts)


def _microseconds(prompts: Iterable[str]) -> float:
    texts = list(prompts)
    began = time.process_time()
    for text in texts:
        judge(text)
    return (time.process_time() - began) / len(texts) * 1e6


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _of_corpus(*names: str) -> list[str]:
    return [line.prompt for name in names if (corpus.FOLDER / name).exists() for line in corpus.read(name)]


if __name__ == "__main__":
    sys.exit(main())
