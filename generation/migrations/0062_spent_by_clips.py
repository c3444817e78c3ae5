"""Clips say whose spending their holds are.

A transaction of its own: who submits locks the two tables in one order, and who settles in the other.
"""

from django.db import migrations

OF_CLIPS = """
CREATE FUNCTION generation_count_clip() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before generation_generation;
    after generation_generation;
    hold ledger_hold;
BEGIN
    IF TG_OP <> 'INSERT' THEN before := OLD; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW; END IF;
    SELECT * INTO hold FROM ledger_hold WHERE id = coalesce(before.id, after.id);
    IF FOUND THEN
        PERFORM generation_count_spent(hold, before, hold, after);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER generation_spent AFTER INSERT OR DELETE ON generation_generation
    FOR EACH ROW EXECUTE FUNCTION generation_count_clip();
CREATE TRIGGER generation_spent_of_update AFTER UPDATE ON generation_generation FOR EACH ROW WHEN (
    (OLD.version_id, OLD.api_key_id, OLD.made_by_id, OLD.state = 'succeeded', OLD.num_frames, OLD.fps)
    IS DISTINCT FROM
    (NEW.version_id, NEW.api_key_id, NEW.made_by_id, NEW.state = 'succeeded', NEW.num_frames, NEW.fps)
) EXECUTE FUNCTION generation_count_clip()
"""
NOT_OF_CLIPS = """
DROP TRIGGER generation_spent_of_update ON generation_generation;
DROP TRIGGER generation_spent ON generation_generation;
DROP FUNCTION generation_count_clip()
"""


class Migration(migrations.Migration):
    dependencies = [("generation", "0061_spent_days")]

    operations = [migrations.RunSQL(OF_CLIPS, NOT_OF_CLIPS)]
