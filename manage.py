#!/usr/bin/env python
"""Django's command line."""

import gc
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")
    gc.set_threshold(10_000)  # at 700 new objects a time, looking for garbage is a seventh of its start, and finds none
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
