"""The greeter's functions with the StateFun SDK for Python. Serves port 8000, or the one that PORT names."""

import os

from aiohttp import web
from statefun import (
    IntType,
    RequestReplyHandler,
    StatefulFunctions,
    ValueSpec,
    egress_message_builder,
    make_json_type,
    message_builder,
)

GREET_REQUEST = make_json_type("example/GreetRequest")
EGRESS_RECORD = make_json_type("io.statefun.playground/EgressRecord")

functions = StatefulFunctions()


@functions.bind("example/person", specs=[ValueSpec("visits", IntType)])
def person(context, message):
    request = message.as_type(GREET_REQUEST)
    visits = (context.storage.visits or 0) + 1
    context.storage.visits = visits
    request["visits"] = visits
    context.send(
        message_builder(
            target_typename="example/greeter",
            target_id=request["name"],
            value=request,
            value_type=GREET_REQUEST,
        )
    )


@functions.bind("example/greeter")
def greeter(context, message):
    request = message.as_type(GREET_REQUEST)
    record = {"topic": "greetings", "payload": text(request["name"], request["visits"])}
    context.send_egress(
        egress_message_builder(
            target_typename="io.statefun.playground/egress",
            value=record,
            value_type=EGRESS_RECORD,
        )
    )


def text(name, visits):
    if visits == 1:
        return f"Welcome, {name}!"
    return f"Welcome back, {name}! This is visit {visits}."


handler = RequestReplyHandler(functions)


async def serve(request):
    answer = await handler.handle_async(await request.read())
    return web.Response(body=answer, content_type="application/octet-stream")


async def announce(_app):
    print(f"listening on http://127.0.0.1:{PORT}/statefun", flush=True)


PORT = int(os.environ.get("PORT", "8000"))

if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/statefun", serve)
    app.on_startup.append(announce)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)
