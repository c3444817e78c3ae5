"""Joining a line is one statement, and shows of others in it no more than the line's last tag."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import ROLE

# In plpgsql, where each statement sees what was committed before it began: what is read after the lock is certain.
JOIN_LINE = f"""
CREATE FUNCTION generation_join_line(own uuid, otherwise text)
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
            SELECT clip.fair_finish FROM generation_generation clip WHERE clip.state = 'queued' AND clip.flow = line
            ORDER BY clip.fair_finish DESC LIMIT 1
        ), (
            SELECT max(clip.fair_finish) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state = 'queued' AND clip.flow = ''
        )),
        (SELECT count(*) FROM generation_generation clip
            WHERE clip.workspace_id = own AND clip.state IN ('queued', 'dispatched', 'running')),
        line;
END $$
"""  # noqa: S608 - a role of ours
NO_JOIN_LINE = "DROP FUNCTION generation_join_line(uuid, text)"


class Migration(migrations.Migration):
    dependencies = [("generation", "0020_prompt_search")]
    operations: ClassVar[list[Operation]] = [migrations.RunSQL(JOIN_LINE, NO_JOIN_LINE)]
