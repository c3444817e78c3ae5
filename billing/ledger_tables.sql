-- The ledger's tables. Whole credits, double entry, append-only.
--
-- ledger_entry is the truth. Everything else that counts credits (the lot's and the account's columns) is its
-- projection, kept by a trigger (ledger_project) and writable by nobody else, whatever his role.
-- The functions that post are in ledger.sql, what must always be true in ledger_violations.sql.
--
-- This is how a new database begins. One that is older is brought here by the migrations after 0001.

-- One leg of a transaction before it is written. A code is where credits can be:
--   issued     where they come from; negative, once in a lot's life
--   available  free to be held
--   held       set aside for a request that has not ended
--   consumed   charged for a clip
--   expired    lapsed unused
--   clawed     taken back because the payment was
--   adjusted   taken away by staff, with a reason
--   moved      passed on to a child lot: re-issued, restored, or in another account
--   debt       positive: paid an account's debt; negative: charged to it, since a clawback found them spent
--   forgiven   negative: of what was charged so, staff has written it off
CREATE TYPE ledger_leg AS (lot_id bigint, code text, amount bigint);

-- A purse. The id belongs to whoever owns it (a workspace) and means nothing here.
CREATE TABLE ledger_account (
    id uuid PRIMARY KEY,
    available bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    debt bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
    seq bigint NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT '',
    merged_into_id uuid REFERENCES ledger_account CHECK (merged_into_id <> id),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- Credits that came together and lapse together. Each column but the first few is the sum of its code's legs.
CREATE TABLE ledger_lot (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES ledger_account,
    parent_id bigint REFERENCES ledger_lot,
    reference text NOT NULL UNIQUE CHECK (length(reference) BETWEEN 1 AND 250),
    kind text NOT NULL CHECK (kind IN ('free', 'plan', 'pack', 'goodwill', 'adjustment')),
    priority smallint NOT NULL,
    expires_at timestamptz,
    granted_at timestamptz NOT NULL,
    issued bigint NOT NULL DEFAULT 0 CHECK (issued >= 0),
    remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    consumed bigint NOT NULL DEFAULT 0 CHECK (consumed >= 0),
    expired bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
    clawed bigint NOT NULL DEFAULT 0 CHECK (clawed >= 0),
    adjusted bigint NOT NULL DEFAULT 0 CHECK (adjusted >= 0),
    moved bigint NOT NULL DEFAULT 0 CHECK (moved >= 0),
    repaid bigint NOT NULL DEFAULT 0,
    -- What the indexes below ask. On remaining itself, no update of a lot could stay within its page.
    has_remaining boolean GENERATED ALWAYS AS (remaining > 0) STORED,
    forgiven bigint NOT NULL DEFAULT 0 CHECK (forgiven <= 0),
    UNIQUE (account_id, id),
    CONSTRAINT ledger_lot_is_accounted_for
        CHECK (remaining + held + consumed + expired + clawed + adjusted + moved + repaid + forgiven = issued),
    CONSTRAINT ledger_lot_forgives_what_was_clawed CHECK (clawed + forgiven >= 0)
) WITH (fillfactor = 50);
CREATE INDEX ledger_lot_in_draw_order ON ledger_lot (account_id, priority, expires_at, id) WHERE has_remaining;
CREATE INDEX ledger_lot_due ON ledger_lot (expires_at) WHERE has_remaining AND expires_at IS NOT NULL;
CREATE INDEX ledger_lot_of_account ON ledger_lot (account_id, granted_at);
CREATE INDEX ledger_lot_children ON ledger_lot (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ledger_lot_owing ON ledger_lot (account_id) WHERE repaid < 0;
CREATE INDEX ledger_account_merged ON ledger_account (merged_into_id) WHERE merged_into_id IS NOT NULL;

-- One movement of one account: the seq-th, chained to the one before by its hash. The balances are those after it.
CREATE TABLE ledger_transaction (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES ledger_account,
    seq bigint NOT NULL CHECK (seq > 0),
    kind text NOT NULL CHECK (
        kind IN ('grant', 'hold', 'settle', 'expire', 'clawback', 'adjust', 'merge', 'writeoff')
    ),
    reference text NOT NULL CHECK (reference <> ''),
    request jsonb NOT NULL,
    response jsonb NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    debt bigint NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (account_id, seq),
    UNIQUE (account_id, kind, reference)
);
CREATE INDEX ledger_transaction_by_time ON ledger_transaction USING brin (created_at);

-- Legs name the account in both keys, so that no entry can join one tenant's transaction to another tenant's lot.
-- Without a lot stands only debt that moves between an account and the one it was merged into.
CREATE TABLE ledger_entry (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    leg smallint NOT NULL,
    lot_id bigint,
    code text NOT NULL CHECK (
        code IN ('issued', 'available', 'held', 'consumed', 'expired', 'clawed', 'adjusted', 'moved', 'debt',
            'forgiven')
    ),
    amount bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (account_id, seq, leg),
    FOREIGN KEY (account_id, seq) REFERENCES ledger_transaction (account_id, seq),
    FOREIGN KEY (account_id, lot_id) REFERENCES ledger_lot (account_id, id),
    CHECK (lot_id IS NOT NULL OR code IN ('debt', 'moved'))
);
CREATE INDEX ledger_entry_of_lot ON ledger_entry (lot_id);

-- Credits set aside for one request, from quote to settlement. What it drew is in the entries of held_seq.
CREATE TABLE ledger_hold (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES ledger_account,
    amount bigint NOT NULL CHECK (amount > 0),
    quote jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    held_at timestamptz NOT NULL,
    held_seq bigint NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'captured', 'released')),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    settled_at timestamptz,
    settled_seq bigint,
    FOREIGN KEY (account_id, held_seq) REFERENCES ledger_transaction (account_id, seq),
    FOREIGN KEY (account_id, settled_seq) REFERENCES ledger_transaction (account_id, seq),
    CHECK (captured + released = CASE state WHEN 'open' THEN 0 ELSE amount END),
    CHECK ((state = 'captured') = (captured > 0)),
    CHECK ((state = 'open') = (settled_at IS NULL) AND (state = 'open') = (settled_seq IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX ledger_hold_open ON ledger_hold (held_at) WHERE state = 'open';
CREATE INDEX ledger_hold_of_account ON ledger_hold (account_id, held_at);

-- Which lots a hold drew from, first to last. A view, so that there is nothing to keep in step.
CREATE VIEW ledger_allocation AS
    SELECT hold.id AS hold_id, entry.account_id, entry.lot_id, entry.leg, entry.amount
    FROM ledger_hold hold
    JOIN ledger_entry entry ON entry.account_id = hold.account_id AND entry.seq = hold.held_seq AND entry.code = 'held';

-- The past is not rewritten -------------------------------------------------------------------------------------

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the ledger is append-only and counts for itself', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'LM403', HINT = 'Post a correction through billing.ledger; entries are never changed.';
END $$;

CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
-- The other tables cannot be truncated without these two, which refer to them.
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_entry EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_hold EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_account FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_lot FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_hold FOR EACH ROW EXECUTE FUNCTION ledger_refuse();

-- A purse and a lot begin empty, and only the projection (depth 1) changes what is in them.
CREATE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_account FOR EACH ROW
    WHEN ((NEW.available, NEW.held, NEW.debt, NEW.seq) <> (0, 0, 0, 0) OR NEW.head <> '')
    EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_lot FOR EACH ROW
    WHEN (NEW.issued <> 0 OR (NEW.remaining, NEW.held, NEW.consumed, NEW.expired) <> (0, 0, 0, 0)
        OR (NEW.clawed, NEW.adjusted, NEW.moved, NEW.repaid, NEW.forgiven) <> (0, 0, 0, 0, 0))
    EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_counts_for_itself BEFORE UPDATE OF id, available, held, debt, seq, head, opened_at
    ON ledger_account FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_merges_once BEFORE UPDATE OF merged_into_id ON ledger_account
    FOR EACH ROW WHEN (OLD.merged_into_id IS NOT NULL) EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_counts_for_itself BEFORE UPDATE ON ledger_lot
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse();
-- A hold changes once, from open to settled.
CREATE TRIGGER ledger_settles_once BEFORE UPDATE ON ledger_hold FOR EACH ROW
    WHEN (OLD.state <> 'open' OR NEW.state = 'open'
        OR (NEW.id, NEW.account_id, NEW.amount, NEW.quote, NEW.expires_at, NEW.held_at, NEW.held_seq)
            IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.amount, OLD.quote, OLD.expires_at, OLD.held_at, OLD.held_seq))
    EXECUTE FUNCTION ledger_refuse();

-- Credits appear and vanish in pairs: within a transaction each lot's legs come to nothing.
CREATE FUNCTION ledger_require_zero_sum() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_entry WHERE account_id = NEW.account_id AND seq = NEW.seq) THEN
        RAISE EXCEPTION 'transaction %/% has no entries', NEW.account_id, NEW.seq USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT FROM ledger_entry WHERE account_id = NEW.account_id AND seq = NEW.seq
        GROUP BY lot_id HAVING sum(amount) <> 0
    ) THEN
        RAISE EXCEPTION 'transaction %/% does not sum to zero', NEW.account_id, NEW.seq USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_zero_sum AFTER INSERT ON ledger_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_require_zero_sum();
