-- What the database itself refuses, whoever asks and whatever his role: rows that cannot be, and a past that changes.
-- Re-running this file replaces the rules, and looks at every row again.
--
-- What must be true of a row stands in ledger_is_sound, one for each table, and is the table's only CHECK: PostgreSQL
-- parses and plans the CHECKs of a table anew for each statement that writes it, but a function once a connection. As
-- CHECKs of their own these rules took a fifth of a cycle. A CHECK knows its operators by number, a function by name: so
-- these pin the search path.

CREATE OR REPLACE FUNCTION ledger_is_sound(account ledger_account) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN least(account.available, account.held, account.debt) >= 0 AND account.merged_into_id <> account.id;
END $$;

-- All that was issued is somewhere, nowhere is less than nothing, and only what was taken back is forgiven.
CREATE OR REPLACE FUNCTION ledger_is_sound(lot ledger_lot) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN lot.kind IN ('free', 'plan', 'pack', 'goodwill', 'adjustment')
        AND length(lot.reference) BETWEEN 1 AND 250
        AND least(lot.issued, lot.remaining, lot.held, lot.consumed, lot.expired, lot.clawed, lot.adjusted, lot.moved,
            -lot.forgiven, lot.clawed + lot.forgiven) >= 0
        AND lot.remaining + lot.held + lot.consumed + lot.expired + lot.clawed + lot.adjusted + lot.moved + lot.repaid
            + lot.forgiven = lot.issued;
END $$;

CREATE OR REPLACE FUNCTION ledger_is_sound(posted ledger_transaction) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN posted.seq > 0 AND posted.reference <> ''
        AND posted.kind IN ('grant', 'hold', 'settle', 'expire', 'clawback', 'adjust', 'merge', 'writeoff');
END $$;

CREATE OR REPLACE FUNCTION ledger_is_sound(entry ledger_entry) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN entry.amount <> 0
        AND entry.code IN ('issued', 'available', 'held', 'consumed', 'expired', 'clawed', 'adjusted', 'moved', 'debt',
            'forgiven')
        AND (entry.lot_id IS NOT NULL OR entry.code IN ('debt', 'moved'));
END $$;

CREATE OR REPLACE FUNCTION ledger_is_sound(hold ledger_hold) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN hold.amount > 0 AND least(hold.captured, hold.released) >= 0
        AND hold.state = CASE
            WHEN hold.settled_seq IS NULL THEN 'open' WHEN hold.captured > 0 THEN 'captured' ELSE 'released' END
        AND hold.captured + hold.released = CASE hold.state WHEN 'open' THEN 0 ELSE hold.amount END
        AND (hold.settled_at IS NULL) = (hold.settled_seq IS NULL);
END $$;

DO $$
DECLARE of_table text;
BEGIN
    FOREACH of_table IN ARRAY ARRAY[
        'ledger_account', 'ledger_lot', 'ledger_transaction', 'ledger_entry', 'ledger_hold'
    ] LOOP
        EXECUTE format('ALTER TABLE %1$I DROP CONSTRAINT IF EXISTS %2$I, '
            'ADD CONSTRAINT %2$I CHECK (ledger_is_sound(%1$I))', of_table, of_table || '_is_sound');
    END LOOP;
END $$;

-- The past is not rewritten -------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the ledger is append-only and counts for itself', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'LM403', HINT = 'Post a correction through billing.ledger; entries are never changed.';
END $$;

CREATE OR REPLACE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
-- The other tables cannot be truncated without these two, which refer to them.
CREATE OR REPLACE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_entry EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_hold EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_lot
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();

-- An account and a lot begin empty, and only the projection (depth 1) changes what is in them.
CREATE OR REPLACE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_account FOR EACH ROW
    WHEN ((NEW.available, NEW.held, NEW.debt, NEW.seq) <> (0, 0, 0, 0) OR NEW.head <> '')
    EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_lot FOR EACH ROW
    WHEN (NEW.issued <> 0 OR (NEW.remaining, NEW.held, NEW.consumed, NEW.expired) <> (0, 0, 0, 0)
        OR (NEW.clawed, NEW.adjusted, NEW.moved, NEW.repaid, NEW.forgiven) <> (0, 0, 0, 0, 0))
    EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_counts_for_itself BEFORE UPDATE OF id, available, held, debt, seq, head, opened_at
    ON ledger_account FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_merges_once BEFORE UPDATE OF merged_into_id ON ledger_account
    FOR EACH ROW WHEN (OLD.merged_into_id IS NOT NULL) EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_counts_for_itself BEFORE UPDATE ON ledger_lot
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse();
-- A hold changes once, from open to settled, and what was held stays as it is.
CREATE OR REPLACE TRIGGER ledger_settles_once BEFORE UPDATE ON ledger_hold FOR EACH ROW
    WHEN (OLD.state <> 'open' OR NEW.state = 'open') EXECUTE FUNCTION ledger_refuse();
CREATE OR REPLACE TRIGGER ledger_keeps_what_was_held
    BEFORE UPDATE OF id, account_id, amount, quote, expires_at, held_at, held_seq ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();

-- Credits appear and vanish in pairs: within a transaction each lot's legs come to nothing.
CREATE OR REPLACE FUNCTION ledger_require_zero_sum() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    lots bigint;
    uneven bigint;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE lot.total <> 0) INTO lots, uneven
    FROM (
        SELECT sum(amount) AS total FROM ledger_entry
        WHERE account_id = NEW.account_id AND seq = NEW.seq GROUP BY lot_id
    ) AS lot;
    IF lots = 0 THEN
        RAISE EXCEPTION 'transaction %/% has no entries', NEW.account_id, NEW.seq USING ERRCODE = 'check_violation';
    ELSIF uneven > 0 THEN
        RAISE EXCEPTION 'transaction %/% does not sum to zero', NEW.account_id, NEW.seq
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS ledger_zero_sum ON ledger_transaction;
CREATE CONSTRAINT TRIGGER ledger_zero_sum AFTER INSERT ON ledger_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_require_zero_sum();
