"""What a person sees in the browser: the pay page, the portal, and a counter from which to refund and dispute."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tests.fake_stripe.errors import StripeRefused, not_found
from tests.fake_stripe.routes import Routes
from tests.fake_stripe.state import DAY_SECONDS, Object

STYLE = (
    "body{font:16px/1.5 system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1a1f36;background:#f6f9fc}"
    "form{display:inline-block;margin:.25rem .5rem .25rem 0}input{font:inherit;padding:.4rem;max-width:14rem}"
    "button{font:inherit;padding:.45rem .9rem;border:0;border-radius:6px;background:#635bff;color:#fff;cursor:pointer}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;border-bottom:1px solid #e3e8ee}"
    ".bad{color:#c0123c}label{display:block;margin:.6rem 0}"
)


@dataclass(frozen=True)
class Page:
    """HTML, or where to go instead."""

    html: str = ""
    location: str = ""
    status: int = 200


def get(routes: Routes, path: str) -> Page:
    kind, object_id = _split(path)
    if kind == "/c/pay":
        return _pay_page(routes.state.get(object_id, "checkout.session"))
    if kind == "/p/session":
        return _portal_page(routes, routes.state.get(object_id, "billing_portal.session"))
    if kind in ("/receipts", "/invoices"):
        return _page("Receipt", f"<h1>Paid</h1><p>{escape(object_id)}</p>")
    if path == "/":
        return _counter(routes)
    raise not_found(path)


def post(routes: Routes, path: str, form: dict[str, str]) -> Page:
    kind, object_id = _split(path)
    if kind == "/c/pay":
        return _pay(routes, object_id, form)
    if kind == "/p/session":
        return _use_portal(routes, routes.state.get(object_id, "billing_portal.session"), form)
    if path == "/":
        return _act(routes, form)
    raise not_found(path)


def _split(path: str) -> tuple[str, str]:
    kind, _, object_id = path.rstrip("/").rpartition("/")
    return kind, object_id


def _page(title: str, body: str, status: int = 200) -> Page:
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
    return Page(f"{head}<p><small>An imitation of Stripe, for tests: no card is charged.</small></p>{body}", "", status)


def _amount(one: Object, field: str = "amount") -> str:
    return f"{one[field] / 100:,.2f} {one['currency'].upper()}"


# --- Checkout ----------------------------------------------------------------------------------------------------


def _pay_page(session: Object, problem: str = "", status: int = 200) -> Page:
    if session["status"] != "open":
        return _page("Checkout", f"<h1>This checkout is {session['status']}.</h1>")
    again = " every period" if session["mode"] == "subscription" else ""
    email = "" if session["customer"] else "<label>Email <input name=email type=email value=buyer@example.com></label>"
    return _page(
        "Checkout",
        f"<h1>Pay {_amount(session, 'amount_total')}{again}</h1><p class=bad role=alert>{escape(problem)}</p>"
        f"<form method=post>{email}<label>Card number <input name=card value=4242424242424242></label>"
        "<button name=act value=pay>Pay</button> <button name=act value=debit>Pay by bank debit</button></form>"
        f"<p><a href='{escape(session['cancel_url'] or '')}'>Back without paying</a></p>",
        status,
    )


def _pay(routes: Routes, session_id: str, form: dict[str, str]) -> Page:
    card = form.get("card", "").replace(" ", "")
    is_slow = form.get("act") == "debit"
    try:
        session = routes.checkout.pay(session_id, card=card, email=form.get("email", ""), is_slow=is_slow)
    except StripeRefused as refusal:
        return _pay_page(routes.state.get(session_id, "checkout.session"), str(refusal), refusal.status)
    return Page(location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id))


# --- the portal --------------------------------------------------------------------------------------------------


def _portal_page(routes: Routes, session: Object) -> Page:
    rows = ""
    for one in routes.portal.subscriptions_of(session):
        state = "ends with the period" if one["cancel_at_period_end"] else one["status"]
        rows += (
            f"<p>{escape(one['id'])}: {state} <form method=post><input type=hidden name=subscription value={one['id']}>"
            "<button name=act value=cancel>Cancel plan</button></form></p>"
        )
    return _page(
        "Portal",
        f"<h1>Your billing</h1>{rows}<form method=post><label>New card <input name=card value=4242424242424242></label>"
        "<button name=act value=card>Save card</button></form>"
        f"<p><a href='{escape(session['return_url'])}'>Return</a></p>",
    )


def _use_portal(routes: Routes, session: Object, form: dict[str, str]) -> Page:
    if form.get("act") == "cancel":
        routes.portal.cancel(session, form["subscription"])
    else:
        routes.portal.use_card(session, form.get("card", ""))
    return _portal_page(routes, session)


# --- the counter -------------------------------------------------------------------------------------------------


def _counter(routes: Routes, problem: str = "") -> Page:
    rows = "".join(_charge_row(routes, charge) for charge in routes.state.of_kind("charge"))
    clock = "".join(
        f"<form method=post><input type=hidden name=days value={days}>"
        f"<button name=act value=advance>{words}</button></form>"
        for days, words in ((1, "A day passes"), (31, "A month passes"))
    )
    return _page(
        "Stripe",
        f"<h1>Charges</h1><p class=bad role=alert>{escape(problem)}</p><table>{rows}</table><h2>Clock</h2>{clock}"
        "<form method=post><button name=act value=decline>The next payment is declined</button></form>",
    )


def _charge_row(routes: Routes, charge: Object) -> str:
    def button(act: str, words: str, subject: str) -> str:
        return f"<button name=act value={act}>{words}</button><input type=hidden name=subject value={subject}>"

    left = charge["amount"] - charge["amount_refunded"]
    forms = ""
    if left and not charge["disputed"]:
        refund = f"<input name=amount size=6 value={left}>{button('refund', 'Refund', charge['id'])}"
        forms = (
            f"<form method=post>{refund}</form><form method=post>{button('dispute', 'Dispute', charge['id'])}</form>"
        )
    for dispute in routes.state.of_kind("dispute"):
        if dispute["charge"] == charge["id"] and dispute["status"] == "needs_response":
            for end in ("won", "lost"):
                forms += f"<form method=post>{button(end, f'Dispute {end}', dispute['id'])}</form>"
    return f"<tr><td>{charge['id']}<td>{_amount(charge)}<td>{_amount(charge, 'amount_refunded')} back<td>{forms}"


def _act(routes: Routes, form: dict[str, str]) -> Page:
    subject = form.get("subject", "")
    try:
        if form["act"] == "refund":
            routes.payments.refund({"charge": subject, "amount": int(form["amount"])})
        elif form["act"] == "dispute":
            routes.payments.dispute(subject)
        elif form["act"] in ("won", "lost"):
            routes.payments.close_dispute(subject, form["act"])
        elif form["act"] == "advance":
            routes.state.advance(int(form["days"]) * DAY_SECONDS)
        elif form["act"] == "decline":
            routes.state.declines_left += 1
    except StripeRefused as refusal:
        return _counter(routes, str(refusal))
    return Page(location="/")
