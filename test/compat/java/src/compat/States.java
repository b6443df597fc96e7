package compat;

import java.time.Duration;
import java.util.List;
import org.apache.flink.statefun.sdk.java.AddressScopedStorage;
import org.apache.flink.statefun.sdk.java.ValueSpec;

/** The states of the command functions, in the order in which they are dumped. */
final class States {
  private static final Duration LIFETIME = Duration.ofSeconds(3);

  record State<T>(ValueSpec<T> spec, Kind<T> kind) {
    void set(AddressScopedStorage storage, String text) {
      storage.set(spec, kind.parse().apply(text));
    }

    String show(AddressScopedStorage storage) {
      return spec.name() + "=" + storage.get(spec).map(Kind::show).orElse("-");
    }
  }

  static final State<Integer> COUNT = plain("count", Kind.INT);
  static final State<String> LOG = plain("log", Kind.STRING);

  static final List<State<?>> ALL =
      List.of(
          COUNT,
          plain("flag", Kind.BOOL),
          plain("ratio", Kind.FLOAT),
          plain("label", Kind.STRING),
          plain("profile", Kind.PROFILE),
          plain("blob", Kind.BLOB),
          LOG,
          new State<>(ValueSpec.named("written").thatExpireAfterWrite(LIFETIME).withUtf8StringType(), Kind.STRING),
          new State<>(ValueSpec.named("invoked").thatExpiresAfterCall(LIFETIME).withUtf8StringType(), Kind.STRING),
          plain("big", Kind.LONG),
          plain("precise", Kind.DOUBLE));

  private States() {}

  private static <T> State<T> plain(String name, Kind<T> kind) {
    return new State<>(ValueSpec.named(name).withCustomType(kind.type()), kind);
  }

  static State<?> named(String name) {
    return ALL.stream().filter(state -> state.spec().name().equals(name)).findFirst().orElseThrow();
  }

  static List<ValueSpec<?>> all() {
    return ALL.stream().<ValueSpec<?>>map(State::spec).toList();
  }
}
