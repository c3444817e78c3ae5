"""What commands have in common: the site they ask, and what they say in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.text import Text

from loremotion import Client, ClipFailed, LoreMotionError, NotConfigured, Video
from loremotion.cli.progress import Display

P = ParamSpec("P")
R = TypeVar("R")
screen = Console()


def with_client(command: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """Hand the command a client. What the site or this machine refuses ends the command with its words."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with Client(**click.get_current_context().obj) as client:
                return command(client, *args, **kwargs)
        except LoreMotionError as problem:
            raise click.ClickException(with_next_step(problem)) from None
        except BrokenPipeError:  # such as of "| head", which click ends in silence
            raise
        except OSError as problem:
            raise click.ClickException(str(problem)) from None

    return run


def with_next_step(problem: LoreMotionError) -> str:
    """The problem in words, with the command that helps."""
    return f"{problem} Or run: loremotion login" if isinstance(problem, NotConfigured) else str(problem)


def follow(client: Client, video: Video, out: Path | None, *, shows_preview: bool) -> None:
    """Show the clip until it ends, write it to ``out`` where that is said, and say what it cost."""
    try:
        made = Display(screen, shows_preview=shows_preview).follow(client, video) if video.is_open else video
    except KeyboardInterrupt:
        raise click.ClickException(f"It's still being made. Follow it: loremotion watch {video.id}") from None
    except ClipFailed:
        raise
    except LoreMotionError as problem:
        raise click.ClickException(f"{problem} The clip goes on. Follow it: loremotion watch {video.id}") from None
    if out is not None and made.is_completed:
        try:
            tell_saved(client.download(made, out))
        except (LoreMotionError, OSError, KeyboardInterrupt) as problem:
            says = str(problem) or "Stopped."
            raise click.ClickException(f"{says} The clip is made. Get it: loremotion download {made.id}") from None
    cost = made.cost
    click.echo(f"{made.state}: {cost.charged} credits charged, {cost.given_back} given back.  {made.page_url}")


def plain(text: str) -> Text:
    """What somebody wrote, on one line, and without what a terminal or rich would obey."""
    return Text("".join(letter if letter.isprintable() else " " for letter in " ".join(text.split())))


def check_free(out: Path, force: bool) -> None:
    """Refuse a place where a file cannot go."""
    if out.exists() and not force:
        raise click.BadParameter(f"{out} already exists. Use --force to overwrite it.", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"The folder {out.parent} does not exist.", param_hint="--out")


def tell_saved(path: Path) -> None:
    """Say what was written, and how much."""
    click.echo(f"{path} ({path.stat().st_size / 1024:.0f} KiB)")
