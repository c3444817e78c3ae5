"""Kling's REST API as its reference documents it: tasks by id or by a name of the caller's, and codes of its own."""

from __future__ import annotations

from typing import Any

import jwt

from tests.remote.fake_api import Asked, Said

SECRET = "a secret of at least thirty-two bytes"


class FakeKling:
    def __init__(self, mp4: bytes) -> None:
        self.mp4 = mp4
        self.tasks: dict[str, list[str]] = {}
        self.by_name: dict[str, str] = {}
        self.problem = ""
        self.address = ""

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/files/clip.mp4":
            return Said(200, self.mp4, "video/mp4")
        claims = jwt.decode(
            asked.headers["authorization"].removeprefix("Bearer "), SECRET, ["HS256"], options={"verify_nbf": False}
        )
        if claims["iss"] != "a-key":
            return Said(401, {"code": 1000, "message": "Authentication failed"})
        if asked.method == "POST":
            return self.start(asked)
        name = asked.path.rsplit("/", 1)[1]
        task = self.by_name.get(name, name)
        if task not in self.tasks:
            return Said(404, {"code": 1203, "message": "task not found"})
        return Said(200, {"code": 0, "message": "SUCCEED", "data": self.shown(task)})

    def start(self, asked: Asked) -> Said:
        name = asked.json["external_task_id"]
        if name in self.by_name:
            return Said(400, {"code": 1201, "message": "external_task_id must be unique"})
        task = f"task-{len(self.tasks)}"
        self.tasks[task] = ["submitted", "processing"]
        self.by_name[name] = task
        return Said(200, {"code": 0, "message": "SUCCEED", "data": {"task_id": task, "task_status": "submitted"}})

    def shown(self, task: str) -> dict[str, Any]:
        if self.problem:
            return {"task_id": task, "task_status": "failed", "task_status_msg": self.problem}
        left = self.tasks[task]
        if left:
            return {"task_id": task, "task_status": left.pop(0)}
        result = {"videos": [{"id": "1", "url": self.address, "duration": "1"}]}
        return {"task_id": task, "task_status": "succeed", "task_result": result}
