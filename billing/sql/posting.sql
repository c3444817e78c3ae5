-- What every function that posts is made of: the account's lock, the answer given before, one transaction, its legs.
--
-- The functions of the files after this one post; billing/ledger.py calls them and nothing else writes these tables.
-- Each finds the answer it gave before, or locks the account, looks again, works out legs, and posts them.
-- Every writer locks the account first, so what it reads after that stands until it commits. Expected refusals are
-- answers, so that the caller's transaction survives them; errors of the caller are raised:
--   LM404  no such reference      LM409  the reference was used for another request      LM422  a bad amount
-- Functions that are called from outside pin the search path; their parts run with it, and PostgreSQL can inline them.
-- Re-running this file replaces the functions and touches no row.
--
-- A busy account is as fast as what stands between its lock and the commit. Most of that is not work on rows but
-- PostgreSQL getting ready for each statement of PL/pgSQL: so there are few of them, and parts that return something
-- are called by := (evaluated on the spot) rather than by PERFORM (a statement).

CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';

-- The digest that chains a transaction to the one before. A JSON array, so that no two contents read the same.
CREATE OR REPLACE FUNCTION ledger_hash(
    p_previous bytea, p_account uuid, p_seq bigint, p_kind text, p_reference text, p_request jsonb, p_response jsonb,
    p_actor text, p_reason text, p_balances bigint[], p_created_at timestamptz, p_legs ledger_leg[]
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(p_previous || convert_to(jsonb_build_array(
        p_account, p_seq, p_kind, p_reference, p_request, p_response, p_actor, p_reason, p_balances,
        extract(epoch FROM p_created_at), p_legs::text
    )::text, 'UTF8'))
$$;

-- Locks the account, opening it where it is new.
CREATE OR REPLACE FUNCTION ledger_lock(p_account uuid) RETURNS ledger_account
LANGUAGE plpgsql AS $$
DECLARE account ledger_account;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO ledger_account (id) VALUES (p_account) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT account FROM ledger_account WHERE id = p_account FOR NO KEY UPDATE;
    END IF;
    RETURN account;
END $$;

-- The answer given to this reference before, or NULL. The same reference with another request is an error.
CREATE OR REPLACE FUNCTION ledger_answer(p_account uuid, p_kind text, p_reference text, p_request jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE before ledger_transaction;
BEGIN
    SELECT * INTO before FROM ledger_transaction
    WHERE account_id = p_account AND kind = p_kind AND reference = p_reference;
    IF FOUND AND before.request <> p_request THEN
        RAISE EXCEPTION 'the reference % of a % was used before with another request', p_reference, p_kind
            USING ERRCODE = 'LM409', DETAIL = format('then %s, now %s', before.request, p_request);
    END IF;
    RETURN before.response;
END $$;

-- Writes one transaction, in one statement. The account must be locked; the projection moves lots and balances.
CREATE OR REPLACE FUNCTION ledger_post(
    p_account uuid, p_kind text, p_reference text, p_request jsonb, p_response jsonb, p_legs ledger_leg[],
    p_at timestamptz, p_actor text DEFAULT '', p_reason text DEFAULT ''
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE posted bigint;
BEGIN
    WITH movement AS (
        SELECT array_agg((leg.lot_id, leg.code, leg.amount)::ledger_leg ORDER BY leg.ordinality) AS legs,
            coalesce(sum(leg.amount) FILTER (WHERE leg.code = 'available'), 0) AS available,
            coalesce(sum(leg.amount) FILTER (WHERE leg.code = 'held'), 0) AS held,
            coalesce(sum(leg.amount) FILTER (WHERE leg.code = 'debt'), 0) AS debt
        FROM unnest(p_legs) WITH ORDINALITY AS leg WHERE leg.amount <> 0
    ), next AS (
        SELECT account.seq + 1 AS seq, account.head, movement.legs, ARRAY[
            account.available + movement.available, account.held + movement.held, account.debt - movement.debt
        ]::bigint[] AS balances
        FROM ledger_account account, movement WHERE account.id = p_account
    ), written AS (
        INSERT INTO ledger_transaction (
            account_id, seq, kind, reference, request, response, actor, reason, available, held, debt, previous_hash,
            hash, created_at
        )
        SELECT p_account, next.seq, p_kind, p_reference, p_request, p_response, p_actor, p_reason,
            next.balances[1], next.balances[2], next.balances[3], next.head,
            ledger_hash(next.head, p_account, next.seq, p_kind, p_reference, p_request, p_response, p_actor, p_reason,
                next.balances, p_at, next.legs),
            p_at
        FROM next
    ), entries AS (
        INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount)
        SELECT p_account, next.seq, leg.ordinality, leg.lot_id, leg.code, leg.amount
        FROM next, unnest(next.legs) WITH ORDINALITY AS leg
    )
    SELECT next.seq INTO STRICT posted FROM next;
    RETURN posted;
END $$;

-- An empty lot for credits that leave p_parent, to be filled by the legs that the caller posts.
CREATE OR REPLACE FUNCTION ledger_child(
    p_parent ledger_lot, p_account uuid, p_amount bigint, p_kind text, p_priority smallint, p_expires_at timestamptz,
    p_at timestamptz
) RETURNS bigint LANGUAGE sql AS $$
    -- What has moved out of a lot only grows, so the amount after this move names it.
    INSERT INTO ledger_lot (account_id, parent_id, reference, kind, priority, expires_at, granted_at)
    VALUES (p_account, p_parent.id, p_parent.reference || '~' || p_parent.moved + p_amount, p_kind, p_priority,
        p_expires_at, p_at)
    RETURNING id
$$;

-- Credits that arrive in a lot, with what they pay of the account's debt first.
CREATE OR REPLACE FUNCTION ledger_arrival(p_lot bigint, p_amount bigint, p_paid bigint) RETURNS ledger_leg[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[(p_lot, 'issued', -p_amount), (p_lot, 'debt', p_paid),
        (p_lot, 'available', p_amount - p_paid)]::ledger_leg[]
$$;

-- The amount, if it is one.
CREATE OR REPLACE FUNCTION ledger_positive(p_amount bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_amount IS NULL OR p_amount <= 0 THEN
        RAISE EXCEPTION 'the amount must be a positive number of credits, not %', coalesce(p_amount::text, 'nothing')
            USING ERRCODE = 'LM422';
    END IF;
    RETURN p_amount;
END $$;

-- Takes what is needed from the live lots in draw order: legs from available to p_code, and what they fall short.
CREATE OR REPLACE FUNCTION ledger_drawing(
    p_account uuid, p_amount bigint, p_code text, p_at timestamptz, OUT legs ledger_leg[], OUT missing bigint
) LANGUAGE plpgsql AS $$
DECLARE
    drawn bigint;
    lot record;
BEGIN
    legs := '{}';
    missing := p_amount;
    FOR lot IN
        SELECT id, remaining FROM ledger_lot
        WHERE account_id = p_account AND has_remaining AND (expires_at IS NULL OR expires_at > p_at)
        ORDER BY priority, expires_at NULLS LAST, id
    LOOP
        drawn := least(lot.remaining, missing);
        legs := legs || ARRAY[(lot.id, 'available', -drawn), (lot.id, p_code, drawn)]::ledger_leg[];
        missing := missing - drawn;
        EXIT WHEN missing = 0;
    END LOOP;
END $$;

-- Whoever only uses the ledger calls the functions that are SECURITY DEFINER, and no part of them: here as in the files
-- after this one.
REVOKE EXECUTE ON FUNCTION ledger_post, ledger_child, ledger_lock FROM PUBLIC;
