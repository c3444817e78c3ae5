SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE TYPE public.ledger_leg AS (
	lot_id bigint,
	code text,
	amount bigint
);
CREATE FUNCTION public.catalog_version_is_immutable() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF to_jsonb(OLD) - 'created_by_id' IS DISTINCT FROM to_jsonb(NEW) - 'created_by_id' THEN
        RAISE EXCEPTION 'version % of a model is immutable: write a new one', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;  -- only the author may go, when their account is deleted
END $$;
CREATE FUNCTION public.ledger_answer(p_account uuid, p_kind text, p_reference text, p_request jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_arrival(p_lot bigint, p_amount bigint, p_paid bigint) RETURNS public.ledger_leg[]
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT ARRAY[(p_lot, 'issued', -p_amount), (p_lot, 'debt', p_paid),
        (p_lot, 'available', p_amount - p_paid)]::ledger_leg[]
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.ledger_lot (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    parent_id bigint,
    reference text NOT NULL,
    kind text NOT NULL,
    priority smallint NOT NULL,
    expires_at timestamp with time zone,
    granted_at timestamp with time zone NOT NULL,
    issued bigint DEFAULT 0 NOT NULL,
    remaining bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    consumed bigint DEFAULT 0 NOT NULL,
    expired bigint DEFAULT 0 NOT NULL,
    clawed bigint DEFAULT 0 NOT NULL,
    adjusted bigint DEFAULT 0 NOT NULL,
    moved bigint DEFAULT 0 NOT NULL,
    repaid bigint DEFAULT 0 NOT NULL,
    has_remaining boolean GENERATED ALWAYS AS ((remaining > 0)) STORED,
    forgiven bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
CREATE FUNCTION public.ledger_child(p_parent public.ledger_lot, p_account uuid, p_amount bigint, p_kind text, p_priority smallint, p_expires_at timestamp with time zone, p_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql
    AS $$
    -- What has moved out of a lot only grows, so the amount after this move names it.
    INSERT INTO ledger_lot (account_id, parent_id, reference, kind, priority, expires_at, granted_at)
    VALUES (p_account, p_parent.id, p_parent.reference || '~' || p_parent.moved + p_amount, p_kind, p_priority,
        p_expires_at, p_at)
    RETURNING id
$$;
CREATE FUNCTION public.ledger_clawback(p_reference text, p_target bigint, p_actor text, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_drawing(p_account uuid, p_amount bigint, p_code text, p_at timestamp with time zone, OUT legs public.ledger_leg[], OUT missing bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_expire_due(p_most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_family(p_lot bigint) RETURNS SETOF public.ledger_lot
    LANGUAGE sql STABLE
    AS $$
    WITH RECURSIVE family AS (
        SELECT id FROM ledger_lot WHERE id = p_lot
        UNION ALL SELECT child.id FROM ledger_lot child JOIN family ON child.parent_id = family.id
    )
    SELECT lot.* FROM ledger_lot lot JOIN family USING (id)
$$;
CREATE FUNCTION public.ledger_forward(p_account uuid, p_reference text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_grant(p_account uuid, p_reference text, p_amount bigint, p_kind text, p_priority smallint, p_expires_at timestamp with time zone, p_actor text, p_reason text, p_as text DEFAULT 'grant'::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_hash(p_previous bytea, p_account uuid, p_seq bigint, p_kind text, p_reference text, p_request jsonb, p_response jsonb, p_actor text, p_reason text, p_balances bigint[], p_created_at timestamp with time zone, p_legs public.ledger_leg[]) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    SELECT sha256(p_previous || convert_to(jsonb_build_array(
        p_account, p_seq, p_kind, p_reference, p_request, p_response, p_actor, p_reason, p_balances,
        extract(epoch FROM p_created_at), p_legs::text
    )::text, 'UTF8'))
$$;
CREATE FUNCTION public.ledger_hold(p_account uuid, p_id uuid, p_amount bigint, p_expires_at timestamp with time zone, p_quote jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE TABLE public.ledger_account (
    id uuid NOT NULL,
    available bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    debt bigint DEFAULT 0 NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    head bytea DEFAULT '\x'::bytea NOT NULL,
    merged_into_id uuid,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='50');
CREATE FUNCTION public.ledger_is_sound(account public.ledger_account) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN least(account.available, account.held, account.debt) >= 0 AND account.merged_into_id <> account.id;
END $$;
CREATE TABLE public.ledger_entry (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    leg smallint NOT NULL,
    lot_id bigint,
    code text NOT NULL,
    amount bigint NOT NULL
);
CREATE FUNCTION public.ledger_is_sound(entry public.ledger_entry) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN entry.amount <> 0
        AND entry.code IN ('issued', 'available', 'held', 'consumed', 'expired', 'clawed', 'adjusted', 'moved', 'debt',
            'forgiven')
        AND (entry.lot_id IS NOT NULL OR entry.code IN ('debt', 'moved'));
END $$;
CREATE TABLE public.ledger_hold (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount bigint NOT NULL,
    quote jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    held_at timestamp with time zone NOT NULL,
    held_seq bigint NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    released bigint DEFAULT 0 NOT NULL,
    settled_at timestamp with time zone,
    settled_seq bigint
)
WITH (fillfactor='80');
CREATE FUNCTION public.ledger_is_sound(hold public.ledger_hold) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN hold.amount > 0 AND least(hold.captured, hold.released) >= 0
        AND hold.state = CASE
            WHEN hold.settled_seq IS NULL THEN 'open' WHEN hold.captured > 0 THEN 'captured' ELSE 'released' END
        AND hold.captured + hold.released = CASE hold.state WHEN 'open' THEN 0 ELSE hold.amount END
        AND (hold.settled_at IS NULL) = (hold.settled_seq IS NULL);
END $$;
CREATE FUNCTION public.ledger_is_sound(lot public.ledger_lot) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN lot.kind IN ('free', 'plan', 'pack', 'goodwill', 'adjustment')
        AND length(lot.reference) BETWEEN 1 AND 250
        AND least(lot.issued, lot.remaining, lot.held, lot.consumed, lot.expired, lot.clawed, lot.adjusted, lot.moved,
            -lot.forgiven, lot.clawed + lot.forgiven) >= 0
        AND lot.remaining + lot.held + lot.consumed + lot.expired + lot.clawed + lot.adjusted + lot.moved + lot.repaid
            + lot.forgiven = lot.issued;
END $$;
CREATE TABLE public.ledger_transaction (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
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
    created_at timestamp with time zone NOT NULL
);
CREATE FUNCTION public.ledger_is_sound(posted public.ledger_transaction) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN posted.seq > 0 AND posted.reference <> ''
        AND posted.kind IN ('grant', 'hold', 'settle', 'expire', 'clawback', 'adjust', 'merge', 'writeoff');
END $$;
CREATE FUNCTION public.ledger_lock(p_account uuid) RETURNS public.ledger_account
    LANGUAGE plpgsql
    AS $$
DECLARE account ledger_account;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO ledger_account (id) VALUES (p_account) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT account FROM ledger_account WHERE id = p_account FOR NO KEY UPDATE;
    END IF;
    RETURN account;
END $$;
CREATE FUNCTION public.ledger_lock_origins(p_hold uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_merge(p_source uuid, p_into uuid, p_reference text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_now() RETURNS timestamp with time zone
    LANGUAGE sql
    AS $$SELECT clock_timestamp()$$;
CREATE FUNCTION public.ledger_owed(p_lot public.ledger_lot, p_debt bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT greatest(0, least(p_debt, -p_lot.repaid, p_lot.clawed + p_lot.forgiven))
$$;
CREATE FUNCTION public.ledger_positive(p_amount bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    IF p_amount IS NULL OR p_amount <= 0 THEN
        RAISE EXCEPTION 'the amount must be a positive number of credits, not %', coalesce(p_amount::text, 'nothing')
            USING ERRCODE = 'LM422';
    END IF;
    RETURN p_amount;
END $$;
CREATE FUNCTION public.ledger_post(p_account uuid, p_kind text, p_reference text, p_request jsonb, p_response jsonb, p_legs public.ledger_leg[], p_at timestamp with time zone, p_actor text DEFAULT ''::text, p_reason text DEFAULT ''::text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_post_reclaim(p_account uuid, p_reference text, p_lot bigint, p_legs public.ledger_leg[], p_at timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS $$
    SELECT ledger_post(p_account, 'clawback', p_reference || '~' || seq + 1, jsonb_build_object('lot', p_lot), '{}',
        p_legs, p_at)
    FROM ledger_account WHERE id = p_account
$$;
CREATE FUNCTION public.ledger_project() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_reclaim(p_lot bigint, p_back bigint, p_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.ledger_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the ledger is append-only and counts for itself', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'LM403', HINT = 'Post a correction through billing.ledger; entries are never changed.';
END $$;
CREATE FUNCTION public.ledger_require_zero_sum() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_settle(p_id uuid, p_amount bigint, p_is_our_failure boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_withdraw(p_account uuid, p_reference text, p_amount bigint, p_actor text, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ledger_write_off(p_grant text, p_reference text, p_amount bigint, p_actor text, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.row_security_guard_merge() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the purse % is not of the workspace that asks alone', NEW.id USING ERRCODE = 'LM403';
END $$;
CREATE FUNCTION public.row_security_guard_purse() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF (NEW.account_id = ANY (row_security_purses())) IS NOT TRUE THEN
        RAISE EXCEPTION 'the purse % is not of the workspace that asks', NEW.account_id USING ERRCODE = 'LM403';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION public.row_security_purses() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    WITH RECURSIVE mine (id) AS (
        SELECT row_security_workspace()
        UNION SELECT account.id FROM ledger_account account JOIN mine ON account.merged_into_id = mine.id
    )
    SELECT array_agg(id) FROM mine WHERE id IS NOT NULL
$$;
CREATE FUNCTION public.row_security_workspace() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('loremotion.workspace', true), '')::uuid $$;
CREATE TABLE public.account_emailaddress (
    id integer NOT NULL,
    email character varying(254) NOT NULL,
    verified boolean NOT NULL,
    "primary" boolean NOT NULL,
    user_id bigint NOT NULL
);
ALTER TABLE public.account_emailaddress ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.account_emailaddress_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.account_emailconfirmation (
    id integer NOT NULL,
    created timestamp with time zone NOT NULL,
    sent timestamp with time zone,
    key character varying(64) NOT NULL,
    email_address_id integer NOT NULL
);
ALTER TABLE public.account_emailconfirmation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.account_emailconfirmation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_apikey (
    id bigint NOT NULL,
    name character varying(80) NOT NULL,
    prefix character varying(24) NOT NULL,
    digest character varying(64) NOT NULL,
    scopes character varying(20)[] NOT NULL,
    monthly_cap_credits integer,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    created_by_id bigint,
    workspace_id uuid NOT NULL,
    origin_id bigint,
    CONSTRAINT accounts_apikey_monthly_cap_credits_check CHECK ((monthly_cap_credits >= 0))
);
ALTER TABLE public.accounts_apikey ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_apikey_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_auditentry (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    event character varying(40) NOT NULL,
    actor character varying(254) NOT NULL,
    subject character varying(254) NOT NULL,
    detail jsonb NOT NULL,
    network character varying(32) NOT NULL,
    workspace_id uuid NOT NULL
);
ALTER TABLE public.accounts_auditentry ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_auditentry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_ban (
    id bigint NOT NULL,
    network character varying(32) NOT NULL,
    reason character varying(200) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    until timestamp with time zone,
    lifted_at timestamp with time zone,
    banned_by_id bigint,
    visitor_id uuid,
    CONSTRAINT ban_of_one CHECK ((((visitor_id IS NULL) AND (NOT ((network)::text = ''::text))) OR (((network)::text = ''::text) AND (visitor_id IS NOT NULL))))
);
ALTER TABLE public.accounts_ban ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_ban_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_invitation (
    id bigint NOT NULL,
    email character varying(254) NOT NULL,
    role character varying(10) NOT NULL,
    token_digest character varying(64) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    invited_by_id bigint,
    workspace_id uuid NOT NULL,
    is_told boolean NOT NULL
);
ALTER TABLE public.accounts_invitation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_invitation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_membership (
    id bigint NOT NULL,
    role character varying(10) NOT NULL,
    monthly_cap_credits integer,
    created_at timestamp with time zone NOT NULL,
    user_id bigint NOT NULL,
    workspace_id uuid NOT NULL,
    CONSTRAINT accounts_membership_monthly_cap_credits_check CHECK ((monthly_cap_credits >= 0))
);
ALTER TABLE public.accounts_membership ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_membership_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_user (
    id bigint NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    email character varying(254) NOT NULL,
    name character varying(120) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    joined_at timestamp with time zone NOT NULL
);
CREATE TABLE public.accounts_user_groups (
    id integer NOT NULL,
    user_id bigint NOT NULL,
    group_id integer NOT NULL
);
ALTER TABLE public.accounts_user_groups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_user_groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.accounts_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_user_user_permissions (
    id integer NOT NULL,
    user_id bigint NOT NULL,
    permission_id integer NOT NULL
);
ALTER TABLE public.accounts_user_user_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.accounts_user_user_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.accounts_visitor (
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    network character varying(32) NOT NULL
);
CREATE TABLE public.accounts_workspace (
    id uuid NOT NULL,
    kind character varying(10) NOT NULL,
    name character varying(120) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    suspended_at timestamp with time zone,
    closed_at timestamp with time zone,
    merged_into_id uuid,
    makes_private_clips boolean NOT NULL
);
CREATE TABLE public.auth_group (
    id integer NOT NULL,
    name character varying(150) NOT NULL
);
ALTER TABLE public.auth_group ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_group_permissions (
    id integer NOT NULL,
    group_id integer NOT NULL,
    permission_id integer NOT NULL
);
ALTER TABLE public.auth_group_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_permission (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    content_type_id integer NOT NULL,
    codename character varying(100) NOT NULL
);
ALTER TABLE public.auth_permission ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_permission_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.billing_freeday (
    day date NOT NULL,
    gpu_seconds double precision NOT NULL
);
CREATE TABLE public.billing_freereservation (
    hold_id uuid NOT NULL,
    day date NOT NULL,
    gpu_seconds double precision NOT NULL
);
CREATE TABLE public.billing_networkday (
    id bigint NOT NULL,
    day date NOT NULL,
    network character varying(32) NOT NULL,
    allowances integer NOT NULL,
    CONSTRAINT billing_networkday_allowances_check CHECK ((allowances >= 0))
);
ALTER TABLE public.billing_networkday ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_networkday_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.billing_proposal (
    id uuid NOT NULL,
    kind character varying(8) NOT NULL,
    account uuid NOT NULL,
    "grant" character varying(250) NOT NULL,
    amount bigint NOT NULL,
    reason character varying(500) NOT NULL,
    state character varying(7) NOT NULL,
    proposed_by bigint NOT NULL,
    proposed_by_name character varying(254) NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    decided_by bigint,
    decided_by_name character varying(254) NOT NULL,
    decided_at timestamp with time zone,
    decision character varying(500) NOT NULL,
    CONSTRAINT proposal_decided_by_another CHECK (((decided_by IS NULL) OR (NOT ((decided_by = proposed_by) AND (decided_by IS NOT NULL))))),
    CONSTRAINT proposal_state_is_signed CHECK ((((decided_at IS NULL) AND (decided_by IS NULL) AND ((state)::text = 'waiting'::text)) OR ((decided_at IS NOT NULL) AND ((state)::text = 'done'::text)) OR ((decided_at IS NOT NULL) AND (decided_by IS NOT NULL) AND ((state)::text = 'refused'::text))))
);
CREATE TABLE public.catalog_alias (
    id bigint NOT NULL,
    name character varying(60) NOT NULL,
    model_id bigint NOT NULL
);
ALTER TABLE public.catalog_alias ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.catalog_alias_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.catalog_measurement (
    id bigint NOT NULL,
    build character varying(16) NOT NULL,
    mode character varying(20) NOT NULL,
    preset character varying(40) NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    clips integer NOT NULL,
    gpu_seconds double precision NOT NULL,
    video_seconds double precision NOT NULL,
    peak_bytes bigint NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    similarity double precision,
    CONSTRAINT catalog_measurement_clips_check CHECK ((clips >= 0)),
    CONSTRAINT catalog_measurement_height_check CHECK ((height >= 0)),
    CONSTRAINT catalog_measurement_width_check CHECK ((width >= 0))
);
ALTER TABLE public.catalog_measurement ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.catalog_measurement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.catalog_model (
    id bigint NOT NULL,
    slug character varying(60) NOT NULL,
    name character varying(80) NOT NULL,
    summary character varying(300) NOT NULL,
    status character varying(10) NOT NULL,
    status_reason character varying(300) NOT NULL,
    "position" smallint NOT NULL,
    canary_percent smallint NOT NULL,
    canary_id bigint,
    current_id bigint,
    CONSTRAINT catalog_model_canary_percent_check CHECK ((canary_percent >= 0)),
    CONSTRAINT catalog_model_position_check CHECK (("position" >= 0)),
    CONSTRAINT model_canary_is_another_version CHECK (((canary_id IS NULL) OR (NOT ((canary_id = current_id) AND (canary_id IS NOT NULL) AND (current_id IS NOT NULL))))),
    CONSTRAINT model_canary_percent CHECK ((canary_percent <= 100)),
    CONSTRAINT model_enabled_has_version CHECK (((NOT ((status)::text = 'enabled'::text)) OR (current_id IS NOT NULL)))
);
ALTER TABLE public.catalog_model ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.catalog_model_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.catalog_modelversion (
    id bigint NOT NULL,
    number integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    note character varying(200) NOT NULL,
    build character varying(16) NOT NULL,
    family character varying(40) NOT NULL,
    source character varying(300) NOT NULL,
    revision character varying(80) NOT NULL,
    dtype character varying(12) NOT NULL,
    quantisation character varying(8) NOT NULL,
    placement character varying(20) NOT NULL,
    loras jsonb NOT NULL,
    speed jsonb NOT NULL,
    component_bytes jsonb NOT NULL,
    modes character varying(20)[] NOT NULL,
    sizes character varying(12)[] NOT NULL,
    fps double precision NOT NULL,
    min_seconds double precision NOT NULL,
    max_seconds double precision NOT NULL,
    default_seconds double precision NOT NULL,
    max_steps smallint NOT NULL,
    max_prompt_characters integer NOT NULL,
    presets jsonb NOT NULL,
    default_preset character varying(40) NOT NULL,
    upscale smallint NOT NULL,
    timeout_seconds integer NOT NULL,
    least_plan character varying(10) NOT NULL,
    prices jsonb NOT NULL,
    surcharges jsonb NOT NULL,
    licence character varying(120) NOT NULL,
    licence_url character varying(300) NOT NULL,
    licence_notice text NOT NULL,
    attribution character varying(300) NOT NULL,
    blocked_territories character varying(2)[] NOT NULL,
    revenue_cap_dollars bigint,
    created_by_id bigint,
    model_id bigint NOT NULL,
    reference_speed jsonb NOT NULL,
    components jsonb NOT NULL,
    CONSTRAINT catalog_modelversion_max_prompt_characters_check CHECK ((max_prompt_characters >= 0)),
    CONSTRAINT catalog_modelversion_max_steps_check CHECK ((max_steps >= 0)),
    CONSTRAINT catalog_modelversion_number_check CHECK ((number >= 0)),
    CONSTRAINT catalog_modelversion_timeout_seconds_check CHECK ((timeout_seconds >= 0)),
    CONSTRAINT catalog_modelversion_upscale_check CHECK ((upscale >= 0))
);
ALTER TABLE public.catalog_modelversion ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.catalog_modelversion_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_admin_log (
    id integer NOT NULL,
    action_time timestamp with time zone NOT NULL,
    object_id text,
    object_repr character varying(200) NOT NULL,
    action_flag smallint NOT NULL,
    change_message text NOT NULL,
    content_type_id integer,
    user_id bigint NOT NULL,
    CONSTRAINT django_admin_log_action_flag_check CHECK ((action_flag >= 0))
);
ALTER TABLE public.django_admin_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_admin_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);
ALTER TABLE public.django_content_type ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_content_type_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_migrations (
    id integer NOT NULL,
    app character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    applied timestamp with time zone NOT NULL
);
ALTER TABLE public.django_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_session (
    session_key character varying(40) NOT NULL,
    session_data text NOT NULL,
    expire_date timestamp with time zone NOT NULL
);
CREATE TABLE public.generation_clip (
    generation_id uuid NOT NULL,
    key character varying(200) NOT NULL,
    poster_key character varying(200) NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    num_frames integer NOT NULL,
    fps double precision NOT NULL,
    duration_seconds double precision NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 character varying(64) NOT NULL,
    has_audio boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT generation_clip_height_check CHECK ((height >= 0)),
    CONSTRAINT generation_clip_num_frames_check CHECK ((num_frames >= 0)),
    CONSTRAINT generation_clip_width_check CHECK ((width >= 0))
);
CREATE TABLE public.generation_fairclock (
    id smallint NOT NULL,
    virtual_time double precision NOT NULL,
    CONSTRAINT fair_clock_is_one_row CHECK ((id = 1))
);
CREATE TABLE public.generation_generation (
    id uuid NOT NULL,
    mode character varying(20) NOT NULL,
    prompt text NOT NULL,
    negative_prompt text NOT NULL,
    seed bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    num_frames integer NOT NULL,
    fps double precision NOT NULL,
    steps integer NOT NULL,
    preset character varying(40) NOT NULL,
    call jsonb NOT NULL,
    inputs jsonb NOT NULL,
    quote jsonb NOT NULL,
    state character varying(10) NOT NULL,
    attempt smallint NOT NULL,
    worker character varying(120) NOT NULL,
    steps_done integer NOT NULL,
    error_code character varying(40) NOT NULL,
    error_message character varying(500) NOT NULL,
    stage_seconds jsonb NOT NULL,
    peak_bytes bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    dispatched_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_asked_at timestamp with time zone,
    fair_start double precision NOT NULL,
    fair_finish double precision NOT NULL,
    version_id bigint NOT NULL,
    workspace_id uuid NOT NULL,
    api_key_id bigint,
    made_by_id bigint,
    ask_digest character varying(64) NOT NULL,
    deleted_at timestamp with time zone,
    is_private boolean NOT NULL,
    watermark character varying(40) DEFAULT ''::character varying NOT NULL,
    needs_bytes bigint,
    CONSTRAINT generation_generation_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT generation_generation_height_check CHECK ((height >= 0)),
    CONSTRAINT generation_generation_num_frames_check CHECK ((num_frames >= 0)),
    CONSTRAINT generation_generation_steps_check CHECK ((steps >= 0)),
    CONSTRAINT generation_generation_steps_done_check CHECK ((steps_done >= 0)),
    CONSTRAINT generation_generation_width_check CHECK ((width >= 0))
);
CREATE TABLE public.generation_upload (
    key character varying(200) NOT NULL,
    expires_at timestamp with time zone,
    generation_id uuid
);
CREATE VIEW public.ledger_allocation WITH (security_invoker='true') AS
 SELECT hold.id AS hold_id,
    entry.account_id,
    entry.lot_id,
    entry.leg,
    entry.amount
   FROM (public.ledger_hold hold
     JOIN public.ledger_entry entry ON (((entry.account_id = hold.account_id) AND (entry.seq = hold.held_seq) AND (entry.code = 'held'::text))));
ALTER TABLE public.ledger_lot ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ledger_lot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.ledger_transaction ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ledger_transaction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW public.ledger_violations WITH (security_invoker='true') AS
 WITH lot_sum AS (
         SELECT ledger_entry.account_id,
            ledger_entry.lot_id,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'issued'::text)), (0)::numeric) AS issued,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'available'::text)), (0)::numeric) AS available,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'held'::text)), (0)::numeric) AS held,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'consumed'::text)), (0)::numeric) AS consumed,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'expired'::text)), (0)::numeric) AS expired,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'clawed'::text)), (0)::numeric) AS clawed,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'adjusted'::text)), (0)::numeric) AS adjusted,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'moved'::text)), (0)::numeric) AS moved,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'debt'::text)), (0)::numeric) AS debt,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'forgiven'::text)), (0)::numeric) AS forgiven
           FROM public.ledger_entry
          GROUP BY ledger_entry.account_id, ledger_entry.lot_id
        )
 SELECT 'a transaction does not sum to zero'::text AS rule,
    ledger_entry.account_id,
    (ledger_entry.seq)::text AS subject,
    (sum(ledger_entry.amount))::text AS detail
   FROM public.ledger_entry
  GROUP BY ledger_entry.account_id, ledger_entry.seq, ledger_entry.lot_id
 HAVING (sum(ledger_entry.amount) <> (0)::numeric)
UNION ALL
 SELECT 'a transaction has no entries'::text AS rule,
    t.account_id,
    (t.seq)::text AS subject,
    t.kind AS detail
   FROM public.ledger_transaction t
  WHERE (NOT (EXISTS ( SELECT
           FROM public.ledger_entry e
          WHERE ((e.account_id = t.account_id) AND (e.seq = t.seq)))))
UNION ALL
 SELECT 'an account does not hold what its entries say'::text AS rule,
    a.id AS account_id,
    (a.id)::text AS subject,
    format('account %s, entries %s'::text, ROW(a.available, a.held, a.debt), ROW(s.available, s.held, s.debt)) AS detail
   FROM (public.ledger_account a
     LEFT JOIN ( SELECT lot_sum.account_id,
            sum(lot_sum.available) AS available,
            sum(lot_sum.held) AS held,
            (- sum(lot_sum.debt)) AS debt
           FROM lot_sum
          GROUP BY lot_sum.account_id) s ON ((s.account_id = a.id)))
  WHERE (((a.available)::numeric <> COALESCE(s.available, (0)::numeric)) OR ((a.held)::numeric <> COALESCE(s.held, (0)::numeric)) OR ((a.debt)::numeric <> COALESCE(s.debt, (0)::numeric)))
UNION ALL
 SELECT 'an account does not hold what its lots say'::text AS rule,
    a.id AS account_id,
    (a.id)::text AS subject,
    format('account %s, lots %s'::text, ROW(a.available, a.held), ROW(l.remaining, l.held)) AS detail
   FROM (public.ledger_account a
     LEFT JOIN ( SELECT ledger_lot.account_id,
            sum(ledger_lot.remaining) AS remaining,
            sum(ledger_lot.held) AS held
           FROM public.ledger_lot
          GROUP BY ledger_lot.account_id) l ON ((l.account_id = a.id)))
  WHERE (((a.available)::numeric <> COALESCE(l.remaining, (0)::numeric)) OR ((a.held)::numeric <> COALESCE(l.held, (0)::numeric)))
UNION ALL
 SELECT 'a lot does not hold what its entries say'::text AS rule,
    l.account_id,
    (l.id)::text AS subject,
    l.reference AS detail
   FROM (public.ledger_lot l
     LEFT JOIN lot_sum s ON (((s.account_id = l.account_id) AND (s.lot_id = l.id))))
  WHERE ((s.lot_id IS NULL) OR (l.issued = 0) OR (((l.issued)::numeric <> (- s.issued)) OR ((l.remaining)::numeric <> s.available) OR ((l.held)::numeric <> s.held) OR ((l.consumed)::numeric <> s.consumed) OR ((l.expired)::numeric <> s.expired) OR ((l.clawed)::numeric <> s.clawed) OR ((l.adjusted)::numeric <> s.adjusted) OR ((l.moved)::numeric <> s.moved) OR ((l.repaid)::numeric <> s.debt) OR ((l.forgiven)::numeric <> s.forgiven)))
UNION ALL
 SELECT 'a lot passed on what no child received'::text AS rule,
    l.account_id,
    (l.id)::text AS subject,
    format('%s <> %s'::text, l.moved, c.issued) AS detail
   FROM (public.ledger_lot l
     LEFT JOIN ( SELECT ledger_lot.parent_id,
            sum(ledger_lot.issued) AS issued
           FROM public.ledger_lot
          GROUP BY ledger_lot.parent_id) c ON ((c.parent_id = l.id)))
  WHERE ((l.moved)::numeric <> COALESCE(c.issued, (0)::numeric))
UNION ALL
 SELECT 'debt that left one account reached no other'::text AS rule,
    NULL::uuid AS account_id,
    'all accounts'::text AS subject,
    (sum(ledger_entry.amount))::text AS detail
   FROM public.ledger_entry
  WHERE ((ledger_entry.lot_id IS NULL) AND (ledger_entry.code = 'moved'::text))
 HAVING (sum(ledger_entry.amount) <> (0)::numeric)
UNION ALL
 SELECT 'an account has set aside what no hold explains'::text AS rule,
    a.id AS account_id,
    (a.id)::text AS subject,
    format('%s <> %s'::text, a.held, h.amount) AS detail
   FROM (public.ledger_account a
     LEFT JOIN ( SELECT ledger_hold.account_id,
            sum(ledger_hold.amount) AS amount
           FROM public.ledger_hold
          WHERE (ledger_hold.state = 'open'::text)
          GROUP BY ledger_hold.account_id) h ON ((h.account_id = a.id)))
  WHERE ((a.held)::numeric <> COALESCE(h.amount, (0)::numeric))
UNION ALL
 SELECT 'a hold drew something else than its amount'::text AS rule,
    h.account_id,
    (h.id)::text AS subject,
    format('%s <> %s'::text, h.amount, d.amount) AS detail
   FROM (public.ledger_hold h
     LEFT JOIN ( SELECT ledger_allocation.account_id,
            ledger_allocation.hold_id,
            sum(ledger_allocation.amount) AS amount
           FROM public.ledger_allocation
          GROUP BY ledger_allocation.account_id, ledger_allocation.hold_id) d ON (((d.account_id = h.account_id) AND (d.hold_id = h.id))))
  WHERE ((h.amount)::numeric IS DISTINCT FROM d.amount)
UNION ALL
 SELECT 'a settlement charged something else than it says'::text AS rule,
    h.account_id,
    (h.id)::text AS subject,
    format('%s <> %s'::text, h.captured, s.consumed) AS detail
   FROM (public.ledger_hold h
     LEFT JOIN ( SELECT ledger_entry.account_id,
            ledger_entry.seq,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'consumed'::text)), (0)::numeric) AS consumed,
            COALESCE(sum(ledger_entry.amount) FILTER (WHERE (ledger_entry.code = 'held'::text)), (0)::numeric) AS held
           FROM public.ledger_entry
          GROUP BY ledger_entry.account_id, ledger_entry.seq) s ON (((s.account_id = h.account_id) AND (s.seq = h.settled_seq))))
  WHERE ((h.state <> 'open'::text) AND (((h.captured)::numeric IS DISTINCT FROM s.consumed) OR (((- h.amount))::numeric IS DISTINCT FROM s.held)))
UNION ALL
 SELECT 'an account has lost count of its transactions'::text AS rule,
    a.id AS account_id,
    (a.id)::text AS subject,
    format('%s <> %s'::text, a.seq, t.transactions) AS detail
   FROM (public.ledger_account a
     LEFT JOIN ( SELECT ledger_transaction.account_id,
            count(*) AS transactions,
            max(ledger_transaction.seq) AS last
           FROM public.ledger_transaction
          GROUP BY ledger_transaction.account_id) t ON ((t.account_id = a.id)))
  WHERE ((a.seq <> COALESCE(t.transactions, (0)::bigint)) OR (a.seq <> COALESCE(t.last, (0)::bigint)))
UNION ALL
 SELECT 'the chain of transactions is broken'::text AS rule,
    t.account_id,
    (t.seq)::text AS subject,
    ((t.kind || ' '::text) || t.reference) AS detail
   FROM ( SELECT ledger_transaction.id,
            ledger_transaction.account_id,
            ledger_transaction.seq,
            ledger_transaction.kind,
            ledger_transaction.reference,
            ledger_transaction.request,
            ledger_transaction.response,
            ledger_transaction.actor,
            ledger_transaction.reason,
            ledger_transaction.available,
            ledger_transaction.held,
            ledger_transaction.debt,
            ledger_transaction.previous_hash,
            ledger_transaction.hash,
            ledger_transaction.created_at,
            lag(ledger_transaction.hash, 1, '\x'::bytea) OVER (PARTITION BY ledger_transaction.account_id ORDER BY ledger_transaction.seq) AS hash_before
           FROM public.ledger_transaction) t
  WHERE (t.previous_hash <> t.hash_before)
UNION ALL
 SELECT 'a transaction is not what was hashed'::text AS rule,
    t.account_id,
    (t.seq)::text AS subject,
    ((t.kind || ' '::text) || t.reference) AS detail
   FROM (public.ledger_transaction t
     JOIN ( SELECT ledger_entry.account_id,
            ledger_entry.seq,
            array_agg(ROW(ledger_entry.lot_id, ledger_entry.code, ledger_entry.amount)::public.ledger_leg ORDER BY ledger_entry.leg) AS legs
           FROM public.ledger_entry
          GROUP BY ledger_entry.account_id, ledger_entry.seq) e ON (((e.account_id = t.account_id) AND (e.seq = t.seq))))
  WHERE (t.hash <> public.ledger_hash(t.previous_hash, t.account_id, t.seq, t.kind, t.reference, t.request, t.response, t.actor, t.reason, ARRAY[t.available, t.held, t.debt], t.created_at, e.legs))
UNION ALL
 SELECT 'an account does not end its chain'::text AS rule,
    a.id AS account_id,
    (a.id)::text AS subject,
    (a.seq)::text AS detail
   FROM (public.ledger_account a
     LEFT JOIN public.ledger_transaction t ON (((t.account_id = a.id) AND (t.seq = a.seq))))
  WHERE (a.head <> COALESCE(t.hash, '\x'::bytea));
CREATE TABLE public.mfa_authenticator (
    id bigint NOT NULL,
    type character varying(20) NOT NULL,
    data jsonb NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone
);
ALTER TABLE public.mfa_authenticator ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.mfa_authenticator_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.outbox_delivery (
    id bigint NOT NULL,
    state character varying(7) NOT NULL,
    attempts smallint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_error character varying(500) NOT NULL,
    event_id character varying(60) NOT NULL,
    event_type character varying(40) NOT NULL,
    video_id uuid NOT NULL,
    is_test boolean NOT NULL,
    last_status smallint,
    last_answer text NOT NULL,
    last_attempt_at timestamp with time zone,
    endpoint_id uuid NOT NULL,
    CONSTRAINT outbox_delivery_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT outbox_delivery_last_status_check CHECK ((last_status >= 0))
);
ALTER TABLE public.outbox_delivery ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.outbox_delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.outbox_endpoint (
    id uuid NOT NULL,
    name character varying(80) NOT NULL,
    url character varying(500) NOT NULL,
    event_types character varying(40)[] NOT NULL,
    sealed_secret text NOT NULL,
    secret_hint character varying(16) NOT NULL,
    old_sealed_secret text NOT NULL,
    old_secret_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    disabled_because character varying(200) NOT NULL,
    failures integer NOT NULL,
    failing_since timestamp with time zone,
    resumes_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    CONSTRAINT outbox_endpoint_failures_check CHECK ((failures >= 0))
);
CREATE TABLE public.outbox_letter (
    id bigint NOT NULL,
    state character varying(7) NOT NULL,
    attempts smallint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_error character varying(500) NOT NULL,
    kind character varying(20) NOT NULL,
    about uuid NOT NULL,
    occasion character varying(60) NOT NULL,
    user_id bigint,
    workspace_id uuid NOT NULL,
    address character varying(254) NOT NULL,
    CONSTRAINT letter_to_somebody CHECK ((((user_id IS NOT NULL) OR (NOT ((address)::text = ''::text))) AND (1 = (
CASE
    WHEN (user_id IS NOT NULL) THEN 1
    ELSE 0
END +
CASE
    WHEN (NOT ((address)::text = ''::text)) THEN 1
    ELSE 0
END)))),
    CONSTRAINT outbox_letter_attempts_check CHECK ((attempts >= 0))
);
ALTER TABLE public.outbox_letter ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.outbox_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.outbox_wish (
    id bigint NOT NULL,
    generation_id uuid NOT NULL,
    user_id bigint NOT NULL
);
ALTER TABLE public.outbox_wish ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.outbox_wish_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_budget (
    id bigint NOT NULL,
    workspace uuid NOT NULL,
    monthly_cap_credits integer,
    warn_below_credits integer,
    warn_address character varying(254) NOT NULL,
    warned_at timestamp with time zone,
    CONSTRAINT shop_budget_monthly_cap_credits_check CHECK ((monthly_cap_credits >= 0)),
    CONSTRAINT shop_budget_warn_below_credits_check CHECK ((warn_below_credits >= 0))
);
ALTER TABLE public.shop_budget ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_budget_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_customer (
    id bigint NOT NULL,
    workspace uuid NOT NULL,
    stripe_customer_id character varying(255) NOT NULL,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE public.shop_customer ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_customer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_mismatch (
    id bigint NOT NULL,
    subject character varying(255) NOT NULL,
    detail text NOT NULL,
    is_mended boolean NOT NULL,
    reconciliation_id bigint NOT NULL
);
ALTER TABLE public.shop_mismatch ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_mismatch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_order (
    id uuid NOT NULL,
    workspace uuid NOT NULL,
    purse uuid NOT NULL,
    credits integer NOT NULL,
    actor character varying(254) NOT NULL,
    state character varying(6) NOT NULL,
    stripe_session_id character varying(255),
    created_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    price_id bigint NOT NULL,
    CONSTRAINT shop_order_credits_check CHECK ((credits >= 0))
);
CREATE TABLE public.shop_pack (
    id bigint NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(60) NOT NULL,
    credits integer NOT NULL,
    "position" smallint NOT NULL,
    is_offered boolean NOT NULL,
    tax_code character varying(20) NOT NULL,
    CONSTRAINT pack_has_credits CHECK ((credits >= 1)),
    CONSTRAINT shop_pack_credits_check CHECK ((credits >= 0)),
    CONSTRAINT shop_pack_position_check CHECK (("position" >= 0))
);
ALTER TABLE public.shop_pack ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_pack_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_payment (
    id bigint NOT NULL,
    source character varying(200) NOT NULL,
    workspace uuid NOT NULL,
    purse uuid NOT NULL,
    stripe_payment_intent_id character varying(255),
    stripe_invoice_id character varying(255) NOT NULL,
    amount_minor bigint NOT NULL,
    currency character varying(3) NOT NULL,
    credits integer NOT NULL,
    rollover_credits integer NOT NULL,
    expires_at timestamp with time zone,
    rollover_expires_at timestamp with time zone,
    refunded_minor bigint NOT NULL,
    disputed_minor bigint NOT NULL,
    dispute_status character varying(30) NOT NULL,
    clawed_credits integer NOT NULL,
    receipt_url character varying(1000) NOT NULL,
    invoice_url character varying(1000) NOT NULL,
    paid_at timestamp with time zone NOT NULL,
    order_id uuid,
    price_id bigint NOT NULL,
    subscription_id bigint,
    CONSTRAINT payment_rollover_within CHECK ((rollover_credits <= credits)),
    CONSTRAINT shop_payment_clawed_credits_check CHECK ((clawed_credits >= 0)),
    CONSTRAINT shop_payment_credits_check CHECK ((credits >= 0)),
    CONSTRAINT shop_payment_rollover_credits_check CHECK ((rollover_credits >= 0))
);
ALTER TABLE public.shop_payment ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_payment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_plan (
    id bigint NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(60) NOT NULL,
    summary character varying(200) NOT NULL,
    "position" smallint NOT NULL,
    is_offered boolean NOT NULL,
    monthly_credits integer NOT NULL,
    rollover_credits integer NOT NULL,
    concurrency smallint NOT NULL,
    priority_weight smallint NOT NULL,
    retention_days integer NOT NULL,
    has_watermark boolean NOT NULL,
    members smallint NOT NULL,
    features character varying(80)[] NOT NULL,
    tax_code character varying(20) NOT NULL,
    CONSTRAINT plan_rollover_within_credits CHECK ((rollover_credits <= monthly_credits)),
    CONSTRAINT plan_weight_positive CHECK ((priority_weight >= 1)),
    CONSTRAINT shop_plan_concurrency_check CHECK ((concurrency >= 0)),
    CONSTRAINT shop_plan_members_check CHECK ((members >= 0)),
    CONSTRAINT shop_plan_monthly_credits_check CHECK ((monthly_credits >= 0)),
    CONSTRAINT shop_plan_position_check CHECK (("position" >= 0)),
    CONSTRAINT shop_plan_priority_weight_check CHECK ((priority_weight >= 0)),
    CONSTRAINT shop_plan_retention_days_check CHECK ((retention_days >= 0)),
    CONSTRAINT shop_plan_rollover_credits_check CHECK ((rollover_credits >= 0))
);
ALTER TABLE public.shop_plan ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_price (
    id bigint NOT NULL,
    "interval" character varying(5) NOT NULL,
    currency character varying(3) NOT NULL,
    amount_minor integer NOT NULL,
    is_offered boolean NOT NULL,
    stripe_price_id character varying(255),
    created_at timestamp with time zone NOT NULL,
    pack_id bigint,
    plan_id bigint,
    CONSTRAINT price_currency_is_iso CHECK (((currency)::text ~ '^[a-z]{3}$'::text)),
    CONSTRAINT price_of_one_thing CHECK ((((("interval")::text = ANY ((ARRAY['month'::character varying, 'year'::character varying])::text[])) AND (pack_id IS NULL) AND (plan_id IS NOT NULL)) OR ((("interval")::text = 'once'::text) AND (pack_id IS NOT NULL) AND (plan_id IS NULL)))),
    CONSTRAINT price_positive CHECK ((amount_minor >= 1)),
    CONSTRAINT shop_price_amount_minor_check CHECK ((amount_minor >= 0))
);
ALTER TABLE public.shop_price ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_price_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_reconciliation (
    id bigint NOT NULL,
    kind character varying(6) NOT NULL,
    began_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    read_until timestamp with time zone,
    checked integer NOT NULL,
    missed integer NOT NULL,
    balance jsonb NOT NULL,
    CONSTRAINT shop_reconciliation_checked_check CHECK ((checked >= 0)),
    CONSTRAINT shop_reconciliation_missed_check CHECK ((missed >= 0))
);
ALTER TABLE public.shop_reconciliation ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_reconciliation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_stripeevent (
    id bigint NOT NULL,
    event_id character varying(255) NOT NULL,
    type character varying(100) NOT NULL,
    object_id character varying(255) NOT NULL,
    body text NOT NULL,
    heard_from character varying(10) NOT NULL,
    state character varying(4) NOT NULL,
    attempts smallint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    last_error text NOT NULL,
    CONSTRAINT shop_stripeevent_attempts_check CHECK ((attempts >= 0))
);
ALTER TABLE public.shop_stripeevent ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_stripeevent_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.shop_subscription (
    id bigint NOT NULL,
    workspace uuid NOT NULL,
    purse uuid NOT NULL,
    stripe_subscription_id character varying(255) NOT NULL,
    status character varying(20) NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    past_due_since timestamp with time zone,
    failed_attempts smallint NOT NULL,
    dunned_attempts smallint NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    next_price_id bigint,
    price_id bigint NOT NULL,
    CONSTRAINT shop_subscription_dunned_attempts_check CHECK ((dunned_attempts >= 0)),
    CONSTRAINT shop_subscription_failed_attempts_check CHECK ((failed_attempts >= 0))
);
ALTER TABLE public.shop_subscription ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.shop_subscription_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.socialaccount_socialaccount (
    id integer NOT NULL,
    provider character varying(200) NOT NULL,
    uid character varying(191) NOT NULL,
    last_login timestamp with time zone NOT NULL,
    date_joined timestamp with time zone NOT NULL,
    extra_data jsonb NOT NULL,
    user_id bigint NOT NULL
);
ALTER TABLE public.socialaccount_socialaccount ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.socialaccount_socialaccount_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.socialaccount_socialapp (
    id integer NOT NULL,
    provider character varying(30) NOT NULL,
    name character varying(40) NOT NULL,
    client_id character varying(191) NOT NULL,
    secret character varying(191) NOT NULL,
    key character varying(191) NOT NULL,
    provider_id character varying(200) NOT NULL,
    settings jsonb NOT NULL
);
ALTER TABLE public.socialaccount_socialapp ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.socialaccount_socialapp_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.socialaccount_socialtoken (
    id integer NOT NULL,
    token text NOT NULL,
    token_secret text NOT NULL,
    expires_at timestamp with time zone,
    account_id integer NOT NULL,
    app_id integer
);
ALTER TABLE public.socialaccount_socialtoken ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.socialaccount_socialtoken_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.usersessions_usersession (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ip inet NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    session_key character varying(40) NOT NULL,
    user_agent character varying(200) NOT NULL,
    data jsonb NOT NULL,
    user_id bigint NOT NULL
);
ALTER TABLE public.usersessions_usersession ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.usersessions_usersession_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO public.account_emailaddress (id, email, verified, "primary", user_id) VALUES
	(1, 'admin@localhost', true, true, 1);
INSERT INTO public.accounts_auditentry (id, at, event, actor, subject, detail, network, workspace_id) VALUES
	(1, '2026-11-29 02:39:26.730027+00', 'workspace.begun', 'admin@localhost', '', '{}', '', '5ba02cb6-09b1-4a86-838e-95e6b632ee72'),
	(2, '2026-11-29 02:39:26.798746+00', 'webhook.created', 'admin@localhost', 'http://127.0.0.1:9/hooks', '{"events": ["video.completed", "video.failed", "video.cancelled"]}', '', '5ba02cb6-09b1-4a86-838e-95e6b632ee72');
INSERT INTO public.accounts_membership (id, role, monthly_cap_credits, created_at, user_id, workspace_id) VALUES
	(1, 'owner', NULL, '2026-11-29 02:39:26.728869+00', 1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72');
INSERT INTO public.accounts_user (id, password, last_login, is_superuser, email, name, is_staff, is_active, joined_at) VALUES
	(1, '!', '2026-11-29 02:39:26.72201+00', true, 'admin@localhost', '', true, true, '2026-11-29 02:39:21.847295+00');
INSERT INTO public.accounts_visitor (id, created_at, workspace_id, network) VALUES
	('4893aa4b-d046-44dd-a20a-c3da19a66b02', '2026-11-29 02:40:23.093146+00', '9d347b25-f729-495d-a71a-16322164930b', 'b0b1848851a74dbe0d92889c4a37cf40'),
	('da481d6c-4a48-4754-88df-36bd81869ad2', '2026-11-29 02:40:38.13298+00', 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 'b0b1848851a74dbe0d92889c4a37cf40');
INSERT INTO public.accounts_workspace (id, kind, name, created_at, suspended_at, closed_at, merged_into_id, makes_private_clips) VALUES
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 'personal', '', '2026-11-29 02:39:26.727945+00', NULL, NULL, NULL, false),
	('9d347b25-f729-495d-a71a-16322164930b', 'visitor', '', '2026-11-29 02:40:23.091991+00', NULL, NULL, NULL, false),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 'visitor', '', '2026-11-29 02:40:38.131572+00', NULL, NULL, NULL, false);
INSERT INTO public.auth_permission (id, name, content_type_id, codename) VALUES
	(1, 'Can add user', 2, 'add_user'),
	(2, 'Can change user', 2, 'change_user'),
	(3, 'Can delete user', 2, 'delete_user'),
	(4, 'Can view user', 2, 'view_user'),
	(5, 'Can add workspace', 3, 'add_workspace'),
	(6, 'Can change workspace', 3, 'change_workspace'),
	(7, 'Can delete workspace', 3, 'delete_workspace'),
	(8, 'Can view workspace', 3, 'view_workspace'),
	(9, 'Can look into a workspace, read only', 3, 'look_into_workspace'),
	(10, 'Can add visitor', 4, 'add_visitor'),
	(11, 'Can change visitor', 4, 'change_visitor'),
	(12, 'Can delete visitor', 4, 'delete_visitor'),
	(13, 'Can view visitor', 4, 'view_visitor'),
	(14, 'Can add membership', 5, 'add_membership'),
	(15, 'Can change membership', 5, 'change_membership'),
	(16, 'Can delete membership', 5, 'delete_membership'),
	(17, 'Can view membership', 5, 'view_membership'),
	(18, 'Can add invitation', 6, 'add_invitation'),
	(19, 'Can change invitation', 6, 'change_invitation'),
	(20, 'Can delete invitation', 6, 'delete_invitation'),
	(21, 'Can view invitation', 6, 'view_invitation'),
	(22, 'Can add audit entry', 7, 'add_auditentry'),
	(23, 'Can change audit entry', 7, 'change_auditentry'),
	(24, 'Can delete audit entry', 7, 'delete_auditentry'),
	(25, 'Can view audit entry', 7, 'view_auditentry'),
	(26, 'Can add api key', 8, 'add_apikey'),
	(27, 'Can change api key', 8, 'change_apikey'),
	(28, 'Can delete api key', 8, 'delete_apikey'),
	(29, 'Can view api key', 8, 'view_apikey'),
	(30, 'Can add ban', 9, 'add_ban'),
	(31, 'Can change ban', 9, 'change_ban'),
	(32, 'Can delete ban', 9, 'delete_ban'),
	(33, 'Can view ban', 9, 'view_ban'),
	(34, 'Can add account', 10, 'add_account'),
	(35, 'Can change account', 10, 'change_account'),
	(36, 'Can delete account', 10, 'delete_account'),
	(37, 'Can view account', 10, 'view_account'),
	(38, 'Can grant and adjust credits', 10, 'adjust_credits'),
	(39, 'Can add entry', 11, 'add_entry'),
	(40, 'Can change entry', 11, 'change_entry'),
	(41, 'Can delete entry', 11, 'delete_entry'),
	(42, 'Can view entry', 11, 'view_entry'),
	(43, 'Can add hold', 12, 'add_hold'),
	(44, 'Can change hold', 12, 'change_hold'),
	(45, 'Can delete hold', 12, 'delete_hold'),
	(46, 'Can view hold', 12, 'view_hold'),
	(47, 'Can add lot', 13, 'add_lot'),
	(48, 'Can change lot', 13, 'change_lot'),
	(49, 'Can delete lot', 13, 'delete_lot'),
	(50, 'Can view lot', 13, 'view_lot'),
	(51, 'Can add transaction', 14, 'add_transaction'),
	(52, 'Can change transaction', 14, 'change_transaction'),
	(53, 'Can delete transaction', 14, 'delete_transaction'),
	(54, 'Can view transaction', 14, 'view_transaction'),
	(55, 'Can add proposal', 15, 'add_proposal'),
	(56, 'Can change proposal', 15, 'change_proposal'),
	(57, 'Can delete proposal', 15, 'delete_proposal'),
	(58, 'Can view proposal', 15, 'view_proposal'),
	(59, 'Can approve and refuse what others propose to do to credits', 15, 'decide_proposal'),
	(60, 'Can add free day', 16, 'add_freeday'),
	(61, 'Can change free day', 16, 'change_freeday'),
	(62, 'Can delete free day', 16, 'delete_freeday'),
	(63, 'Can view free day', 16, 'view_freeday'),
	(64, 'Can add network day', 17, 'add_networkday'),
	(65, 'Can change network day', 17, 'change_networkday'),
	(66, 'Can delete network day', 17, 'delete_networkday'),
	(67, 'Can view network day', 17, 'view_networkday'),
	(68, 'Can add free reservation', 18, 'add_freereservation'),
	(69, 'Can change free reservation', 18, 'change_freereservation'),
	(70, 'Can delete free reservation', 18, 'delete_freereservation'),
	(71, 'Can view free reservation', 18, 'view_freereservation'),
	(72, 'Can add customer', 19, 'add_customer'),
	(73, 'Can change customer', 19, 'change_customer'),
	(74, 'Can delete customer', 19, 'delete_customer'),
	(75, 'Can view customer', 19, 'view_customer'),
	(76, 'Can add budget', 20, 'add_budget'),
	(77, 'Can change budget', 20, 'change_budget'),
	(78, 'Can delete budget', 20, 'delete_budget'),
	(79, 'Can view budget', 20, 'view_budget'),
	(80, 'Can add pack', 21, 'add_pack'),
	(81, 'Can change pack', 21, 'change_pack'),
	(82, 'Can delete pack', 21, 'delete_pack'),
	(83, 'Can view pack', 21, 'view_pack'),
	(84, 'Can add plan', 22, 'add_plan'),
	(85, 'Can change plan', 22, 'change_plan'),
	(86, 'Can delete plan', 22, 'delete_plan'),
	(87, 'Can view plan', 22, 'view_plan'),
	(88, 'Can add price', 23, 'add_price'),
	(89, 'Can change price', 23, 'change_price'),
	(90, 'Can delete price', 23, 'delete_price'),
	(91, 'Can view price', 23, 'view_price'),
	(92, 'Can add order', 24, 'add_order'),
	(93, 'Can change order', 24, 'change_order'),
	(94, 'Can delete order', 24, 'delete_order'),
	(95, 'Can view order', 24, 'view_order'),
	(96, 'Can add reconciliation', 25, 'add_reconciliation'),
	(97, 'Can change reconciliation', 25, 'change_reconciliation'),
	(98, 'Can delete reconciliation', 25, 'delete_reconciliation'),
	(99, 'Can view reconciliation', 25, 'view_reconciliation'),
	(100, 'Can add mismatch', 26, 'add_mismatch');
INSERT INTO public.auth_permission (id, name, content_type_id, codename) VALUES
	(101, 'Can change mismatch', 26, 'change_mismatch'),
	(102, 'Can delete mismatch', 26, 'delete_mismatch'),
	(103, 'Can view mismatch', 26, 'view_mismatch'),
	(104, 'Can add Stripe event', 27, 'add_stripeevent'),
	(105, 'Can change Stripe event', 27, 'change_stripeevent'),
	(106, 'Can delete Stripe event', 27, 'delete_stripeevent'),
	(107, 'Can view Stripe event', 27, 'view_stripeevent'),
	(108, 'Can add subscription', 28, 'add_subscription'),
	(109, 'Can change subscription', 28, 'change_subscription'),
	(110, 'Can delete subscription', 28, 'delete_subscription'),
	(111, 'Can view subscription', 28, 'view_subscription'),
	(112, 'Can add payment', 29, 'add_payment'),
	(113, 'Can change payment', 29, 'change_payment'),
	(114, 'Can delete payment', 29, 'delete_payment'),
	(115, 'Can view payment', 29, 'view_payment'),
	(116, 'Can refund payments', 29, 'refund_payment'),
	(117, 'Can add model', 30, 'add_model'),
	(118, 'Can change model', 30, 'change_model'),
	(119, 'Can delete model', 30, 'delete_model'),
	(120, 'Can view model', 30, 'view_model'),
	(121, 'Can add measurement', 31, 'add_measurement'),
	(122, 'Can change measurement', 31, 'change_measurement'),
	(123, 'Can delete measurement', 31, 'delete_measurement'),
	(124, 'Can view measurement', 31, 'view_measurement'),
	(125, 'Can add alias', 32, 'add_alias'),
	(126, 'Can change alias', 32, 'change_alias'),
	(127, 'Can delete alias', 32, 'delete_alias'),
	(128, 'Can view alias', 32, 'view_alias'),
	(129, 'Can add model version', 33, 'add_modelversion'),
	(130, 'Can change model version', 33, 'change_modelversion'),
	(131, 'Can delete model version', 33, 'delete_modelversion'),
	(132, 'Can view model version', 33, 'view_modelversion'),
	(133, 'Can add generation', 34, 'add_generation'),
	(134, 'Can change generation', 34, 'change_generation'),
	(135, 'Can delete generation', 34, 'delete_generation'),
	(136, 'Can view generation', 34, 'view_generation'),
	(137, 'Can add clip', 35, 'add_clip'),
	(138, 'Can change clip', 35, 'change_clip'),
	(139, 'Can delete clip', 35, 'delete_clip'),
	(140, 'Can view clip', 35, 'view_clip'),
	(141, 'Can add fair clock', 36, 'add_fairclock'),
	(142, 'Can change fair clock', 36, 'change_fairclock'),
	(143, 'Can delete fair clock', 36, 'delete_fairclock'),
	(144, 'Can view fair clock', 36, 'view_fairclock'),
	(145, 'Can add upload', 37, 'add_upload'),
	(146, 'Can change upload', 37, 'change_upload'),
	(147, 'Can delete upload', 37, 'delete_upload'),
	(148, 'Can view upload', 37, 'view_upload'),
	(149, 'Can add endpoint', 38, 'add_endpoint'),
	(150, 'Can change endpoint', 38, 'change_endpoint'),
	(151, 'Can delete endpoint', 38, 'delete_endpoint'),
	(152, 'Can view endpoint', 38, 'view_endpoint'),
	(153, 'Can add delivery', 39, 'add_delivery'),
	(154, 'Can change delivery', 39, 'change_delivery'),
	(155, 'Can delete delivery', 39, 'delete_delivery'),
	(156, 'Can view delivery', 39, 'view_delivery'),
	(157, 'Can add letter', 40, 'add_letter'),
	(158, 'Can change letter', 40, 'change_letter'),
	(159, 'Can delete letter', 40, 'delete_letter'),
	(160, 'Can view letter', 40, 'view_letter'),
	(161, 'Can add wish', 41, 'add_wish'),
	(162, 'Can change wish', 41, 'change_wish'),
	(163, 'Can delete wish', 41, 'delete_wish'),
	(164, 'Can view wish', 41, 'view_wish'),
	(165, 'Can add email address', 42, 'add_emailaddress'),
	(166, 'Can change email address', 42, 'change_emailaddress'),
	(167, 'Can delete email address', 42, 'delete_emailaddress'),
	(168, 'Can view email address', 42, 'view_emailaddress'),
	(169, 'Can add email confirmation', 43, 'add_emailconfirmation'),
	(170, 'Can change email confirmation', 43, 'change_emailconfirmation'),
	(171, 'Can delete email confirmation', 43, 'delete_emailconfirmation'),
	(172, 'Can view email confirmation', 43, 'view_emailconfirmation'),
	(173, 'Can add authenticator', 44, 'add_authenticator'),
	(174, 'Can change authenticator', 44, 'change_authenticator'),
	(175, 'Can delete authenticator', 44, 'delete_authenticator'),
	(176, 'Can view authenticator', 44, 'view_authenticator'),
	(177, 'Can add social account', 45, 'add_socialaccount'),
	(178, 'Can change social account', 45, 'change_socialaccount'),
	(179, 'Can delete social account', 45, 'delete_socialaccount'),
	(180, 'Can view social account', 45, 'view_socialaccount'),
	(181, 'Can add social application', 46, 'add_socialapp'),
	(182, 'Can change social application', 46, 'change_socialapp'),
	(183, 'Can delete social application', 46, 'delete_socialapp'),
	(184, 'Can view social application', 46, 'view_socialapp'),
	(185, 'Can add social application token', 47, 'add_socialtoken'),
	(186, 'Can change social application token', 47, 'change_socialtoken'),
	(187, 'Can delete social application token', 47, 'delete_socialtoken'),
	(188, 'Can view social application token', 47, 'view_socialtoken'),
	(189, 'Can add user session', 48, 'add_usersession'),
	(190, 'Can change user session', 48, 'change_usersession'),
	(191, 'Can delete user session', 48, 'delete_usersession'),
	(192, 'Can view user session', 48, 'view_usersession'),
	(193, 'Access admin page', 1, 'admin'),
	(194, 'Can add log entry', 49, 'add_logentry'),
	(195, 'Can change log entry', 49, 'change_logentry'),
	(196, 'Can delete log entry', 49, 'delete_logentry'),
	(197, 'Can view log entry', 49, 'view_logentry'),
	(198, 'Can add permission', 50, 'add_permission'),
	(199, 'Can change permission', 50, 'change_permission'),
	(200, 'Can delete permission', 50, 'delete_permission');
INSERT INTO public.auth_permission (id, name, content_type_id, codename) VALUES
	(201, 'Can view permission', 50, 'view_permission'),
	(202, 'Can add group', 51, 'add_group'),
	(203, 'Can change group', 51, 'change_group'),
	(204, 'Can delete group', 51, 'delete_group'),
	(205, 'Can view group', 51, 'view_group'),
	(206, 'Can add content type', 52, 'add_contenttype'),
	(207, 'Can change content type', 52, 'change_contenttype'),
	(208, 'Can delete content type', 52, 'delete_contenttype'),
	(209, 'Can view content type', 52, 'view_contenttype'),
	(210, 'Can add session', 53, 'add_session'),
	(211, 'Can change session', 53, 'change_session'),
	(212, 'Can delete session', 53, 'delete_session'),
	(213, 'Can view session', 53, 'view_session');
INSERT INTO public.billing_freeday (day, gpu_seconds) VALUES
	('2026-11-29', 33.342411894999714);
INSERT INTO public.billing_freereservation (hold_id, day, gpu_seconds) VALUES
	('1d62d0e0-d87c-466a-a3e1-0d8115a8da8a', '2026-11-29', 2.2644973409996965),
	('5173b0ac-aed9-4aa7-ae1f-4ca818d44c1b', '2026-11-29', 2.2644973409996965),
	('669a71ef-892c-450d-8608-f1e13502dfe5', '2026-11-29', 2.2644973409996965),
	('955c6180-c15d-46e9-8fc2-62a771c1d183', '2026-11-29', 2.2644973409996965),
	('577fd52c-964a-430f-a303-0c50089b9342', '2026-11-29', 2.2644973409996965),
	('add778d4-6fe5-4edc-afb2-309097d2b1bc', '2026-11-29', 2.2644973409996965),
	('ba338f5b-19c7-4367-86a7-0d37d95333b1', '2026-11-29', 2.2644973409996965),
	('c4d7f19f-6bdd-47a9-850e-364cc68dce5e', '2026-11-29', 2.2644973409996965);
INSERT INTO public.billing_networkday (id, day, network, allowances) VALUES
	(1, '2026-11-29', '4c2181603d5f1c5a5a0d1aa81c199b4a', 2);
INSERT INTO public.catalog_alias (id, name, model_id) VALUES
	(1, 'default', 1),
	(2, 'ltx-video', 2),
	(3, 'ltx', 9),
	(4, 'draft', 11),
	(5, 'wan', 19),
	(6, 'fast', 22),
	(7, 'hunyuan', 25),
	(8, 'cogvideox', 29),
	(9, 'long', 34);
INSERT INTO public.catalog_measurement (id, build, mode, preset, width, height, clips, gpu_seconds, video_seconds, peak_bytes, updated_at, similarity) VALUES
	(1, '1c329ed75c872586', 'text', 'standard', 48, 48, 1, 2.2644973409996965, 2, 49868756, '2026-11-29 02:39:37.121639+00', NULL);
INSERT INTO public.catalog_model (id, slug, name, summary, status, status_reason, "position", canary_percent, canary_id, current_id) VALUES
	(1, 'preview', 'Preview', 'A toy model that knows shapes and colours, there so that everything can be tried without a GPU: four shapes, nine colours, nine motions, five backgrounds, one object or two, nothing else. Of 200 test prompts 192 came out right, of 100 given pictures 78.', 'enabled', '', 10, 0, NULL, 1),
	(2, 'ltx-video-2b', 'LTX-Video 2B', 'The quickest of the open models. Good for trying ideas, first and last frames, and going on from a clip.', 'draft', 'Needs a download of about 14 GB to the GPU hosts. Pin the revision, then run a test render.', 100, 0, NULL, 2),
	(3, 'ltx-video-13b', 'LTX-Video 13B distilled', 'Sharper than the 2B in eight steps, and up to a minute long.', 'draft', 'Needs a download of about 37 GB to the GPU hosts; read the LTXV Open Weights licence for its revenue clause first. Pin the revision, then run a test render.', 110, 0, NULL, 3),
	(4, 'ltx-2', 'LTX-2', 'Video with its own sound, up to 20 seconds.', 'draft', 'Needs a download of about 68 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 200, 0, NULL, 4),
	(5, 'ltx-2-fast', 'LTX-2 distilled', 'LTX-2 in eight steps: video and sound for a quarter of the price.', 'draft', 'Needs a download of about 68 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 205, 0, NULL, 5),
	(6, 'ltx-2-fast-sound', 'LTX-2 distilled, from sound', 'Speech or music that you send, and a video made to it; a first picture may say who is heard.', 'draft', 'Needs a download of about 68 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 210, 0, NULL, 6),
	(7, 'ltx-2.3', 'LTX-2.3', 'Video with sound at 48 kHz, better motion than LTX-2.', 'draft', 'Needs a download of about 71 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 190, 0, NULL, 7),
	(8, 'ltx-2.3-fast', 'LTX-2.3 distilled', 'LTX-2.3 in eight steps.', 'draft', 'Needs a download of about 71 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 185, 0, NULL, 8),
	(9, 'ltx-2.5', 'LTX-2.5 distilled', 'The newest LTX: video and sound in eight steps.', 'draft', 'Accept the terms on its page, put a read token on the GPU hosts, download about 70 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 180, 0, NULL, 9),
	(10, 'ltx-2.5-sound', 'LTX-2.5 distilled, from sound', 'Speech or music that you send, and a video made to it; a first picture may say who is heard.', 'draft', 'Accept the terms on its page, put a read token on the GPU hosts, download about 70 GB. Its licence forbids products that compete with Lightricks'' own (Attachment A, clause 20): get their written consent first.', 185, 0, NULL, 10),
	(11, 'wan-2.1-1.3b', 'Wan 2.1 1.3B', 'Small and sound: good motion on a small card.', 'draft', 'Needs a download of about 15 GB to the GPU hosts. Pin the revision, then run a test render.', 120, 0, NULL, 11),
	(12, 'wan-2.1-14b', 'Wan 2.1 14B', 'Rich detail and motion from text.', 'draft', 'Needs a download of about 40 GB to the GPU hosts. Pin the revision, then run a test render.', 140, 0, NULL, 12),
	(13, 'wan-2.1-14b-fast', 'Wan 2.1 14B in four steps', 'The 14B at a tenth of the price, with a little less motion.', 'draft', 'Needs a download of about 41 GB to the GPU hosts. Pin the revision, then run a test render.', 141, 0, NULL, 13),
	(14, 'wan-2.1-14b-i2v-480p', 'Wan 2.1 14B image to video 480p', 'Brings a picture to life.', 'draft', 'Needs a download of about 46 GB to the GPU hosts. Pin the revision, then run a test render.', 150, 0, NULL, 14),
	(15, 'wan-2.1-14b-i2v-720p', 'Wan 2.1 14B image to video 720p', 'Brings a picture to life, in 720p.', 'draft', 'Needs a download of about 46 GB to the GPU hosts. Pin the revision, then run a test render.', 151, 0, NULL, 15),
	(16, 'wan-2.1-14b-flf2v', 'Wan 2.1 14B first and last frame', 'Moves from one picture to another.', 'draft', 'Needs a download of about 46 GB to the GPU hosts. Pin the revision, then run a test render.', 152, 0, NULL, 16),
	(17, 'wan-2.1-vace-1.3b', 'Wan VACE 1.3B', 'Steers a clip by pose, depth, mask or reference pictures, on a small card.', 'draft', 'Needs a download of about 16 GB to the GPU hosts. Pin the revision, then run a test render.', 160, 0, NULL, 17),
	(18, 'wan-2.1-vace-14b', 'Wan VACE 14B', 'Steers a clip by pose, depth, mask or reference pictures, in full quality.', 'draft', 'Needs a download of about 47 GB to the GPU hosts. Pin the revision, then run a test render.', 161, 0, NULL, 18),
	(19, 'wan-2.2-5b', 'Wan 2.2 5B', '720p from text or a picture on one 24 GB card: the best all-rounder.', 'draft', 'Needs a download of about 23 GB to the GPU hosts. Pin the revision, then run a test render.', 130, 0, NULL, 19),
	(20, 'wan-2.2-a14b', 'Wan 2.2 A14B', 'Two experts, one for the motion and one for the detail: the finest picture here.', 'draft', 'Needs a download of about 69 GB to the GPU hosts. Pin the revision, then run a test render.', 170, 0, NULL, 20),
	(21, 'wan-2.2-a14b-i2v', 'Wan 2.2 A14B image to video', 'Brings a picture to life with two experts.', 'draft', 'Needs a download of about 69 GB to the GPU hosts. Pin the revision, then run a test render.', 171, 0, NULL, 21),
	(22, 'wan-2.2-a14b-fast', 'Wan 2.2 A14B in four steps', 'The two experts in four steps: quick, with a little less motion.', 'draft', 'Needs a download of about 70 GB. Name the LoRA files of the revision that you pin: high noise on transformer, low noise on transformer_2.', 172, 0, NULL, 22),
	(23, 'hunyuan-video', 'HunyuanVideo', 'Cinematic pictures from text.', 'draft', 'Needs a download of about 42 GB. Its licence leaves out the EU, the UK and South Korea: set TERRITORY_HEADER first.', 300, 0, NULL, 23),
	(24, 'hunyuan-video-i2v', 'HunyuanVideo image to video', 'Brings a picture to life, the cinematic way.', 'draft', 'Needs a download of about 42 GB. Its licence leaves out the EU, the UK and South Korea: set TERRITORY_HEADER first.', 301, 0, NULL, 24),
	(25, 'hunyuan-video-1.5', 'HunyuanVideo 1.5 480p', 'Cinematic pictures at a third of the size.', 'draft', 'Needs a download of about 34 GB. Its licence leaves out the EU, the UK and South Korea: set TERRITORY_HEADER first.', 310, 0, NULL, 25),
	(26, 'hunyuan-video-1.5-720p', 'HunyuanVideo 1.5 720p', 'HunyuanVideo 1.5 in 720p.', 'draft', 'Needs a download of about 34 GB. Its licence leaves out the EU, the UK and South Korea: set TERRITORY_HEADER first.', 311, 0, NULL, 26),
	(27, 'hunyuan-video-1.5-i2v', 'HunyuanVideo 1.5 image to video', 'Brings a picture to life, at a third of the size.', 'draft', 'Needs a download of about 36 GB. Its licence leaves out the EU, the UK and South Korea: set TERRITORY_HEADER first.', 312, 0, NULL, 27),
	(28, 'framepack', 'FramePack', 'A minute of video from one picture, on a small card.', 'draft', 'Its repository holds a transformer only. Make a folder framepack under GPU_WORKER_MODELS of lllyasviel/FramePackI2V_HY as transformer, a SigLIP image encoder, and the rest of hunyuanvideo- community/HunyuanVideo. The weights keep Hunyuan''s licence: set TERRITORY_HEADER first.', 320, 0, NULL, 28),
	(29, 'cogvideox-2b', 'CogVideoX 2B', 'An early open model, small and permissive.', 'draft', 'Needs a download of about 13 GB to the GPU hosts. Pin the revision, then run a test render.', 400, 0, NULL, 29),
	(30, 'cogvideox-5b', 'CogVideoX 5B', 'More detail than the 2B.', 'draft', 'Register at its makers'' page for commercial use (up to a million visits a month), then download about 21 GB.', 410, 0, NULL, 30),
	(31, 'cogvideox-5b-i2v', 'CogVideoX 5B image to video', 'Brings a picture to life.', 'draft', 'Register at its makers'' page for commercial use (up to a million visits a month), then download about 21 GB.', 411, 0, NULL, 31),
	(32, 'cogvideox-1.5-5b', 'CogVideoX 1.5 5B', 'Larger and smoother than the first CogVideoX.', 'draft', 'Register at its makers'' page for commercial use (up to a million visits a month), then download about 21 GB.', 412, 0, NULL, 32),
	(33, 'cogvideox-fun-pose', 'CogVideoX Fun pose control', 'Lets a figure follow the pose of another video.', 'draft', 'Register at its makers'' page for commercial use (up to a million visits a month), then download about 21 GB.', 420, 0, NULL, 33),
	(34, 'helios', 'Helios', 'Long clips, up to a minute, that go on from what came before.', 'draft', 'Needs a download of about 40 GB to the GPU hosts. Pin the revision, then run a test render.', 500, 0, NULL, 34),
	(35, 'helios-distilled', 'Helios distilled', 'Long clips in a few steps: the quickest way to a minute.', 'draft', 'Needs a download of about 40 GB to the GPU hosts. Pin the revision, then run a test render.', 490, 0, NULL, 35),
	(36, 'helios-mid', 'Helios Mid', 'Between Helios and its distilled version, in time and in detail.', 'draft', 'Needs a download of about 40 GB to the GPU hosts. Pin the revision, then run a test render.', 495, 0, NULL, 36),
	(37, 'skyreels-1.3b', 'SkyReels-V2 DF 1.3B', 'Up to a minute in one go, each stretch held by the end of the last.', 'draft', 'Needs a download of about 15 GB to the GPU hosts. Pin the revision, then run a test render.', 620, 0, NULL, 37),
	(38, 'skyreels-14b', 'SkyReels-V2 DF 14B', 'As the 1.3B, with much more detail.', 'draft', 'Needs a download of about 40 GB to the GPU hosts. Pin the revision, then run a test render.', 630, 0, NULL, 38),
	(39, 'endless', 'endless', 'The preview model with more steps than there is time for.', 'enabled', '', 900, 0, NULL, 39),
	(40, 'hasty', 'hasty', 'The preview model with more steps than there is time for.', 'enabled', '', 900, 0, NULL, 40);
INSERT INTO public.catalog_modelversion (id, number, created_at, note, build, family, source, revision, dtype, quantisation, placement, loras, speed, component_bytes, modes, sizes, fps, min_seconds, max_seconds, default_seconds, max_steps, max_prompt_characters, presets, default_preset, upscale, timeout_seconds, least_plan, prices, surcharges, licence, licence_url, licence_notice, attribution, blocked_territories, revenue_cap_dollars, created_by_id, model_id, reference_speed, components) VALUES
	(1, 1, '2026-11-29 02:39:21.598197+00', 'Came with the installation', '1c329ed75c872586', 'preview', 'preview', '', 'float32', 'none', 'auto', '[]', '{}', '{"vae": 89706, "transformer": 9215488, "text_encoder": 623488}', '{text,image,extend}', '{48x48}', 8, 2, 2, 2, 50, 500, '{"standard": {"steps": 2, "guidance_scale": 1.0}}', 'standard', 8, 120, 'visitor', '{"standard": {"360p": 1000}}', '{}', 'Apache-2.0', '', '', '', '{}', NULL, NULL, 1, '{}', '{}'),
	(2, 1, '2026-11-29 02:39:21.598899+00', 'Came with the installation', '4719eb924b535b69', 'ltx', 'Lightricks/LTX-Video-0.9.5', '', 'bfloat16', 'none', 'auto', '[]', '{}', '{"vae": 840000000, "transformer": 3840000000, "text_encoder": 9520000000}', '{text,image,frames,extend}', '{768x512,512x768,512x512,1216x704,704x1216}', 24, 1, 10, 5, 50, 2000, '{"draft": {"steps": 12, "guidance_scale": 3.0, "decode_timestep": 0.05, "decode_noise_scale": 0.025}, "final": {"steps": 50, "guidance_scale": 3.0, "decode_timestep": 0.05, "decode_noise_scale": 0.025}, "standard": {"steps": 30, "guidance_scale": 3.0, "decode_timestep": 0.05, "decode_noise_scale": 0.025}}', 'standard', 1, 1800, 'visitor', '{"draft": {"480p": 23, "720p": 53}, "final": {"480p": 92, "720p": 230}, "standard": {"480p": 56, "720p": 140}}', '{}', 'OpenRAIL-M', 'https://huggingface.co/Lightricks/LTX-Video-0.9.5', '', '', '{}', NULL, NULL, 2, '{"card": "H100", "size": "768x512", "steps": 30, "frames": 121, "source": "LTX-Video issue 99; it names no steps, taken for our standard", "gpu_seconds": 2}', '{"text_encoder": {"quantisation": "int8"}}'),
	(3, 1, '2026-11-29 02:39:21.634884+00', 'Came with the installation', '8d108263b736a68e', 'ltx', 'Lightricks/LTX-Video-0.9.8-13B-distilled', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 840000000, "transformer": 26080000000, "text_encoder": 9520000000}', '{text,image,frames,extend}', '{768x512,512x768,1216x704,704x1216}', 24, 1, 60, 5, 50, 2000, '{"standard": {"steps": 8, "timesteps": [1000, 993, 987, 981, 975, 909, 725, 0.03], "guidance_scale": 1.0, "decode_timestep": 0.05, "decode_noise_scale": 0.025}}', 'standard', 1, 1800, 'free', '{"standard": {"480p": 120, "720p": 280}}', '{}', 'LTXV Open Weights', 'https://huggingface.co/Lightricks/LTX-Video-0.9.8-13B-distilled', '', '', '{}', NULL, NULL, 3, '{"card": "H100", "size": "1216x704", "steps": 8, "frames": 121, "source": "LTX-Video README: an HD clip, distilled; taken for 1216x704x121", "gpu_seconds": 10}', '{"text_encoder": {"source": "Lightricks/LTX-Video-0.9.5"}}'),
	(4, 1, '2026-11-29 02:39:21.63544+00', 'Came with the installation', '1e466f8331206249', 'ltx2', 'Lightricks/LTX-2', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2440000000, "vocoder": 112000000, "audio_vae": 106000000, "connectors": 2860000000, "transformer": 37760000000, "text_encoder": 24400000000}', '{text,image,frames,extend}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"final": {"steps": 40, "guidance_scale": 3.0}, "standard": {"steps": 30, "guidance_scale": 3.0}}', 'standard', 1, 3600, 'paid', '{"final": {"480p": 5300, "720p": 14000, "1080p": 35000}, "standard": {"480p": 4000, "720p": 10000, "1080p": 26000}}', '{"audio": 250}', 'LTX-2 Community (January 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 4, '{"card": "H100", "size": "768x512", "steps": 30, "frames": 121, "source": "LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16 in 9.5 s; its own guidance takes 4 passes a step", "gpu_seconds": 142}', '{}'),
	(5, 1, '2026-11-29 02:39:21.63594+00', 'Came with the installation', '4686b27a3bba42db', 'ltx2', 'rootonchair/LTX-2-19b-distilled', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2440000000, "vocoder": 112000000, "audio_vae": 106000000, "connectors": 2860000000, "transformer": 37760000000, "text_encoder": 24400000000}', '{text,image,frames,extend}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"standard": {"steps": 8, "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875], "stg_scale": 0.0, "guidance_scale": 1.0, "modality_scale": 1.0, "audio_stg_scale": 0.0, "audio_guidance_scale": 1.0, "audio_modality_scale": 1.0}}', 'standard', 1, 3600, 'paid', '{"standard": {"480p": 270, "720p": 670, "1080p": 1800}}', '{"audio": 250}', 'LTX-2 Community (January 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 5, '{"card": "H100", "size": "768x512", "steps": 8, "frames": 121, "source": "LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16", "gpu_seconds": 9.5}', '{}'),
	(6, 1, '2026-11-29 02:39:21.6363+00', 'Came with the installation', 'bb0d5b46a23577e8', 'ltx2_sound', 'rootonchair/LTX-2-19b-distilled', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2440000000, "vocoder": 112000000, "audio_vae": 106000000, "connectors": 2860000000, "transformer": 37760000000, "text_encoder": 24400000000}', '{sound}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"standard": {"steps": 8, "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875]}}', 'standard', 1, 3600, 'paid', '{"standard": {"480p": 270, "720p": 670, "1080p": 1800}}', '{"sound": 250}', 'LTX-2 Community (January 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 6, '{"card": "H100", "size": "768x512", "steps": 8, "frames": 121, "source": "LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16", "gpu_seconds": 9.5}', '{}'),
	(40, 1, '2026-11-29 02:39:23.803461+00', 'Loaded from catalogue.yaml', '1c329ed75c872586', 'preview', 'preview', '', 'float32', 'none', 'auto', '[]', '{}', '{}', '{text}', '{48x48}', 8, 2, 2, 2, 1000, 500, '{"standard": {"steps": 1000, "guidance_scale": 1.0}}', 'standard', 8, 30, 'visitor', '{"standard": {"360p": 10000}}', '{}', 'Apache-2.0', '', '', '', '{}', NULL, NULL, 40, '{}', '{}'),
	(7, 1, '2026-11-29 02:39:21.636632+00', 'Came with the installation', '776fa6ddc2c56f05', 'ltx2', 'diffusers/LTX-2.3-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 1460000000, "vocoder": 258000000, "audio_vae": 106000000, "connectors": 6340000000, "transformer": 37980000000, "text_encoder": 24400000000}', '{text,image,frames,extend}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"final": {"steps": 40, "guidance_scale": 3.0}, "standard": {"steps": 30, "guidance_scale": 3.0}}', 'standard', 1, 3600, 'paid', '{"final": {"480p": 5300, "720p": 14000, "1080p": 35000}, "standard": {"480p": 4000, "720p": 10000, "1080p": 26000}}', '{"audio": 250}', 'LTX-2 Community (January 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 7, '{"card": "H100", "size": "768x512", "steps": 30, "frames": 121, "source": "No figure of its own; as LTX-2, whose transformer is as large: LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16 in 9.5 s, 4 passes a step", "gpu_seconds": 142}', '{}'),
	(8, 1, '2026-11-29 02:39:21.63697+00', 'Came with the installation', 'b628b04c883eb20a', 'ltx2', 'diffusers/LTX-2.3-Distilled-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 1460000000, "vocoder": 258000000, "audio_vae": 106000000, "connectors": 6340000000, "transformer": 37980000000, "text_encoder": 24400000000}', '{text,image,frames,extend}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"standard": {"steps": 8, "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875], "stg_scale": 0.0, "guidance_scale": 1.0, "modality_scale": 1.0, "audio_stg_scale": 0.0, "audio_guidance_scale": 1.0, "audio_modality_scale": 1.0}}', 'standard', 1, 3600, 'paid', '{"standard": {"480p": 270, "720p": 670, "1080p": 1800}}', '{"audio": 250}', 'LTX-2 Community (January 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 8, '{"card": "H100", "size": "768x512", "steps": 8, "frames": 121, "source": "No figure of its own; as LTX-2, whose transformer is as large: LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16", "gpu_seconds": 9.5}', '{}'),
	(9, 1, '2026-11-29 02:39:21.637305+00', 'Came with the installation', '81a9baf3ad611c73', 'ltx2', 'Lightricks/LTX-2.5-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 1460000000, "vocoder": 258000000, "audio_vae": 106000000, "connectors": 6340000000, "transformer": 37980000000, "text_encoder": 24000000000}', '{text,image,frames,extend}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"standard": {"steps": 8, "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875], "stg_scale": 0.0, "guidance_scale": 1.0, "modality_scale": 1.0, "audio_stg_scale": 0.0, "audio_guidance_scale": 1.0, "audio_modality_scale": 1.0}}', 'standard', 1, 3600, 'paid', '{"standard": {"480p": 270, "720p": 670, "1080p": 1800}}', '{"audio": 250}', 'LTX-2.x Community (August 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 9, '{"card": "H100", "size": "768x512", "steps": 8, "frames": 121, "source": "No figure of its own; as LTX-2, whose transformer is as large: LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16", "gpu_seconds": 9.5}', '{}'),
	(10, 1, '2026-11-29 02:39:21.637629+00', 'Came with the installation', 'a908522be0bcf59f', 'ltx2_sound', 'Lightricks/LTX-2.5-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 1460000000, "vocoder": 258000000, "audio_vae": 106000000, "connectors": 6340000000, "transformer": 37980000000, "text_encoder": 24000000000}', '{sound}', '{768x512,512x768,1280x704,704x1280,1920x1088}', 24, 1, 20, 5, 50, 2000, '{"standard": {"steps": 8, "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875]}}', 'standard', 1, 3600, 'paid', '{"standard": {"480p": 270, "720p": 670, "1080p": 1800}}', '{"sound": 250}', 'LTX-2.x Community (August 2026)', 'https://github.com/Lightricks/LTX-2/blob/main/LICENSE', 'Made for companies below $10 million of yearly revenue, and not for products that compete with Lightricks'' own. Keep its watermark and provenance marks in place, and follow its use policy.', 'Made with LTX-2 by Lightricks.', '{}', 10000000, NULL, 10, '{"card": "H100", "size": "768x512", "steps": 8, "frames": 121, "source": "No figure of its own; as LTX-2, whose transformer is as large: LTX-2 PR 312 and sglang PR 23137: 768x512x121 in 8 passes, bf16", "gpu_seconds": 9.5}', '{}'),
	(11, 1, '2026-11-29 02:39:21.637942+00', 'Came with the installation', 'ac339d1d309276c8', 'wan', 'Wan-AI/Wan2.1-T2V-1.3B-Diffusers', '', 'bfloat16', 'none', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 2840000000, "text_encoder": 11360000000}', '{text}', '{832x480,480x832}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 1800, 'visitor', '{"draft": {"480p": 450}, "final": {"480p": 1200}, "standard": {"480p": 900}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 11, '{"card": "4090", "size": "832x480", "steps": 50, "frames": 81, "source": "Wan2.1 README: 5 s of 480p in about 4 minutes", "gpu_seconds": 240}', '{}'),
	(12, 1, '2026-11-29 02:39:21.638267+00', 'Came with the installation', '559c4bfaf7557d26', 'wan', 'Wan-AI/Wan2.1-T2V-14B-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000}', '{text}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"480p": 5400, "720p": 14000}, "final": {"480p": 14000, "720p": 35000}, "standard": {"480p": 11000, "720p": 28000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 12, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(13, 1, '2026-11-29 02:39:21.638581+00', 'Came with the installation', 'ac020a8cc0c37c89', 'wan', 'Wan-AI/Wan2.1-T2V-14B-Diffusers', '', 'bfloat16', 'int8', 'auto', '[{"source": "lightx2v/Wan2.1-Distill-Loras", "component": "transformer", "weight_name": "wan2.1_t2v_14b_lora_rank64_lightx2v_4step.safetensors"}]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000}', '{text}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"standard": {"steps": 4, "guidance_scale": 1.0}}', 'standard', 1, 1800, 'free', '{"standard": {"480p": 540, "720p": 1400}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 13, '{"card": "H100", "size": "832x480", "steps": 4, "frames": 81, "source": "LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100; without guidance half of it", "gpu_seconds": 19.5}', '{}'),
	(14, 1, '2026-11-29 02:39:21.639144+00', 'Came with the installation', 'b91436723c7ca120', 'wan', 'Wan-AI/Wan2.1-I2V-14B-480P-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 32780000000, "text_encoder": 11360000000, "image_encoder": 1260000000}', '{image}', '{832x480,480x832}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"480p": 5400}, "final": {"480p": 14000}, "standard": {"480p": 11000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 14, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(15, 1, '2026-11-29 02:39:21.639482+00', 'Came with the installation', '72b4735507adf6fb', 'wan', 'Wan-AI/Wan2.1-I2V-14B-720P-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 32780000000, "text_encoder": 11360000000, "image_encoder": 1260000000}', '{image}', '{1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"720p": 14000}, "final": {"720p": 35000}, "standard": {"720p": 28000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 15, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(16, 1, '2026-11-29 02:39:21.639794+00', 'Came with the installation', '9da8bcfd73dd002f', 'wan', 'Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 32780000000, "text_encoder": 11360000000, "image_encoder": 1260000000}', '{frames}', '{1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"720p": 14000}, "final": {"720p": 35000}, "standard": {"720p": 28000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 16, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(17, 1, '2026-11-29 02:39:21.64013+00', 'Came with the installation', 'a4b60bb978e39724', 'wan_vace', 'Wan-AI/Wan2.1-VACE-1.3B-diffusers', '', 'bfloat16', 'none', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 4300000000, "text_encoder": 11360000000}', '{text,reference,control,inpaint,extend}', '{832x480,480x832}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 680}, "final": {"480p": 1700}, "standard": {"480p": 1400}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 17, '{"card": "4090", "size": "832x480", "steps": 50, "frames": 81, "source": "No figure of its own; Wan 1.3B''s 240 s (Wan2.1 README) by parameters, 2.15 to 1.42", "gpu_seconds": 363}', '{}'),
	(18, 1, '2026-11-29 02:39:21.640438+00', 'Came with the installation', '4bdf22c4d484a336', 'wan_vace', 'Wan-AI/Wan2.1-VACE-14B-diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 34680000000, "text_encoder": 11360000000}', '{text,reference,control,inpaint,extend}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"480p": 6500, "720p": 17000}, "final": {"480p": 17000, "720p": 42000}, "standard": {"480p": 13000, "720p": 34000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 18, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "No figure of its own; by parameters, 17.34 to 14.29. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 473}', '{}'),
	(19, 1, '2026-11-29 02:39:21.640754+00', 'Came with the installation', '8cb5892712ccfc51', 'wan_ti2v', 'Wan-AI/Wan2.2-TI2V-5B-Diffusers', '', 'bfloat16', 'none', 'auto', '[]', '{}', '{"vae": 1400000000, "transformer": 10000000000, "text_encoder": 11360000000}', '{text,image}', '{1280x704,704x1280}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "final": {"steps": 50, "guidance_scale": 5.0}, "standard": {"steps": 40, "guidance_scale": 5.0}}', 'standard', 1, 1800, 'visitor', '{"draft": {"720p": 1600}, "final": {"720p": 4000}, "standard": {"720p": 3200}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 19, '{"card": "H100", "size": "1280x704", "steps": 50, "frames": 121, "source": "No figure of its own; by parameters, 5.0 to 14.29, and latents, 27,280 to 32,760. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 142}', '{}'),
	(20, 1, '2026-11-29 02:39:21.641052+00', 'Came with the installation', '3ed9a2b7e8c3b441', 'wan', 'Wan-AI/Wan2.2-T2V-A14B-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000, "transformer_2": 28580000000}', '{text}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 4.0, "guidance_scale_2": 3.0}, "standard": {"steps": 40, "guidance_scale": 4.0, "guidance_scale_2": 3.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"480p": 5400, "720p": 14000}, "standard": {"480p": 11000, "720p": 28000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 20, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "Each step runs one of two experts as large as Wan 14B. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(21, 1, '2026-11-29 02:39:21.64135+00', 'Came with the installation', '7b3c7d954cbcc331', 'wan', 'Wan-AI/Wan2.2-I2V-A14B-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000, "transformer_2": 28580000000}', '{image,frames}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 3.5, "guidance_scale_2": 3.5}, "standard": {"steps": 40, "guidance_scale": 3.5, "guidance_scale_2": 3.5}}', 'standard', 1, 3600, 'paid', '{"draft": {"480p": 5400, "720p": 14000}, "standard": {"480p": 11000, "720p": 28000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 21, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "Each step runs one of two experts as large as Wan 14B. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(22, 1, '2026-11-29 02:39:21.641647+00', 'Came with the installation', '6044ab7619087c8e', 'wan', 'Wan-AI/Wan2.2-T2V-A14B-Diffusers', '', 'bfloat16', 'int8', 'auto', '[{"source": "lightx2v/Wan2.2-Distill-Loras", "component": "transformer", "weight_name": ""}, {"source": "lightx2v/Wan2.2-Distill-Loras", "component": "transformer_2", "weight_name": ""}]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000, "transformer_2": 28580000000}', '{text}', '{832x480,480x832,1280x720,720x1280}', 16, 1, 5, 5, 50, 2000, '{"standard": {"steps": 4, "guidance_scale": 1.0, "guidance_scale_2": 1.0}}', 'standard', 1, 1800, 'free', '{"standard": {"480p": 540, "720p": 1400}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 22, '{"card": "H100", "size": "832x480", "steps": 4, "frames": 81, "source": "Each step runs one of two experts as large as Wan 14B, without guidance. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 19.5}', '{}'),
	(23, 1, '2026-11-29 02:39:21.641974+00', 'Came with the installation', 'efeb1308bb2a3015', 'hunyuan', 'hunyuanvideo-community/HunyuanVideo', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 492000000, "transformer": 25640000000, "text_encoder": 15000000000, "text_encoder_2": 250000000}', '{text}', '{960x544,544x960,1280x720,720x1280}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "final": {"steps": 50, "guidance_scale": 6.0}, "standard": {"steps": 30, "guidance_scale": 6.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"720p": 9800}, "final": {"720p": 25000}, "standard": {"720p": 15000}}', '{}', 'Tencent Hunyuan Community', 'https://github.com/Tencent-Hunyuan/HunyuanVideo/blob/main/LICENSE.txt', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 23, '{"card": "H100", "size": "832x480", "steps": 50, "frames": 81, "source": "No figure of its own; by parameters, 12.82 to 14.29, one pass a step. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 219}', '{}'),
	(24, 1, '2026-11-29 02:39:21.642309+00', 'Came with the installation', '086a52d1e33ada0a', 'hunyuan', 'hunyuanvideo-community/HunyuanVideo-I2V', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 492000000, "transformer": 25640000000, "text_encoder": 16600000000, "text_encoder_2": 250000000}', '{image}', '{960x544,544x960,1280x720,720x1280}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "final": {"steps": 50, "guidance_scale": 6.0}, "standard": {"steps": 30, "guidance_scale": 6.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"720p": 9800}, "final": {"720p": 25000}, "standard": {"720p": 15000}}', '{}', 'Tencent Hunyuan Community', 'https://github.com/Tencent-Hunyuan/HunyuanVideo/blob/main/LICENSE.txt', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 24, '{"card": "H100", "size": "832x480", "steps": 50, "frames": 81, "source": "No figure of its own; by parameters, 12.82 to 14.29, one pass a step. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 219}', '{}'),
	(25, 1, '2026-11-29 02:39:21.642619+00', 'Came with the installation', '48b69b46afc2d977', 'hunyuan15', 'hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_t2v', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2520000000, "transformer": 16660000000, "text_encoder": 14140000000, "text_encoder_2": 440000000}', '{text}', '{848x480,480x848}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20}, "final": {"steps": 50}, "standard": {"steps": 30}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 1500}, "final": {"480p": 3600}, "standard": {"480p": 2200}}', '{}', 'Tencent Hunyuan Community', 'https://github.com/Tencent-Hunyuan/HunyuanVideo-1.5/blob/main/LICENSE', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 25, '{"card": "4090", "size": "848x480", "steps": 50, "frames": 121, "source": "HunyuanVideo-1.5 README: 75 s for about 10 distilled steps; twice as much a step with guidance", "gpu_seconds": 750}', '{}'),
	(26, 1, '2026-11-29 02:39:21.642932+00', 'Came with the installation', '559a86cb01155a5f', 'hunyuan15', 'hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-720p_t2v', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2520000000, "transformer": 16660000000, "text_encoder": 14140000000, "text_encoder_2": 440000000}', '{text}', '{1280x720,720x1280}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20}, "final": {"steps": 50}, "standard": {"steps": 30}}', 'standard', 1, 3600, 'paid', '{"draft": {"720p": 3600}, "final": {"720p": 8900}, "standard": {"720p": 5300}}', '{}', 'Tencent Hunyuan Community', 'https://github.com/Tencent-Hunyuan/HunyuanVideo-1.5/blob/main/LICENSE', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 26, '{"card": "4090", "size": "848x480", "steps": 50, "frames": 121, "source": "HunyuanVideo-1.5 README: 75 s for about 10 distilled steps of 480p; twice as much a step with guidance", "gpu_seconds": 750}', '{}'),
	(27, 1, '2026-11-29 02:39:21.643297+00', 'Came with the installation', '784d3f33e89bbbfa', 'hunyuan15', 'hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 2520000000, "transformer": 16660000000, "text_encoder": 14140000000, "image_encoder": 860000000, "text_encoder_2": 440000000}', '{image}', '{848x480,480x832,640x640}', 24, 1, 5, 5, 50, 2000, '{"draft": {"steps": 20}, "final": {"steps": 50}, "standard": {"steps": 30}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 1500}, "final": {"480p": 3600}, "standard": {"480p": 2200}}', '{}', 'Tencent Hunyuan Community', 'https://github.com/Tencent-Hunyuan/HunyuanVideo-1.5/blob/main/LICENSE', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 27, '{"card": "4090", "size": "848x480", "steps": 50, "frames": 121, "source": "HunyuanVideo-1.5 README: 75 s for about 10 distilled steps; twice as much a step with guidance", "gpu_seconds": 750}', '{}'),
	(28, 1, '2026-11-29 02:39:21.643598+00', 'Came with the installation', '20368d3cb49f4b56', 'framepack', 'framepack', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 492000000, "transformer": 25740000000, "text_encoder": 15000000000, "image_encoder": 860000000, "text_encoder_2": 250000000}', '{image,frames}', '{640x640,832x480,480x832}', 30, 1, 60, 5, 50, 2000, '{"draft": {"steps": 15, "guidance_scale": 9.0}, "final": {"steps": 30, "guidance_scale": 9.0}, "standard": {"steps": 25, "guidance_scale": 9.0}}', 'standard', 1, 7200, 'paid', '{"draft": {"480p": 1100}, "final": {"480p": 2200}, "standard": {"480p": 1800}}', '{}', 'Apache-2.0 code, Tencent Hunyuan Community weights', 'https://github.com/Tencent-Hunyuan/HunyuanVideo/blob/main/LICENSE.txt', 'That goes for its clips as well. Services with more than 100 million monthly users need another licence.', 'Powered by Tencent Hunyuan.', '{EU,GB,KR}', NULL, NULL, 28, '{"card": "4090", "size": "640x640", "steps": 25, "frames": 151, "source": "FramePack README: 2.5 s a frame", "gpu_seconds": 377}', '{}'),
	(29, 1, '2026-11-29 02:39:21.643902+00', 'Came with the installation', 'f66b63a087375db3', 'cogvideox', 'THUDM/CogVideoX-2b', '', 'float16', 'none', 'auto', '[]', '{}', '{"vae": 432000000, "transformer": 3380000000, "text_encoder": 9520000000}', '{text,restyle}', '{720x480}', 8, 1, 6, 6, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "standard": {"steps": 50, "guidance_scale": 6.0}}', 'standard', 1, 1800, 'visitor', '{"draft": {"480p": 410}, "standard": {"480p": 1100}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 29, '{"card": "H100", "size": "720x480", "steps": 50, "frames": 49, "source": "CogVideo README", "gpu_seconds": 45}', '{}'),
	(30, 1, '2026-11-29 02:39:21.644192+00', 'Came with the installation', '1725c3084775689e', 'cogvideox', 'THUDM/CogVideoX-5b', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 432000000, "transformer": 11140000000, "text_encoder": 9520000000}', '{text,restyle}', '{720x480}', 8, 1, 6, 6, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "standard": {"steps": 50, "guidance_scale": 6.0}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 820}, "standard": {"480p": 2100}}', '{}', 'CogVideoX', 'https://huggingface.co/THUDM/CogVideoX-5b/blob/main/LICENSE', 'Commercial use needs a registration with its makers and is limited to a million visits a month.', '', '{}', NULL, NULL, 30, '{"card": "H100", "size": "720x480", "steps": 50, "frames": 49, "source": "CogVideo README", "gpu_seconds": 90}', '{"text_encoder": {"source": "Lightricks/LTX-Video-0.9.5"}}'),
	(31, 1, '2026-11-29 02:39:21.644515+00', 'Came with the installation', '9ec21f26c5b0dab6', 'cogvideox', 'THUDM/CogVideoX-5b-I2V', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 432000000, "transformer": 11140000000, "text_encoder": 9520000000}', '{image}', '{720x480}', 8, 1, 6, 6, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "standard": {"steps": 50, "guidance_scale": 6.0}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 820}, "standard": {"480p": 2100}}', '{}', 'CogVideoX', 'https://huggingface.co/THUDM/CogVideoX-5b/blob/main/LICENSE', 'Commercial use needs a registration with its makers and is limited to a million visits a month.', '', '{}', NULL, NULL, 31, '{"card": "H100", "size": "720x480", "steps": 50, "frames": 49, "source": "CogVideo README, for the 5B", "gpu_seconds": 90}', '{"text_encoder": {"source": "Lightricks/LTX-Video-0.9.5"}}'),
	(32, 1, '2026-11-29 02:39:21.644822+00', 'Came with the installation', '0a4db4185bde1df2', 'cogvideox', 'THUDM/CogVideoX1.5-5B', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 432000000, "transformer": 11140000000, "text_encoder": 9520000000}', '{text}', '{1360x768,768x1360}', 16, 1, 10, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "standard": {"steps": 50, "guidance_scale": 6.0}}', 'standard', 1, 3600, 'paid', '{"draft": {"1080p": 6100}, "standard": {"1080p": 16000}}', '{}', 'CogVideoX', 'https://huggingface.co/THUDM/CogVideoX-5b/blob/main/LICENSE', 'Commercial use needs a registration with its makers and is limited to a million visits a month.', '', '{}', NULL, NULL, 32, '{"card": "H100", "size": "1360x768", "steps": 50, "frames": 81, "source": "CogVideo README", "gpu_seconds": 550}', '{"text_encoder": {"source": "Lightricks/LTX-Video-0.9.5"}}'),
	(33, 1, '2026-11-29 02:39:21.645403+00', 'Came with the installation', '6c8ec8b2458c071a', 'cogvideox', 'alibaba-pai/CogVideoX-Fun-V1.1-5b-Pose', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 432000000, "transformer": 11140000000, "text_encoder": 9520000000}', '{control}', '{720x480}', 8, 1, 6, 6, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0}, "standard": {"steps": 50, "guidance_scale": 6.0}}', 'standard', 1, 1800, 'free', '{"draft": {"480p": 820}, "standard": {"480p": 2100}}', '{}', 'CogVideoX', 'https://huggingface.co/THUDM/CogVideoX-5b/blob/main/LICENSE', 'Commercial use needs a registration with its makers and is limited to a million visits a month.', '', '{}', NULL, NULL, 33, '{"card": "H100", "size": "720x480", "steps": 50, "frames": 49, "source": "No figure of its own; as CogVideoX-5B (CogVideo README), which it is", "gpu_seconds": 90}', '{"text_encoder": {"source": "Lightricks/LTX-Video-0.9.5"}}'),
	(34, 1, '2026-11-29 02:39:21.645816+00', 'Came with the installation', '9e4074f775ae2c52', 'helios', 'BestWishYsh/Helios-Base', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28620000000, "text_encoder": 11360000000}', '{text,image,extend}', '{640x384,384x640}', 24, 1, 60, 5, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 5.0}, "standard": {"steps": 50, "guidance_scale": 5.0}}', 'standard', 1, 7200, 'free', '{"draft": {"480p": 4600}, "standard": {"480p": 12000}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 34, '{"card": "H100", "size": "832x480", "steps": 50, "frames": 81, "source": "No figure of its own; its transformer is as large as Wan 14B''s. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 488}', '{}'),
	(35, 1, '2026-11-29 02:39:21.64623+00', 'Came with the installation', '8ed77d8b06477319', 'helios_pyramid', 'BestWishYsh/Helios-Distilled', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28620000000, "text_encoder": 11360000000}', '{text,image,extend}', '{640x384,384x640}', 24, 1, 60, 5, 50, 2000, '{"standard": {"steps": 6, "guidance_scale": 1.0, "is_amplify_first_chunk": true}}', 'standard', 1, 7200, 'visitor', '{"standard": {"480p": 180}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 35, '{"card": "H100", "size": "640x384", "steps": 6, "frames": 132, "source": "Helios README: 19.5 frames a second", "gpu_seconds": 6.8}', '{}'),
	(36, 1, '2026-11-29 02:39:21.646565+00', 'Came with the installation', 'c26bf34b3ce24ba3', 'helios_pyramid', 'BestWishYsh/Helios-Mid', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28620000000, "text_encoder": 11360000000}', '{text,image,extend}', '{640x384,384x640}', 24, 1, 60, 5, 50, 2000, '{"standard": {"steps": 30, "guidance_scale": 5.0}}', 'standard', 1, 7200, 'free', '{"standard": {"480p": 1800}}', '{}', 'Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', '', '', '{}', NULL, NULL, 36, '{"card": "H100", "size": "640x384", "steps": 30, "frames": 132, "source": "No figure of its own; Helios Distilled''s 19.5 frames a second by steps, 30 to 6, and guidance", "gpu_seconds": 68}', '{}'),
	(37, 1, '2026-11-29 02:39:21.646887+00', 'Came with the installation', '15bb061ffde50782', 'skyreels', 'Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers', '', 'bfloat16', 'none', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 2840000000, "text_encoder": 11360000000}', '{text,image}', '{960x544,544x960}', 24, 1, 60, 4, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0, "addnoise_condition": 20}, "final": {"steps": 50, "guidance_scale": 6.0, "addnoise_condition": 20}, "standard": {"steps": 30, "guidance_scale": 6.0, "addnoise_condition": 20}}', 'standard', 1, 14400, 'paid', '{"draft": {"720p": 930}, "final": {"720p": 2400}, "standard": {"720p": 1400}}', '{}', 'Skywork Community', 'https://huggingface.co/Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers', 'Commercial use is allowed; its use policy goes on to everybody who uses it.', '', '{}', NULL, NULL, 37, '{"card": "4090", "size": "832x480", "steps": 50, "frames": 81, "source": "No figure of its own; as Wan 1.3B, whose transformer it has: Wan2.1 README, 5 s of 480p in about 4 minutes", "gpu_seconds": 240}', '{}'),
	(38, 1, '2026-11-29 02:39:21.647301+00', 'Came with the installation', 'b2eed88b42b09bb1', 'skyreels', 'Skywork/SkyReels-V2-DF-14B-540P-Diffusers', '', 'bfloat16', 'int8', 'auto', '[]', '{}', '{"vae": 254000000, "transformer": 28580000000, "text_encoder": 11360000000}', '{text,image}', '{960x544,544x960}', 24, 1, 60, 4, 50, 2000, '{"draft": {"steps": 20, "guidance_scale": 6.0, "addnoise_condition": 20}, "final": {"steps": 50, "guidance_scale": 6.0, "addnoise_condition": 20}, "standard": {"steps": 30, "guidance_scale": 6.0, "addnoise_condition": 20}}', 'standard', 1, 14400, 'paid', '{"draft": {"720p": 12000}, "final": {"720p": 28000}, "standard": {"720p": 17000}}', '{}', 'Skywork Community', 'https://huggingface.co/Skywork/SkyReels-V2-DF-14B-540P-Diffusers', 'Commercial use is allowed; its use policy goes on to everybody who uses it.', '', '{}', NULL, NULL, 38, '{"card": "H100", "size": "832x480", "steps": 40, "frames": 81, "source": "No figure of its own; as Wan 14B, whose transformer it has. LightX2V README: 9.77 s a step of Wan 14B I2V, 832x480x81, with diffusers on an H100", "gpu_seconds": 390}', '{}'),
	(39, 1, '2026-11-29 02:39:23.80277+00', 'Loaded from catalogue.yaml', '1c329ed75c872586', 'preview', 'preview', '', 'float32', 'none', 'auto', '[]', '{}', '{}', '{text}', '{48x48}', 8, 2, 2, 2, 1000, 500, '{"standard": {"steps": 1000, "guidance_scale": 1.0}}', 'standard', 8, 600, 'visitor', '{"standard": {"360p": 10000}}', '{}', 'Apache-2.0', '', '', '', '{}', NULL, NULL, 39, '{}', '{}');
INSERT INTO public.django_content_type (id, app_label, model) VALUES
	(1, 'django_rq', 'dashboard'),
	(2, 'accounts', 'user'),
	(3, 'accounts', 'workspace'),
	(4, 'accounts', 'visitor'),
	(5, 'accounts', 'membership'),
	(6, 'accounts', 'invitation'),
	(7, 'accounts', 'auditentry'),
	(8, 'accounts', 'apikey'),
	(9, 'accounts', 'ban'),
	(10, 'billing', 'account'),
	(11, 'billing', 'entry'),
	(12, 'billing', 'hold'),
	(13, 'billing', 'lot'),
	(14, 'billing', 'transaction'),
	(15, 'billing', 'proposal'),
	(16, 'billing', 'freeday'),
	(17, 'billing', 'networkday'),
	(18, 'billing', 'freereservation'),
	(19, 'shop', 'customer'),
	(20, 'shop', 'budget'),
	(21, 'shop', 'pack'),
	(22, 'shop', 'plan'),
	(23, 'shop', 'price'),
	(24, 'shop', 'order'),
	(25, 'shop', 'reconciliation'),
	(26, 'shop', 'mismatch'),
	(27, 'shop', 'stripeevent'),
	(28, 'shop', 'subscription'),
	(29, 'shop', 'payment'),
	(30, 'catalog', 'model'),
	(31, 'catalog', 'measurement'),
	(32, 'catalog', 'alias'),
	(33, 'catalog', 'modelversion'),
	(34, 'generation', 'generation'),
	(35, 'generation', 'clip'),
	(36, 'generation', 'fairclock'),
	(37, 'generation', 'upload'),
	(38, 'outbox', 'endpoint'),
	(39, 'outbox', 'delivery'),
	(40, 'outbox', 'letter'),
	(41, 'outbox', 'wish'),
	(42, 'account', 'emailaddress'),
	(43, 'account', 'emailconfirmation'),
	(44, 'mfa', 'authenticator'),
	(45, 'socialaccount', 'socialaccount'),
	(46, 'socialaccount', 'socialapp'),
	(47, 'socialaccount', 'socialtoken'),
	(48, 'usersessions', 'usersession'),
	(49, 'admin', 'logentry'),
	(50, 'auth', 'permission'),
	(51, 'auth', 'group'),
	(52, 'contenttypes', 'contenttype'),
	(53, 'sessions', 'session');
INSERT INTO public.django_migrations (id, app, name, applied) VALUES
	(1, 'contenttypes', '0001_initial', '2026-11-29 02:39:18.81471+00'),
	(2, 'contenttypes', '0002_remove_content_type_name', '2026-11-29 02:39:18.819203+00'),
	(3, 'auth', '0001_initial', '2026-11-29 02:39:18.836282+00'),
	(4, 'auth', '0002_alter_permission_name_max_length', '2026-11-29 02:39:18.840098+00'),
	(5, 'auth', '0003_alter_user_email_max_length', '2026-11-29 02:39:18.843695+00'),
	(6, 'auth', '0004_alter_user_username_opts', '2026-11-29 02:39:18.847426+00'),
	(7, 'auth', '0005_alter_user_last_login_null', '2026-11-29 02:39:18.850936+00'),
	(8, 'auth', '0006_require_contenttypes_0002', '2026-11-29 02:39:18.851645+00'),
	(9, 'auth', '0007_alter_validators_add_error_messages', '2026-11-29 02:39:18.855094+00'),
	(10, 'auth', '0008_alter_user_username_max_length', '2026-11-29 02:39:18.859697+00'),
	(11, 'auth', '0009_alter_user_last_name_max_length', '2026-11-29 02:39:18.862891+00'),
	(12, 'auth', '0010_alter_group_name_max_length', '2026-11-29 02:39:18.866929+00'),
	(13, 'auth', '0011_update_proxy_permissions', '2026-11-29 02:39:18.870334+00'),
	(14, 'auth', '0012_alter_user_first_name_max_length', '2026-11-29 02:39:18.873642+00'),
	(15, 'accounts', '0001_initial', '2026-11-29 02:39:18.990992+00'),
	(16, 'account', '0001_initial', '2026-11-29 02:39:19.019375+00'),
	(17, 'account', '0002_email_max_length', '2026-11-29 02:39:19.028431+00'),
	(18, 'account', '0003_alter_emailaddress_create_unique_verified_email', '2026-11-29 02:39:19.045046+00'),
	(19, 'account', '0004_alter_emailaddress_drop_unique_email', '2026-11-29 02:39:19.057642+00'),
	(20, 'account', '0005_emailaddress_idx_upper_email', '2026-11-29 02:39:19.068523+00'),
	(21, 'account', '0006_emailaddress_lower', '2026-11-29 02:39:19.081708+00'),
	(22, 'account', '0007_emailaddress_idx_email', '2026-11-29 02:39:19.098553+00'),
	(23, 'account', '0008_emailaddress_unique_primary_email_fixup', '2026-11-29 02:39:19.111693+00'),
	(24, 'account', '0009_emailaddress_unique_primary_email', '2026-11-29 02:39:19.121717+00'),
	(25, 'accounts', '0002_bans', '2026-11-29 02:39:19.248365+00'),
	(26, 'accounts', '0003_private_clips', '2026-11-29 02:39:19.266493+00'),
	(27, 'accounts', '0004_row_security', '2026-11-29 02:39:19.284994+00'),
	(28, 'accounts', '0005_audit_networks', '2026-11-29 02:39:19.291717+00'),
	(29, 'accounts', '0006_admin_scope_names_webhooks', '2026-11-29 02:39:19.302735+00'),
	(30, 'accounts', '0007_invitation_letters', '2026-11-29 02:39:19.332402+00'),
	(31, 'admin', '0001_initial', '2026-11-29 02:39:19.350039+00'),
	(32, 'admin', '0002_logentry_remove_auto_add', '2026-11-29 02:39:19.36139+00'),
	(33, 'admin', '0003_logentry_add_action_flag_choices', '2026-11-29 02:39:19.370628+00'),
	(34, 'billing', '0001_ledger', '2026-11-29 02:39:19.407624+00'),
	(35, 'billing', '0002_ledger_models', '2026-11-29 02:39:19.413681+00'),
	(36, 'billing', '0003_writeoff', '2026-11-29 02:39:19.428048+00'),
	(37, 'billing', '0004_proposal', '2026-11-29 02:39:19.437163+00'),
	(38, 'billing', '0005_free_days', '2026-11-29 02:39:19.443776+00'),
	(39, 'billing', '0006_row_security', '2026-11-29 02:39:19.450718+00'),
	(40, 'billing', '0007_given_back', '2026-11-29 02:39:19.455883+00'),
	(41, 'billing', '0008_free_reservation', '2026-11-29 02:39:19.458946+00'),
	(42, 'billing', '0009_one_order_of_purses', '2026-11-29 02:39:19.464034+00'),
	(43, 'billing', '0010_credits_that_never_moved', '2026-11-29 02:39:19.468774+00'),
	(44, 'billing', '0011_fewer_statements', '2026-11-29 02:39:19.478388+00'),
	(45, 'catalog', '0001_initial', '2026-11-29 02:39:19.590645+00'),
	(46, 'catalog', '0002_versions_are_immutable', '2026-11-29 02:39:19.59223+00'),
	(47, 'catalog', '0003_placement_and_reference_speed', '2026-11-29 02:39:19.616946+00'),
	(48, 'catalog', '0004_components_and_similarity', '2026-11-29 02:39:19.633113+00'),
	(49, 'django_rq', '0001_initial', '2026-11-29 02:39:19.634453+00'),
	(50, 'django_rq', '0002_delete_queue_create_dashboard', '2026-11-29 02:39:19.657574+00'),
	(51, 'django_rq', '0003_alter_dashboard_permission_names', '2026-11-29 02:39:19.682518+00'),
	(52, 'generation', '0001_initial', '2026-11-29 02:39:19.785114+00'),
	(53, 'generation', '0002_maker', '2026-11-29 02:39:19.825061+00'),
	(54, 'generation', '0003_clip_expires_at', '2026-11-29 02:39:19.870831+00'),
	(55, 'generation', '0004_open_index', '2026-11-29 02:39:19.889267+00'),
	(56, 'generation', '0005_repeats_and_deletion', '2026-11-29 02:39:19.926222+00'),
	(57, 'generation', '0006_private_clips', '2026-11-29 02:39:20.103945+00'),
	(58, 'generation', '0007_watermark', '2026-11-29 02:39:20.120547+00'),
	(59, 'generation', '0008_uploads_and_needs', '2026-11-29 02:39:20.162242+00'),
	(60, 'generation', '0009_row_security', '2026-11-29 02:39:20.165331+00'),
	(61, 'mfa', '0001_initial', '2026-11-29 02:39:20.190112+00'),
	(62, 'mfa', '0002_authenticator_timestamps', '2026-11-29 02:39:20.218233+00'),
	(63, 'mfa', '0003_authenticator_type_uniq', '2026-11-29 02:39:20.263711+00'),
	(64, 'outbox', '0001_initial', '2026-11-29 02:39:20.426092+00'),
	(65, 'outbox', '0002_wishes', '2026-11-29 02:39:20.456221+00'),
	(66, 'outbox', '0003_row_security', '2026-11-29 02:39:20.460093+00'),
	(67, 'outbox', '0004_letter_address', '2026-11-29 02:39:20.566674+00'),
	(68, 'outbox', '0005_letters_to_nobody_go_back', '2026-11-29 02:39:20.568294+00'),
	(69, 'sessions', '0001_initial', '2026-11-29 02:39:20.574465+00'),
	(70, 'shop', '0001_shop', '2026-11-29 02:39:20.852724+00'),
	(71, 'shop', '0002_first_plans', '2026-11-29 02:39:20.904317+00'),
	(72, 'shop', '0003_refund_permission', '2026-11-29 02:39:20.911975+00'),
	(73, 'shop', '0004_balance', '2026-11-29 02:39:20.917352+00'),
	(74, 'shop', '0005_row_security', '2026-11-29 02:39:20.923547+00'),
	(75, 'socialaccount', '0001_initial', '2026-11-29 02:39:21.009559+00'),
	(76, 'socialaccount', '0002_token_max_lengths', '2026-11-29 02:39:21.038098+00'),
	(77, 'socialaccount', '0003_extra_data_default_dict', '2026-11-29 02:39:21.05448+00'),
	(78, 'socialaccount', '0004_app_provider_id_settings', '2026-11-29 02:39:21.089425+00'),
	(79, 'socialaccount', '0005_socialtoken_nullable_app', '2026-11-29 02:39:21.118208+00'),
	(80, 'socialaccount', '0006_alter_socialaccount_extra_data', '2026-11-29 02:39:21.14033+00'),
	(81, 'usersessions', '0001_initial', '2026-11-29 02:39:21.17291+00');
INSERT INTO public.generation_clip (generation_id, key, poster_key, width, height, num_frames, fps, duration_seconds, size_bytes, sha256, has_audio, created_at, expires_at) VALUES
	('70aa223c-218b-48b6-afc0-d250890cf9ee', 'clips/70aa223c-218b-48b6-afc0-d250890cf9ee/clip.mp4', 'clips/70aa223c-218b-48b6-afc0-d250890cf9ee/poster.jpg', 384, 384, 16, 8, 2, 58200, 'd015aac90a694040575d1a4075e855e783f39dc4584b82ee19dc5866209ac69d', false, '2026-11-29 02:39:37.111175+00', '2026-12-13 02:39:37.104987+00');
INSERT INTO public.generation_fairclock (id, virtual_time) VALUES
	(1, 94);
INSERT INTO public.generation_generation (id, mode, prompt, negative_prompt, seed, width, height, num_frames, fps, steps, preset, call, inputs, quote, state, attempt, worker, steps_done, error_code, error_message, stage_seconds, peak_bytes, created_at, dispatched_at, started_at, finished_at, cancel_asked_at, fair_start, fair_finish, version_id, workspace_id, api_key_id, made_by_id, ask_digest, deleted_at, is_private, watermark, needs_bytes) VALUES
	('70aa223c-218b-48b6-afc0-d250890cf9ee', 'text', 'made whole', '', 1993969667, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'succeeded', 1, 'gpu-1', 2, '', '', '{"loading": 0.27516403699974035, "decoding": 0.30711989699921105, "denoising": 1.5035363110000617, "uploading": 0.004398318999847106, "encoding_video": 0.1358112940006322, "encoding_prompt": 0.038467483000204084}', 49868756, '2026-11-29 02:39:34.493022+00', '2026-11-29 02:39:34.507723+00', '2026-11-29 02:39:34.833986+00', '2026-11-29 02:39:37.103862+00', NULL, 0, 2, 1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, '22cda6f85373ad688bc6898a3adb6b99cd4d2c4d6f2babb0ac37f9b2b2dd2ff0', NULL, false, 'LoreMotion', 3423362),
	('451ab787-cb97-4b50-884b-ad99e0923634', 'text', 'too late', '', 454764070, 48, 48, 16, 8, 1000, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', 'failed', 1, 'gpu-1', 70, 'timeout', 'The render did not end in time: it was given 30 s.', '{"loading": 0.0122288419997858, "denoising": 31.024619253999845, "encoding_prompt": 0.041066458000386774}', 0, '2026-11-29 02:39:37.240946+00', '2026-11-29 02:39:37.252241+00', '2026-11-29 02:39:37.272261+00', '2026-11-29 02:40:08.367374+00', NULL, 2, 22, 40, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, '32f1bd110b4a72165978b6992c1e68512f74811abe9ee47673b2667797741382', NULL, false, 'LoreMotion', NULL),
	('1d62d0e0-d87c-466a-a3e1-0d8115a8da8a', 'text', 'its worker is lost', '', 4099699217, 48, 48, 16, 8, 1000, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', 'running', 1, 'gpu-1', 0, '', '', '{}', 0, '2026-11-29 02:40:08.51009+00', '2026-11-29 02:40:08.523659+00', '2026-11-29 02:40:08.563683+00', NULL, NULL, 22, 42, 39, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, 'e8e8a91b6efead6b1426f862bb7faabfb406640c1c68851681223005843f99ab', NULL, false, 'LoreMotion', NULL),
	('060f529d-3195-4991-adf6-fc04bca75c6e', 'text', 'cancelled in line', '', 3681391028, 48, 48, 16, 8, 1000, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', 'cancelled', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:08.619967+00', '2026-11-29 02:40:08.633504+00', NULL, '2026-11-29 02:40:08.681137+00', '2026-11-29 02:40:08.681137+00', 42, 62, 39, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, 'f407e3b6f8b6d75b4e3750676f6201f0d5895614b6ae34629bd6a79eb29a2add', NULL, false, 'LoreMotion', NULL),
	('5173b0ac-aed9-4aa7-ae1f-4ca818d44c1b', 'text', 'made, and not yet settled', '', 536862189, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:08.869214+00', '2026-11-29 02:40:08.904813+00', NULL, NULL, NULL, 62, 64, 1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, 'd1f0de885d6c36b062493799568c68d7bcc26d413caf1814cd68c3556afe7a3f', NULL, false, 'LoreMotion', 3423362),
	('669a71ef-892c-450d-8608-f1e13502dfe5', 'text', 'half made', '', 1901366955, 48, 48, 16, 8, 1000, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:22.835666+00', '2026-11-29 02:40:22.873548+00', NULL, NULL, NULL, 64, 84, 39, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 1, '74028d0d8dd698a8d5ef1842c9be06faeb96e5b488944d8bcb5649f45c0b5c23', NULL, false, 'LoreMotion', NULL),
	('955c6180-c15d-46e9-8fc2-62a771c1d183', 'text', 'in RQ 1', '', 3843006755, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:23.126443+00', '2026-11-29 02:40:23.150532+00', NULL, NULL, NULL, 84, 86, 1, '9d347b25-f729-495d-a71a-16322164930b', NULL, NULL, '9751abc9512ffec18e2fa06e14f7fb57209a94502b4fcfdc09cb904fac41a3f3', NULL, false, 'LoreMotion', 3423362),
	('577fd52c-964a-430f-a303-0c50089b9342', 'text', 'in RQ 2', '', 1257322548, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:23.224978+00', '2026-11-29 02:40:23.23818+00', NULL, NULL, NULL, 86, 88, 1, '9d347b25-f729-495d-a71a-16322164930b', NULL, NULL, '00a16118156b9d9ca944e25c2e1bf18d148813e78b9747fb3395784b659851ff', NULL, false, 'LoreMotion', 3423362),
	('add778d4-6fe5-4edc-afb2-309097d2b1bc', 'text', 'in RQ 3', '', 4007069768, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:23.298146+00', '2026-11-29 02:40:23.317344+00', NULL, NULL, NULL, 88, 90, 1, '9d347b25-f729-495d-a71a-16322164930b', NULL, NULL, '0b5ee1b5f22884f68a733237d78e760d1942cacd76440fca383bbfa1e0f05e0c', NULL, false, 'LoreMotion', 3423362),
	('ba338f5b-19c7-4367-86a7-0d37d95333b1', 'text', 'in the fair queue 1', '', 2732764043, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:38.156249+00', '2026-11-29 02:40:38.171872+00', NULL, NULL, NULL, 90, 92, 1, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', NULL, NULL, '14bf589658af0f6a6e5b4c7f894abacba68a925d5d75189c346513513e48dde0', NULL, false, 'LoreMotion', 3423362),
	('c4d7f19f-6bdd-47a9-850e-364cc68dce5e', 'text', 'in the fair queue 2', '', 1580273219, 48, 48, 16, 8, 2, 'standard', '{"guidance_scale": 1.0}', '{}', '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', 'dispatched', 1, '', 0, '', '', '{}', 0, '2026-11-29 02:40:38.221598+00', '2026-11-29 02:40:38.237131+00', NULL, NULL, NULL, 92, 94, 1, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', NULL, NULL, '9f19a37bf9539e7b10a4f8a4496b5bd867fe858a473e2f80ce0f774099fac0cc', NULL, false, 'LoreMotion', 3423362);
INSERT INTO public.ledger_account (id, available, held, debt, seq, head, merged_into_id, opened_at) VALUES
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 956, 42, 0, 10, '\xf39c840975d8a8d7dc51a9926300cea4390c9b36f70bddc1a81a8491c8ee7634', NULL, '2026-11-29 02:39:26.765087+00'),
	('9d347b25-f729-495d-a71a-16322164930b', 994, 6, 0, 4, '\x6207c57a1b581c0767e55a6e875d3914ad57bf3e4972ed42aaca7ea406974b64', NULL, '2026-11-29 02:40:23.101056+00'),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 996, 4, 0, 3, '\xfdb64389b5bb32bce7fd2c9e00c24b832f167297250b276601fe3986d2878857', NULL, '2026-11-29 02:40:38.140423+00');
INSERT INTO public.ledger_entry (account_id, seq, leg, lot_id, code, amount) VALUES
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 1, 1, 1, 'issued', -1000),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 1, 2, 1, 'available', 1000),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 2, 1, 1, 'available', -2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 2, 2, 1, 'held', 2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 3, 1, 1, 'held', -2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 3, 2, 1, 'consumed', 2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 4, 1, 1, 'available', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 4, 2, 1, 'held', 20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 5, 1, 1, 'held', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 5, 2, 1, 'available', 20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 6, 1, 1, 'available', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 6, 2, 1, 'held', 20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 7, 1, 1, 'available', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 7, 2, 1, 'held', 20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 8, 1, 1, 'held', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 8, 2, 1, 'available', 20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 9, 1, 1, 'available', -2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 9, 2, 1, 'held', 2),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 10, 1, 1, 'available', -20),
	('5ba02cb6-09b1-4a86-838e-95e6b632ee72', 10, 2, 1, 'held', 20),
	('9d347b25-f729-495d-a71a-16322164930b', 1, 1, 2, 'issued', -1000),
	('9d347b25-f729-495d-a71a-16322164930b', 1, 2, 2, 'available', 1000),
	('9d347b25-f729-495d-a71a-16322164930b', 2, 1, 2, 'available', -2),
	('9d347b25-f729-495d-a71a-16322164930b', 2, 2, 2, 'held', 2),
	('9d347b25-f729-495d-a71a-16322164930b', 3, 1, 2, 'available', -2),
	('9d347b25-f729-495d-a71a-16322164930b', 3, 2, 2, 'held', 2),
	('9d347b25-f729-495d-a71a-16322164930b', 4, 1, 2, 'available', -2),
	('9d347b25-f729-495d-a71a-16322164930b', 4, 2, 2, 'held', 2),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 1, 1, 3, 'issued', -1000),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 1, 2, 3, 'available', 1000),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 2, 1, 3, 'available', -2),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 2, 2, 3, 'held', 2),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 3, 1, 3, 'available', -2),
	('b9a35089-ea47-4cbc-90ea-4fc82c96909d', 3, 2, 3, 'held', 2);
INSERT INTO public.ledger_hold (id, account_id, amount, quote, expires_at, held_at, held_seq, state, captured, released, settled_at, settled_seq) VALUES
	('70aa223c-218b-48b6-afc0-d250890cf9ee', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:39:34.475632+00', '2026-11-29 02:39:34.477501+00', 2, 'captured', 2, 0, '2026-11-29 02:39:37.114361+00', 3),
	('451ab787-cb97-4b50-884b-ad99e0923634', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 20, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', '2026-12-01 02:39:37.23209+00', '2026-11-29 02:39:37.232581+00', 4, 'released', 0, 20, '2026-11-29 02:40:08.369735+00', 5),
	('1d62d0e0-d87c-466a-a3e1-0d8115a8da8a', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 20, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', '2026-12-01 02:40:08.498588+00', '2026-11-29 02:40:08.49952+00', 6, 'open', 0, 0, NULL, NULL),
	('060f529d-3195-4991-adf6-fc04bca75c6e', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 20, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', '2026-12-01 02:40:08.603259+00', '2026-11-29 02:40:08.603949+00', 7, 'released', 0, 20, '2026-11-29 02:40:08.683634+00', 8),
	('5173b0ac-aed9-4aa7-ae1f-4ca818d44c1b', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:08.836319+00', '2026-11-29 02:40:08.836839+00', 9, 'open', 0, 0, NULL, NULL),
	('669a71ef-892c-450d-8608-f1e13502dfe5', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 20, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}', '2026-12-01 02:40:22.814654+00', '2026-11-29 02:40:22.815301+00', 10, 'open', 0, 0, NULL, NULL),
	('955c6180-c15d-46e9-8fc2-62a771c1d183', '9d347b25-f729-495d-a71a-16322164930b', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:23.109796+00', '2026-11-29 02:40:23.110479+00', 2, 'open', 0, 0, NULL, NULL),
	('577fd52c-964a-430f-a303-0c50089b9342', '9d347b25-f729-495d-a71a-16322164930b', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:23.212804+00', '2026-11-29 02:40:23.213409+00', 3, 'open', 0, 0, NULL, NULL),
	('add778d4-6fe5-4edc-afb2-309097d2b1bc', '9d347b25-f729-495d-a71a-16322164930b', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:23.286204+00', '2026-11-29 02:40:23.2868+00', 4, 'open', 0, 0, NULL, NULL),
	('ba338f5b-19c7-4367-86a7-0d37d95333b1', 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:38.14355+00', '2026-11-29 02:40:38.144084+00', 2, 'open', 0, 0, NULL, NULL),
	('c4d7f19f-6bdd-47a9-850e-364cc68dce5e', 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 2, '{"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}', '2026-12-01 02:40:38.212373+00', '2026-11-29 02:40:38.212879+00', 3, 'open', 0, 0, NULL, NULL);
INSERT INTO public.ledger_lot (id, account_id, parent_id, reference, kind, priority, expires_at, granted_at, issued, remaining, held, consumed, expired, clawed, adjusted, moved, repaid, forgiven) OVERRIDING SYSTEM VALUE VALUES
	(3, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', NULL, 'free:b9a35089-ea47-4cbc-90ea-4fc82c96909d:2026-11-29', 'free', 10, '2026-11-30 00:00:00+00', '2026-11-29 02:40:38.140562+00', 1000, 996, 4, 0, 0, 0, 0, 0, 0, 0),
	(1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', NULL, 'free:5ba02cb6-09b1-4a86-838e-95e6b632ee72:2026-11-29:signed-in', 'free', 10, '2026-11-30 00:00:00+00', '2026-11-29 02:39:26.765687+00', 1000, 956, 42, 2, 0, 0, 0, 0, 0, 0),
	(2, '9d347b25-f729-495d-a71a-16322164930b', NULL, 'free:9d347b25-f729-495d-a71a-16322164930b:2026-11-29', 'free', 10, '2026-11-30 00:00:00+00', '2026-11-29 02:40:23.101171+00', 1000, 994, 6, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO public.ledger_transaction (id, account_id, seq, kind, reference, request, response, actor, reason, available, held, debt, previous_hash, hash, created_at) OVERRIDING SYSTEM VALUE VALUES
	(1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 1, 'grant', 'free:5ba02cb6-09b1-4a86-838e-95e6b632ee72:2026-11-29:signed-in', '{"kind": "free", "amount": 1000, "priority": 10, "expires_at": 1795996800.000000}', '{"lot": 1, "amount": 1000, "paid_debt": 0}', '', '', 1000, 0, 0, '\x', '\x326dddfe42fb91c4be060242f60fec8fa7f4ee4427259214d2700cfeaed5eea5', '2026-11-29 02:39:26.765687+00'),
	(2, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 2, 'hold', '70aa223c-218b-48b6-afc0-d250890cf9ee', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 998, 2, 0, '\x326dddfe42fb91c4be060242f60fec8fa7f4ee4427259214d2700cfeaed5eea5', '\xfee1790007a95b51a80c288fa6acbbb92c34215630af6b7d2265e8497d669bc8', '2026-11-29 02:39:34.477501+00'),
	(3, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 3, 'settle', '70aa223c-218b-48b6-afc0-d250890cf9ee', '{"captured": 2, "is_our_failure": false}', '{"captured": 2, "released": 0}', '', '', 998, 0, 0, '\xfee1790007a95b51a80c288fa6acbbb92c34215630af6b7d2265e8497d669bc8', '\x0d16edb4244882d2c63e6b5c6ab63c346614da42f1ab7f033dbb9e953bcf8421', '2026-11-29 02:39:37.114361+00'),
	(4, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 4, 'hold', '451ab787-cb97-4b50-884b-ad99e0923634', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}, "amount": 20}', '{"held": 20}', '', '', 978, 20, 0, '\x0d16edb4244882d2c63e6b5c6ab63c346614da42f1ab7f033dbb9e953bcf8421', '\x40d0a15cdd3e5302af315820a7aca1add62c6ecd02e700f58da1f7a85e6cbba0', '2026-11-29 02:39:37.232581+00'),
	(5, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 5, 'settle', '451ab787-cb97-4b50-884b-ad99e0923634', '{"captured": 0, "is_our_failure": true}', '{"captured": 0, "released": 20}', '', '', 998, 0, 0, '\x40d0a15cdd3e5302af315820a7aca1add62c6ecd02e700f58da1f7a85e6cbba0', '\x0740d9f12413f07ab90ce95a7fa64bc3af51818c9466d93a1a633f4833d31918', '2026-11-29 02:40:08.369735+00'),
	(6, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 6, 'hold', '1d62d0e0-d87c-466a-a3e1-0d8115a8da8a', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}, "amount": 20}', '{"held": 20}', '', '', 978, 20, 0, '\x0740d9f12413f07ab90ce95a7fa64bc3af51818c9466d93a1a633f4833d31918', '\x91cf1d5e6f74fe99ef97d905f9a472ebaff70db20917fdf00f9874e03813c857', '2026-11-29 02:40:08.49952+00'),
	(7, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 7, 'hold', '060f529d-3195-4991-adf6-fc04bca75c6e', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}, "amount": 20}', '{"held": 20}', '', '', 958, 40, 0, '\x91cf1d5e6f74fe99ef97d905f9a472ebaff70db20917fdf00f9874e03813c857', '\xe7027032156916842c7d949467f0477b13dda799eeaefbffd0685941072dde69', '2026-11-29 02:40:08.603949+00'),
	(8, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 8, 'settle', '060f529d-3195-4991-adf6-fc04bca75c6e', '{"captured": 0, "is_our_failure": false}', '{"captured": 0, "released": 20}', '', '', 978, 20, 0, '\xe7027032156916842c7d949467f0477b13dda799eeaefbffd0685941072dde69', '\xa2fcb67c0f7388c25898140b6736adbb729babcb45f23c1251f674f932d2eb89', '2026-11-29 02:40:08.683634+00'),
	(9, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 9, 'hold', '5173b0ac-aed9-4aa7-ae1f-4ca818d44c1b', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 976, 22, 0, '\xa2fcb67c0f7388c25898140b6736adbb729babcb45f23c1251f674f932d2eb89', '\x2bf89f7e0e2414e2670fa00979303af2b93c1dd60c04bcec8b0c1f45e2e24e0d', '2026-11-29 02:40:08.836839+00'),
	(10, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 10, 'hold', '669a71ef-892c-450d-8608-f1e13502dfe5', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 1000 steps", "millicredits": 20000}], "credits": 20}, "amount": 20}', '{"held": 20}', '', '', 956, 42, 0, '\x2bf89f7e0e2414e2670fa00979303af2b93c1dd60c04bcec8b0c1f45e2e24e0d', '\xf39c840975d8a8d7dc51a9926300cea4390c9b36f70bddc1a81a8491c8ee7634', '2026-11-29 02:40:22.815301+00'),
	(11, '9d347b25-f729-495d-a71a-16322164930b', 1, 'grant', 'free:9d347b25-f729-495d-a71a-16322164930b:2026-11-29', '{"kind": "free", "amount": 1000, "priority": 10, "expires_at": 1795996800.000000}', '{"lot": 2, "amount": 1000, "paid_debt": 0}', '', '', 1000, 0, 0, '\x', '\xca1beaac90d7bde7ef0d0ed1304ed18fe0a633899449810ed844acdb3e161a6d', '2026-11-29 02:40:23.101171+00'),
	(12, '9d347b25-f729-495d-a71a-16322164930b', 2, 'hold', '955c6180-c15d-46e9-8fc2-62a771c1d183', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 998, 2, 0, '\xca1beaac90d7bde7ef0d0ed1304ed18fe0a633899449810ed844acdb3e161a6d', '\x61862c6d299b72ff1bf774f0f1a1a5ff7629701cb6b684026eeb17b81c494468', '2026-11-29 02:40:23.110479+00'),
	(13, '9d347b25-f729-495d-a71a-16322164930b', 3, 'hold', '577fd52c-964a-430f-a303-0c50089b9342', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 996, 4, 0, '\x61862c6d299b72ff1bf774f0f1a1a5ff7629701cb6b684026eeb17b81c494468', '\xb671e64117c00c0a600e62188467cc7edbe75548fe4a7575945cd8588146bf38', '2026-11-29 02:40:23.213409+00'),
	(14, '9d347b25-f729-495d-a71a-16322164930b', 4, 'hold', 'add778d4-6fe5-4edc-afb2-309097d2b1bc', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 994, 6, 0, '\xb671e64117c00c0a600e62188467cc7edbe75548fe4a7575945cd8588146bf38', '\x6207c57a1b581c0767e55a6e875d3914ad57bf3e4972ed42aaca7ea406974b64', '2026-11-29 02:40:23.2868+00'),
	(15, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 1, 'grant', 'free:b9a35089-ea47-4cbc-90ea-4fc82c96909d:2026-11-29', '{"kind": "free", "amount": 1000, "priority": 10, "expires_at": 1795996800.000000}', '{"lot": 3, "amount": 1000, "paid_debt": 0}', '', '', 1000, 0, 0, '\x', '\xe35e91a54d1002b75cd731629926ee7ff8f6086c1d9c1733e044b1dc7d6f79c8', '2026-11-29 02:40:38.140562+00'),
	(16, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 2, 'hold', 'ba338f5b-19c7-4367-86a7-0d37d95333b1', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 998, 2, 0, '\xe35e91a54d1002b75cd731629926ee7ff8f6086c1d9c1733e044b1dc7d6f79c8', '\x9f3f00c32a4bdca8535ed318f02ee35441a93144b82c3eb7d3706e24dd5adc39', '2026-11-29 02:40:38.144084+00'),
	(17, 'b9a35089-ea47-4cbc-90ea-4fc82c96909d', 3, 'hold', 'c4d7f19f-6bdd-47a9-850e-364cc68dce5e', '{"quote": {"lines": [{"label": "2 s of video, 384x384 (360p), standard, 2 steps", "millicredits": 2000}], "credits": 2}, "amount": 2}', '{"held": 2}', '', '', 996, 4, 0, '\x9f3f00c32a4bdca8535ed318f02ee35441a93144b82c3eb7d3706e24dd5adc39', '\xfdb64389b5bb32bce7fd2c9e00c24b832f167297250b276601fe3986d2878857', '2026-11-29 02:40:38.212879+00');
INSERT INTO public.outbox_delivery (id, state, attempts, due_at, expires_at, created_at, ended_at, last_error, event_id, event_type, video_id, is_test, last_status, last_answer, last_attempt_at, endpoint_id) VALUES
	(1, 'waiting', 0, '2026-11-29 02:39:37.125323+00', '2026-12-02 02:39:37.125323+00', '2026-11-29 02:39:37.126998+00', NULL, '', 'evt_70aa223c218b48b6afc0d250890cf9ee', 'video.completed', '70aa223c-218b-48b6-afc0-d250890cf9ee', false, NULL, '', NULL, 'adda8c2d-5f5c-4b11-8025-2b52318768c8'),
	(2, 'waiting', 0, '2026-11-29 02:40:08.379951+00', '2026-12-02 02:40:08.379951+00', '2026-11-29 02:40:08.381707+00', NULL, '', 'evt_451ab787cb974b50884bad99e0923634', 'video.failed', '451ab787-cb97-4b50-884b-ad99e0923634', false, NULL, '', NULL, 'adda8c2d-5f5c-4b11-8025-2b52318768c8'),
	(3, 'waiting', 0, '2026-11-29 02:40:08.686882+00', '2026-12-02 02:40:08.686882+00', '2026-11-29 02:40:08.688483+00', NULL, '', 'evt_060f529d31954991adf6fc04bca75c6e', 'video.cancelled', '060f529d-3195-4991-adf6-fc04bca75c6e', false, NULL, '', NULL, 'adda8c2d-5f5c-4b11-8025-2b52318768c8');
INSERT INTO public.outbox_endpoint (id, name, url, event_types, sealed_secret, secret_hint, old_sealed_secret, old_secret_until, created_at, updated_at, disabled_at, disabled_because, failures, failing_since, resumes_at, workspace_id) VALUES
	('adda8c2d-5f5c-4b11-8025-2b52318768c8', 'Ours', 'http://127.0.0.1:9/hooks', '{video.completed,video.failed,video.cancelled}', 'gAAAAABrC5Beb2iJU5jgAoEVrtKoU_doI9VP0Fyd56j4hj_IuYZnEBtIwyAvKA2YpBhT6dsWikBarzVhOSzt3onlUw4iF7b0pQVb9dR36mmZxyaNrbXAchIHfKJWGaCEs7pCNC2ReQ2CGBSz6AKjzpSWZtFgqeoQ8A==', 'whsec_…K4Ng=', '', NULL, '2026-11-29 02:39:26.797411+00', '2026-11-29 02:39:26.797416+00', NULL, '', 0, NULL, '2026-11-29 02:39:26.797429+00', '5ba02cb6-09b1-4a86-838e-95e6b632ee72');
INSERT INTO public.outbox_letter (id, state, attempts, due_at, expires_at, created_at, ended_at, last_error, kind, about, occasion, user_id, workspace_id, address) VALUES
	(1, 'waiting', 0, '2026-11-29 02:39:37.129757+00', '2026-12-01 02:39:37.129798+00', '2026-11-29 02:39:37.129764+00', NULL, '', 'clip_ended', '70aa223c-218b-48b6-afc0-d250890cf9ee', '70aa223c-218b-48b6-afc0-d250890cf9ee', 1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', ''),
	(2, 'waiting', 0, '2026-11-29 02:40:08.385945+00', '2026-12-01 02:40:08.386002+00', '2026-11-29 02:40:08.385954+00', NULL, '', 'clip_ended', '451ab787-cb97-4b50-884b-ad99e0923634', '451ab787-cb97-4b50-884b-ad99e0923634', 1, '5ba02cb6-09b1-4a86-838e-95e6b632ee72', '');
INSERT INTO public.shop_order (id, workspace, purse, credits, actor, state, stripe_session_id, created_at, closed_at, price_id) VALUES
	('13fda10c-f32c-4adb-aa41-ba45b83d9ee8', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', '5ba02cb6-09b1-4a86-838e-95e6b632ee72', 6000, 'admin@localhost', 'open', 'cs_test_785415ea3eaa9eba3c040102', '2026-11-29 02:39:26.973655+00', NULL, 17);
INSERT INTO public.shop_pack (id, slug, name, credits, "position", is_offered, tax_code) VALUES
	(1, 'pack-500', '500 credits', 500, 0, true, 'txcd_10103001'),
	(2, 'pack-2200', '2,200 credits', 2200, 1, true, 'txcd_10103001'),
	(3, 'pack-6000', '6,000 credits', 6000, 2, true, 'txcd_10103001');
INSERT INTO public.shop_plan (id, slug, name, summary, "position", is_offered, monthly_credits, rollover_credits, concurrency, priority_weight, retention_days, has_watermark, members, features, tax_code) VALUES
	(1, 'free', 'Free', 'A few clips every day, for nothing.', 0, true, 0, 0, 1, 1, 14, true, 1, '{"Free credits every day","Open models","A receipt for every credit"}', 'txcd_10103001'),
	(2, 'creator', 'Creator', 'For one person who makes clips every week.', 1, true, 1500, 500, 3, 3, 90, false, 1, '{"No watermark","API keys"}', 'txcd_10103001'),
	(3, 'studio', 'Studio', 'For a small team that shares clips and credits.', 2, true, 5500, 2000, 6, 6, 365, false, 5, '{"No watermark","API keys","Members with roles and caps"}', 'txcd_10103001'),
	(4, 'house', 'House', 'For companies that make video all day.', 3, true, 16000, 6000, 12, 10, 730, false, 25, '{"No watermark","API keys","Members with roles and caps"}', 'txcd_10103001');
INSERT INTO public.shop_price (id, "interval", currency, amount_minor, is_offered, stripe_price_id, created_at, pack_id, plan_id) VALUES
	(1, 'month', 'usd', 1200, true, NULL, '2026-11-29 02:39:20.892704+00', NULL, 2),
	(2, 'year', 'usd', 12000, true, NULL, '2026-11-29 02:39:20.893734+00', NULL, 2),
	(3, 'month', 'eur', 1200, true, NULL, '2026-11-29 02:39:20.894206+00', NULL, 2),
	(4, 'year', 'eur', 12000, true, NULL, '2026-11-29 02:39:20.894663+00', NULL, 2),
	(5, 'month', 'usd', 3900, true, NULL, '2026-11-29 02:39:20.895702+00', NULL, 3),
	(6, 'year', 'usd', 39000, true, NULL, '2026-11-29 02:39:20.896249+00', NULL, 3),
	(7, 'month', 'eur', 3900, true, NULL, '2026-11-29 02:39:20.896693+00', NULL, 3),
	(8, 'year', 'eur', 39000, true, NULL, '2026-11-29 02:39:20.897132+00', NULL, 3),
	(9, 'month', 'usd', 9900, true, NULL, '2026-11-29 02:39:20.898063+00', NULL, 4),
	(10, 'year', 'usd', 99000, true, NULL, '2026-11-29 02:39:20.89863+00', NULL, 4),
	(11, 'month', 'eur', 9900, true, NULL, '2026-11-29 02:39:20.899124+00', NULL, 4),
	(12, 'year', 'eur', 99000, true, NULL, '2026-11-29 02:39:20.899554+00', NULL, 4),
	(13, 'once', 'usd', 500, true, NULL, '2026-11-29 02:39:20.900769+00', 1, NULL),
	(14, 'once', 'eur', 500, true, NULL, '2026-11-29 02:39:20.901277+00', 1, NULL),
	(15, 'once', 'usd', 2000, true, NULL, '2026-11-29 02:39:20.902107+00', 2, NULL),
	(16, 'once', 'eur', 2000, true, NULL, '2026-11-29 02:39:20.902549+00', 2, NULL),
	(18, 'once', 'eur', 5000, true, NULL, '2026-11-29 02:39:20.903798+00', 3, NULL),
	(17, 'once', 'usd', 5000, true, 'price_0d3d3f6bf8ab59f280ee5583', '2026-11-29 02:39:20.903373+00', 3, NULL);
INSERT INTO public.shop_stripeevent (id, event_id, type, object_id, body, heard_from, state, attempts, due_at, received_at, done_at, last_error) VALUES
	(1, 'evt_434ef8186a5bdf04f13f2265', 'invoice.paid', 'in_9415d1be5f1aa35348f16ad8', '{
  "id": "evt_434ef8186a5bdf04f13f2265",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": 1795919967,
  "livemode": false,
  "type": "invoice.paid",
  "data": {
    "object": {
      "id": "in_9415d1be5f1aa35348f16ad8",
      "object": "invoice",
      "created": 1795919967,
      "livemode": false,
      "customer": "cus_091f34fc3c901e478305a673",
      "currency": "usd",
      "status": "paid",
      "billing_reason": "manual",
      "number": "FAKE-0001",
      "subtotal": 5000,
      "total": 5000,
      "amount_due": 5000,
      "amount_paid": 5000,
      "amount_remaining": 0,
      "attempted": true,
      "attempt_count": 1,
      "next_payment_attempt": null,
      "metadata": {},
      "status_transitions": {
        "paid_at": 1795919967
      },
      "parent": null,
      "lines": {
        "object": "list",
        "has_more": false,
        "data": []
      },
      "hosted_invoice_url": "@STRIPE@/invoices/in_9415d1be5f1aa35348f16ad8",
      "invoice_pdf": "@STRIPE@/invoices/in_9415d1be5f1aa35348f16ad8/pdf"
    }
  },
  "pending_webhooks": 1,
  "request": {
    "id": null,
    "idempotency_key": null
  }
}', 'webhook', 'new', 0, '2026-11-29 02:39:27.045849+00', '2026-11-29 02:39:27.045858+00', NULL, ''),
	(2, 'evt_8b298b2b5ae4f1d467c732b9', 'checkout.session.completed', 'cs_test_785415ea3eaa9eba3c040102', '{
  "id": "evt_8b298b2b5ae4f1d467c732b9",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": 1795919967,
  "livemode": false,
  "type": "checkout.session.completed",
  "data": {
    "object": {
      "id": "cs_test_785415ea3eaa9eba3c040102",
      "object": "checkout.session",
      "created": 1795919967,
      "livemode": false,
      "mode": "payment",
      "status": "complete",
      "payment_status": "paid",
      "amount_subtotal": 5000,
      "amount_total": 5000,
      "total_details": {
        "amount_tax": 0,
        "amount_discount": 0,
        "amount_shipping": 0
      },
      "currency": "usd",
      "customer": "cus_091f34fc3c901e478305a673",
      "customer_details": {
        "email": "buyer@x.test"
      },
      "client_reference_id": "13fda10c-f32c-4adb-aa41-ba45b83d9ee8",
      "metadata": {
        "order": "13fda10c-f32c-4adb-aa41-ba45b83d9ee8",
        "workspace": "5ba02cb6-09b1-4a86-838e-95e6b632ee72"
      },
      "payment_intent": "pi_1e70e35fbd4c29e1a5b39b13",
      "invoice": "in_9415d1be5f1aa35348f16ad8",
      "subscription": null,
      "success_url": "@SITE@/billing/orders/13fda10c-f32c-4adb-aa41-ba45b83d9ee8/",
      "cancel_url": "@SITE@/billing/orders/13fda10c-f32c-4adb-aa41-ba45b83d9ee8/",
      "expires_at": 1796006367,
      "url": "@STRIPE@/c/pay/cs_test_785415ea3eaa9eba3c040102"
    }
  },
  "pending_webhooks": 1,
  "request": {
    "id": null,
    "idempotency_key": null
  }
}', 'webhook', 'new', 0, '2026-11-29 02:39:27.059792+00', '2026-11-29 02:39:27.059797+00', NULL, ''),
	(3, 'evt_3d748eff2b1a0f085f94bd34', 'charge.refunded', 'ch_216a3bceebd8205c86c1e3f1', '{
  "id": "evt_3d748eff2b1a0f085f94bd34",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": 1795919967,
  "livemode": false,
  "type": "charge.refunded",
  "data": {
    "object": {
      "id": "ch_216a3bceebd8205c86c1e3f1",
      "object": "charge",
      "created": 1795919967,
      "livemode": false,
      "amount": 5000,
      "amount_captured": 5000,
      "amount_refunded": 1,
      "currency": "usd",
      "customer": "cus_091f34fc3c901e478305a673",
      "captured": true,
      "paid": true,
      "refunded": false,
      "disputed": false,
      "status": "succeeded",
      "payment_intent": "pi_1e70e35fbd4c29e1a5b39b13",
      "metadata": {
        "order": "13fda10c-f32c-4adb-aa41-ba45b83d9ee8",
        "workspace": "5ba02cb6-09b1-4a86-838e-95e6b632ee72"
      },
      "receipt_url": "@STRIPE@/receipts/ch_216a3bceebd8205c86c1e3f1",
      "balance_transaction": "txn_3dbe582744794ae408721c7e"
    }
  },
  "pending_webhooks": 1,
  "request": {
    "id": null,
    "idempotency_key": null
  }
}', 'webhook', 'new', 0, '2026-11-29 02:39:27.072642+00', '2026-11-29 02:39:27.072646+00', NULL, ''),
	(4, 'evt_cb25f13a76c7c23a8247503c', 'refund.created', 're_279830e2220ce931377f903e', '{
  "id": "evt_cb25f13a76c7c23a8247503c",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": 1795919967,
  "livemode": false,
  "type": "refund.created",
  "data": {
    "object": {
      "id": "re_279830e2220ce931377f903e",
      "object": "refund",
      "created": 1795919967,
      "livemode": false,
      "amount": 1,
      "currency": "usd",
      "charge": "ch_216a3bceebd8205c86c1e3f1",
      "payment_intent": "pi_1e70e35fbd4c29e1a5b39b13",
      "status": "succeeded",
      "reason": null,
      "metadata": {},
      "failure_reason": null,
      "balance_transaction": "txn_06b8981a58f11a23d58ef49f"
    }
  },
  "pending_webhooks": 1,
  "request": {
    "id": null,
    "idempotency_key": null
  }
}', 'webhook', 'new', 0, '2026-11-29 02:39:27.080998+00', '2026-11-29 02:39:27.081001+00', NULL, '');
SELECT pg_catalog.setval('public.account_emailaddress_id_seq', 1, true);
SELECT pg_catalog.setval('public.account_emailconfirmation_id_seq', 1, false);
SELECT pg_catalog.setval('public.accounts_apikey_id_seq', 1, false);
SELECT pg_catalog.setval('public.accounts_auditentry_id_seq', 2, true);
SELECT pg_catalog.setval('public.accounts_ban_id_seq', 1, false);
SELECT pg_catalog.setval('public.accounts_invitation_id_seq', 1, false);
SELECT pg_catalog.setval('public.accounts_membership_id_seq', 1, true);
SELECT pg_catalog.setval('public.accounts_user_groups_id_seq', 1, false);
SELECT pg_catalog.setval('public.accounts_user_id_seq', 1, true);
SELECT pg_catalog.setval('public.accounts_user_user_permissions_id_seq', 1, false);
SELECT pg_catalog.setval('public.auth_group_id_seq', 1, false);
SELECT pg_catalog.setval('public.auth_group_permissions_id_seq', 1, false);
SELECT pg_catalog.setval('public.auth_permission_id_seq', 213, true);
SELECT pg_catalog.setval('public.billing_networkday_id_seq', 2, true);
SELECT pg_catalog.setval('public.catalog_alias_id_seq', 9, true);
SELECT pg_catalog.setval('public.catalog_measurement_id_seq', 1, true);
SELECT pg_catalog.setval('public.catalog_model_id_seq', 40, true);
SELECT pg_catalog.setval('public.catalog_modelversion_id_seq', 40, true);
SELECT pg_catalog.setval('public.django_admin_log_id_seq', 1, false);
SELECT pg_catalog.setval('public.django_content_type_id_seq', 53, true);
SELECT pg_catalog.setval('public.django_migrations_id_seq', 81, true);
SELECT pg_catalog.setval('public.ledger_lot_id_seq', 3, true);
SELECT pg_catalog.setval('public.ledger_transaction_id_seq', 17, true);
SELECT pg_catalog.setval('public.mfa_authenticator_id_seq', 1, false);
SELECT pg_catalog.setval('public.outbox_delivery_id_seq', 3, true);
SELECT pg_catalog.setval('public.outbox_letter_id_seq', 2, true);
SELECT pg_catalog.setval('public.outbox_wish_id_seq', 2, true);
SELECT pg_catalog.setval('public.shop_budget_id_seq', 1, false);
SELECT pg_catalog.setval('public.shop_customer_id_seq', 1, false);
SELECT pg_catalog.setval('public.shop_mismatch_id_seq', 1, false);
SELECT pg_catalog.setval('public.shop_pack_id_seq', 3, true);
SELECT pg_catalog.setval('public.shop_payment_id_seq', 1, false);
SELECT pg_catalog.setval('public.shop_plan_id_seq', 4, true);
SELECT pg_catalog.setval('public.shop_price_id_seq', 18, true);
SELECT pg_catalog.setval('public.shop_reconciliation_id_seq', 1, false);
SELECT pg_catalog.setval('public.shop_stripeevent_id_seq', 4, true);
SELECT pg_catalog.setval('public.shop_subscription_id_seq', 1, false);
SELECT pg_catalog.setval('public.socialaccount_socialaccount_id_seq', 1, false);
SELECT pg_catalog.setval('public.socialaccount_socialapp_id_seq', 1, false);
SELECT pg_catalog.setval('public.socialaccount_socialtoken_id_seq', 1, false);
SELECT pg_catalog.setval('public.usersessions_usersession_id_seq', 1, true);
ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_user_id_email_987c8728_uniq UNIQUE (user_id, email);
ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirmation_key_key UNIQUE (key);
ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirmation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_apikey
    ADD CONSTRAINT accounts_apikey_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_apikey
    ADD CONSTRAINT accounts_apikey_prefix_key UNIQUE (prefix);
ALTER TABLE ONLY public.accounts_auditentry
    ADD CONSTRAINT accounts_auditentry_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_ban
    ADD CONSTRAINT accounts_ban_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_invitation
    ADD CONSTRAINT accounts_invitation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_invitation
    ADD CONSTRAINT accounts_invitation_token_digest_key UNIQUE (token_digest);
ALTER TABLE ONLY public.accounts_membership
    ADD CONSTRAINT accounts_membership_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_user
    ADD CONSTRAINT accounts_user_email_key UNIQUE (email);
ALTER TABLE ONLY public.accounts_user_groups
    ADD CONSTRAINT accounts_user_groups_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_user_groups
    ADD CONSTRAINT accounts_user_groups_user_id_group_id_59c0b32f_uniq UNIQUE (user_id, group_id);
ALTER TABLE ONLY public.accounts_user
    ADD CONSTRAINT accounts_user_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_user_user_permissions
    ADD CONSTRAINT accounts_user_user_permi_user_id_permission_id_2ab516c2_uniq UNIQUE (user_id, permission_id);
ALTER TABLE ONLY public.accounts_user_user_permissions
    ADD CONSTRAINT accounts_user_user_permissions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_visitor
    ADD CONSTRAINT accounts_visitor_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.accounts_visitor
    ADD CONSTRAINT accounts_visitor_workspace_id_key UNIQUE (workspace_id);
ALTER TABLE ONLY public.accounts_workspace
    ADD CONSTRAINT accounts_workspace_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_name_key UNIQUE (name);
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_permission_id_0cd325b0_uniq UNIQUE (group_id, permission_id);
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_codename_01ab375a_uniq UNIQUE (content_type_id, codename);
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_freeday
    ADD CONSTRAINT billing_freeday_pkey PRIMARY KEY (day);
ALTER TABLE ONLY public.billing_freereservation
    ADD CONSTRAINT billing_freereservation_pkey PRIMARY KEY (hold_id);
ALTER TABLE ONLY public.billing_networkday
    ADD CONSTRAINT billing_networkday_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_proposal
    ADD CONSTRAINT billing_proposal_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.catalog_alias
    ADD CONSTRAINT catalog_alias_name_key UNIQUE (name);
ALTER TABLE ONLY public.catalog_alias
    ADD CONSTRAINT catalog_alias_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.catalog_measurement
    ADD CONSTRAINT catalog_measurement_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.catalog_model
    ADD CONSTRAINT catalog_model_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.catalog_model
    ADD CONSTRAINT catalog_model_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.catalog_modelversion
    ADD CONSTRAINT catalog_modelversion_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox_delivery
    ADD CONSTRAINT delivery_once UNIQUE (endpoint_id, event_id);
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model);
ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_migrations
    ADD CONSTRAINT django_migrations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_session
    ADD CONSTRAINT django_session_pkey PRIMARY KEY (session_key);
ALTER TABLE ONLY public.generation_clip
    ADD CONSTRAINT generation_clip_pkey PRIMARY KEY (generation_id);
ALTER TABLE ONLY public.generation_fairclock
    ADD CONSTRAINT generation_fairclock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.generation_generation
    ADD CONSTRAINT generation_generation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.generation_upload
    ADD CONSTRAINT generation_upload_pkey PRIMARY KEY (key);
ALTER TABLE public.ledger_account
    ADD CONSTRAINT ledger_account_is_sound CHECK (public.ledger_is_sound(ledger_account.*));
ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_pkey PRIMARY KEY (id);
ALTER TABLE public.ledger_entry
    ADD CONSTRAINT ledger_entry_is_sound CHECK (public.ledger_is_sound(ledger_entry.*));
ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_pkey PRIMARY KEY (account_id, seq, leg);
ALTER TABLE public.ledger_hold
    ADD CONSTRAINT ledger_hold_is_sound CHECK (public.ledger_is_sound(ledger_hold.*));
ALTER TABLE ONLY public.ledger_hold
    ADD CONSTRAINT ledger_hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_lot
    ADD CONSTRAINT ledger_lot_account_id_id_key UNIQUE (account_id, id);
ALTER TABLE public.ledger_lot
    ADD CONSTRAINT ledger_lot_is_sound CHECK (public.ledger_is_sound(ledger_lot.*));
ALTER TABLE ONLY public.ledger_lot
    ADD CONSTRAINT ledger_lot_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_lot
    ADD CONSTRAINT ledger_lot_reference_key UNIQUE (reference);
ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_account_id_kind_reference_key UNIQUE (account_id, kind, reference);
ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_account_id_seq_key UNIQUE (account_id, seq);
ALTER TABLE public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_is_sound CHECK (public.ledger_is_sound(ledger_transaction.*));
ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox_letter
    ADD CONSTRAINT letter_once UNIQUE NULLS NOT DISTINCT (user_id, address, kind, occasion);
ALTER TABLE ONLY public.catalog_measurement
    ADD CONSTRAINT measurement_once UNIQUE (build, mode, preset, width, height);
ALTER TABLE ONLY public.accounts_membership
    ADD CONSTRAINT membership_once UNIQUE (workspace_id, user_id);
ALTER TABLE ONLY public.mfa_authenticator
    ADD CONSTRAINT mfa_authenticator_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.catalog_modelversion
    ADD CONSTRAINT model_version_number UNIQUE (model_id, number);
ALTER TABLE ONLY public.billing_networkday
    ADD CONSTRAINT network_day_once UNIQUE (day, network);
ALTER TABLE ONLY public.outbox_delivery
    ADD CONSTRAINT outbox_delivery_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox_endpoint
    ADD CONSTRAINT outbox_endpoint_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox_letter
    ADD CONSTRAINT outbox_letter_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox_wish
    ADD CONSTRAINT outbox_wish_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_budget
    ADD CONSTRAINT shop_budget_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_budget
    ADD CONSTRAINT shop_budget_workspace_key UNIQUE (workspace);
ALTER TABLE ONLY public.shop_customer
    ADD CONSTRAINT shop_customer_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_customer
    ADD CONSTRAINT shop_customer_stripe_customer_id_key UNIQUE (stripe_customer_id);
ALTER TABLE ONLY public.shop_customer
    ADD CONSTRAINT shop_customer_workspace_key UNIQUE (workspace);
ALTER TABLE ONLY public.shop_mismatch
    ADD CONSTRAINT shop_mismatch_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_order
    ADD CONSTRAINT shop_order_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_order
    ADD CONSTRAINT shop_order_stripe_session_id_key UNIQUE (stripe_session_id);
ALTER TABLE ONLY public.shop_pack
    ADD CONSTRAINT shop_pack_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_pack
    ADD CONSTRAINT shop_pack_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_order_id_key UNIQUE (order_id);
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_source_key UNIQUE (source);
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_stripe_payment_intent_id_key UNIQUE (stripe_payment_intent_id);
ALTER TABLE ONLY public.shop_plan
    ADD CONSTRAINT shop_plan_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_plan
    ADD CONSTRAINT shop_plan_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.shop_price
    ADD CONSTRAINT shop_price_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_price
    ADD CONSTRAINT shop_price_stripe_price_id_key UNIQUE (stripe_price_id);
ALTER TABLE ONLY public.shop_reconciliation
    ADD CONSTRAINT shop_reconciliation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_stripeevent
    ADD CONSTRAINT shop_stripeevent_event_id_key UNIQUE (event_id);
ALTER TABLE ONLY public.shop_stripeevent
    ADD CONSTRAINT shop_stripeevent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_subscription
    ADD CONSTRAINT shop_subscription_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shop_subscription
    ADD CONSTRAINT shop_subscription_stripe_subscription_id_key UNIQUE (stripe_subscription_id);
ALTER TABLE ONLY public.socialaccount_socialaccount
    ADD CONSTRAINT socialaccount_socialaccount_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.socialaccount_socialaccount
    ADD CONSTRAINT socialaccount_socialaccount_provider_uid_fc810c6e_uniq UNIQUE (provider, uid);
ALTER TABLE ONLY public.socialaccount_socialapp
    ADD CONSTRAINT socialaccount_socialapp_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.socialaccount_socialtoken
    ADD CONSTRAINT socialaccount_socialtoken_app_id_account_id_fca4e0ac_uniq UNIQUE (app_id, account_id);
ALTER TABLE ONLY public.socialaccount_socialtoken
    ADD CONSTRAINT socialaccount_socialtoken_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.usersessions_usersession
    ADD CONSTRAINT usersessions_usersession_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.usersessions_usersession
    ADD CONSTRAINT usersessions_usersession_session_key_key UNIQUE (session_key);
ALTER TABLE ONLY public.outbox_wish
    ADD CONSTRAINT wish_once UNIQUE (generation_id, user_id);
CREATE INDEX account_emailaddress_email_03be32b2 ON public.account_emailaddress USING btree (email);
CREATE INDEX account_emailaddress_email_03be32b2_like ON public.account_emailaddress USING btree (email varchar_pattern_ops);
CREATE INDEX account_emailaddress_user_id_2c513194 ON public.account_emailaddress USING btree (user_id);
CREATE INDEX account_emailconfirmation_email_address_id_5b7f8c58 ON public.account_emailconfirmation USING btree (email_address_id);
CREATE INDEX account_emailconfirmation_key_f43612bd_like ON public.account_emailconfirmation USING btree (key varchar_pattern_ops);
CREATE INDEX accounts_apikey_created_by_id_1b5317c8 ON public.accounts_apikey USING btree (created_by_id);
CREATE INDEX accounts_apikey_origin_id_0c4792d2 ON public.accounts_apikey USING btree (origin_id);
CREATE INDEX accounts_apikey_prefix_2468c39f_like ON public.accounts_apikey USING btree (prefix varchar_pattern_ops);
CREATE INDEX accounts_apikey_workspace_id_29bdbd99 ON public.accounts_apikey USING btree (workspace_id);
CREATE INDEX accounts_auditentry_workspace_id_3734b076 ON public.accounts_auditentry USING btree (workspace_id);
CREATE INDEX accounts_ban_banned_by_id_ed69d6d4 ON public.accounts_ban USING btree (banned_by_id);
CREATE INDEX accounts_ban_visitor_id_97ee8ef0 ON public.accounts_ban USING btree (visitor_id);
CREATE INDEX accounts_invitation_invited_by_id_94a21efc ON public.accounts_invitation USING btree (invited_by_id);
CREATE INDEX accounts_invitation_token_digest_5ac3b4ba_like ON public.accounts_invitation USING btree (token_digest varchar_pattern_ops);
CREATE INDEX accounts_invitation_workspace_id_7dc693ca ON public.accounts_invitation USING btree (workspace_id);
CREATE INDEX accounts_membership_user_id_487fb39e ON public.accounts_membership USING btree (user_id);
CREATE INDEX accounts_membership_workspace_id_3a7fb173 ON public.accounts_membership USING btree (workspace_id);
CREATE INDEX accounts_user_email_b2644a56_like ON public.accounts_user USING btree (email varchar_pattern_ops);
CREATE INDEX accounts_user_groups_group_id_bd11a704 ON public.accounts_user_groups USING btree (group_id);
CREATE INDEX accounts_user_groups_user_id_52b62117 ON public.accounts_user_groups USING btree (user_id);
CREATE INDEX accounts_user_user_permissions_permission_id_113bb443 ON public.accounts_user_user_permissions USING btree (permission_id);
CREATE INDEX accounts_user_user_permissions_user_id_e4f0a161 ON public.accounts_user_user_permissions USING btree (user_id);
CREATE INDEX accounts_workspace_merged_into_id_50c5a8d4 ON public.accounts_workspace USING btree (merged_into_id);
CREATE INDEX audit_network_known ON public.accounts_auditentry USING btree (at) WHERE (NOT ((network)::text = ''::text));
CREATE INDEX audit_of_workspace ON public.accounts_auditentry USING btree (workspace_id, id DESC);
CREATE INDEX auth_group_name_a6ea08ec_like ON public.auth_group USING btree (name varchar_pattern_ops);
CREATE INDEX auth_group_permissions_group_id_b120cbf9 ON public.auth_group_permissions USING btree (group_id);
CREATE INDEX auth_group_permissions_permission_id_84c5c92e ON public.auth_group_permissions USING btree (permission_id);
CREATE INDEX auth_permission_content_type_id_2f476e4b ON public.auth_permission USING btree (content_type_id);
CREATE INDEX ban_of_network ON public.accounts_ban USING btree (network) WHERE ((lifted_at IS NULL) AND (NOT ((network)::text = ''::text)));
CREATE INDEX billing_proposal_account_b9a0c9c4 ON public.billing_proposal USING btree (account);
CREATE INDEX budget_to_warn ON public.shop_budget USING btree (workspace) WHERE (warn_below_credits IS NOT NULL);
CREATE INDEX catalog_alias_model_id_307e9d55 ON public.catalog_alias USING btree (model_id);
CREATE INDEX catalog_alias_name_c07e2653_like ON public.catalog_alias USING btree (name varchar_pattern_ops);
CREATE INDEX catalog_model_canary_id_949683a0 ON public.catalog_model USING btree (canary_id);
CREATE INDEX catalog_model_current_id_5c7cd544 ON public.catalog_model USING btree (current_id);
CREATE INDEX catalog_model_slug_b57538de_like ON public.catalog_model USING btree (slug varchar_pattern_ops);
CREATE INDEX catalog_modelversion_build_3c1021fd ON public.catalog_modelversion USING btree (build);
CREATE INDEX catalog_modelversion_build_3c1021fd_like ON public.catalog_modelversion USING btree (build varchar_pattern_ops);
CREATE INDEX catalog_modelversion_created_by_id_250bb58b ON public.catalog_modelversion USING btree (created_by_id);
CREATE INDEX catalog_modelversion_model_id_f81467a4 ON public.catalog_modelversion USING btree (model_id);
CREATE INDEX delivery_due ON public.outbox_delivery USING btree (due_at) WHERE ((state)::text = 'waiting'::text);
CREATE INDEX delivery_ended ON public.outbox_delivery USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX delivery_of_endpoint ON public.outbox_delivery USING btree (endpoint_id, id DESC);
CREATE INDEX django_admin_log_content_type_id_c4bce8eb ON public.django_admin_log USING btree (content_type_id);
CREATE INDEX django_admin_log_user_id_c564eba6 ON public.django_admin_log USING btree (user_id);
CREATE INDEX django_session_expire_date_a5c62663 ON public.django_session USING btree (expire_date);
CREATE INDEX django_session_session_key_c0390e0f_like ON public.django_session USING btree (session_key varchar_pattern_ops);
CREATE INDEX endpoint_of_workspace ON public.outbox_endpoint USING btree (workspace_id, created_at);
CREATE INDEX event_by_time ON public.shop_stripeevent USING btree (received_at DESC);
CREATE INDEX event_due ON public.shop_stripeevent USING btree (due_at) WHERE ((state)::text = 'new'::text);
CREATE INDEX generation_clip_expires_at_0555fce3 ON public.generation_clip USING btree (expires_at);
CREATE INDEX generation_generation_api_key_id_68e24023 ON public.generation_generation USING btree (api_key_id);
CREATE INDEX generation_generation_made_by_id_c8e11ccc ON public.generation_generation USING btree (made_by_id);
CREATE INDEX generation_generation_version_id_dc7f7d2a ON public.generation_generation USING btree (version_id);
CREATE INDEX generation_generation_workspace_id_7322b08e ON public.generation_generation USING btree (workspace_id);
CREATE INDEX generation_in_flight ON public.generation_generation USING btree (state, dispatched_at) WHERE ((state)::text = ANY ((ARRAY['dispatched'::character varying, 'running'::character varying])::text[]));
CREATE INDEX generation_of_workspace ON public.generation_generation USING btree (workspace_id, created_at DESC);
CREATE INDEX generation_open ON public.generation_generation USING btree (workspace_id) WHERE ((state)::text = ANY ((ARRAY['queued'::character varying, 'dispatched'::character varying, 'running'::character varying])::text[]));
CREATE INDEX generation_private_by_keys ON public.generation_generation USING btree (workspace_id, created_at DESC, id DESC) WHERE ((api_key_id IS NOT NULL) AND is_private);
CREATE INDEX generation_private_to_key ON public.generation_generation USING btree (api_key_id, created_at DESC, id DESC) WHERE is_private;
CREATE INDEX generation_private_to_member ON public.generation_generation USING btree (made_by_id, workspace_id, created_at DESC, id DESC) WHERE is_private;
CREATE INDEX generation_service_time ON public.generation_generation USING btree (version_id, finished_at DESC) WHERE ((state)::text = 'succeeded'::text);
CREATE INDEX generation_shared ON public.generation_generation USING btree (workspace_id, created_at DESC, id DESC) WHERE (NOT is_private);
CREATE INDEX generation_upload_expires_at_b7b1bad9 ON public.generation_upload USING btree (expires_at);
CREATE INDEX generation_upload_generation_id_a762ac84 ON public.generation_upload USING btree (generation_id);
CREATE INDEX generation_upload_key_f36ae60d_like ON public.generation_upload USING btree (key varchar_pattern_ops);
CREATE INDEX generation_waiting ON public.generation_generation USING btree (fair_finish, id) WHERE ((state)::text = 'queued'::text);
CREATE UNIQUE INDEX invitation_once ON public.accounts_invitation USING btree (workspace_id, lower((email)::text));
CREATE INDEX invitation_untold ON public.accounts_invitation USING btree (sent_at) WHERE (NOT is_told);
CREATE INDEX ledger_account_merged ON public.ledger_account USING btree (merged_into_id) WHERE (merged_into_id IS NOT NULL);
CREATE INDEX ledger_entry_of_lot ON public.ledger_entry USING btree (lot_id);
CREATE INDEX ledger_hold_of_account ON public.ledger_hold USING btree (account_id, held_at);
CREATE INDEX ledger_hold_open ON public.ledger_hold USING btree (held_at) WHERE (state = 'open'::text);
CREATE INDEX ledger_lot_children ON public.ledger_lot USING btree (parent_id) WHERE (parent_id IS NOT NULL);
CREATE INDEX ledger_lot_due ON public.ledger_lot USING btree (expires_at) WHERE (has_remaining AND (expires_at IS NOT NULL));
CREATE INDEX ledger_lot_in_draw_order ON public.ledger_lot USING btree (account_id, priority, expires_at, id) WHERE has_remaining;
CREATE INDEX ledger_lot_of_account ON public.ledger_lot USING btree (account_id, granted_at);
CREATE INDEX ledger_lot_owing ON public.ledger_lot USING btree (account_id) WHERE (repaid < 0);
CREATE INDEX ledger_transaction_by_time ON public.ledger_transaction USING brin (created_at);
CREATE INDEX letter_due ON public.outbox_letter USING btree (due_at) WHERE ((state)::text = 'waiting'::text);
CREATE INDEX letter_ended ON public.outbox_letter USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE UNIQUE INDEX membership_one_owner ON public.accounts_membership USING btree (workspace_id) WHERE ((role)::text = 'owner'::text);
CREATE INDEX mfa_authenticator_user_id_0c3a50c0 ON public.mfa_authenticator USING btree (user_id);
CREATE INDEX order_open ON public.shop_order USING btree (created_at) WHERE ((state)::text = 'open'::text);
CREATE INDEX outbox_delivery_endpoint_id_11ff96e4 ON public.outbox_delivery USING btree (endpoint_id);
CREATE INDEX outbox_endpoint_workspace_id_67e69f72 ON public.outbox_endpoint USING btree (workspace_id);
CREATE INDEX outbox_letter_user_id_e8feadb8 ON public.outbox_letter USING btree (user_id);
CREATE INDEX outbox_letter_workspace_id_dbf710ab ON public.outbox_letter USING btree (workspace_id);
CREATE INDEX outbox_wish_generation_id_82fd103a ON public.outbox_wish USING btree (generation_id);
CREATE INDEX outbox_wish_user_id_3fa904fc ON public.outbox_wish USING btree (user_id);
CREATE INDEX payment_of_workspace ON public.shop_payment USING btree (workspace, paid_at DESC);
CREATE UNIQUE INDEX price_of_pack_once ON public.shop_price USING btree (pack_id, currency) WHERE (is_offered AND (pack_id IS NOT NULL));
CREATE UNIQUE INDEX price_of_plan_once ON public.shop_price USING btree (plan_id, "interval", currency) WHERE is_offered;
CREATE INDEX proposal_of_staff ON public.billing_proposal USING btree (proposed_by, proposed_at);
CREATE INDEX proposal_waiting ON public.billing_proposal USING btree (proposed_at) WHERE ((state)::text = 'waiting'::text);
CREATE INDEX reconciliation_latest ON public.shop_reconciliation USING btree (kind, began_at DESC);
CREATE INDEX shop_customer_stripe_customer_id_5d54973a_like ON public.shop_customer USING btree (stripe_customer_id varchar_pattern_ops);
CREATE INDEX shop_mismatch_reconciliation_id_3fc01418 ON public.shop_mismatch USING btree (reconciliation_id);
CREATE INDEX shop_order_price_id_90627e14 ON public.shop_order USING btree (price_id);
CREATE INDEX shop_order_stripe_session_id_06a771d5_like ON public.shop_order USING btree (stripe_session_id varchar_pattern_ops);
CREATE INDEX shop_order_workspace_c7895f43 ON public.shop_order USING btree (workspace);
CREATE INDEX shop_pack_slug_625a1c4a_like ON public.shop_pack USING btree (slug varchar_pattern_ops);
CREATE INDEX shop_payment_price_id_931bd62d ON public.shop_payment USING btree (price_id);
CREATE INDEX shop_payment_source_9117791c_like ON public.shop_payment USING btree (source varchar_pattern_ops);
CREATE INDEX shop_payment_stripe_payment_intent_id_d4ec5c7b_like ON public.shop_payment USING btree (stripe_payment_intent_id varchar_pattern_ops);
CREATE INDEX shop_payment_subscription_id_b94b34b2 ON public.shop_payment USING btree (subscription_id);
CREATE INDEX shop_payment_workspace_20ddd94a ON public.shop_payment USING btree (workspace);
CREATE INDEX shop_plan_slug_2a7a3ba0_like ON public.shop_plan USING btree (slug varchar_pattern_ops);
CREATE INDEX shop_price_pack_id_987e4e00 ON public.shop_price USING btree (pack_id);
CREATE INDEX shop_price_plan_id_13119098 ON public.shop_price USING btree (plan_id);
CREATE INDEX shop_price_stripe_price_id_a96a0ec5_like ON public.shop_price USING btree (stripe_price_id varchar_pattern_ops);
CREATE INDEX shop_stripeevent_event_id_b350e5d2_like ON public.shop_stripeevent USING btree (event_id varchar_pattern_ops);
CREATE INDEX shop_subscription_next_price_id_700bb344 ON public.shop_subscription USING btree (next_price_id);
CREATE INDEX shop_subscription_price_id_f4fd888b ON public.shop_subscription USING btree (price_id);
CREATE INDEX shop_subscription_stripe_subscription_id_a24fe1ee_like ON public.shop_subscription USING btree (stripe_subscription_id varchar_pattern_ops);
CREATE INDEX shop_subscription_workspace_d4691709 ON public.shop_subscription USING btree (workspace);
CREATE INDEX socialaccount_socialaccount_user_id_8146e70c ON public.socialaccount_socialaccount USING btree (user_id);
CREATE INDEX socialaccount_socialtoken_account_id_951f210e ON public.socialaccount_socialtoken USING btree (account_id);
CREATE INDEX socialaccount_socialtoken_app_id_636a42d7 ON public.socialaccount_socialtoken USING btree (app_id);
CREATE UNIQUE INDEX unique_authenticator_type ON public.mfa_authenticator USING btree (user_id, type) WHERE ((type)::text = ANY ((ARRAY['totp'::character varying, 'recovery_codes'::character varying])::text[]));
CREATE UNIQUE INDEX unique_primary_email ON public.account_emailaddress USING btree (user_id, "primary") WHERE "primary";
CREATE UNIQUE INDEX unique_verified_email ON public.account_emailaddress USING btree (email) WHERE verified;
CREATE UNIQUE INDEX user_email_unique ON public.accounts_user USING btree (lower((email)::text));
CREATE INDEX usersessions_usersession_session_key_fd35de43_like ON public.usersessions_usersession USING btree (session_key varchar_pattern_ops);
CREATE INDEX usersessions_usersession_user_id_af5e0a6d ON public.usersessions_usersession USING btree (user_id);
CREATE INDEX visitor_network_known ON public.accounts_visitor USING btree (created_at) WHERE (NOT ((network)::text = ''::text));
CREATE INDEX visitor_of_network ON public.accounts_visitor USING btree (network) WHERE (NOT ((network)::text = ''::text));
CREATE INDEX workspace_closing ON public.accounts_workspace USING btree (closed_at) WHERE (closed_at IS NOT NULL);
CREATE TRIGGER catalog_version_is_immutable BEFORE UPDATE ON public.catalog_modelversion FOR EACH ROW EXECUTE FUNCTION public.catalog_version_is_immutable();
CREATE TRIGGER ledger_append_only BEFORE DELETE OR UPDATE ON public.ledger_entry FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_append_only BEFORE DELETE OR UPDATE ON public.ledger_transaction FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_begins_empty BEFORE INSERT ON public.ledger_account FOR EACH ROW WHEN ((((new.available <> 0) OR (new.held <> 0) OR (new.debt <> 0) OR (new.seq <> 0)) OR (new.head <> '\x'::bytea))) EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_begins_empty BEFORE INSERT ON public.ledger_lot FOR EACH ROW WHEN (((new.issued <> 0) OR ((new.remaining <> 0) OR (new.held <> 0) OR (new.consumed <> 0) OR (new.expired <> 0)) OR ((new.clawed <> 0) OR (new.adjusted <> 0) OR (new.moved <> 0) OR (new.repaid <> 0) OR (new.forgiven <> 0)))) EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_counts_for_itself BEFORE UPDATE OF id, available, held, debt, seq, head, opened_at ON public.ledger_account FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_counts_for_itself BEFORE UPDATE ON public.ledger_lot FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_keeps_what_was_held BEFORE UPDATE OF id, account_id, amount, quote, expires_at, held_at, held_seq ON public.ledger_hold FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_merges_once BEFORE UPDATE OF merged_into_id ON public.ledger_account FOR EACH ROW WHEN ((old.merged_into_id IS NOT NULL)) EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON public.ledger_account FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON public.ledger_hold FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON public.ledger_lot FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON public.ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON public.ledger_hold FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER ledger_projection AFTER INSERT ON public.ledger_entry REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_project();
CREATE TRIGGER ledger_settles_once BEFORE UPDATE ON public.ledger_hold FOR EACH ROW WHEN (((old.state <> 'open'::text) OR (new.state = 'open'::text))) EXECUTE FUNCTION public.ledger_refuse();
CREATE CONSTRAINT TRIGGER ledger_zero_sum AFTER INSERT ON public.ledger_transaction DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_require_zero_sum();
CREATE TRIGGER row_security_guard BEFORE UPDATE OF merged_into_id ON public.ledger_account FOR EACH ROW WHEN ((current_setting('role'::text) = 'loremotion_web'::text)) EXECUTE FUNCTION public.row_security_guard_merge();
CREATE TRIGGER row_security_guard BEFORE INSERT ON public.ledger_transaction FOR EACH ROW WHEN ((current_setting('role'::text) = 'loremotion_web'::text)) EXECUTE FUNCTION public.row_security_guard_purse();
ALTER TABLE ONLY public.account_emailaddress
    ADD CONSTRAINT account_emailaddress_user_id_2c513194_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.account_emailconfirmation
    ADD CONSTRAINT account_emailconfirm_email_address_id_5b7f8c58_fk_account_e FOREIGN KEY (email_address_id) REFERENCES public.account_emailaddress(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_apikey
    ADD CONSTRAINT accounts_apikey_created_by_id_1b5317c8_fk_accounts_user_id FOREIGN KEY (created_by_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_apikey
    ADD CONSTRAINT accounts_apikey_origin_id_0c4792d2_fk_accounts_apikey_id FOREIGN KEY (origin_id) REFERENCES public.accounts_apikey(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_apikey
    ADD CONSTRAINT accounts_apikey_workspace_id_29bdbd99_fk_accounts_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_auditentry
    ADD CONSTRAINT accounts_auditentry_workspace_id_3734b076_fk_accounts_ FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_ban
    ADD CONSTRAINT accounts_ban_banned_by_id_ed69d6d4_fk_accounts_user_id FOREIGN KEY (banned_by_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_ban
    ADD CONSTRAINT accounts_ban_visitor_id_97ee8ef0_fk_accounts_visitor_id FOREIGN KEY (visitor_id) REFERENCES public.accounts_visitor(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_invitation
    ADD CONSTRAINT accounts_invitation_invited_by_id_94a21efc_fk_accounts_user_id FOREIGN KEY (invited_by_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_invitation
    ADD CONSTRAINT accounts_invitation_workspace_id_7dc693ca_fk_accounts_ FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_membership
    ADD CONSTRAINT accounts_membership_user_id_487fb39e_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_membership
    ADD CONSTRAINT accounts_membership_workspace_id_3a7fb173_fk_accounts_ FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_user_groups
    ADD CONSTRAINT accounts_user_groups_group_id_bd11a704_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_user_groups
    ADD CONSTRAINT accounts_user_groups_user_id_52b62117_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_user_user_permissions
    ADD CONSTRAINT accounts_user_user_p_permission_id_113bb443_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_user_user_permissions
    ADD CONSTRAINT accounts_user_user_p_user_id_e4f0a161_fk_accounts_ FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_visitor
    ADD CONSTRAINT accounts_visitor_workspace_id_0a182227_fk_accounts_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.accounts_workspace
    ADD CONSTRAINT accounts_workspace_merged_into_id_50c5a8d4_fk_accounts_ FOREIGN KEY (merged_into_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissio_permission_id_84c5c92e_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_b120cbf9_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_2f476e4b_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.catalog_alias
    ADD CONSTRAINT catalog_alias_model_id_307e9d55_fk_catalog_model_id FOREIGN KEY (model_id) REFERENCES public.catalog_model(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.catalog_model
    ADD CONSTRAINT catalog_model_canary_id_949683a0_fk_catalog_modelversion_id FOREIGN KEY (canary_id) REFERENCES public.catalog_modelversion(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.catalog_model
    ADD CONSTRAINT catalog_model_current_id_5c7cd544_fk_catalog_modelversion_id FOREIGN KEY (current_id) REFERENCES public.catalog_modelversion(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.catalog_modelversion
    ADD CONSTRAINT catalog_modelversion_created_by_id_250bb58b_fk_accounts_user_id FOREIGN KEY (created_by_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.catalog_modelversion
    ADD CONSTRAINT catalog_modelversion_model_id_f81467a4_fk_catalog_model_id FOREIGN KEY (model_id) REFERENCES public.catalog_model(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_content_type_id_c4bce8eb_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_user_id_c564eba6_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_clip
    ADD CONSTRAINT generation_clip_generation_id_922feef5_fk_generatio FOREIGN KEY (generation_id) REFERENCES public.generation_generation(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_generation
    ADD CONSTRAINT generation_generatio_version_id_dc7f7d2a_fk_catalog_m FOREIGN KEY (version_id) REFERENCES public.catalog_modelversion(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_generation
    ADD CONSTRAINT generation_generatio_workspace_id_7322b08e_fk_accounts_ FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_generation
    ADD CONSTRAINT generation_generation_api_key_id_68e24023_fk_accounts_apikey_id FOREIGN KEY (api_key_id) REFERENCES public.accounts_apikey(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_generation
    ADD CONSTRAINT generation_generation_made_by_id_c8e11ccc_fk_accounts_user_id FOREIGN KEY (made_by_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.generation_upload
    ADD CONSTRAINT generation_upload_generation_id_a762ac84_fk_generatio FOREIGN KEY (generation_id) REFERENCES public.generation_generation(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_merged_into_id_fkey FOREIGN KEY (merged_into_id) REFERENCES public.ledger_account(id);
ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_account_id_lot_id_fkey FOREIGN KEY (account_id, lot_id) REFERENCES public.ledger_lot(account_id, id);
ALTER TABLE ONLY public.ledger_hold
    ADD CONSTRAINT ledger_hold_account_id_held_seq_fkey FOREIGN KEY (account_id, held_seq) REFERENCES public.ledger_transaction(account_id, seq);
ALTER TABLE ONLY public.ledger_hold
    ADD CONSTRAINT ledger_hold_account_id_settled_seq_fkey FOREIGN KEY (account_id, settled_seq) REFERENCES public.ledger_transaction(account_id, seq);
ALTER TABLE ONLY public.ledger_lot
    ADD CONSTRAINT ledger_lot_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.ledger_account(id);
ALTER TABLE ONLY public.ledger_lot
    ADD CONSTRAINT ledger_lot_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.ledger_lot(id);
ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.ledger_account(id);
ALTER TABLE ONLY public.mfa_authenticator
    ADD CONSTRAINT mfa_authenticator_user_id_0c3a50c0_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_delivery
    ADD CONSTRAINT outbox_delivery_endpoint_id_11ff96e4_fk_outbox_endpoint_id FOREIGN KEY (endpoint_id) REFERENCES public.outbox_endpoint(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_endpoint
    ADD CONSTRAINT outbox_endpoint_workspace_id_67e69f72_fk_accounts_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_letter
    ADD CONSTRAINT outbox_letter_user_id_e8feadb8_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_letter
    ADD CONSTRAINT outbox_letter_workspace_id_dbf710ab_fk_accounts_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.accounts_workspace(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_wish
    ADD CONSTRAINT outbox_wish_generation_id_82fd103a_fk_generation_generation_id FOREIGN KEY (generation_id) REFERENCES public.generation_generation(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.outbox_wish
    ADD CONSTRAINT outbox_wish_user_id_3fa904fc_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_mismatch
    ADD CONSTRAINT shop_mismatch_reconciliation_id_3fc01418_fk_shop_reco FOREIGN KEY (reconciliation_id) REFERENCES public.shop_reconciliation(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_order
    ADD CONSTRAINT shop_order_price_id_90627e14_fk_shop_price_id FOREIGN KEY (price_id) REFERENCES public.shop_price(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_order_id_20828773_fk_shop_order_id FOREIGN KEY (order_id) REFERENCES public.shop_order(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_price_id_931bd62d_fk_shop_price_id FOREIGN KEY (price_id) REFERENCES public.shop_price(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_payment
    ADD CONSTRAINT shop_payment_subscription_id_b94b34b2_fk_shop_subscription_id FOREIGN KEY (subscription_id) REFERENCES public.shop_subscription(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_price
    ADD CONSTRAINT shop_price_pack_id_987e4e00_fk_shop_pack_id FOREIGN KEY (pack_id) REFERENCES public.shop_pack(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_price
    ADD CONSTRAINT shop_price_plan_id_13119098_fk_shop_plan_id FOREIGN KEY (plan_id) REFERENCES public.shop_plan(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_subscription
    ADD CONSTRAINT shop_subscription_next_price_id_700bb344_fk_shop_price_id FOREIGN KEY (next_price_id) REFERENCES public.shop_price(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.shop_subscription
    ADD CONSTRAINT shop_subscription_price_id_f4fd888b_fk_shop_price_id FOREIGN KEY (price_id) REFERENCES public.shop_price(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.socialaccount_socialtoken
    ADD CONSTRAINT socialaccount_social_account_id_951f210e_fk_socialacc FOREIGN KEY (account_id) REFERENCES public.socialaccount_socialaccount(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.socialaccount_socialtoken
    ADD CONSTRAINT socialaccount_social_app_id_636a42d7_fk_socialacc FOREIGN KEY (app_id) REFERENCES public.socialaccount_socialapp(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.socialaccount_socialaccount
    ADD CONSTRAINT socialaccount_social_user_id_8146e70c_fk_accounts_ FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.usersessions_usersession
    ADD CONSTRAINT usersessions_usersession_user_id_af5e0a6d_fk_accounts_user_id FOREIGN KEY (user_id) REFERENCES public.accounts_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE public.accounts_apikey ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_auditentry ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_ban ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_visitor ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.accounts_workspace ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.billing_proposal ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.generation_clip ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.generation_generation ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.generation_upload ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ledger_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ledger_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ledger_hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ledger_lot ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ledger_transaction ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.outbox_delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.outbox_endpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.outbox_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.outbox_wish ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_budget ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_mismatch ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_order ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_payment ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_reconciliation ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_stripeevent ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_subscription ENABLE ROW LEVEL SECURITY;
CREATE POLICY workspace ON public.accounts_apikey USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.accounts_auditentry USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.accounts_invitation USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.accounts_membership USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.accounts_visitor USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.accounts_workspace USING ((id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.generation_clip USING ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = generation_clip.generation_id)))) WITH CHECK ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = generation_clip.generation_id))));
CREATE POLICY workspace ON public.generation_generation USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.generation_upload USING ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = generation_upload.generation_id)))) WITH CHECK ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = generation_upload.generation_id))));
CREATE POLICY workspace ON public.ledger_account FOR SELECT USING ((id = ANY (( SELECT public.row_security_purses() AS row_security_purses)::uuid[])));
CREATE POLICY workspace ON public.ledger_entry FOR SELECT USING ((account_id = ANY (( SELECT public.row_security_purses() AS row_security_purses)::uuid[])));
CREATE POLICY workspace ON public.ledger_hold FOR SELECT USING ((account_id = ANY (( SELECT public.row_security_purses() AS row_security_purses)::uuid[])));
CREATE POLICY workspace ON public.ledger_lot FOR SELECT USING ((account_id = ANY (( SELECT public.row_security_purses() AS row_security_purses)::uuid[])));
CREATE POLICY workspace ON public.ledger_transaction FOR SELECT USING ((account_id = ANY (( SELECT public.row_security_purses() AS row_security_purses)::uuid[])));
CREATE POLICY workspace ON public.outbox_delivery USING ((endpoint_id IN ( SELECT outbox_endpoint.id
   FROM public.outbox_endpoint
  WHERE (outbox_endpoint.workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))))) WITH CHECK ((endpoint_id IN ( SELECT outbox_endpoint.id
   FROM public.outbox_endpoint
  WHERE (outbox_endpoint.workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)))));
CREATE POLICY workspace ON public.outbox_endpoint USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.outbox_letter USING ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace_id = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.outbox_wish USING ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = outbox_wish.generation_id)))) WITH CHECK ((EXISTS ( SELECT
   FROM public.generation_generation mine
  WHERE (mine.id = outbox_wish.generation_id))));
CREATE POLICY workspace ON public.shop_budget USING ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.shop_customer USING ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.shop_order USING ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.shop_payment USING ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace)));
CREATE POLICY workspace ON public.shop_subscription USING ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace))) WITH CHECK ((workspace = ( SELECT public.row_security_workspace() AS row_security_workspace)));
GRANT USAGE ON SCHEMA public TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_lot TO loremotion_web;
REVOKE ALL ON FUNCTION public.ledger_child(p_parent public.ledger_lot, p_account uuid, p_amount bigint, p_kind text, p_priority smallint, p_expires_at timestamp with time zone, p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_forward(p_account uuid, p_reference text) FROM PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_account TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_entry TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_hold TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_transaction TO loremotion_web;
REVOKE ALL ON FUNCTION public.ledger_lock(p_account uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_lock_origins(p_hold uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_post(p_account uuid, p_kind text, p_reference text, p_request jsonb, p_response jsonb, p_legs public.ledger_leg[], p_at timestamp with time zone, p_actor text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_post_reclaim(p_account uuid, p_reference text, p_lot bigint, p_legs public.ledger_leg[], p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_reclaim(p_lot bigint, p_back bigint, p_at timestamp with time zone) FROM PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_emailaddress TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_emailconfirmation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_apikey TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_auditentry TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_ban TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_invitation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_membership TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_user TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_user_groups TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_user_user_permissions TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_visitor TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.accounts_workspace TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.auth_group TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.auth_group_permissions TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.auth_permission TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_freeday TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_freereservation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_networkday TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_proposal TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.catalog_alias TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.catalog_measurement TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.catalog_model TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.catalog_modelversion TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.django_admin_log TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.django_content_type TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.django_migrations TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.django_session TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_clip TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_fairclock TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_generation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_upload TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_allocation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_violations TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mfa_authenticator TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox_delivery TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox_endpoint TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox_letter TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox_wish TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_budget TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_customer TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_mismatch TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_order TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_pack TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_payment TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_plan TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_price TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_reconciliation TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_stripeevent TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shop_subscription TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.socialaccount_socialaccount TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.socialaccount_socialapp TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.socialaccount_socialtoken TO loremotion_web;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usersessions_usersession TO loremotion_web;
ALTER DEFAULT PRIVILEGES FOR ROLE loremotion IN SCHEMA public GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES TO loremotion_web;
