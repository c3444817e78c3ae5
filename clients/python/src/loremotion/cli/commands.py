"""``loremotion generate``, ``watch``, ``download``, ``batch``, ``balance``, ``usage``, ``mcp``, ``login`` …"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from rich.table import Column, Table

from loremotion import AsyncClient, Client, ClipOptions, LoreMotionError, Spent, Video, __version__
from loremotion.calls import INPUTS, clip_id
from loremotion.cli import batch as batches
from loremotion.cli import credentials, device_login
from loremotion.cli.characters import character, list_characters
from loremotion.cli.storyboard import storyboard, storyboards
from loremotion.cli.terminal import check_free, follow, plain, screen, tell_saved, with_client, with_next_step
from loremotion.connection import API_KEY, BASE_URL, trimmed

R = TypeVar("R")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--site", envvar=BASE_URL, show_envvar=True, help="Address of the site, such as https://clips.example.")
@click.option("--api-key", envvar=API_KEY, show_envvar=True, help="A key of your workspace; better as a variable.")
@click.version_option(__version__)
@click.pass_context
def loremotion(context: click.Context, site: str | None, api_key: str | None) -> None:
    """Prompts to video clips, from a LoreMotion site."""
    kept = credentials.load()
    if kept is not None and (
        site is None or trimmed(site) == trimmed(kept.site)
    ):  # a key goes to the site that it is of, and to no other
        site, api_key = kept.site, api_key or kept.api_key
    context.obj = {"base_url": site, "api_key": api_key}


def clip_options(command: Callable[..., R]) -> Callable[..., R]:
    """Everything that may be said of a clip."""
    options = [
        click.option("-m", "--model", help="A model's name or alias; see 'loremotion models'."),
        click.option("--mode", help="How it is made, where the files don't say."),
        click.option("-s", "--seconds", type=float, help="Length."),
        click.option("--size", metavar="WxH", help="One of the model's sizes."),
        click.option("--preset", help="One of the model's presets."),
        click.option("--steps", type=int, help="Denoising steps."),
        click.option("--seed", type=int, help="The same seed and request give the same clip."),
        click.option("-n", "--negative-prompt", help="What should not be seen."),
        click.option("--private/--shared", default=None, help="Whether others of the team don't see it."),
        click.option(
            "--character", "characters", multiple=True, metavar="NAME", help="Whom it shows; may be repeated."
        ),
        click.option(
            "--draft", is_flag=True, default=None, help="A cheaper look first; 'loremotion finish' makes it whole."
        ),
        click.option("--max-credits", type=click.IntRange(0), metavar="N", help="Make it for no more than that."),
        click.option("--carry-credentials", is_flag=True, default=None, help="Content Credentials of files go along."),
        *(click.option(f"--{role.replace('_', '-')}", role, metavar="FILE|ID", help=_help_of(role)) for role in INPUTS),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _help_of(role: str) -> str | None:
    return {"image": "Start frame.", "last_image": "End frame.", "video": "A video to change or continue."}.get(role)


def _clip_options(options: dict[str, Any]) -> ClipOptions:
    for role in INPUTS:
        path = options.get(role)
        if path and not Path(path).is_file() and clip_id(path) is None:
            raise click.BadParameter(f"{path} is no file here, and no id of a clip.", param_hint=f"--{role}")
    if not math.isfinite(options.get("seconds") or 0):
        raise click.BadParameter("It is a number of seconds.", param_hint="--seconds")
    return cast(ClipOptions, {name: value for name, value in options.items() if value is not None and value != ()})


@loremotion.command()
@click.argument("prompt")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the clip goes.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--detach", is_flag=True, help="Print the clip's id and don't wait.")
@click.option("--preview/--no-preview", default=True, help="Show a small picture while it is made.")
@clip_options
@with_client
def generate(
    client: Client, /, prompt: str, out: Path | None, force: bool, detach: bool, preview: bool, **options: Any
) -> None:
    """Make a clip of PROMPT and download it."""
    said = _clip_options(options)
    if out is not None:
        check_free(out, force)
    _see_through(client, client.create(prompt, **said), out, detach=detach, preview=preview)


def _see_through(client: Client, asked: Video, out: Path | None, *, detach: bool, preview: bool) -> None:
    """Show the clip that was just asked for until it is downloaded; or say its id."""
    if detach:
        click.echo(asked.id)
        return
    held = f"{asked.cost.held} credit{'' if asked.cost.held == 1 else 's'} held"
    screen.print(f"{asked.model}, {asked.seconds:g} s at {asked.size}: {held}.", highlight=False, markup=False)
    follow(client, asked, out or Path(f"{batches.slug(asked.prompt)}-{asked.id[:8]}.mp4"), shows_preview=preview)


@loremotion.command()
@click.argument("video_id")
@click.option("--max-credits", type=click.IntRange(0), metavar="N", help="What that may still cost.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the clip goes.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--detach", is_flag=True, help="Print the clip's id and don't wait.")
@click.option("--preview/--no-preview", default=True, help="Show a small picture while it is made.")
@with_client
def finish(
    client: Client, video_id: str, max_credits: int | None, out: Path | None, force: bool, detach: bool, preview: bool
) -> None:
    """Make the whole clip of a draft for what it costs more, and download it. Asked again, it is the same clip."""
    if out is not None:
        check_free(out, force)
    _see_through(client, client.finish(video_id, max_credits=max_credits), out, detach=detach, preview=preview)


@loremotion.command()
@click.argument("video_id")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Download it when it is ready.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--preview/--no-preview", default=True, help="Show a small picture while it is made.")
@with_client
def watch(client: Client, video_id: str, out: Path | None, force: bool, preview: bool) -> None:
    """Follow a clip until it is ready."""
    if out is not None:
        check_free(out, force)
    follow(client, client.get(video_id), out, shows_preview=preview)


@loremotion.command()
@click.argument("video_id")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where it goes; else ID.mp4.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@with_client
def download(client: Client, video_id: str, out: Path | None, force: bool) -> None:
    """Download a finished clip."""
    out = out or Path(f"{video_id}.mp4")
    check_free(out, force)
    tell_saved(client.download(video_id, out))


@loremotion.command("list")
@click.option("-l", "--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@with_client
def list_clips(client: Client, limit: int) -> None:
    """List your workspace's clips, the newest first."""
    table = Table(Column("id", no_wrap=True, min_width=36), "made", "status", "model", box=None, pad_edge=False)
    table.add_column("prompt", no_wrap=True)
    for video in client.page(limit=limit).videos:
        made = video.created_at.astimezone().strftime("%d %b %H:%M")
        table.add_row(video.id, made, video.state, video.model, plain(video.prompt))
    screen.print(table)


@loremotion.command()
@click.argument("video_id")
@with_client
def cancel(client: Client, video_id: str) -> None:
    """Stop a clip; what has not been rendered is given back."""
    video = client.cancel(video_id)
    click.echo(f"{video.id} is {video.state}." if not video.is_open else f"{video.id} stops at its next step.")


@loremotion.command()
@with_client
def models(client: Client) -> None:
    """List the models."""
    table = Table("model", "credits", "modes", "sizes", "presets", "", box=None, pad_edge=False)
    for model in client.models():
        credits = "" if model.sample_credits is None else str(model.sample_credits)
        because = plain(model.unavailable_because)
        sizes = ", ".join(model.sizes[:3]) + (" …" if len(model.sizes) > 3 else "")
        modes, presets = ", ".join(model.modes), ", ".join(model.presets)
        table.add_row(model.id, credits, modes, sizes, presets, because)
    screen.print(table)


@loremotion.command()
@click.argument("prompt")
@clip_options
@with_client
def quote(client: Client, /, prompt: str, **options: Any) -> None:
    """Say what a clip would cost, and when it would be ready. Makes nothing."""
    found = client.quote(prompt, **_clip_options(options))
    click.echo(f"{found.model}, {found.seconds:g} s at {found.size}, {found.preset}: {found.in_words}")


@loremotion.command()
@with_client
def balance(client: Client) -> None:
    """Say what credits are left, and what this key may still spend."""
    me = client.me()
    screen.print(plain(f"{me.workspace or 'Your workspace'}, plan {me.plan}, key {me.key}"))
    if me.credits is None:
        click.echo("Credits: not shown to this key. It needs the scope 'billing-read'.")
    else:
        owed = f", {me.credits.owed:,} owed" if me.credits.owed else ""
        click.echo(f"Credits: {me.credits.available:,} available, {me.credits.held:,} held for open clips{owed}.")
    for cap, now in ((me.daily_cap, "today"), (me.monthly_cap, "this month")):
        if cap is not None:
            click.echo(f"This key: {cap.left:,} of {cap.credits:,} credits left {now}.")


@loremotion.command()
@click.option("--since", metavar="DAY", help="The first day, such as 2027-01-31; else the month's first.")
@click.option("--until", metavar="DAY", help="The last day; else today.")
@click.option("--by", multiple=True, type=click.Choice(["day", "model", "key", "member"]), default=["day"])
@with_client
def usage(client: Client, since: str | None, until: str | None, by: tuple[str, ...]) -> None:
    """Say what was spent, in credits: by your workspace, or by this key alone without 'billing-read'."""
    found = client.usage(since=since, until=until, by=by)
    table = Table(*(found.lines[0].of if found.lines else by), box=None, pad_edge=False)
    for name in ("credits", "held", "given back", "clips", "seconds"):
        table.add_column(name, justify="right")
    for line in found.lines:
        table.add_row(*(plain(name or "none") for name in line.of.values()), *_figures(line.spent))
    table.add_row("total", *[""] * (len(set(by)) - 1), *_figures(found.total))
    screen.print(table)


def _figures(spent: Spent) -> list[str]:
    whole = (spent.charged, spent.held, spent.given_back, spent.clips)
    return [*(f"{figure:,}" for figure in whole), f"{spent.seconds:g}"]


@loremotion.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), default="clips", show_default=True)
@click.option("-j", "--at-once", type=click.IntRange(1, 32), default=3, show_default=True, help="Clips open at a time.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask before credits are spent.")
@with_client
def batch(client: Client, file: Path, out: Path, at_once: int, yes: bool) -> None:
    """Make a clip of each row of a CSV FILE.

    Its first line names the columns: prompt, and any of model, mode, seconds, size, preset, steps, seed,
    negative_prompt. Run it again, and only what is missing is made; a row is paid for once in 24 hours.
    """
    rows = batches.read(file)
    results = out / "results.csv"
    earlier = batches.read_results(results)
    missing = [row for row in rows if not row.file_in(out).is_file()]
    if not missing:
        click.echo(f"All {len(rows)} clips are in {out} already.")
        return
    total = batches.quote(client, missing)
    if not yes:
        click.confirm(f"{len(missing)} clips for at most {total} credits. Go on?", abort=True)
    out.mkdir(parents=True, exist_ok=True)
    outcomes: list[batches.Outcome] = []
    try:
        asyncio.run(_run_batch(missing, out, at_once, outcomes))
    except KeyboardInterrupt:
        raise click.ClickException(
            "Stopped. What was asked for is still being made: run it again to go on, and nothing is paid for twice."
        ) from None
    finally:
        batches.write_results(results, earlier, rows, outcomes)
    failed = sum(bool(each.error) for each in outcomes)
    spent = sum(each.credits for each in outcomes)
    click.echo(f"{len(outcomes) - failed} of {len(outcomes)} clips are in {out}, for {spent} credits. See results.csv.")
    if failed:
        raise click.exceptions.Exit(1)


async def _run_batch(rows: list[batches.Row], out: Path, at_once: int, outcomes: list[batches.Outcome]) -> None:
    def tell(outcome: batches.Outcome) -> None:
        outcomes.append(outcome)
        click.echo(f"line {outcome.row.number}: {outcome.error or outcome.row.file_in(out)}")

    async with AsyncClient(**click.get_current_context().obj) as client:
        await batches.run(client, rows, out, at_once=at_once, tell=tell)


@loremotion.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default="clips", show_default=True)
@click.option("--confirm-above", type=click.IntRange(0), metavar="CREDITS", help="Dearer clips need the user's word.")
@click.pass_obj
def mcp(site: dict[str, Any], folder: Path, confirm_above: int | None) -> None:
    """Serve the site as tools to an agent, over standard input and output (Model Context Protocol).

    Pictures are read from FOLDER and clips written to it. Limit what the agent may spend by its API key's limits.
    """
    try:
        from loremotion.agent_tools import serve, server_of
    except ModuleNotFoundError as missing:
        if missing.name not in ("mcp", "mcp_types", "httpx2"):
            raise
        raise click.ClickException("This needs a few more packages: pip install 'loremotion[mcp]'") from None
    try:
        with Client(**site) as client:
            client.me()  # an agent shows nobody why its tools are not there
    except LoreMotionError as problem:
        raise click.ClickException(with_next_step(problem)) from None
    asyncio.run(serve(server_of(lambda: AsyncClient(**site), folder=folder, confirm_above=confirm_above)))


@loremotion.command()
@click.option("--site", "address", prompt="Address of the site", help="Such as https://clips.example.")
@click.option("--with-key", is_flag=True, help="Type an API key instead of agreeing in a browser.")
def login(address: str, with_key: bool) -> None:
    """Keep a site and an API key for this user, in a file that only they can read.

    You agree in a browser, on this machine or another, and the site makes a key for it.
    """
    address = trimmed(address)
    if not re.match(r"https?://", address):
        raise click.BadParameter("It begins with https://.", param_hint="--site")
    try:
        key = None if with_key else device_login.key_from(address, show=_show_code)
        if key is None:
            click.echo(f"Make a key at {address}/workspace/keys/ , with the scopes 'generate' and 'read'.")
            key = click.prompt("API key", hide_input=True).strip()
            with Client(key, address) as client:
                client.me()
    except LoreMotionError as problem:
        raise click.ClickException(f"Not kept: {problem}") from None
    credentials.save(credentials.Credentials(site=address, api_key=key))
    click.echo(f"Kept in {credentials.path()}. 'loremotion logout' forgets it.")
    try:
        with Client(key, address) as client:
            click.echo(f"You are in the workspace {plain(client.me().workspace).plain}.")
    except LoreMotionError as problem:
        raise click.ClickException(f"The key is kept, and could not be tried: {problem}") from None


def _show_code(page: str, code: str) -> None:
    click.echo(f"Open {page}\nand type the last letters of this code: {code}\nWaiting for you to agree …")


@loremotion.command()
def logout() -> None:
    """Forget the key. It goes on being valid until you revoke it on the site."""
    click.echo("Forgotten." if credentials.forget() else "There was none.")


for each in (storyboard, storyboards, character, list_characters):
    loremotion.add_command(each)
