"""What a workspace spent is added up in the transaction that changes it."""

from django.db import migrations, models

from loremotion.row_security import policies

FIELDS = "account_id, day, version_id, api_key_id, made_by_id"
SUMS = "clips, seconds, held, charged, given_back"

SPENT_OF = """
-- What a hold counts for, by its clip: the one place that says so. No clip: it is erased, or not written yet.
CREATE FUNCTION generation_spent_of(p_hold ledger_hold, p_clip generation_generation)
RETURNS TABLE (account_id uuid, day date, version_id bigint, api_key_id bigint, made_by_id bigint,
    clips bigint, seconds numeric, held bigint, charged bigint, given_back bigint)
LANGUAGE sql STABLE AS $$
    SELECT (p_hold).account_id, ((p_hold).held_at AT TIME ZONE 'UTC')::date,
        (p_clip).version_id, (p_clip).api_key_id, (p_clip).made_by_id, 1::bigint,
        CASE WHEN (p_clip).state = 'succeeded'
            THEN round(((p_clip).num_frames / (p_clip).fps)::numeric, 9) ELSE 0 END,
        CASE WHEN (p_hold).state = 'open' THEN (p_hold).amount ELSE 0 END, (p_hold).captured, (p_hold).released
    WHERE (p_hold).id IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION generation_spent_of FROM PUBLIC
"""

COUNT_SPENT = f"""
-- Writes down by how much what a hold counts for has changed.
CREATE FUNCTION generation_count_spent(
    p_hold_before ledger_hold, p_clip_before generation_generation, p_hold ledger_hold, p_clip generation_generation
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO generation_spentday ({FIELDS}, {SUMS})
    SELECT {FIELDS}, sum(sign * clips), sum(sign * seconds), sum(sign * held), sum(sign * charged),
        sum(sign * given_back)
    FROM (
        SELECT -1 AS sign, spent.* FROM generation_spent_of(p_hold_before, p_clip_before) AS spent
        UNION ALL SELECT 1, spent.* FROM generation_spent_of(p_hold, p_clip) AS spent
    ) AS told
    GROUP BY {FIELDS}
    HAVING (sum(sign * clips), sum(sign * seconds), sum(sign * held), sum(sign * charged), sum(sign * given_back))
        <> (0, 0, 0, 0, 0);
END $$;
REVOKE EXECUTE ON FUNCTION generation_count_spent FROM PUBLIC
"""  # noqa: S608 - constants

RECOUNT_SPENT = f"""
-- Writes down what the rows of an account are short of, and returns how many rows that took. A statement sees one
-- moment, and what has changed by then together with the row that tells of it: so nobody is kept waiting, and what is
-- changed meanwhile is counted by its own trigger. Two at once would write it twice.
CREATE FUNCTION generation_recount_spent(p_account uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE written bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7265746532);
    INSERT INTO generation_spentday ({FIELDS}, {SUMS})
    SELECT {FIELDS}, sum(clips), sum(seconds), sum(held), sum(charged), sum(given_back)
    FROM (
        SELECT spent.* FROM ledger_hold hold LEFT JOIN generation_generation clip ON clip.id = hold.id,
            LATERAL generation_spent_of(hold, clip) AS spent
        WHERE hold.account_id = p_account
        UNION ALL SELECT {FIELDS}, -clips, -seconds, -held, -charged, -given_back
        FROM generation_spentday WHERE account_id = p_account
    ) AS told
    GROUP BY {FIELDS}
    HAVING (sum(clips), sum(seconds), sum(held), sum(charged), sum(given_back)) <> (0, 0, 0, 0, 0);
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
REVOKE EXECUTE ON FUNCTION generation_recount_spent FROM PUBLIC
"""  # noqa: S608 - constants

# Whoever writes a hold may not write sums: the function runs as its owner.
OF_HOLDS = """
CREATE FUNCTION generation_count_hold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before ledger_hold;
    clip generation_generation;
BEGIN
    IF TG_OP = 'UPDATE' THEN before := OLD; END IF;
    -- Locked, so that whoever changes the clip at this moment has done so before, or sees this hold as it is now.
    SELECT * INTO clip FROM generation_generation WHERE id = NEW.id FOR SHARE;
    PERFORM generation_count_spent(before, clip, NEW, clip);
    RETURN NULL;
END $$;
CREATE TRIGGER generation_spent AFTER INSERT OR UPDATE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION generation_count_hold()
"""
NOT_OF_HOLDS = "DROP TRIGGER generation_spent ON ledger_hold; DROP FUNCTION generation_count_hold()"


class Migration(migrations.Migration):
    dependencies = [("generation", "0060_service_spans"), ("billing", "0012_newest")]

    operations = [
        migrations.CreateModel(
            name="SpentDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.UUIDField()),
                ("day", models.DateField()),
                ("version_id", models.BigIntegerField(null=True)),
                ("api_key_id", models.BigIntegerField(null=True)),
                ("made_by_id", models.BigIntegerField(null=True)),
                ("clips", models.BigIntegerField()),
                ("seconds", models.DecimalField(decimal_places=9, max_digits=24)),
                ("held", models.BigIntegerField()),
                ("charged", models.BigIntegerField()),
                ("given_back", models.BigIntegerField()),
                ("is_summed", models.BooleanField(db_default=False, default=False)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["account_id", "day"], name="spentday_of_account"),
                    models.Index(condition=models.Q(("is_summed", False)), fields=["id"], name="spentday_to_sum"),
                ],
            },
        ),
        # As the ledger's own tables: those of an account that was merged into another are the other's to see.
        policies.rows_where(
            "generation_spentday", "account_id = ANY ((SELECT row_security_purses())::uuid[])", is_read_only=True
        ),
        migrations.RunSQL(SPENT_OF, "DROP FUNCTION generation_spent_of"),
        migrations.RunSQL(COUNT_SPENT, "DROP FUNCTION generation_count_spent"),
        migrations.RunSQL(RECOUNT_SPENT, "DROP FUNCTION generation_recount_spent"),
        migrations.RunSQL(OF_HOLDS, NOT_OF_HOLDS),
    ]
