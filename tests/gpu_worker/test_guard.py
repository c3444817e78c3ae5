"""A text classifier is served as OpenAI's moderations are; long texts are read to their end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gpu_worker import guard
from gpu_worker.guard import Server, TextClassifier

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "lake", "tomb")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights and 32 places."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("guard")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, id2label={0: "fine", 1: "hate"}, label2id={"fine": 0, "hate": 1},
        initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(checkpoint: Path) -> TextClassifier:
    return TextClassifier(str(checkpoint))


@pytest.fixture
def server(classifier: TextClassifier) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), classifier, token="t") as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(server: Server, body: Any, *, bearer: str = "t", path: str = guard.PATH) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"http://127.0.0.1:{server.server_address[1]}{path}"
    answer = httpx.post(url, content=data, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
    return answer.status_code, answer.json()


def test_each_text_has_the_share_of_every_label(classifier: TextClassifier) -> None:
    lake, tomb = classifier.scores(["a lake", "a tomb"])
    assert lake.keys() == {"fine", "hate"}
    assert sum(lake.values()) == pytest.approx(1.0, abs=1e-5)
    assert lake != tomb


def test_labels_that_may_come_together_are_scored_one_by_one(checkpoint: Path, classifier: TextClassifier) -> None:
    alone = TextClassifier(str(checkpoint))
    alone._is_multiple = True
    assert sum(alone.scores(["a lake"])[0].values()) != pytest.approx(sum(classifier.scores(["a lake"])[0].values()))


def test_a_long_text_is_read_to_its_end(classifier: TextClassifier) -> None:
    start, whole = classifier.scores(["a lake " * 40, "a lake " * 40 + "tomb " * 25])
    assert whole != start
    assert all(whole[label] >= start[label] - 1e-5 for label in whole)


def test_the_last_of_many_windows_counts_as_the_first_does(classifier: TextClassifier) -> None:
    long = "a lake " * 500  # some forty windows
    (start,), (whole,) = classifier.scores([long]), classifier.scores([f"{long} {'tomb ' * 25}"])
    assert whole != start


def test_what_is_not_read_to_its_end_has_no_scores(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_WINDOWS", 3)
    status, said = ask(server, {"input": ["a lake", "a lake " * 60]})
    assert (status, "too long" in said["error"]["message"]) == (413, True)
    assert ask(server, {"input": ["a lake"]})[0] == 200


def test_it_answers_as_moderations_do(server: Server, classifier: TextClassifier) -> None:
    status, said = ask(server, {"input": ["a lake", "a tomb"], "model": "any"})
    assert status == 200
    assert [each["category_scores"] for each in said["results"]] == [
        pytest.approx(scores, abs=1e-5) for scores in classifier.scores(["a lake", "a tomb"])
    ]
    assert ask(server, {"input": "a lake"})[0] == 200


@pytest.mark.parametrize("body", [b"{", [], {"input": []}, {"input": [1]}, {"input": ["a"] * 9}, {}])
def test_what_is_no_question_is_refused(server: Server, body: Any) -> None:
    assert ask(server, body)[0] == 400


def test_strangers_long_bodies_and_other_paths_are_refused(server: Server) -> None:
    assert ask(server, {"input": "a"}, bearer="other")[0] == 401
    assert ask(server, {"input": "a"}, path="/")[0] == 404
    assert ask(server, b"x" * (guard.MOST_BYTES + 1))[0] == 413


def test_who_would_wait_too_long_is_told_at_once(server: Server) -> None:
    for _ in range(guard.MOST_WAITING + 1):
        server.places.acquire()
    assert ask(server, {"input": "a lake"})[0] == 503


def test_a_folder_that_holds_no_classifier_ends_it_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard.main(["--model", str(tmp_path)]) != 0
    assert str(tmp_path) in capsys.readouterr().err
