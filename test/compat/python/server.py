"""The conformance functions with the published Python SDK. PORT chooses the loopback port.

What the functions do, and the little language of their commands, is described in ../README.md.
"""

import asyncio
import os
from datetime import timedelta
from urllib.parse import quote, unquote

from aiohttp import web
from statefun import (
    BoolType,
    DoubleType,
    FloatType,
    IntType,
    LongType,
    RequestReplyHandler,
    StatefulFunctions,
    StringType,
    ValueSpec,
    egress_message_builder,
    kafka_egress_message,
    kinesis_egress_message,
    make_json_type,
    message_builder,
    simple_type,
)

COMMAND = simple_type("compat/Command", lambda s: s.encode(), lambda b: b.decode())
PROFILE = make_json_type("compat/Profile")
BLOB = simple_type("compat/Blob", lambda s: s.encode()[::-1], lambda b: b[::-1].decode())
RECORD = make_json_type("io.statefun.playground/EgressRecord")

LIFETIME = timedelta(seconds=3)
STATES = [
    ValueSpec("count", IntType),
    ValueSpec("flag", BoolType),
    ValueSpec("ratio", FloatType),
    ValueSpec("label", StringType),
    ValueSpec("profile", PROFILE),
    ValueSpec("blob", BLOB),
    ValueSpec("log", StringType),
    ValueSpec("written", StringType, expire_after_write=LIFETIME),
    ValueSpec("invoked", StringType, expire_after_call=LIFETIME),
    ValueSpec("big", LongType),
    ValueSpec("precise", DoubleType),
]

PARSE = {
    "bool": lambda s: s == "true",
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "profile": lambda s: {"name": s, "length": len(s)},
    "blob": str,
}
TYPES = {
    "bool": BoolType,
    "int": IntType,
    "long": LongType,
    "float": FloatType,
    "double": DoubleType,
    "string": StringType,
    "profile": PROFILE,
    "blob": BLOB,
}
KIND_OF_TYPENAME = {tpe.typename: kind for kind, tpe in TYPES.items()}

attempts = {}  # by key of the fail command; lives as long as this process
functions = StatefulFunctions()


def show(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"{quote(value['name'], safe='')}:{value['length']}"
    return quote(str(value), safe="")


def emit(context, topic, payload):
    record = {"topic": topic, "payload": payload}
    context.send_egress(
        egress_message_builder(target_typename="io.statefun.playground/egress", value=record, value_type=RECORD)
    )


def command(typename, target_id, text):
    return message_builder(typename, target_id, value=text, value_type=COMMAND)


def do_add(context, amount):
    context.storage.count = (context.storage.count or 0) + int(amount)


def do_set(context, name, value):
    spec = next(s for s in STATES if s.name == name)
    setattr(context.storage, name, PARSE[KIND_OF_TYPENAME[spec.type.typename]](value))


def do_delete(context, name):
    delattr(context.storage, name)


def do_dump(context, label):
    words = [f"{s.name}={show(getattr(context.storage, s.name))}" for s in STATES]
    emit(context, "results", " ".join([label, *words]))


def do_caller(context, label):
    caller = context.caller
    name = "none" if caller is None else f"{caller.typename}/{caller.id}"
    emit(context, "results", f"{label} caller={name}")


def do_send(context, typename, target_id, text):
    context.send(command(typename, target_id, text))


def do_after(context, millis, typename, target_id, text):
    context.send_after(timedelta(milliseconds=int(millis)), command(typename, target_id, text))


def do_after_token(context, millis, token, typename, target_id, text):
    context.send_after(timedelta(milliseconds=int(millis)), command(typename, target_id, text), token)


def do_cancel(context, token):
    context.cancel_delayed_message(token)


def do_typed(context, kind, value, target_id):
    context.send(message_builder("compat/typed", target_id, value=PARSE[kind](value), value_type=TYPES[kind]))


def do_kafka(context, topic, key, value):
    context.send_egress(kafka_egress_message(typename="compat/records", topic=topic, key=key, value=value))


def do_kinesis(context, stream, key, value, hash_key):
    context.send_egress(
        kinesis_egress_message(
            typename="compat/records", stream=stream, value=value, partition_key=key, explicit_hash_key=hash_key
        )
    )


def do_value(context, kind, value):
    context.send_egress(
        egress_message_builder(target_typename="compat/records", value=PARSE[kind](value), value_type=TYPES[kind])
    )


def do_emit(context, topic, payload):
    emit(context, topic, payload)


def do_log(context, entry):
    so_far = context.storage.log
    context.storage.log = entry if so_far is None else so_far + "," + entry


def do_fail(_, key, times):
    attempts[key] = attempts.get(key, 0) + 1
    if attempts[key] <= int(times):
        raise RuntimeError(f"told to fail: {key}, attempt {attempts[key]}")


def do_cycle(context, label, rounds, typename, target_id):
    left = int(rounds)
    if left == 0:
        emit(context, "results", f"{label} done")
        return
    own = context.address
    do_send(context, typename, target_id, f"add 1\ncycle {label} {left - 1} {quote(own.typename, safe='')} {own.id}")


OPERATIONS = {
    "add": do_add,
    "set": do_set,
    "delete": do_delete,
    "dump": do_dump,
    "caller": do_caller,
    "send": do_send,
    "after": do_after,
    "after-token": do_after_token,
    "cancel": do_cancel,
    "typed": do_typed,
    "kafka": do_kafka,
    "kinesis": do_kinesis,
    "value": do_value,
    "emit": do_emit,
    "log": do_log,
    "fail": do_fail,
    "cycle": do_cycle,
}


def run(context, message):
    if not message.is_type(COMMAND):
        raise TypeError(f"not a command: {message.value_typename()}")
    for line in message.as_type(COMMAND).split("\n"):
        operation, *arguments = line.split(" ")
        OPERATIONS[operation](context, *[unquote(a) for a in arguments])


@functions.bind("compat/actor", STATES)
def actor(context, message):
    run(context, message)


@functions.bind("compat/other", STATES)
async def other(context, message):
    run(context, message)


@functions.bind("compat/poison", STATES)
def poison(context, message):
    run(context, message)


@functions.bind("compat/typed")
def typed(context, message):
    for kind, tpe in TYPES.items():
        if message.is_type(tpe):
            emit(context, "results", f"{context.address.id} {kind} {show(message.as_type(tpe))}")
            return
    raise TypeError(f"unknown type {message.value_typename()}")


handler = RequestReplyHandler(functions)


async def handle(request):
    answer = await handler.handle_async(await request.read())
    return web.Response(body=answer, content_type="application/octet-stream")


async def main():
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/statefun", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
