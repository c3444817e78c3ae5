-- The ledger's kernel: the functions that post. billing/ledger.py calls them and nothing else writes these tables.
--
-- Each function finds the answer it gave before, or locks the account, looks again, works out legs, and posts them.
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

-- The projection: entries change the lots and the account that they name. They may join only the transaction that
-- comes next in its account, and only if its balances are the true ones; so a purse cannot say what entries do not.
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

-- New credits. They pay the account's debt first.
CREATE OR REPLACE FUNCTION ledger_grant(
    p_account uuid, p_reference text, p_amount bigint, p_kind text, p_priority smallint, p_expires_at timestamptz,
    p_actor text, p_reason text, p_as text DEFAULT 'grant'
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request jsonb := jsonb_build_object('amount', p_amount, 'kind', p_kind, 'priority', p_priority,
        'expires_at', extract(epoch FROM p_expires_at));
    answer jsonb := ledger_answer(p_account, p_as, p_reference, request);
    account ledger_account;
    moment timestamptz;
    lot bigint;
    paid bigint;
BEGIN
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    p_amount := ledger_positive(p_amount);
    IF p_reference ~ '~' THEN
        RAISE EXCEPTION 'the reference % contains ~, which marks lots born of others', p_reference
            USING ERRCODE = 'LM422';
    END IF;
    account := ledger_lock(p_account);
    answer := ledger_answer(p_account, p_as, p_reference, request);
    IF answer IS NOT NULL THEN RETURN answer; END IF;

    moment := ledger_now();
    INSERT INTO ledger_lot (account_id, reference, kind, priority, expires_at, granted_at)
    VALUES (p_account, p_reference, p_kind, p_priority, p_expires_at, moment)
    ON CONFLICT (reference) DO NOTHING RETURNING id INTO lot;
    IF lot IS NULL THEN
        RAISE EXCEPTION 'the reference % was granted before, in another account or another way', p_reference
            USING ERRCODE = 'LM409';
    END IF;
    paid := least(account.debt, p_amount);
    answer := jsonb_build_object('lot', lot, 'amount', p_amount, 'paid_debt', paid);
    PERFORM ledger_post(p_account, p_as, p_reference, request, answer, ledger_arrival(lot, p_amount, paid), moment,
        p_actor, p_reason);
    IF account.merged_into_id IS NOT NULL THEN
        PERFORM ledger_forward(p_account);
    END IF;
    RETURN answer;
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
-- whichever of them a hold has to do with: so no two holds take two purses in different orders.
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
        ), purses AS (
            SELECT account_id FROM lots
            UNION SELECT account.merged_into_id
            FROM purses JOIN ledger_account account ON account.id = purses.account_id
            WHERE account.merged_into_id IS NOT NULL
        ), walk AS (
            SELECT account_id, account_id AS at, 0 AS way FROM purses
            UNION ALL SELECT walk.account_id, account.merged_into_id, walk.way + 1
            FROM walk JOIN ledger_account account ON account.id = walk.at
            WHERE account.merged_into_id IS NOT NULL
        )
        SELECT account_id FROM walk GROUP BY account_id ORDER BY max(way) DESC, account_id
    LOOP
        PERFORM ledger_lock(origin.account_id);
    END LOOP;
END $$;

-- A clawback that found credits held charged them to their grant as debt; had it come later, it had found them in the
-- lot to which they are given back now. So as many of these p_back are taken back as are still owed for the grant or
-- were written off of it, and that is struck out. Where the debt went to another account, it comes home for that.
CREATE OR REPLACE FUNCTION ledger_reclaim(p_lot bigint, p_back bigint, p_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    lot ledger_lot;
    root ledger_lot;
    debtor ledger_account;
    paid bigint;
    unforgiven bigint;
    taken bigint;
    legs ledger_leg[] := '{}';
BEGIN
    SELECT * INTO STRICT lot FROM ledger_lot WHERE id = p_lot;
    root := lot;
    WHILE root.parent_id IS NOT NULL LOOP
        SELECT * INTO STRICT root FROM ledger_lot WHERE id = root.parent_id;
    END LOOP;
    debtor := ledger_lock(root.account_id);
    WHILE debtor.merged_into_id IS NOT NULL LOOP
        debtor := ledger_lock(debtor.merged_into_id);
    END LOOP;
    paid := least(p_back, ledger_owed(root, debtor.debt));
    unforgiven := least(p_back - paid, -root.forgiven);
    taken := paid + unforgiven;
    IF taken = 0 THEN RETURN; END IF;
    IF paid > 0 AND debtor.id <> root.account_id THEN
        PERFORM ledger_post_reclaim(debtor.id, root.reference, p_lot,
            ARRAY[(NULL, 'debt', paid), (NULL, 'moved', -paid)]::ledger_leg[], p_at);
        legs := ARRAY[(NULL, 'moved', paid), (NULL, 'debt', -paid)]::ledger_leg[];
    END IF;
    legs := legs || ARRAY[(root.id, 'clawed', -taken), (root.id, 'debt', paid),
        (root.id, 'forgiven', unforgiven)]::ledger_leg[];
    PERFORM ledger_post_reclaim(root.account_id, root.reference, p_lot, legs, p_at);
    PERFORM ledger_post_reclaim(lot.account_id, root.reference, p_lot,
        ARRAY[(lot.id, 'available', -taken), (lot.id, 'clawed', taken)]::ledger_leg[], p_at);
END $$;

-- Writes down up to p_most lots that lapsed. Accounts that are busy wait for the next time, so this never blocks; one
-- whose books are broken is left as it is and keeps no other waiting.
CREATE OR REPLACE FUNCTION ledger_expire_due(p_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz := ledger_now();
    due record;
    account ledger_account;
    lot ledger_lot;
    lapsed bigint := 0;
BEGIN
    FOR due IN
        SELECT id, account_id FROM ledger_lot WHERE has_remaining AND expires_at <= moment
        ORDER BY expires_at LIMIT p_most
    LOOP
        SELECT * INTO account FROM ledger_account WHERE id = due.account_id FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT * INTO STRICT lot FROM ledger_lot WHERE id = due.id;
        CONTINUE WHEN lot.remaining = 0;
        BEGIN
            PERFORM ledger_post(lot.account_id, 'expire', lot.reference || '~' || account.seq + 1, '{}',
                jsonb_build_object('expired', lot.remaining),
                ARRAY[(lot.id, 'available', -lot.remaining), (lot.id, 'expired', lot.remaining)]::ledger_leg[], moment);
            lapsed := lapsed + 1;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'lot % of account % cannot lapse: %', lot.id, lot.account_id, SQLERRM;
        END;
    END LOOP;
    RETURN lapsed;
END $$;

-- Staff takes credits away: in draw order, all or none.
CREATE OR REPLACE FUNCTION ledger_withdraw(p_account uuid, p_reference text, p_amount bigint, p_actor text, p_reason text)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request jsonb := jsonb_build_object('amount', -p_amount);
    answer jsonb;
    account ledger_account;
    moment timestamptz;
    drawing record;
BEGIN
    p_amount := ledger_positive(p_amount);
    account := ledger_lock(p_account);
    answer := ledger_answer(p_account, 'adjust', p_reference, request);
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    moment := ledger_now();
    drawing := ledger_drawing(p_account, p_amount, 'adjusted', moment);
    IF drawing.missing > 0 THEN
        RETURN jsonb_build_object('refused', 'insufficient', 'available', p_amount - drawing.missing,
            'needed', p_amount);
    END IF;
    answer := jsonb_build_object('amount', -p_amount, 'paid_debt', 0);
    PERFORM ledger_post(p_account, 'adjust', p_reference, request, answer, drawing.legs, moment, p_actor, p_reason);
    RETURN answer;
END $$;

-- Brings what has been taken back of a grant, and of every lot born of it, to p_target: in any order and any number of
-- times the end is the same. Up: from what remains, then from what lapsed unused, and the shortfall becomes debt.
-- Down (a refund failed, a dispute was won): anew, with at least seven days to use it; what staff wrote off of it
-- meanwhile is not given on top.
CREATE OR REPLACE FUNCTION ledger_clawback(p_reference text, p_target bigint, p_actor text, p_reason text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    root ledger_lot;
    account ledger_account;
    chain uuid[];
    holder uuid;
    lot ledger_lot;
    moment timestamptz;
    legs ledger_leg[];
    clawed bigint;
    short bigint;   -- still to be taken back
    surplus bigint; -- still to be given back
    unforgiven bigint;
    part bigint;
    spare bigint;
    paid bigint;
    owed bigint := 0;
BEGIN
    SELECT * INTO root FROM ledger_lot WHERE reference = p_reference;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing was granted for %', p_reference USING ERRCODE = 'LM404';
    END IF;
    -- A lot's children are in its account or where that was merged to, so these locks cover the family. They are taken
    -- downstream, as everywhere.
    account := ledger_lock(root.account_id);
    chain := ARRAY[account.id];
    WHILE account.merged_into_id IS NOT NULL LOOP
        account := ledger_lock(account.merged_into_id);
        chain := account.id || chain;
    END LOOP;
    SELECT * INTO root FROM ledger_lot WHERE id = root.id;
    IF p_target IS NULL OR p_target NOT BETWEEN 0 AND root.issued THEN
        RAISE EXCEPTION 'of the % credits granted for %, % cannot be taken back', root.issued, p_reference, p_target
            USING ERRCODE = 'LM422';
    END IF;
    SELECT sum(member.clawed) INTO clawed FROM ledger_family(root.id) member;
    short := greatest(0, p_target - clawed);
    surplus := greatest(0, clawed - p_target);
    unforgiven := least(greatest(0, surplus - ledger_owed(root, account.debt)), -root.forgiven);
    surplus := surplus - unforgiven;
    moment := ledger_now();

    FOREACH holder IN ARRAY chain LOOP -- the root's account last, since the shortfall is charged there
        SELECT * INTO STRICT account FROM ledger_account WHERE id = holder;
        legs := '{}';
        FOR lot IN SELECT * FROM ledger_family(root.id) member WHERE member.account_id = holder ORDER BY member.id DESC
        LOOP
            IF short > 0 THEN
                part := least(short, lot.remaining);
                spare := least(short - part, lot.expired);
                legs := legs || ARRAY[(lot.id, 'available', -part), (lot.id, 'expired', -spare),
                    (lot.id, 'clawed', part + spare)]::ledger_leg[];
                short := short - part - spare;
            ELSIF surplus > 0 AND lot.clawed > 0 THEN
                part := least(surplus, lot.clawed);
                paid := least(part, account.debt);
                legs := legs || ARRAY[(lot.id, 'clawed', -part), (lot.id, 'moved', part)]::ledger_leg[]
                    || ledger_arrival(
                        ledger_child(lot, holder, part, lot.kind, lot.priority,
                            CASE WHEN lot.expires_at IS NOT NULL
                                THEN greatest(lot.expires_at, moment + interval '7 days') END, moment),
                        part, paid);
                account.debt := account.debt - paid;
                surplus := surplus - part;
            END IF;
        END LOOP;
        IF holder = root.account_id THEN
            owed := short;
            legs := legs || ARRAY[(root.id, 'clawed', short - unforgiven), (root.id, 'debt', -short),
                (root.id, 'forgiven', unforgiven)]::ledger_leg[];
        END IF;
        IF EXISTS (SELECT FROM unnest(legs) AS leg WHERE leg.amount <> 0) THEN
            PERFORM ledger_post(holder, 'clawback', p_reference || '~' || account.seq + 1,
                jsonb_build_object('target', p_target), jsonb_build_object('clawed', p_target, 'was', clawed),
                legs, moment, p_actor, p_reason);
        END IF;
    END LOOP;
    PERFORM ledger_forward(root.account_id);
    RETURN jsonb_build_object('clawed', p_target, 'change', p_target - clawed, 'owed', owed);
END $$;

CREATE OR REPLACE FUNCTION ledger_post_reclaim(
    p_account uuid, p_reference text, p_lot bigint, p_legs ledger_leg[], p_at timestamptz
) RETURNS void LANGUAGE sql AS $$
    SELECT ledger_post(p_account, 'clawback', p_reference || '~' || seq + 1, jsonb_build_object('lot', p_lot), '{}',
        p_legs, p_at)
    FROM ledger_account WHERE id = p_account
$$;

-- Staff gives up what is owed for a grant that was taken back after it was spent: all of p_amount, or none and the
-- answer says what is owed. Where the debt has gone to another account with a merger, it comes home to be struck out.
CREATE OR REPLACE FUNCTION ledger_write_off(
    p_grant text, p_reference text, p_amount bigint, p_actor text, p_reason text
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request jsonb := jsonb_build_object('grant', p_grant, 'amount', p_amount);
    answer jsonb;
    root ledger_lot;
    debtor ledger_account;
    owed bigint;
    moment timestamptz;
    legs ledger_leg[];
BEGIN
    p_amount := ledger_positive(p_amount);
    SELECT * INTO root FROM ledger_lot WHERE reference = p_grant;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing was granted for %', p_grant USING ERRCODE = 'LM404';
    END IF;
    debtor := ledger_lock(root.account_id);
    answer := ledger_answer(root.account_id, 'writeoff', p_reference, request);
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    WHILE debtor.merged_into_id IS NOT NULL LOOP
        debtor := ledger_lock(debtor.merged_into_id);
    END LOOP;
    SELECT * INTO root FROM ledger_lot WHERE id = root.id;
    owed := ledger_owed(root, debtor.debt);
    IF owed < p_amount THEN
        RETURN jsonb_build_object('refused', 'owed', 'owed', owed, 'needed', p_amount);
    END IF;
    moment := ledger_now();
    answer := jsonb_build_object('amount', p_amount, 'owed', owed - p_amount);
    legs := ARRAY[(root.id, 'debt', p_amount), (root.id, 'forgiven', -p_amount)]::ledger_leg[];
    IF debtor.id <> root.account_id THEN
        legs := legs || ARRAY[(NULL, 'moved', p_amount), (NULL, 'debt', -p_amount)]::ledger_leg[];
        PERFORM ledger_post(debtor.id, 'writeoff', p_reference, jsonb_build_object('from', root.account_id), answer,
            ARRAY[(NULL, 'debt', p_amount), (NULL, 'moved', -p_amount)]::ledger_leg[], moment, p_actor, p_reason);
    END IF;
    PERFORM ledger_post(root.account_id, 'writeoff', p_reference, request, answer, legs, moment, p_actor, p_reason);
    RETURN answer;
END $$;

-- What of a debt is for this lot: charged when it was taken back, and neither paid nor given up.
CREATE OR REPLACE FUNCTION ledger_owed(p_lot ledger_lot, p_debt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(0, least(p_debt, -p_lot.repaid, p_lot.clawed + p_lot.forgiven))
$$;

-- A lot and every lot born of it.
CREATE OR REPLACE FUNCTION ledger_family(p_lot bigint) RETURNS SETOF ledger_lot
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE family AS (
        SELECT id FROM ledger_lot WHERE id = p_lot
        UNION ALL SELECT child.id FROM ledger_lot child JOIN family ON child.parent_id = family.id
    )
    SELECT lot.* FROM ledger_lot lot JOIN family USING (id)
$$;

-- One account's live credits and debt go to another, now and whatever comes to it later: a visitor who signs in.
-- What is held stays until it is settled.
CREATE OR REPLACE FUNCTION ledger_merge(p_source uuid, p_into uuid, p_reference text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request jsonb := jsonb_build_object('into', p_into);
    answer jsonb;
    source ledger_account;
    downstream ledger_account;
BEGIN
    source := ledger_lock(p_source);
    answer := ledger_answer(p_source, 'merge', p_reference, request);
    IF answer IS NOT NULL THEN RETURN answer; END IF;
    IF source.merged_into_id <> p_into THEN
        RAISE EXCEPTION 'account % was merged into % before', p_source, source.merged_into_id USING ERRCODE = 'LM409';
    END IF;
    downstream := ledger_lock(p_into);
    WHILE downstream.id <> p_source AND downstream.merged_into_id IS NOT NULL LOOP
        SELECT * INTO STRICT downstream FROM ledger_account WHERE id = downstream.merged_into_id;
    END LOOP;
    IF downstream.id = p_source THEN
        RAISE EXCEPTION 'account % cannot be merged into itself by way of %', p_source, p_into USING ERRCODE = 'LM409';
    END IF;
    IF source.merged_into_id IS NULL THEN
        UPDATE ledger_account SET merged_into_id = p_into WHERE id = p_source;
    END IF;
    RETURN jsonb_build_object('moved', ledger_forward(p_source, p_reference));
END $$;

-- Moves what is live in a merged account on to where it was merged; nothing in an account that was not. Locks follow
-- the stream: the caller holds p_account.
CREATE OR REPLACE FUNCTION ledger_forward(p_account uuid, p_reference text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    source ledger_account;
    target ledger_account;
    reference text;
    moment timestamptz;
    lot ledger_lot;
    child bigint;
    debt bigint;
    paid bigint;
    leaving ledger_leg[] := '{}';
    arriving ledger_leg[] := '{}';
    moved bigint := 0;
BEGIN
    SELECT * INTO STRICT source FROM ledger_account WHERE id = p_account;
    IF source.merged_into_id IS NULL THEN RETURN 0; END IF;
    target := ledger_lock(source.merged_into_id);
    moment := ledger_now();
    IF source.debt > 0 THEN
        leaving := ARRAY[(NULL, 'debt', source.debt), (NULL, 'moved', -source.debt)]::ledger_leg[];
        arriving := ARRAY[(NULL, 'moved', source.debt), (NULL, 'debt', -source.debt)]::ledger_leg[];
    END IF;
    debt := target.debt + source.debt;
    FOR lot IN
        SELECT * FROM ledger_lot
        WHERE account_id = p_account AND has_remaining AND (expires_at IS NULL OR expires_at > moment) ORDER BY id
    LOOP
        child := ledger_child(lot, target.id, lot.remaining, lot.kind, lot.priority, lot.expires_at, moment);
        paid := least(debt, lot.remaining);
        leaving := leaving || ARRAY[(lot.id, 'available', -lot.remaining), (lot.id, 'moved', lot.remaining)]::ledger_leg[];
        arriving := arriving || ledger_arrival(child, lot.remaining, paid);
        debt := debt - paid;
        moved := moved + lot.remaining;
    END LOOP;
    IF cardinality(leaving) > 0 THEN
        reference := coalesce(p_reference, p_account || '~' || source.seq + 1);
        PERFORM ledger_post(p_account, 'merge', reference, jsonb_build_object('into', target.id),
            jsonb_build_object('moved', moved), leaving, moment);
        PERFORM ledger_post(target.id, 'merge', reference, jsonb_build_object('from', p_account),
            jsonb_build_object('moved', moved), arriving, moment);
    END IF;
    PERFORM ledger_forward(target.id);
    RETURN moved;
END $$;

-- Whoever only uses the ledger calls the functions that are SECURITY DEFINER, and no part of them.
REVOKE EXECUTE ON FUNCTION ledger_post, ledger_post_reclaim, ledger_child, ledger_forward, ledger_lock,
    ledger_lock_origins, ledger_reclaim FROM PUBLIC;
