"""The function fraud/model with the StateFun SDK for Python: scores transactions with the weights that train.py found.

Serves port 8000, or the one that PORT names. It keeps no state and knows nothing of the other functions but the two message types.
"""

import json
import os
import pathlib

import numpy as np
from aiohttp import web
from statefun import RequestReplyHandler, StatefulFunctions, make_json_type, message_builder

import features

FEATURES = make_json_type("fraud/Features")
SCORE = make_json_type("fraud/Score")

TRAINED = json.loads(pathlib.Path(__file__).with_name("weights.json").read_text())
BIAS = TRAINED["bias"]
WEIGHTS = np.array([TRAINED["weights"][name] for name in features.NAMES])

functions = StatefulFunctions()


@functions.bind("fraud/model")
def model(context, message):
    """Answers whoever asks."""
    if not message.is_type(FEATURES):
        raise TypeError(f"unknown message type {message.value_typename()}")
    f = message.as_type(FEATURES)
    caller = context.caller
    if caller is None:
        raise ValueError("features came from outside: there is nobody to answer")
    score = probability(f["cents"] / 100, f["hour"], f["online"], f["frauds"], f["merchantRisk"])
    context.send(message_builder(caller.typename, caller.id, value={"score": score}, value_type=SCORE))


def probability(*transaction):
    """Is how likely a transaction is a fraud, from 0 to 1."""
    z = BIAS + WEIGHTS @ np.array(features.row(*transaction))
    return float(1.0 / (1.0 + np.exp(-z)))


handler = RequestReplyHandler(functions)


async def serve(request):
    answer = await handler.handle_async(await request.read())
    return web.Response(body=answer, content_type="application/octet-stream")


async def announce(_app):
    print(f"listening on http://127.0.0.1:{PORT}/", flush=True)


PORT = int(os.environ.get("PORT", "8000"))

if __name__ == "__main__":
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/", serve)
    app.on_startup.append(announce)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)
