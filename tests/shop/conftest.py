"""Fixtures of the shop's tests."""

from __future__ import annotations
