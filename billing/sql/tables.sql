-- The ledger's tables. Whole credits, double entry, append-only.
--
-- ledger_entry is the truth. Everything else that counts credits (the lot's and the account's columns) is its
-- projection, kept by a trigger (ledger_project) and writable by nobody else, whatever his role.
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

-- Whose credits are counted together. The id belongs to whoever owns it (a workspace) and means nothing here.
CREATE TABLE ledger_account (
    id uuid PRIMARY KEY,
    available bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    debt bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT '',
    merged_into_id uuid REFERENCES ledger_account,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- Credits that came together and lapse together. Each column but the first few is the sum of its code's legs.
CREATE TABLE ledger_lot (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES ledger_account,
    parent_id bigint REFERENCES ledger_lot,
    reference text NOT NULL UNIQUE,
    kind text NOT NULL,
    priority smallint NOT NULL,
    expires_at timestamptz,
    granted_at timestamptz NOT NULL,
    issued bigint NOT NULL DEFAULT 0,
    remaining bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    consumed bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    clawed bigint NOT NULL DEFAULT 0,
    adjusted bigint NOT NULL DEFAULT 0,
    moved bigint NOT NULL DEFAULT 0,
    repaid bigint NOT NULL DEFAULT 0,
    -- What the indexes below ask. On remaining itself, no update of a lot could stay within its page.
    has_remaining boolean GENERATED ALWAYS AS (remaining > 0) STORED,
    forgiven bigint NOT NULL DEFAULT 0,
    UNIQUE (account_id, id)
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
    seq bigint NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
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
-- Without a lot stands only debt that moves between an account and the one it was merged into. That the transaction is
-- there needs no key: the projection lets entries join none but the newest.
CREATE TABLE ledger_entry (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    leg smallint NOT NULL,
    lot_id bigint,
    code text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (account_id, seq, leg),
    FOREIGN KEY (account_id, lot_id) REFERENCES ledger_lot (account_id, id)
);
CREATE INDEX ledger_entry_of_lot ON ledger_entry (lot_id);

-- Credits set aside for one request, from quote to settlement. What it drew is in the entries of held_seq.
CREATE TABLE ledger_hold (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    amount bigint NOT NULL,
    quote jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    held_at timestamptz NOT NULL,
    held_seq bigint NOT NULL,
    state text NOT NULL DEFAULT 'open',
    captured bigint NOT NULL DEFAULT 0,
    released bigint NOT NULL DEFAULT 0,
    settled_at timestamptz,
    settled_seq bigint,
    FOREIGN KEY (account_id, held_seq) REFERENCES ledger_transaction (account_id, seq),
    FOREIGN KEY (account_id, settled_seq) REFERENCES ledger_transaction (account_id, seq)
) WITH (fillfactor = 80);
CREATE INDEX ledger_hold_open ON ledger_hold (held_at) WHERE state = 'open';
CREATE INDEX ledger_hold_of_account ON ledger_hold (account_id, held_at);

-- Which lots a hold drew from, first to last. A view, so that there is nothing to keep in step.
CREATE VIEW ledger_allocation AS
    SELECT hold.id AS hold_id, entry.account_id, entry.lot_id, entry.leg, entry.amount
    FROM ledger_hold hold
    JOIN ledger_entry entry ON entry.account_id = hold.account_id AND entry.seq = hold.held_seq AND entry.code = 'held';
