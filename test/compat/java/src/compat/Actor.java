package compat;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.flink.statefun.sdk.java.AddressScopedStorage;
import org.apache.flink.statefun.sdk.java.Address;
import org.apache.flink.statefun.sdk.java.Context;
import org.apache.flink.statefun.sdk.java.StatefulFunction;
import org.apache.flink.statefun.sdk.java.TypeName;
import org.apache.flink.statefun.sdk.java.io.KafkaEgressMessage;
import org.apache.flink.statefun.sdk.java.io.KinesisEgressMessage;
import org.apache.flink.statefun.sdk.java.message.EgressMessageBuilder;
import org.apache.flink.statefun.sdk.java.message.Message;
import org.apache.flink.statefun.sdk.java.message.MessageBuilder;
import org.apache.flink.statefun.sdk.java.types.SimpleType;
import org.apache.flink.statefun.sdk.java.types.Type;

/** A function that does what the lines of a command say. */
final class Actor implements StatefulFunction {
  static final TypeName TYPED = TypeName.typeNameFromString("compat/typed");
  private static final TypeName RECORDS = TypeName.typeNameFromString("compat/records");
  private static final TypeName PLAYGROUND = TypeName.typeNameFromString("io.statefun.playground/egress");
  private static final Type<String> RECORD =
      SimpleType.simpleImmutableTypeFrom(
          TypeName.typeNameFromString("io.statefun.playground/EgressRecord"), Kind::utf8, String::new);

  /** Attempts by key of the fail command; they live as long as this process. */
  private static final Map<String, Integer> ATTEMPTS = new ConcurrentHashMap<>();

  private interface Operation {
    void run(Context context, String[] args);
  }

  private static final Map<String, Operation> OPERATIONS =
      Map.ofEntries(
          Map.entry("add", Actor::add),
          Map.entry("set", (context, args) -> States.named(args[0]).set(context.storage(), args[1])),
          Map.entry("delete", (context, args) -> context.storage().remove(States.named(args[0]).spec())),
          Map.entry("dump", Actor::dump),
          Map.entry("caller", Actor::caller),
          Map.entry("send", (context, args) -> context.send(command(args[0], args[1], args[2]))),
          Map.entry("after", (context, args) -> context.sendAfter(millis(args[0]), command(args[1], args[2], args[3]))),
          Map.entry(
              "after-token",
              (context, args) -> context.sendAfter(millis(args[0]), args[1], command(args[2], args[3], args[4]))),
          Map.entry("cancel", (context, args) -> context.cancelDelayedMessage(args[0])),
          Map.entry("typed", (context, args) -> sendTyped(context, Kind.named(args[0]), args[1], args[2])),
          Map.entry("kafka", Actor::kafka),
          Map.entry("kinesis", Actor::kinesis),
          Map.entry("value", (context, args) -> value(context, Kind.named(args[0]), args[1])),
          Map.entry("emit", (context, args) -> emit(context, args[0], args[1])),
          Map.entry("log", Actor::log),
          Map.entry("fail", Actor::fail),
          Map.entry("cycle", Actor::cycle));

  @Override
  public CompletableFuture<Void> apply(Context context, Message message) {
    if (!message.is(Kind.COMMAND)) {
      throw new IllegalArgumentException("not a command: " + message.valueTypeName());
    }
    for (String line : message.as(Kind.COMMAND).split("\n")) {
      String[] words = line.split(" ", -1);
      String[] args = new String[words.length - 1];
      for (int i = 0; i < args.length; i++) {
        args[i] = Kind.unquote(words[i + 1]);
      }
      OPERATIONS.get(words[0]).run(context, args);
    }
    return context.done();
  }

  static void emit(Context context, String topic, String payload) {
    String record = "{\"topic\":" + Kind.quoteJson(topic) + ",\"payload\":" + Kind.quoteJson(payload) + "}";
    context.send(EgressMessageBuilder.forEgress(PLAYGROUND).withCustomType(RECORD, record).build());
  }

  private static Message command(String typename, String id, String text) {
    return MessageBuilder.forAddress(TypeName.typeNameFromString(typename), id)
        .withCustomType(Kind.COMMAND, text)
        .build();
  }

  private static Duration millis(String text) {
    return Duration.ofMillis(Long.parseLong(text));
  }

  private static void add(Context context, String[] args) {
    AddressScopedStorage storage = context.storage();
    int count = storage.get(States.COUNT.spec()).orElse(0);
    storage.set(States.COUNT.spec(), count + Integer.parseInt(args[0]));
  }

  private static void dump(Context context, String[] args) {
    String states =
        States.ALL.stream().map(state -> state.show(context.storage())).collect(Collectors.joining(" "));
    emit(context, "results", args[0] + " " + states);
  }

  private static void caller(Context context, String[] args) {
    String name =
        context.caller().map(from -> from.type().asTypeNameString() + "/" + from.id()).orElse("none");
    emit(context, "results", args[0] + " caller=" + name);
  }

  private static <T> void sendTyped(Context context, Kind<T> kind, String text, String id) {
    context.send(
        MessageBuilder.forAddress(TYPED, id).withCustomType(kind.type(), kind.parse().apply(text)).build());
  }

  private static <T> void value(Context context, Kind<T> kind, String text) {
    context.send(
        EgressMessageBuilder.forEgress(RECORDS).withCustomType(kind.type(), kind.parse().apply(text)).build());
  }

  private static void kafka(Context context, String[] args) {
    context.send(
        KafkaEgressMessage.forEgress(RECORDS)
            .withTopic(args[0])
            .withUtf8Key(args[1])
            .withUtf8Value(args[2])
            .build());
  }

  private static void kinesis(Context context, String[] args) {
    context.send(
        KinesisEgressMessage.forEgress(RECORDS)
            .withStream(args[0])
            .withUtf8PartitionKey(args[1])
            .withUtf8Value(args[2])
            .withUtf8ExplicitHashKey(args[3])
            .build());
  }

  private static void log(Context context, String[] args) {
    String soFar = context.storage().get(States.LOG.spec()).map(log -> log + ",").orElse("");
    context.storage().set(States.LOG.spec(), soFar + args[0]);
  }

  private static void fail(Context context, String[] args) {
    int attempt = ATTEMPTS.merge(args[0], 1, Integer::sum);
    if (attempt <= Integer.parseInt(args[1])) {
      throw new IllegalStateException("told to fail: " + args[0] + ", attempt " + attempt);
    }
  }

  private static void cycle(Context context, String[] args) {
    int left = Integer.parseInt(args[1]);
    if (left == 0) {
      emit(context, "results", args[0] + " done");
      return;
    }
    Address own = context.self();
    String peer = Kind.quote(own.type().asTypeNameString());
    String text = "add 1\ncycle " + args[0] + " " + (left - 1) + " " + peer + " " + own.id();
    context.send(command(args[2], args[3], text));
  }
}
