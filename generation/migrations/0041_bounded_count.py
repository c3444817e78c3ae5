"""A request counts no more of its workspace's open clips than the workspace may have, and reads none of them.

The release before goes on with the function of 0038, which has one argument less.
"""

from importlib import import_module
from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

_BEFORE: str = import_module("generation.migrations.0038_network_finish").JOIN_BOTH_LINES

# What came back from a lost attempt has no line and waits with its own workspace. OFFSET keeps the planner from looking
# for it among all that the workspace has open: it is found by its empty line, where there are a few at most.
_CHANGES = (
    ("origin text)", "origin text, most_open bigint)"),
    (
        """SELECT max(clip.fair_finish) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state = 'queued' AND clip.flow = ''
                AND clip.fair_finish >= begins AND clip.fair_finish < ends
""",
        """SELECT max(returned.fair_finish) FROM (
                SELECT clip.workspace_id, clip.fair_finish FROM generation_generation clip
                WHERE clip.state = 'queued' AND clip.flow = ''
                    AND clip.fair_finish >= begins AND clip.fair_finish < ends OFFSET 0
            ) AS returned WHERE returned.workspace_id = own
""",
    ),
    (
        """(SELECT count(*) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running')),
""",
        """(SELECT count(*) FROM (
            SELECT FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running') LIMIT most_open
        ) AS open),
""",
    ),
)


def _changed() -> str:
    sql = _BEFORE
    for before, after in _CHANGES:
        assert sql.count(before) == 1, before
        sql = sql.replace(before, after)
    return sql


JOIN = _changed()
NO_JOIN = "DROP FUNCTION generation_join_both_lines(uuid, text, double precision, text, bigint)"


class Migration(migrations.Migration):
    dependencies = [("generation", "0040_forecast_tier")]
    operations: ClassVar[list[Operation]] = [migrations.RunSQL(JOIN, NO_JOIN)]
