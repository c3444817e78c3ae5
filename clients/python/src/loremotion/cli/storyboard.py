"""``loremotion storyboard``: a file of scenes, rendered one after the other and joined to one film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from loremotion import Client, ClipFailed, LoreMotionError, Scene, Storyboard
from loremotion.cli import batch
from loremotion.cli.progress import Display
from loremotion.cli.terminal import check_free, plain, screen, tell_saved, with_client

R = TypeVar("R")


def read(path: Path) -> list[str]:
    """The scenes' prompts: of a ``.csv`` its column ``prompt``, of any other file each line that is not empty.

    Raises:
        BadRow: the file can't be read so, or has none.
    """
    if path.suffix.lower() == ".csv":
        with batch.table(path) as reader:
            if (reader.fieldnames or []) != ["prompt"]:
                raise batch.BadRow(f"{path.name} has one column, 'prompt', which its first line names.")
            prompts = [(said["prompt"] or "").strip() for said in reader]
    else:
        try:
            prompts = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except UnicodeDecodeError as problem:
            raise batch.BadRow(f"{path.name} can't be read as UTF-8: {problem}.") from None
    if not (prompts := [prompt for prompt in prompts if prompt]):
        raise batch.BadRow(f"{path.name} has no scene: write the prompt of each on a line of its own.")
    return prompts


def settings(command: Callable[..., R]) -> Callable[..., R]:
    """What all scenes have in common."""
    for option in (
        click.option("--preset", help="One of the model's presets."),
        click.option("--size", metavar="WxH", help="One of the model's sizes."),
        click.option("-s", "--seconds", type=float, help="Length of each scene."),
        click.option("-m", "--model", help="One that makes clips from text and from a picture."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--id", "storyboard_id", metavar="ID", help="Go on with this one; its scenes become those of FILE.")
@click.option("--title", help="Its name; else FILE's.")
@settings
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the film goes.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--detach", is_flag=True, help="Print the storyboard's id and don't wait.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask before credits are spent.")
@click.option("--preview/--no-preview", default=True, help="Show a small picture while a scene is made.")
@with_client
def storyboard(
    client: Client,
    /,
    file: Path | None,
    storyboard_id: str | None,
    title: str | None,
    out: Path | None,
    force: bool,
    detach: bool,
    yes: bool,
    preview: bool,
    **said: Any,
) -> None:
    """Render the scenes of FILE, each beginning with the last picture of the one before, as one film.

    FILE has a prompt on each line, or is a CSV with the column 'prompt'. With --id a storyboard that is there goes on:
    only scenes that are new or changed, and those after them, are rendered and paid for.
    """
    if file is None and storyboard_id is None:
        raise click.UsageError("Name a FILE of scenes, or a storyboard by --id.")
    if out is not None:
        check_free(out, force)
    said = {name: value for name, value in said.items() if value is not None}
    board = _written(client, storyboard_id, title, read(file) if file is not None else None, file, said)
    board = _rendered(client, board, asks=not yes)
    if detach:
        click.echo(board.id)
        return
    out = out or Path(f"{batch.slug(board.title)}-{board.id[:8]}.mp4")
    try:
        _follow(client, board, shows_preview=preview)
        tell_saved(client.storyboards.download(board, out))
    except (LoreMotionError, OSError, KeyboardInterrupt) as problem:
        says = str(problem) or "Stopped; what was asked for is still being made."
        raise click.ClickException(f"{says} Go on with it: loremotion storyboard --id {board.id}") from None


@click.command()
@with_client
def storyboards(client: Client) -> None:
    """List your workspace's storyboards, the newest first."""
    table = Table("id", "made", "scenes", "model", "title", box=None, pad_edge=False)
    for board in client.storyboards.list():
        made = board.created_at.astimezone().strftime("%d %b %H:%M")
        table.add_row(board.id, made, str(board.scene_count), board.model, plain(board.title))
    screen.print(table)


def _written(
    client: Client,
    storyboard_id: str | None,
    title: str | None,
    prompts: list[str] | None,
    file: Path | None,
    said: dict[str, Any],
) -> Storyboard:
    """The storyboard with what the command says of it."""
    if storyboard_id is None:
        return client.storyboards.create(title or (file.stem if file is not None else ""), prompts or [], **said)
    there = client.storyboards.get(storyboard_id)
    if prompts is None and title is None and not said:
        return there
    scenes = None if prompts is None else _in_place(there.scenes, prompts)
    return client.storyboards.change(there, title=title, scenes=scenes, **said)


def _in_place(scenes: tuple[Scene, ...], prompts: list[str]) -> list[str | Scene]:
    """The scenes with these prompts. Each stays in its place: what comes after a change is rendered anew anyhow."""
    kept: list[str | Scene] = [replace(scene, prompt=prompt) for scene, prompt in zip(scenes, prompts, strict=False)]
    return kept + prompts[len(kept) :]


def _rendered(client: Client, board: Storyboard, *, asks: bool) -> Storyboard:
    """The storyboard, once what has to be rendered of it is asked for."""
    price = board.credits_to_render
    if price == 0:
        return board
    if price is not None and asks:
        named = f"Storyboard {board.id}, {board.scene_count} scene{'' if board.scene_count == 1 else 's'}"
        click.confirm(f"{named}: {price} credit{'' if price == 1 else 's'}. Go on?", abort=True, err=True)
    return client.storyboards.render(board, max_credits=price or 0)  # where there is no price, this says why


def _follow(client: Client, board: Storyboard, *, shows_preview: bool) -> None:
    """Show each scene that is being made until it ends.

    Raises:
        LoreMotionError: one ended without a clip, and so did those after it; or the site is away.
    """
    for number, scene in enumerate(board.scenes, 1):
        if not scene.is_open or scene.video_id is None:
            continue
        screen.print(plain(f"Scene {number} of {board.scene_count}: {scene.prompt}"))
        try:
            Display(screen, shows_preview=shows_preview).follow(client, client.get(scene.video_id))
        except ClipFailed as failed:
            raise LoreMotionError(f"Scene {number}: {failed}") from None
