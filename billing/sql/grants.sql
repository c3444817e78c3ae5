-- Credits come, are taken away by staff, and lapse.

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
