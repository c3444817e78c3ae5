"""A free clip has a separate tag in the line of its network, so that nobody brings another line's tag into it.

The release before goes on with the function of 0035. What it queues has one tag, which counts in both lines.
"""

from importlib import import_module
from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import ROLE

FREE_BEGINS = float(2**40)

# Whoever takes both locks takes that of the line first, and the network's is the line of its visitors.
JOIN_BOTH_LINES = f"""
CREATE FUNCTION generation_join_both_lines(own uuid, otherwise text, begins double precision, origin text)
RETURNS TABLE (
    virtual_time double precision, last_finish double precision, open_clips bigint, flow text,
    network_last double precision
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    line text;
    last_from_there double precision;
    ends double precision := CASE WHEN begins > 0 THEN 'infinity' ELSE {FREE_BEGINS!r} END;
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
    SELECT coalesce((
        SELECT coalesce(clip.network_finish, clip.fair_finish) FROM generation_generation clip
        WHERE clip.state = 'queued' AND clip.network <> '' AND clip.network = origin
            AND coalesce(clip.network_finish, clip.fair_finish) >= begins
            AND coalesce(clip.network_finish, clip.fair_finish) < ends
        ORDER BY coalesce(clip.network_finish, clip.fair_finish) DESC LIMIT 1
    ), 0) INTO last_from_there;
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
        ), last_from_there),
        (SELECT count(*) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running')),
        line,
        last_from_there;
END $$
"""  # noqa: S608 - a role and a number of ours
NO_JOIN_BOTH_LINES = "DROP FUNCTION generation_join_both_lines(uuid, text, double precision, text)"

AS_BEFORE = """
CREATE OR REPLACE FUNCTION generation_join_line(own uuid, otherwise text, begins double precision, origin text)
RETURNS TABLE (virtual_time double precision, last_finish double precision, open_clips bigint, flow text)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT joined.virtual_time, joined.last_finish, joined.open_clips, joined.flow
    FROM generation_join_both_lines(own, otherwise, begins, origin) joined
$$
"""
BEFORE = import_module("generation.migrations.0035_network_line").JOIN_LINE.replace("CREATE", "CREATE OR REPLACE", 1)


class Migration(migrations.Migration):
    dependencies = [("generation", "0037_made_from")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("generation", "network_finish", models.FloatField(null=True)),
        migrations.RunSQL(JOIN_BOTH_LINES, NO_JOIN_BOTH_LINES),
        migrations.RunSQL(AS_BEFORE, BEFORE),
    ]
