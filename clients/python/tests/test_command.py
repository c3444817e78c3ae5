"""The command, against a real site."""

from __future__ import annotations

import base64
import csv
import functools
import io
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

from loremotion import Client, ConnectionFailed, Event
from loremotion.cli import batch, credentials
from loremotion.cli.commands import loremotion
from loremotion.cli.progress import Display, in_half_blocks
from tests.test_retries import VIDEO

Run = Callable[..., Result]
ME: dict[str, Any] = {
    "workspace": {"name": "Studio [b]"},
    "key": {"name": "ci", "prefix": "lm_live_a", "scopes": ["generate", "billing-read"], "expires_at": None},
    "plan": "creator",
    "most_open_clips": 9,
    "cap": None,
    "daily_cap": None,
    "credits": None,
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder of its own, as a user for whom nothing is kept."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("LOREMOTION_API_KEY", "LOREMOTION_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(loremotion, arguments, input=typed)

    return invoke


class Answers:
    """A site that answers each address as it is told to."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        return httpx.Response(200, json=self.answers[name]) if name in self.answers else httpx.Response(404)


@pytest.fixture
def answered(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run the command at a site with these answers."""

    def begin(**answers: Any) -> Run:
        transport = httpx.MockTransport(Answers(**answers))
        monkeypatch.setattr("loremotion.cli.terminal.Client", functools.partial(Client, transport=transport))
        credentials.save(credentials.Credentials(site="https://clips.example", api_key="lm_key"))
        return run

    return begin


@pytest.fixture
def signed_in(run: Run, site: str, key: str) -> Run:
    credentials.save(credentials.Credentials(site=site, api_key=key))
    return run


def test_it_says_how_to_begin(run: Run) -> None:
    said = run("models")
    assert said.exit_code == 1
    assert "loremotion login" in said.output


def test_login_keeps_a_key_that_holds_where_only_its_user_reads_it(run: Run, site: str, key: str) -> None:
    assert run("login", "--with-key", "--site", site, typed="lm_wrong\n").exit_code == 1
    assert credentials.load() is None
    said = run("login", "--with-key", "--site", site + "/", typed=f"{key}\n")
    assert said.exit_code == 0, said.output
    assert key not in said.output
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600
    assert run("models").exit_code == 0
    assert run("logout").output == "Forgotten.\n"
    assert credentials.load() is None


def test_a_key_is_sent_to_its_own_site_alone(signed_in: Run) -> None:
    said = signed_in("--site", "http://127.0.0.1:9", "list")
    assert "No API key" in said.output


def test_a_clip_is_quoted_asked_for_listed_and_cancelled(signed_in: Run, client: Client) -> None:
    assert "credits" in signed_in("quote", "a fox").output
    asked = signed_in("generate", "a fox in the snow", "--seed", "7", "--detach")
    assert asked.exit_code == 0, asked.output
    video = client.get(asked.output.strip())
    assert (video.prompt, video.seed) == ("a fox in the snow", 7)
    assert video.id in signed_in("list").output
    assert "cancelled" in signed_in("cancel", video.id).output
    ended = signed_in("watch", video.id)
    assert ended.exit_code == 0
    assert "cancelled: 0 credits charged" in ended.output


def test_what_a_prompt_holds_is_shown_and_never_obeyed(answered: Callable[..., Run]) -> None:
    odd = {**VIDEO, "prompt": "a [/red] fox \x1b[2J"}
    said = answered(videos={"data": [odd], "has_more": False, "last_id": None})("list")
    assert said.exit_code == 0, said.exception
    assert "[/red]" in said.output
    assert "\x1b" not in said.output


def test_the_same_site_with_a_slash_is_the_same(answered: Callable[..., Run]) -> None:
    models = answered(models={"data": []})
    for address in ("https://clips.example/", "https://clips.example/v1"):
        assert models("--site", address, "models").exit_code == 0


def test_what_this_machine_refuses_is_said_in_its_words(answered: Callable[..., Run]) -> None:
    said = answered()("generate", "a fox", "--image", "x" * 300)
    assert (said.exit_code, "too long" in said.output) == (1, True)
    for seconds in ("nan", "inf"):
        assert "--seconds" in answered()("generate", "a fox", "-s", seconds).output


@pytest.mark.parametrize(("problem", "says"), [(ConnectionFailed("Away."), "Away."), (KeyboardInterrupt(), "still")])
def test_who_loses_sight_of_a_clip_is_told_how_to_find_it(
    answered: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, problem: BaseException, says: str
) -> None:
    def lose(*arguments: Any) -> None:
        raise problem

    monkeypatch.setattr(Display, "follow", lose)
    said = answered(videos=VIDEO)("generate", "a fox")
    assert says in said.output
    assert f"loremotion watch {VIDEO['id']}" in said.output


def test_a_clip_that_is_made_and_cannot_be_written_is_named(
    answered: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {**VIDEO, "status": "completed"}
    said = answered(videos=made)("generate", "a fox", "-o", "clip.mp4")
    assert said.exit_code == 1
    assert f"loremotion download {VIDEO['id']}" in said.output


def test_a_draft_is_asked_for_and_finished(signed_in: Run, answered: Callable[..., Run], client: Client) -> None:
    asked = signed_in("generate", "a fox", "--draft", "--detach")
    assert asked.exit_code == 0, asked.output
    refused = signed_in("finish", asked.output.strip())
    assert (refused.exit_code, "not made yet" in refused.output) == (1, True), refused.output
    client.cancel(asked.output.strip())
    whole = answered(finish=VIDEO)("finish", VIDEO["id"], "--max-credits", "7", "--detach")
    assert whole.output.strip() == VIDEO["id"]


def test_a_terminal_without_the_letters_of_a_prompt_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from loremotion import cli

    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", narrow)
    monkeypatch.setattr("sys.argv", ["loremotion", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert narrow.errors == "replace"


def test_a_finished_clip_is_downloaded_and_nothing_is_overwritten(signed_in: Run, made: str) -> None:
    said = signed_in("download", made, "-o", "clip.mp4")
    assert said.exit_code == 0, said.output
    assert Path("clip.mp4").stat().st_size > 0
    again = signed_in("download", made, "-o", "clip.mp4")
    assert (again.exit_code, "--force" in again.output) == (2, True)
    assert signed_in("watch", made, "-o", "clip.mp4", "--force").exit_code == 0


def test_what_cannot_be_is_said_before_anything_is_asked_for(signed_in: Run) -> None:
    assert "no file here" in signed_in("generate", "a fox", "--image", "missing.png").output
    assert "does not exist" in signed_in("generate", "a fox", "-o", "missing/clip.mp4").output
    refused = signed_in("generate", "a fox", "--size", "1x1", "--detach")
    assert (refused.exit_code, "Choose one of" in refused.output) == (1, True)


def test_what_is_left_is_said_of_the_workspace_and_of_the_key(answered: Callable[..., Run]) -> None:
    left = {
        "cap": {"monthly_credits": 5000, "spent": 1200, "left": 3800},
        "daily_cap": {"daily_credits": 500, "spent": 500, "left": 0},
        "credits": {"available": 1234, "held": 6, "owed": 0},
    }
    said = answered(me={**ME, **left})("balance").output
    assert "Studio [b], plan creator, key ci" in said
    assert "1,234 available, 6 held" in said
    assert "3,800 of 5,000 credits left this month" in said
    assert "0 of 500 credits left today" in said
    unshown = answered(me=ME)("balance").output
    assert "billing-read" in unshown
    assert "month" not in unshown


def test_what_was_spent_is_a_table_with_its_total(answered: Callable[..., Run]) -> None:
    spent = {"clips": 3, "seconds": 6.5, "held": 0, "charged": 1200, "given_back": 4}
    said = {"object": "usage", "since": "2027-01-01", "until": "2027-01-31", "by": ["day", "model"], "total": spent}
    lines = [{"day": "2027-01-02", "model": "toy", **spent}, {"day": "2027-01-03", "model": None, **spent}]
    shown = answered(usage={**said, "data": lines})("usage", "--by", "model", "--by", "day").output.splitlines()
    assert shown[0].split() == ["day", "model", "credits", "held", "given", "back", "clips", "seconds"]
    assert shown[1].split() == ["2027-01-02", "toy", "1,200", "0", "4", "3", "6.5"]
    assert shown[2].split()[1] == "none"
    assert shown[3].split() == ["total", "1,200", "0", "4", "3", "6.5"]


def test_what_this_key_spent_is_told_by_the_site(signed_in: Run, client: Client) -> None:
    video = client.create("a counted fox")
    usage = client.usage(by=["model", "day"])
    assert usage.total.held >= video.cost.held
    assert usage.lines[0].of["model"] == video.model
    assert "total" in signed_in("usage", "--by", "model").output
    client.cancel(video)


def test_the_key_of_this_site_is_told_of_itself(signed_in: Run, client: Client) -> None:
    me = client.me()
    assert "generate" in me.scopes
    assert f"key {me.key}" in signed_in("balance").output


def test_a_batch_asks_first_and_a_second_run_finds_the_clips_of_the_first(
    signed_in: Run, client: Client, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("prompts.csv").write_text("prompt,seed\na fox,1\na crow,2\n")
    assert signed_in("batch", "prompts.csv", typed="n\n").exit_code == 1
    assert not Path("clips").exists()
    rows = batch.read(Path("prompts.csv"))
    before = [client.create(row.prompt, idempotency_key=row.key, **row.options).id for row in rows]
    for video_id in before:
        client.cancel(video_id)
    said = signed_in("batch", "prompts.csv", "--yes")
    assert said.exit_code == 1, "cancelled ones are no clips"
    with Path("clips/results.csv").open() as file:
        results = list(csv.DictReader(file))
    assert [(said["line"], said["video"]) for said in results] == [("2", before[0]), ("3", before[1])]
    assert all(said["error"] for said in results)


def test_a_batch_that_is_stopped_says_what_goes_on_and_keeps_what_it_made(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(client: Any, rows: list[batch.Row], folder: Path, *, at_once: int, tell: Any) -> None:
        tell(batch.Outcome(rows[0], "the-id", 2, ""))
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "quote", lambda client, rows: 4)
    monkeypatch.setattr(batch, "run", stopped)
    credentials.save(credentials.Credentials(site="https://clips.example", api_key="lm_key"))
    Path("prompts.csv").write_text("prompt\na fox\na crow\n")
    said = run("batch", "prompts.csv", "--yes")
    assert (said.exit_code, "still being made" in said.output) == (1, True)
    assert "the-id" in Path("clips/results.csv").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prompt,duration\na fox,5\n", "duration"),
        ("seed\n1\n", "no column 'prompt'"),
        ("prompt,seconds\na fox,long\n", "Line 2: seconds"),
        ("prompt,seconds\na fox,nan\n", "Line 2: seconds"),
        ("prompt,seed\n,1\n", "Line 2 has no prompt"),
        ("prompt\na fox,1\n", "Line 2 has no prompt, or more cells"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(signed_in: Run, text: str, says: str) -> None:
    Path("prompts.csv").write_text(text)
    said = signed_in("batch", "prompts.csv", "--yes")
    assert (said.exit_code, says in said.output) == (1, True)


def test_the_display_follows_events_and_shows_the_picture_as_blocks() -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(jpeg, "JPEG")
    preview = "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
    screen = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=100)
    display = Display(screen)
    assert display.show(Event("queue", {"in_words": "Ready in about 40 s.", "reason": ""}))
    step: dict[str, Any] = {"stage": "denoising", "step": 6, "steps": 8, "progress": 52, "preview": preview}
    assert display.show(Event("step", step))
    assert not display.show(Event("step", step)), "a log says it once"
    screen.print(display._shown())
    shown = screen.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO from above
    assert "Denoising" in shown
    assert "6/8" in shown
    assert "▀" in shown
    assert in_half_blocks(b"no picture").plain == ""


@pytest.mark.parametrize("size", [(48, 48), (512, 768), (768, 512), (8, 800)])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (30, 40), (40, 5)])
def test_the_picture_leaves_room_for_the_bar(size: tuple[int, int], width: int, height: int) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", size, "red").save(jpeg, "JPEG")
    preview = "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
    screen = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=width, height=height)
    display = Display(screen)
    display.show(Event("step", {"stage": "denoising", "step": 6, "steps": 8, "progress": 52, "preview": preview}))
    picture = ["".join(part.text for part in line).rstrip() for line in screen.render_lines(display._picture)]
    assert 1 <= len(picture) <= height - 4
    assert {len(line) for line in picture} == {picture[0].count("▀")}
    assert len(picture) == height - 4 or len(picture[0]) in (48, width), "it is no smaller than it has to be"


def test_without_its_libraries_it_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from loremotion import cli

    for name in [name for name in sys.modules if name.startswith("loremotion.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit, match=r"loremotion\[cli\]"):
        cli.main()


def test_credentials_that_cannot_be_read_are_none(run: Run) -> None:
    credentials.path().parent.mkdir(parents=True)
    for text in ("", "[]", json.dumps({"site": "https://clips.example"})):
        credentials.path().write_text(text)
        assert credentials.load() is None
