"""``python -m loremotion.local run | demo | stores``: the site on one machine."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from loremotion.local.environment import ROOT
from loremotion.local.failure import CannotStart


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loremotion.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="the site in the foreground, until Ctrl-C")
    run_parser.add_argument("--folder", type=Path, default=ROOT / "var", help="where everything is kept")
    demo_parser = commands.add_parser("demo", help="one clip from a stack of its own, which is stopped again")
    demo_parser.add_argument("prompt")
    demo_parser.add_argument("--out", type=Path, default=Path("clip.mp4"), help="where the MP4 goes")
    stores_parser = commands.add_parser("stores", help="one command against empty stores that are thrown away after it")
    stores_parser.add_argument("arguments", nargs="+", metavar="COMMAND")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    try:
        if asked.command == "run":
            from loremotion.local.run import run

            return run(asked.folder)
        if asked.command == "stores":
            from loremotion.local.scratch import run_with_stores

            return run_with_stores(asked.arguments)
        from loremotion.local.demo import demo

        return demo(asked.prompt, asked.out)
    except CannotStart as problem:
        print(f"Not started: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 128 + signal.SIGINT


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds like any other exit, so that whatever was started is stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
