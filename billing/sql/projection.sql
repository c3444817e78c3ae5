-- The projection: entries change the lots and the account that they name. They may join only the transaction that
-- comes next in its account, and only if its balances are the true ones; so an account cannot say what entries do not.
CREATE OR REPLACE FUNCTION ledger_project() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    WITH change AS (
        SELECT account_id, seq, lot_id, count(*) AS legs,
            coalesce(sum(amount) FILTER (WHERE code = 'issued'), 0) AS issued,
            coalesce(sum(amount) FILTER (WHERE code = 'available'), 0) AS available,
            coalesce(sum(amount) FILTER (WHERE code = 'held'), 0) AS held,
            coalesce(sum(amount) FILTER (WHERE code = 'consumed'), 0) AS consumed,
            coalesce(sum(amount) FILTER (WHERE code = 'expired'), 0) AS expired,
            coalesce(sum(amount) FILTER (WHERE code = 'clawed'), 0) AS clawed,
            coalesce(sum(amount) FILTER (WHERE code = 'adjusted'), 0) AS adjusted,
            coalesce(sum(amount) FILTER (WHERE code = 'moved'), 0) AS moved,
            coalesce(sum(amount) FILTER (WHERE code = 'debt'), 0) AS debt,
            coalesce(sum(amount) FILTER (WHERE code = 'forgiven'), 0) AS forgiven
        FROM added GROUP BY account_id, seq, lot_id
    ), lots AS (
        UPDATE ledger_lot lot SET
            issued = lot.issued - change.issued,
            remaining = lot.remaining + change.available,
            held = lot.held + change.held,
            consumed = lot.consumed + change.consumed,
            expired = lot.expired + change.expired,
            clawed = lot.clawed + change.clawed,
            adjusted = lot.adjusted + change.adjusted,
            moved = lot.moved + change.moved,
            repaid = lot.repaid + change.debt,
            forgiven = lot.forgiven + change.forgiven
        FROM change WHERE lot.id = change.lot_id
    )
    UPDATE ledger_account account SET
        available = posted.available, held = posted.held, debt = posted.debt, seq = posted.seq, head = posted.hash
    FROM (
        SELECT account_id, seq, sum(available) AS available, sum(held) AS held, sum(debt) AS debt, sum(legs) AS legs
        FROM change GROUP BY account_id, seq
    ) total
    JOIN ledger_transaction posted ON posted.account_id = total.account_id AND posted.seq = total.seq
    WHERE account.id = posted.account_id
        AND total.legs = (SELECT count(*) FROM added)
        AND posted.seq = account.seq + 1
        AND posted.previous_hash = account.head
        AND posted.available = account.available + total.available
        AND posted.held = account.held + total.held
        AND posted.debt = account.debt - total.debt;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entries join only the next transaction of their account, and its balances must be theirs'
            USING ERRCODE = 'LM403';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER ledger_projection AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_project();
