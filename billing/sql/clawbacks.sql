-- Credits are taken back because their payment was, and what was spent of them is owed, paid or written off.

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

CREATE OR REPLACE FUNCTION ledger_post_reclaim(
    p_account uuid, p_reference text, p_lot bigint, p_legs ledger_leg[], p_at timestamptz
) RETURNS void LANGUAGE sql AS $$
    SELECT ledger_post(p_account, 'clawback', p_reference || '~' || seq + 1, jsonb_build_object('lot', p_lot), '{}',
        p_legs, p_at)
    FROM ledger_account WHERE id = p_account
$$;

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

REVOKE EXECUTE ON FUNCTION ledger_reclaim, ledger_post_reclaim FROM PUBLIC;
