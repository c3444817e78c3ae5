"""``python -m loremotion``: the command."""

from loremotion.cli import main

main()
