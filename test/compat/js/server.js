// The conformance functions with the published JavaScript SDK. PORT chooses the loopback port.
//
// What the functions do, and the little language of their commands, is described in ../README.md.
// This SDK has no long and no double: what needs them is left out.
"use strict";

const http = require("http");
const { StateFun, messageBuilder, egressMessageBuilder, kafkaEgressMessage, kinesisEgressMessage } =
  require("apache-flink-statefun");

const COMMAND = StateFun.customType("compat/Command", (s) => Buffer.from(s), (b) => b.toString());
const PROFILE = StateFun.jsonType("compat/Profile");
const BLOB = StateFun.customType("compat/Blob", (s) => Buffer.from(s).reverse(), (b) => Buffer.from(b).reverse().toString());
const RECORD = StateFun.jsonType("io.statefun.playground/EgressRecord");

const LIFETIME = 3000;
const STATES = [
  { name: "count", type: StateFun.intType() },
  { name: "flag", type: StateFun.booleanType() },
  { name: "ratio", type: StateFun.floatType() },
  { name: "label", type: StateFun.stringType() },
  { name: "profile", type: PROFILE },
  { name: "blob", type: BLOB },
  { name: "log", type: StateFun.stringType() },
  { name: "written", type: StateFun.stringType(), expireAfterWrite: LIFETIME },
  { name: "invoked", type: StateFun.stringType(), expireAfterCall: LIFETIME },
];

const KINDS = {
  bool: { type: StateFun.booleanType(), parse: (s) => s === "true" },
  int: { type: StateFun.intType(), parse: Number },
  float: { type: StateFun.floatType(), parse: Number },
  string: { type: StateFun.stringType(), parse: String },
  profile: { type: PROFILE, parse: (s) => ({ name: s, length: s.length }) },
  blob: { type: BLOB, parse: String },
};

const attempts = new Map(); // by key of the fail command; lives as long as this process

function show(value) {
  if (value === null || value === undefined) {
    return "-";
  }
  if (typeof value === "object") {
    return `${encodeURIComponent(value.name)}:${value.length}`;
  }
  return encodeURIComponent(String(value));
}

function emit(context, topic, payload) {
  const record = { topic, payload };
  context.send(egressMessageBuilder({ typename: "io.statefun.playground/egress", value: record, valueType: RECORD }));
}

function command(typename, id, text) {
  return messageBuilder({ typename, id, value: text, valueType: COMMAND });
}

function kindOf(type) {
  return Object.values(KINDS).find((k) => k.type.typename === type.typename);
}

const OPERATIONS = {
  add(context, amount) {
    context.storage.count = (context.storage.count ?? 0) + Number(amount);
  },
  set(context, name, value) {
    context.storage[name] = kindOf(STATES.find((s) => s.name === name).type).parse(value);
  },
  delete(context, name) {
    context.storage[name] = null;
  },
  dump(context, label) {
    const words = STATES.map((s) => `${s.name}=${show(context.storage[s.name])}`);
    emit(context, "results", [label, ...words].join(" "));
  },
  caller(context, label) {
    const caller = context.caller;
    emit(context, "results", `${label} caller=${caller === null ? "none" : `${caller.typename}/${caller.id}`}`);
  },
  send(context, typename, id, text) {
    context.send(command(typename, id, text));
  },
  after(context, millis, typename, id, text) {
    context.sendAfter(Number(millis), command(typename, id, text));
  },
  "after-token"(context, millis, token, typename, id, text) {
    context.sendAfter(Number(millis), command(typename, id, text), token);
  },
  cancel(context, token) {
    context.cancelDelayedMessage(token);
  },
  typed(context, kind, value, id) {
    const { type, parse } = KINDS[kind];
    context.send(messageBuilder({ typename: "compat/typed", id, value: parse(value), valueType: type }));
  },
  kafka(context, topic, key, value) {
    context.send(kafkaEgressMessage({ typename: "compat/records", topic, key, value }));
  },
  kinesis(context, stream, partitionKey, value, hashKey) {
    context.send(kinesisEgressMessage({ typename: "compat/records", stream, partitionKey, value, hashKey }));
  },
  value(context, kind, value) {
    const { type, parse } = KINDS[kind];
    context.send(egressMessageBuilder({ typename: "compat/records", value: parse(value), valueType: type }));
  },
  emit(context, topic, payload) {
    emit(context, topic, payload);
  },
  log(context, entry) {
    const soFar = context.storage.log;
    context.storage.log = soFar === null ? entry : `${soFar},${entry}`;
  },
  fail(_, key, times) {
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    if (attempt <= Number(times)) {
      throw new Error(`told to fail: ${key}, attempt ${attempt}`);
    }
  },
  cycle(context, label, rounds, typename, id) {
    const left = Number(rounds);
    if (left === 0) {
      emit(context, "results", `${label} done`);
      return;
    }
    const own = context.self;
    const text = `add 1\ncycle ${label} ${left - 1} ${encodeURIComponent(own.typename)} ${own.id}`;
    OPERATIONS.send(context, typename, id, text);
  },
};

function run(context, message) {
  if (!message.is(COMMAND)) {
    throw new TypeError(`not a command: ${message.valueTypeName}`);
  }
  for (const line of message.as(COMMAND).split("\n")) {
    const [operation, ...args] = line.split(" ");
    OPERATIONS[operation](context, ...args.map(decodeURIComponent));
  }
}

function typed(context, message) {
  for (const [kind, { type }] of Object.entries(KINDS)) {
    if (message.is(type)) {
      emit(context, "results", `${context.self.id} ${kind} ${show(message.as(type))}`);
      return;
    }
  }
  throw new TypeError(`unknown type ${message.valueTypeName}`);
}

const statefun = new StateFun();
statefun.bind({ typename: "compat/actor", fn: run, specs: STATES });
statefun.bind({ typename: "compat/other", fn: async (context, message) => run(context, message), specs: STATES });
statefun.bind({ typename: "compat/poison", fn: run, specs: STATES });
statefun.bind({ typename: "compat/typed", fn: typed });

http.createServer(statefun.handler()).listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
