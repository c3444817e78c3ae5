"""A site that waits for whoever is silent for as long as they are, so that no clock decides what a test sees.

Whoever keeps a connection of the database meanwhile keeps it until the test has looked.
"""
