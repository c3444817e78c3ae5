"""``python -m gpu_worker guard``: serves a text classifier over HTTP, for the website's check of prompts.

It stands in a process of its own, on any host that has ``requirements/gpu.txt``, so that the website needs no PyTorch
and waits for it no longer than it wants to. It speaks OpenAI's ``POST /v1/moderations``: ``input`` is a list of texts,
and of each come back ``category_scores``, label → probability.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import logging
import os
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

PATH: Final = "/v1/moderations"
MOST_BYTES: Final = 256 * 1024
MOST_TEXTS: Final = 8
MOST_WINDOWS: Final = 128
"""Of all texts of one question: 8,000 characters are about five, and of letters that are each cut into many tokens some
seventy. What takes more is refused: of a text that is not read to its end nothing is known."""
WINDOWS_AT_ONCE: Final = 16
MOST_WAITING: Final = 4
"""Questions that wait for the model. Whoever comes then is told at once: they would have given up by their turn."""
SILENCE_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class TooLong(ValueError):
    """The texts take more windows than are read."""


class TextClassifier:
    """A checkpoint of transformers' ``AutoModelForSequenceClassification``, on the processor.

    Args:
        source: a folder or a repository of the hub. Weights are read from safetensors, and no code of it runs.
    """

    def __init__(self, source: str, *, revision: str | None = None) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            source, revision=revision, use_fast=True, trust_remote_code=False
        )
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(
            source, revision=revision, use_safetensors=True, trust_remote_code=False
        ).eval()
        config = self._model.config
        self.labels: tuple[str, ...] = tuple(config.id2label[index] for index in range(config.num_labels))
        self._is_multiple = config.problem_type == "multi_label_classification"
        self._longest = min(self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", 512), 512)

    def scores(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return label → probability of each text. A long one is read in windows, and its largest scores count.

        Raises:
            TooLong: there are more than ``MOST_WINDOWS``. None is read.
        """
        import torch

        read = self._tokenizer(
            list(texts), truncation=True, max_length=self._longest, stride=min(32, self._longest // 4),
            return_overflowing_tokens=True, padding=True, return_tensors="pt",
        )  # fmt: skip
        belongs_to = read.pop("overflow_to_sample_mapping").tolist()
        if len(belongs_to) > MOST_WINDOWS:
            raise TooLong(f"{len(belongs_to)} windows, and {MOST_WINDOWS} are the most")
        found = [dict.fromkeys(self.labels, 0.0) for _ in texts]
        for at in range(0, len(belongs_to), WINDOWS_AT_ONCE):
            some = slice(at, at + WINDOWS_AT_ONCE)
            with torch.inference_mode():
                logits = self._model(**{name: part[some] for name, part in read.items()}).logits.float()
            shares = logits.sigmoid() if self._is_multiple else logits.softmax(dim=-1)
            for text, row in zip(belongs_to[some], shares.tolist(), strict=True):
                for label, share in zip(self.labels, row, strict=True):
                    found[text][label] = max(found[text][label], share)
        return found


class Server(ThreadingHTTPServer):
    """Answers for one classifier, one question at a time.

    Args:
        token: that whoever asks has to bear; empty asks for none.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], classifier: TextClassifier, *, token: str = "") -> None:
        super().__init__(address, _Handler)
        self.classifier = classifier
        self.token = token
        self.places = threading.BoundedSemaphore(MOST_WAITING + 1)
        self.turn = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float] = SILENCE_SECONDS

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            return self._answer(413, {"error": {"message": f"The body has to be of at most {MOST_BYTES} bytes."}})
        body = self.rfile.read(int(length))
        said = self.headers.get("Authorization", "")
        if self.server.token and not hmac.compare_digest(said.encode(), f"Bearer {self.server.token}".encode()):
            return self._answer(401, {"error": {"message": "The token is another."}})
        if self.path != PATH:
            return self._answer(404, {"error": {"message": f"There is nothing but {PATH}."}})
        if (texts := _texts_of(body)) is None:
            return self._answer(400, {"error": {"message": f"input has to be 1 to {MOST_TEXTS} texts."}})
        if not self.server.places.acquire(blocking=False):
            return self._answer(503, {"error": {"message": "Too many wait."}})
        try:
            with self.server.turn:
                found = self.server.classifier.scores(texts)
        except TooLong as problem:
            return self._answer(413, {"error": {"message": f"The texts are too long: {problem}."}})
        finally:
            self.server.places.release()
        self._answer(200, {"results": [{"category_scores": scores} for scores in found]})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each question: the site logs what became of it."""


def _texts_of(body: bytes) -> list[str] | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    texts = said.get("input") if isinstance(said, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_TEXTS or not all(isinstance(t, str) for t in texts):
        return None
    return texts


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker guard", description=__doc__)
    parser.add_argument(
        "--model", default=os.environ.get("GUARD_MODEL", ""), help="a folder or a repository of the hub"
    )
    parser.add_argument("--revision", help="of a repository; a commit never changes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8990)
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    asked = parser.parse_args(arguments)
    if not asked.model:
        parser.error("name the classifier with --model or GUARD_MODEL")
    logging.basicConfig(level="INFO", format="%(asctime)s guard %(levelname)s %(message)s")
    import torch

    torch.set_num_threads(asked.threads)
    try:
        classifier = TextClassifier(asked.model, revision=asked.revision)
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"{asked.model} cannot be read as a text classifier: {problem}\n")
        return os.EX_CONFIG
    server = Server((asked.host, asked.port), classifier, token=os.environ.get("GUARD_TOKEN", ""))
    logger.info("%s answers at http://%s:%d%s: %s", asked.model, *server.server_address[:2], PATH, classifier.labels)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0
