"""The fixtures of clips: a model, two visitors, and their browsers."""

from tests.generation.conftest import alice, bob, client, client_of, empty_valkey, running, toy

__all__ = ["alice", "bob", "client", "client_of", "empty_valkey", "running", "toy"]
