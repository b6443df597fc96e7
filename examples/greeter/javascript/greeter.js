// The greeter's functions with the StateFun SDK for JavaScript. Serves port 8000, or the one that PORT names.
"use strict";

const http = require("http");
const { StateFun, messageBuilder, egressMessageBuilder } = require("apache-flink-statefun");

const GREET_REQUEST = StateFun.jsonType("example/GreetRequest");
const EGRESS_RECORD = StateFun.jsonType("io.statefun.playground/EgressRecord");

function person(context, message) {
  const request = message.as(GREET_REQUEST);
  const visits = (context.storage.visits || 0) + 1;
  context.storage.visits = visits;
  context.send(
    messageBuilder({
      typename: "example/greeter",
      id: request.name,
      value: { ...request, visits },
      valueType: GREET_REQUEST,
    }),
  );
}

function greeter(context, message) {
  const { name, visits } = message.as(GREET_REQUEST);
  context.send(
    egressMessageBuilder({
      typename: "io.statefun.playground/egress",
      value: { topic: "greetings", payload: text(name, visits) },
      valueType: EGRESS_RECORD,
    }),
  );
}

function text(name, visits) {
  return visits === 1 ? `Welcome, ${name}!` : `Welcome back, ${name}! This is visit ${visits}.`;
}

const statefun = new StateFun();
statefun.bind({
  typename: "example/person",
  fn: person,
  specs: [{ name: "visits", type: StateFun.intType() }],
});
statefun.bind({ typename: "example/greeter", fn: greeter });

const port = Number(process.env.PORT || 8000);
http.createServer(statefun.handler()).listen(port, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${port}/statefun`);
});
