"""The user function of the billing example with the StateFun SDK for Python: the twin of ../subscription/user.go.

Serves port 8000, or the one that PORT names. --month says how many seconds a month has.
"""

import argparse
import os
from datetime import timedelta

from aiohttp import web
from statefun import (
    RequestReplyHandler,
    StatefulFunctions,
    ValueSpec,
    kinesis_egress_message,
    make_json_type,
    message_builder,
)

CHANGE = make_json_type("billing/Change")
DUE = make_json_type("billing/Due")
COLLECT = make_json_type("billing/Collect")
WITHDRAW = make_json_type("billing/Withdraw")
SETTLEMENT = make_json_type("billing/Settlement")
RESULT = make_json_type("billing/Result")
SUBSCRIPTION = make_json_type("io.stateway.types/json")  # as the SDK for Go names its state

NOBODY = {"status": "", "plan": "", "cents": 0, "card": "", "months": 0, "invoice": 0, "open": False}
BILLING_DATE = "billing-date"  # names the delayed message of the next billing date; a user has at most one

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--month", type=float, default=30 * 24 * 3600, help="seconds")
MONTH = timedelta(seconds=arguments.parse_args().month)
PORT = int(os.environ.get("PORT", "8000"))

functions = StatefulFunctions()


@functions.bind("billing/user", specs=[ValueSpec("subscription", SUBSCRIPTION)])
def user(context, message):
    s = context.storage.subscription or dict(NOBODY)
    if message.is_type(CHANGE):
        change(context, s, message)
    elif message.is_type(DUE):
        due(context, s, message.as_type(DUE)["invoice"])
    elif message.is_type(SETTLEMENT):
        settled(context, s, message.as_type(SETTLEMENT))
    else:
        raise TypeError(f"user {context.address.id}: unknown message type {message.value_typename()}")
    context.storage.subscription = s


def change(context, s, message):
    """Never fails: others write to the stream, too, and a message that fails holds its user up."""
    c = read_change(message)
    if c is None:
        tell(context, event="refused", reason="not a change")
        return
    why = refuses(s, c)
    if why:
        tell(context, event="refused", plan=c["plan"], reason=why)
    elif c["change"] == "start":
        s.update(status="active", plan=c["plan"], cents=c["cents"], card=c["card"], months=c["months"], open=False)
        bill_in_a_month(context, s)
        tell(context, event="started", plan=s["plan"], cents=s["cents"])
    elif c["change"] == "plan":
        s.update(plan=c["plan"], cents=c["cents"])
        tell(context, event="changed", plan=s["plan"], cents=s["cents"])
    else:
        cancel(context, s)


def read_change(message):
    c = {"change": "", "plan": "", "cents": 0, "months": 0, "card": ""}
    try:
        given = message.as_type(CHANGE)
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    for key in c:
        value = given.get(key)
        if value is None:
            continue
        if type(value) is not type(c[key]):
            return None
        c[key] = value
    return c


def refuses(s, c):
    """Says why a change does not fit; empty if it does."""
    if c["change"] not in ("start", "plan", "cancel"):
        return "no such change"
    if c["change"] == "start" and s["status"] in ("active", "leaving"):
        return "there is a subscription already"
    if c["change"] != "start" and s["status"] != "active":
        return "there is no subscription"
    if c["change"] != "cancel" and (c["cents"] <= 0 or c["months"] < 0):
        return "no price, or fewer than no months"
    return ""


def bill_in_a_month(context, s):
    """Sets the next billing date: a message that waits in the node's state, whatever happens to the node."""
    own = context.address
    message = message_builder(own.typename, own.id, value={"invoice": s["invoice"] + 1}, value_type=DUE)
    context.send_after(MONTH, message, BILLING_DATE)


def cancel(context, s):
    """Takes the next billing date back, or an invoice that is open: the payment function knows whether it is paid."""
    if s["open"]:
        s["status"] = "leaving"
        ask(context, WITHDRAW, invoice=s["invoice"])
        return
    context.cancel_delayed_message(BILLING_DATE)
    leave(context, s)


def leave(context, s):
    s["status"] = "over"
    tell(context, event="cancelled", plan=s["plan"])


def due(context, s, invoice):
    """Asks for the money of a month, unless the message was on its way when it was cancelled."""
    if s["status"] != "active" or s["open"] or invoice != s["invoice"] + 1:
        return
    s.update(invoice=invoice, open=True)
    ask(context, COLLECT, invoice=invoice, cents=s["cents"], card=s["card"])


def settled(context, s, answer):
    """Is what the payment function answers."""
    if not s["open"] or answer["invoice"] != s["invoice"]:
        return
    outcome = answer["outcome"]
    s["open"] = outcome == "declined"
    if outcome != "withdrawn":
        event = "paid" if outcome == "paid" else "declined"
        details = {key: answer.get(key) for key in ("cents", "try", "reason")}
        tell(context, event=event, plan=s["plan"], invoice=s["invoice"], **details)
    if not s["open"]:
        go_on(context, s, outcome)


def go_on(context, s, outcome):
    """Goes on after an invoice."""
    if s["status"] == "leaving":
        leave(context, s)
    elif outcome == "failed":
        s["status"] = "suspended"
        tell(context, event="suspended", plan=s["plan"], invoice=s["invoice"])
    elif s["months"] == 1:
        s.update(status="over", months=0)
        tell(context, event="ended", plan=s["plan"])
    else:
        s["months"] = max(s["months"] - 1, 0)
        bill_in_a_month(context, s)


def ask(context, kind, **value):
    context.send(message_builder("billing/payment", context.address.id, value=value, value_type=kind))


def tell(context, **result):
    """Sends a result to the stream. All results of a user leave here, with the user as partition key, and so stay in order."""
    name = context.address.id
    value = {"user": name, **{key: value for key, value in result.items() if value}}
    context.send_egress(
        kinesis_egress_message(
            typename="billing/results", stream="billing-results", partition_key=name, value=value, value_type=RESULT
        )
    )


handler = RequestReplyHandler(functions)


async def serve(request):
    answer = await handler.handle_async(await request.read())
    return web.Response(body=answer, content_type="application/octet-stream")


async def announce(_app):
    print(f"listening on http://127.0.0.1:{PORT}/", flush=True)


if __name__ == "__main__":
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/", serve)
    app.on_startup.append(announce)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)
