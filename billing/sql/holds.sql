-- Credits are set aside for a request, and charged or given back when it ends.

-- Sets credits aside for one request: all of them, or none and the answer says what there is.
CREATE OR REPLACE FUNCTION ledger_hold(p_account uuid, p_id uuid, p_amount bigint, p_expires_at timestamptz, p_quote jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- Not the deadline: whoever asks again a second later computes another one.
    request jsonb := jsonb_build_object('amount', p_amount, 'quote', p_quote);
    answer jsonb := ledger_answer(p_account, 'hold', p_id::text, request);
    account ledger_account;
    moment timestamptz;
    drawing record;
    seq bigint;
BEGIN
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    p_amount := ledger_positive(p_amount);
    account := ledger_lock(p_account);
    answer := ledger_answer(p_account, 'hold', p_id::text, request);
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    IF EXISTS (SELECT FROM ledger_hold WHERE id = p_id) THEN
        RAISE EXCEPTION 'the reference % holds credits of another account', p_id USING ERRCODE = 'LM409';
    END IF;

    moment := ledger_now();
    drawing := ledger_drawing(p_account, p_amount, 'held', moment);
    IF drawing.missing > 0 THEN
        RETURN jsonb_build_object('refused', 'insufficient', 'available', p_amount - drawing.missing,
            'needed', p_amount);
    END IF;
    answer := jsonb_build_object('held', p_amount);
    seq := ledger_post(p_account, 'hold', p_id::text, request, answer, drawing.legs, moment);
    INSERT INTO ledger_hold (id, account_id, amount, quote, expires_at, held_at, held_seq)
    VALUES (p_id, p_account, p_amount, p_quote, p_expires_at, moment, seq);
    RETURN answer;
END $$;

-- Ends a hold: charges p_amount (NULL: all) and gives the rest back to the lots it came from. The first to settle
-- decides; whoever comes later reads what was decided. What lapsed while it was held stays chargeable. Of what is given
-- back, the lapsed part comes anew for seven days if p_is_our_failure, and else lapses.
CREATE OR REPLACE FUNCTION ledger_settle(p_id uuid, p_amount bigint, p_is_our_failure boolean) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hold ledger_hold;
    account ledger_account;
    moment timestamptz;
    legs ledger_leg[] := '{}';
    drawn record;
    lot ledger_lot;
    uncharged bigint;
    charge bigint;
    back bigint;
    paid bigint;
    unforgiven bigint;
    settled_by bigint;
    lands_in bigint;
    lots bigint[] := '{}';  -- what was charged for these stands elsewhere, with what was given back to each
    amounts bigint[] := '{}';
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = p_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no credits were held for %', p_id USING ERRCODE = 'LM404';
    END IF;
    IF hold.state = 'open' THEN
        -- Seldom: most credits are where they were granted. What a hold drew on and a lot's parent never change, so
        -- this can be asked before anything is locked.
        IF EXISTS (
            SELECT FROM ledger_entry entry JOIN ledger_lot source ON source.id = entry.lot_id
            WHERE entry.account_id = hold.account_id AND entry.seq = hold.held_seq AND source.parent_id IS NOT NULL
        ) THEN
            PERFORM ledger_lock_origins(p_id);
        END IF;
        account := ledger_lock(hold.account_id);
        SELECT * INTO hold FROM ledger_hold WHERE id = p_id;
    END IF;
    IF hold.state <> 'open' THEN
        RETURN jsonb_build_object('captured', hold.captured, 'released', hold.released);
    END IF;
    uncharged := coalesce(p_amount, hold.amount);
    IF uncharged NOT BETWEEN 0 AND hold.amount THEN
        RAISE EXCEPTION 'of the % credits held for %, % cannot be charged', hold.amount, p_id, p_amount
            USING ERRCODE = 'LM422';
    END IF;
    hold.captured := uncharged;

    moment := ledger_now();
    FOR drawn IN
        SELECT source AS lot, entry.amount
        FROM ledger_entry entry JOIN ledger_lot source ON source.id = entry.lot_id
        WHERE entry.account_id = hold.account_id AND entry.seq = hold.held_seq AND entry.code = 'held' ORDER BY leg
    LOOP
        lot := drawn.lot;
        charge := least(uncharged, drawn.amount);
        uncharged := uncharged - charge;
        back := drawn.amount - charge;
        lands_in := lot.id;
        -- What staff wrote off as spent turns out unspent: past what is still owed for the lot, that comes first.
        unforgiven := CASE WHEN account.merged_into_id IS NULL
            THEN least(greatest(0, back - ledger_owed(lot, account.debt)), -lot.forgiven) ELSE 0 END;
        back := back - unforgiven;
        legs := legs || ARRAY[(lot.id, 'held', -drawn.amount), (lot.id, 'consumed', charge),
            (lot.id, 'forgiven', unforgiven)]::ledger_leg[];
        IF back > 0 AND p_is_our_failure AND lot.expires_at <= moment THEN
            paid := least(back, account.debt);
            lands_in := ledger_child(lot, lot.account_id, back, 'goodwill', 30::smallint, moment + interval '7 days',
                moment);
            legs := legs || (lot.id, 'moved', back)::ledger_leg || ledger_arrival(lands_in, back, paid);
        ELSE
            -- What a clawback of this lot found held it charged as debt; had it come later, it had found it here.
            paid := least(back, account.debt, greatest(0, -lot.repaid));
            legs := legs || ARRAY[(lot.id, 'debt', paid), (lot.id, 'available', back - paid)]::ledger_leg[];
        END IF;
        account.debt := account.debt - paid;
        IF lot.parent_id IS NOT NULL OR account.merged_into_id IS NOT NULL THEN
            lots := lots || lands_in;
            amounts := amounts || back - paid;
        END IF;
    END LOOP;
    settled_by := ledger_post(hold.account_id, 'settle', p_id::text,
        jsonb_build_object('captured', hold.captured, 'is_our_failure', p_is_our_failure),
        jsonb_build_object('captured', hold.captured, 'released', hold.amount - hold.captured), legs, moment);
    UPDATE ledger_hold SET
        state = CASE WHEN hold.captured > 0 THEN 'captured' ELSE 'released' END,
        captured = hold.captured, released = hold.amount - hold.captured, settled_at = moment, settled_seq = settled_by
    WHERE id = p_id;
    FOR which IN 1 .. cardinality(lots) LOOP
        PERFORM ledger_reclaim(lots[which], amounts[which], moment);
    END LOOP;
    IF account.merged_into_id IS NOT NULL THEN
        PERFORM ledger_forward(hold.account_id);
    END IF;
    RETURN jsonb_build_object('captured', hold.captured, 'released', hold.amount - hold.captured);
END $$;

-- Locks the accounts that settling a hold may post to besides its own: those to which the grants behind it came, and
-- where these were merged to. Downstream, as everywhere, and by the way that is left to the end, which is the same
-- whichever of them a hold has to do with: so no two holds take two accounts in different orders.
CREATE OR REPLACE FUNCTION ledger_lock_origins(p_hold uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE origin record;
BEGIN
    FOR origin IN
        WITH RECURSIVE lots AS (
            SELECT lot.parent_id, lot.account_id
            FROM ledger_allocation drawn JOIN ledger_lot lot ON lot.id = drawn.lot_id
            WHERE drawn.hold_id = p_hold AND lot.parent_id IS NOT NULL
            UNION SELECT lot.parent_id, lot.account_id FROM lots JOIN ledger_lot lot ON lot.id = lots.parent_id
        ), accounts AS (
            SELECT account_id FROM lots
            UNION SELECT account.merged_into_id
            FROM accounts JOIN ledger_account account ON account.id = accounts.account_id
            WHERE account.merged_into_id IS NOT NULL
        ), walk AS (
            SELECT account_id, account_id AS at, 0 AS way FROM accounts
            UNION ALL SELECT walk.account_id, account.merged_into_id, walk.way + 1
            FROM walk JOIN ledger_account account ON account.id = walk.at
            WHERE account.merged_into_id IS NOT NULL
        )
        SELECT account_id FROM walk GROUP BY account_id ORDER BY max(way) DESC, account_id
    LOOP
        PERFORM ledger_lock(origin.account_id);
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION ledger_lock_origins FROM PUBLIC;
