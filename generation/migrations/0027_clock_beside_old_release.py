"""A process of a release without tiers does not take the paid clock to the tags of free clips.

Such a process runs beside this release for a while, or comes back with a rollback. It sets the one clock that it knows
to the tag of the last clip that it dispatched. Where that clip is free, its tag is for the clock of free clips.
"""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import ROLE

FREE_BEGINS = float(2**40)

# Whoever dispatches locks the clock's row first. With this lock nobody is between that and moving the clock.
LOCK = "LOCK TABLE generation_fairclock IN EXCLUSIVE MODE"

KEEP_TIERS_APART = f"""
CREATE FUNCTION generation_keep_tiers_apart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.free_time := greatest(NEW.free_time, NEW.virtual_time);
    NEW.virtual_time := OLD.virtual_time;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_tiers_apart BEFORE UPDATE ON generation_fairclock FOR EACH ROW
WHEN (NEW.virtual_time >= {FREE_BEGINS!r}) EXECUTE FUNCTION generation_keep_tiers_apart();
"""
TIERS_TOGETHER = """
DROP TRIGGER keep_tiers_apart ON generation_fairclock;
DROP FUNCTION generation_keep_tiers_apart();
"""

# The clock stands at the last tag that was dispatched.
REPAIR = f"""
UPDATE generation_fairclock SET free_time = greatest(free_time, virtual_time), virtual_time = coalesce((
    SELECT max(fair_finish) FROM generation_generation
    WHERE state <> 'queued' AND dispatched_at IS NOT NULL AND fair_finish < {FREE_BEGINS!r}
), 0) WHERE virtual_time >= {FREE_BEGINS!r}
"""  # noqa: S608 - a number of ours


def join_line(tags: str) -> str:
    """The function that a release without tiers calls, with a condition on the tags that it sees."""
    return f"""
CREATE OR REPLACE FUNCTION generation_join_line(own uuid, otherwise text)
RETURNS TABLE (virtual_time double precision, last_finish double precision, open_clips bigint, flow text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE line text;
BEGIN
    IF current_setting('role') = '{ROLE}' AND own IS DISTINCT FROM row_security_workspace() THEN
        RAISE EXCEPTION 'the line of % is not of the workspace that asks', own USING ERRCODE = 'LM403';
    END IF;
    SELECT coalesce((
        SELECT 'person:' || user_id FROM accounts_membership WHERE workspace_id = own AND role = 'owner'
    ), otherwise) INTO line;
    PERFORM pg_advisory_xact_lock(hashtextextended(line, 0));
    RETURN QUERY SELECT
        coalesce((SELECT clock.virtual_time FROM generation_fairclock clock WHERE clock.id = 1), 0),
        greatest(0, (
            SELECT clip.fair_finish FROM generation_generation clip
            WHERE clip.state = 'queued' AND clip.flow = line AND {tags}
            ORDER BY clip.fair_finish DESC LIMIT 1
        ), (
            SELECT max(clip.fair_finish) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state = 'queued' AND clip.flow = '' AND {tags}
        )),
        (SELECT count(*) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running')),
        line;
END $$
"""  # noqa: S608 - a role and a number of ours


class Migration(migrations.Migration):
    dependencies = [("generation", "0026_resumed_from_step")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(LOCK, migrations.RunSQL.noop),
        migrations.RunSQL(REPAIR, migrations.RunSQL.noop),
        migrations.RunSQL(KEEP_TIERS_APART, TIERS_TOGETHER),
        migrations.RunSQL(join_line(f"clip.fair_finish < {FREE_BEGINS!r}"), join_line("true")),
    ]
