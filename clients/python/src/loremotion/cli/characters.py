"""``loremotion character`` and ``characters``: who or what clips show again and again."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from loremotion import Client, LoreMotionError
from loremotion.cli.terminal import plain, screen, with_client


@click.command()
@click.argument("name")
@click.argument("pictures", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--delete", is_flag=True, help="Delete the one of this NAME. Clips that show it stay.")
@with_client
def character(client: Client, name: str, pictures: tuple[Path, ...], delete: bool) -> None:
    """Keep a character called NAME, of 1 to 3 PICTURES. Clips show it with --character NAME."""
    if delete == bool(pictures):
        raise click.UsageError("Name 1 to 3 PICTURES to keep it by, or say --delete.")
    if not delete:
        click.echo(client.characters.create(name, pictures).id)
        return
    found = next((one for one in client.characters.list() if name in (one.id, one.name)), None)
    if found is None:
        raise LoreMotionError(f"There is no character {name}. See: loremotion characters")
    client.characters.delete(found)
    screen.print(plain(f"{found.name} is deleted."))


@click.command("characters")
@with_client
def list_characters(client: Client) -> None:
    """List your workspace's characters."""
    table = Table("id", "pictures", "name", box=None, pad_edge=False)
    for one in client.characters.list():
        table.add_row(one.id, str(one.picture_count), plain(one.name))
    screen.print(table)
