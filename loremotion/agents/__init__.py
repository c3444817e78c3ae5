"""Agents: the site as tools of the Model Context Protocol, at ``/mcp``."""
