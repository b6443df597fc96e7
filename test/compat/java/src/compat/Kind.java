package compat;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.statefun.sdk.java.TypeName;
import org.apache.flink.statefun.sdk.java.types.SimpleType;
import org.apache.flink.statefun.sdk.java.types.Type;
import org.apache.flink.statefun.sdk.java.types.Types;

/** A type of values under its short name in commands. */
record Kind<T>(String name, Type<T> type, Function<String, T> parse) {

  /** The value of compat/Profile, a JSON type. */
  record Profile(String name, int length) {
    private static final Pattern JSON =
        Pattern.compile("\\{\\s*\"name\"\\s*:\\s*\"([^\"\\\\]*)\"\\s*,\\s*\"length\"\\s*:\\s*(\\d+)\\s*}\\s*");

    byte[] toJson() {
      return utf8("{\"name\":" + quoteJson(name) + ",\"length\":" + length + "}");
    }

    static Profile fromJson(byte[] json) {
      Matcher matcher = JSON.matcher(text(json));
      if (!matcher.matches()) {
        throw new IllegalArgumentException("not a profile: " + text(json));
      }
      return new Profile(matcher.group(1), Integer.parseInt(matcher.group(2)));
    }
  }

  /** A text of which the bytes are stored in the reverse order. */
  record Blob(String text) {}

  static final Type<String> COMMAND =
      SimpleType.simpleImmutableTypeFrom(TypeName.typeNameFromString("compat/Command"), Kind::utf8, Kind::text);

  static final Kind<Boolean> BOOL = new Kind<>("bool", Types.booleanType(), "true"::equals);
  static final Kind<Integer> INT = new Kind<>("int", Types.integerType(), Integer::valueOf);
  static final Kind<Long> LONG = new Kind<>("long", Types.longType(), Long::valueOf);
  static final Kind<Float> FLOAT = new Kind<>("float", Types.floatType(), Float::valueOf);
  static final Kind<Double> DOUBLE = new Kind<>("double", Types.doubleType(), Double::valueOf);
  static final Kind<String> STRING = new Kind<>("string", Types.stringType(), s -> s);
  static final Kind<Profile> PROFILE =
      new Kind<>(
          "profile",
          SimpleType.simpleImmutableTypeFrom(
              TypeName.typeNameFromString("compat/Profile"), Profile::toJson, Profile::fromJson),
          s -> new Profile(s, s.length()));
  static final Kind<Blob> BLOB =
      new Kind<>(
          "blob",
          SimpleType.simpleImmutableTypeFrom(
              TypeName.typeNameFromString("compat/Blob"),
              blob -> reverse(utf8(blob.text())),
              bytes -> new Blob(text(reverse(bytes)))),
          Blob::new);

  static final List<Kind<?>> ALL = List.of(BOOL, INT, LONG, FLOAT, DOUBLE, STRING, PROFILE, BLOB);

  static Kind<?> named(String name) {
    return ALL.stream().filter(kind -> kind.name().equals(name)).findFirst().orElseThrow();
  }

  static String show(Object value) {
    if (value instanceof Profile profile) {
      return quote(profile.name()) + ":" + profile.length();
    }
    if (value instanceof Blob blob) {
      return quote(blob.text());
    }
    return quote(String.valueOf(value));
  }

  /** Makes one word of any text. */
  static String quote(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  static String unquote(String word) {
    return URLDecoder.decode(word.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  static String quoteJson(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < ' ') {
        quoted.append(String.format("\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static byte[] reverse(byte[] bytes) {
    byte[] reversed = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      reversed[i] = bytes[bytes.length - 1 - i];
    }
    return reversed;
  }
}
