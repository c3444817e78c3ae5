"""Free clips of one network wait behind each other, whosever they are.

The release before goes on with the function of three arguments. What it queues meanwhile tells of no network, and waits
in its own line alone.
"""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import ROLE

FREE_BEGINS = float(2**40)

# Whoever takes both locks takes that of the line first, and the network's is the line of its visitors.
JOIN_LINE = f"""
CREATE FUNCTION generation_join_line(own uuid, otherwise text, begins double precision, origin text)
RETURNS TABLE (virtual_time double precision, last_finish double precision, open_clips bigint, flow text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE line text; ends double precision := CASE WHEN begins > 0 THEN 'infinity' ELSE {FREE_BEGINS!r} END;
BEGIN
    IF current_setting('role') = '{ROLE}' AND own IS DISTINCT FROM row_security_workspace() THEN
        RAISE EXCEPTION 'the line of % is not of the workspace that asks', own USING ERRCODE = 'LM403';
    END IF;
    SELECT coalesce((
        SELECT 'person:' || user_id FROM accounts_membership WHERE workspace_id = own AND role = 'owner'
    ), otherwise) INTO line;
    PERFORM pg_advisory_xact_lock(hashtextextended(line, 0));
    IF origin <> '' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('network:' || origin, 0));
    END IF;
    RETURN QUERY SELECT
        coalesce((
            SELECT CASE WHEN begins > 0 THEN clock.free_time ELSE clock.virtual_time END
            FROM generation_fairclock clock WHERE clock.id = 1
        ), begins),
        greatest(0, (
            SELECT clip.fair_finish FROM generation_generation clip
            WHERE clip.state = 'queued' AND clip.flow = line AND clip.fair_finish >= begins AND clip.fair_finish < ends
            ORDER BY clip.fair_finish DESC LIMIT 1
        ), (
            SELECT max(clip.fair_finish) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state = 'queued' AND clip.flow = ''
                AND clip.fair_finish >= begins AND clip.fair_finish < ends
        ), (
            SELECT clip.fair_finish FROM generation_generation clip
            WHERE clip.state = 'queued' AND clip.network <> '' AND clip.network = origin
                AND clip.fair_finish >= begins AND clip.fair_finish < ends
            ORDER BY clip.fair_finish DESC LIMIT 1
        )),
        (SELECT count(*) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running')),
        line;
END $$
"""  # noqa: S608 - a role and a number of ours
NO_JOIN_LINE = "DROP FUNCTION generation_join_line(uuid, text, double precision, text)"


class Migration(migrations.Migration):
    dependencies = [("generation", "0034_perceptual_hash")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            "generation", "network", models.CharField(blank=True, db_default="", default="", max_length=60)
        ),
        migrations.RunSQL(JOIN_LINE, NO_JOIN_LINE),
    ]
