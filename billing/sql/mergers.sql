-- One account's credits go to another, for good.

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

REVOKE EXECUTE ON FUNCTION ledger_forward FROM PUBLIC;
