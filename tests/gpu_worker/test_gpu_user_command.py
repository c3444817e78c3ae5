"""``manage.py gpu_user``: what an operator is told of the user for GPU hosts."""

from __future__ import annotations

from io import StringIO

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django import Settings
from redis.exceptions import NoPermissionError

from gpu_worker.rq_seams import valkey_rights
from gpu_worker.valkey_names import REMOTE_QUEUE
from tests.gpu_worker.valkey_users import told


def printed(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("gpu_user", *arguments, stdout=out)
    return [line for line in out.getvalue().splitlines() if not line.startswith("#")]


def test_an_operator_is_told_the_user_and_the_address_of_the_gpu_hosts(valkey: redis.Redis, settings: Settings) -> None:
    site = settings.REDIS_URL
    settings.REDIS_URL = site.replace("redis://", "redis://default:of-the-site@")
    user, address = printed("--user", "fleet")
    assert "of-the-site" not in user + address
    told(valkey, "ACL", "SETUSER", *user.split()[1:])
    try:
        with redis.Redis.from_url(address.removeprefix("REDIS_URL=")) as host:
            assert host.ping()
            with pytest.raises(NoPermissionError):
                host.lrange("rq:queue:mail", 0, -1)
    finally:
        told(valkey, "ACL", "DELUSER", "fleet")


def test_the_hosts_are_told_the_sentinels_and_not_the_sites_login_there(settings: Settings) -> None:
    login = "sentinel_username=site&sentinel_password=secret"
    settings.REDIS_URL = f"rediss+sentinel://site:secret@a:26379,b/clips/0?ssl_ca_certs=/ca.pem&{login}"
    _, address = printed("--password", "kept")
    assert address == "REDIS_URL=rediss+sentinel://gpu:kept@a:26379,b/clips/0?ssl_ca_certs=/ca.pem"


def test_a_remote_worker_is_given_the_user_of_its_own_line() -> None:
    user, _ = printed("--remote", "--user", "far", "--worker", "far-1", "--password", "kept")
    assert user == valkey_rights.user_line("kept", user="far", worker="far-1", queue=REMOTE_QUEUE)
    assert user != printed("--user", "far", "--worker", "far-1", "--password", "kept")[0]


def test_each_time_the_password_is_another() -> None:
    assert printed() != printed()
    assert printed("--password", "kept") == printed("--password", "kept")


@pytest.mark.parametrize("arguments", [["--user", "a b"], ["--user", "default"], ["--worker", "a b"], ["--user", ""]])
def test_a_user_that_would_be_another_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed(*arguments)
