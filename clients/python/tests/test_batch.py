"""A batch of clips, against a site that answers at once."""

from __future__ import annotations

import asyncio
import csv
import json
from collections import Counter
from pathlib import Path

import httpx
import pytest

from loremotion import AsyncClient
from loremotion.cli import batch
from loremotion.cli.batch import BadRow, Outcome, Row
from tests.test_retries import VIDEO


@pytest.fixture
def rows_of(tmp_path: Path) -> Rows:
    return Rows(tmp_path / "prompts.csv")


class Rows:
    """Reads rows from a file with these lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *lines: str, header: str = "prompt,seed") -> list[Row]:
        self.path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return batch.read(self.path)


class Site:
    """Makes every clip at once, but for what ``failures`` say of a prompt."""

    def __init__(self, **failures: Exception | httpx.Response) -> None:
        self.failures = failures
        self.keys: Counter[str] = Counter()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/content"):
            return httpx.Response(200, content=b"clip")
        prompt = json.loads(request.content)["prompt"] if request.method == "POST" else "a fox"
        if (failure := self.failures.get(prompt)) is not None:
            if isinstance(failure, Exception):
                raise failure
            return failure
        if request.method == "POST":
            self.keys[request.headers["idempotency-key"]] += 1
        cost = {"quoted": 2, "held": 0, "charged": 2, "given_back": 0}
        return httpx.Response(
            200, json={**VIDEO, "status": "completed", "lm": {**VIDEO["lm"], "state": "completed", "cost": cost}}
        )


def make(site: Site, rows: list[Row], folder: Path) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def run() -> None:
        async with AsyncClient("lm_key", "https://clips.example", transport=httpx.MockTransport(site)) as client:
            await batch.run(client, rows, folder, at_once=2, tell=outcomes.append)

    folder.mkdir(exist_ok=True)
    asyncio.run(run())
    return outcomes


def results(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {said["file"]: said for said in csv.DictReader(file)}


def test_a_line_that_is_put_in_before_others_leaves_them_paid_and_made(rows_of: Rows, tmp_path: Path) -> None:
    site, folder = Site(), tmp_path / "clips"
    make(site, rows_of("a fox,1", "a crow,2"), folder)
    made = {path.name for path in folder.iterdir()}
    again = rows_of("a hen,3", "a fox,1", "a crow,2")
    assert [row.prompt for row in again if not row.file_in(folder).exists()] == ["a hen"]
    make(site, again, folder)
    assert (len(site.keys), site.keys.total()) == (3, 3)
    assert made < {path.name for path in folder.iterdir()}


def test_equal_rows_are_a_clip_each_and_stay_theirs(rows_of: Rows) -> None:
    two = rows_of("a fox,1", "a crow,2", "a fox,1")
    three = rows_of("a crow,2", "a fox,1", "a fox,1", "a fox,1")
    assert len({row.key for row in three}) == len({row.file_name for row in three}) == 4
    assert {row.key for row in two} < {row.key for row in three}


def test_a_file_is_called_by_what_it_shows_and_rows_alike_in_that_have_files_of_their_own(rows_of: Rows) -> None:
    one, other, odd = rows_of("A fox in the snow,1", "A fox in the snow,2", "…,1")
    assert one.file_name.startswith("a-fox-in-the-snow-")
    assert one.file_name != other.file_name
    assert odd.file_name.startswith("clip-")
    (long,) = rows_of("𝔘" * 300 + ",1")
    assert len(long.file_name.encode()) < 200, "with room for what a download is called before it is whole"


def test_results_keep_what_earlier_runs_made(rows_of: Rows, tmp_path: Path) -> None:
    path, folder = tmp_path / "clips/results.csv", tmp_path / "clips"
    first = rows_of("a fox,1", "a crow,2")
    batch.write_results(path, batch.read_results(path), first, make(Site(), first, folder))
    second = rows_of("a hen,3", "a fox,1")
    missing = [row for row in second if not row.file_in(folder).exists()]
    batch.write_results(path, batch.read_results(path), second, make(Site(), missing, folder))
    kept = results(path)
    hen, fox = (kept[row.file_name] for row in second)
    assert [hen["line"], fox["line"], kept[first[1].file_name]["line"]] == ["2", "3", ""], "the crow's line is gone"
    assert {said["credits"] for said in kept.values()} == {"2"}


def test_a_row_that_failed_is_in_the_results_until_it_is_made(rows_of: Rows, tmp_path: Path) -> None:
    path, folder = tmp_path / "clips/results.csv", tmp_path / "clips"
    rows = rows_of("a fox,1")
    refusal = httpx.Response(402, json={"error": {"message": "Too few credits."}})
    batch.write_results(path, {}, rows, make(Site(**{"a fox": refusal}), rows, folder))
    assert [said["error"] for said in results(path).values()] == ["Too few credits."]
    batch.write_results(path, batch.read_results(path), rows, make(Site(), rows, folder))
    assert [said["error"] for said in results(path).values()] == [""]


def test_a_table_that_is_not_ours_is_not_overwritten(tmp_path: Path) -> None:
    for content in (b"name,score\nann,1\n", b"line,file\n\xff,\xfe\n"):
        (tmp_path / "results.csv").write_bytes(content)
        with pytest.raises(BadRow, match=r"results\.csv"):
            batch.read_results(tmp_path / "results.csv")


def test_what_this_machine_refuses_is_the_rows_error_and_the_others_go_on(rows_of: Rows, tmp_path: Path) -> None:
    rows = rows_of("a fox,1", "a crow,2")
    rows[0].file_in(tmp_path / "clips").mkdir(parents=True)
    failed, made = sorted(make(Site(), rows, tmp_path / "clips"), key=lambda each: each.row.number)
    assert (failed.error == "", made.error == "") == (False, True)
    assert failed.credits == 2, "the clip is made and paid for, if not here"
