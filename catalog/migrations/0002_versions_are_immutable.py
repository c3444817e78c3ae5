"""A version never changes once it is written: what somebody was quoted stays readable for ever."""

from __future__ import annotations

from django.db import migrations

FORBID = """
CREATE FUNCTION catalog_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - 'created_by_id' IS DISTINCT FROM to_jsonb(NEW) - 'created_by_id' THEN
        RAISE EXCEPTION 'version % of a model is immutable: write a new one', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;  -- only the author may go, when their account is deleted
END $$;

CREATE TRIGGER catalog_version_is_immutable BEFORE UPDATE ON catalog_modelversion
    FOR EACH ROW EXECUTE FUNCTION catalog_version_is_immutable();
"""
ALLOW = """
DROP TRIGGER catalog_version_is_immutable ON catalog_modelversion;
DROP FUNCTION catalog_version_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [migrations.RunSQL(FORBID, reverse_sql=ALLOW)]
