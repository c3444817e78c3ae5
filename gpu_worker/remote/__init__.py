"""Clips by other people's APIs: the engine of a remote worker, which has no card and imports no torch."""
