"""Renders that go on where they ended: what is kept of one between two steps, and the way back to that step."""
