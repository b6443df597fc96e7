package compat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import org.apache.flink.statefun.sdk.java.StatefulFunctionSpec;
import org.apache.flink.statefun.sdk.java.StatefulFunctions;
import org.apache.flink.statefun.sdk.java.TypeName;
import org.apache.flink.statefun.sdk.java.ValueSpec;
import org.apache.flink.statefun.sdk.java.handler.RequestReplyHandler;
import org.apache.flink.statefun.sdk.java.slice.Slice;
import org.apache.flink.statefun.sdk.java.slice.Slices;

/**
 * Serves the conformance functions with the published Java SDK. PORT chooses the loopback port.
 *
 * <p>What the functions do, and the little language of their commands, is described in
 * ../README.md. Run it with -Dsun.net.httpserver.nodelay=true, else each call waits 40 ms.
 */
public final class Server {
  private Server() {}

  public static void main(String[] args) throws IOException {
    StatefulFunctions functions = new StatefulFunctions();
    for (String name : new String[] {"compat/actor", "compat/other", "compat/poison"}) {
      functions.withStatefulFunction(
          StatefulFunctionSpec.builder(TypeName.typeNameFromString(name))
              .withValueSpecs(States.all().toArray(new ValueSpec<?>[0]))
              .withSupplier(Actor::new));
    }
    functions.withStatefulFunction(
        StatefulFunctionSpec.builder(Actor.TYPED).withSupplier(() -> Server::typed));
    RequestReplyHandler handler = functions.requestReplyHandler();

    int port = Integer.parseInt(System.getenv("PORT"));
    InetSocketAddress address = new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port);
    HttpServer server = HttpServer.create(address, 1024);
    server.setExecutor(Executors.newFixedThreadPool(16));
    server.createContext("/statefun", exchange -> answer(handler, exchange));
    server.start();
    System.out.println("listening");
  }

  private static void answer(RequestReplyHandler handler, HttpExchange exchange) throws IOException {
    try (exchange) {
      byte[] request = exchange.getRequestBody().readAllBytes();
      byte[] answer;
      try {
        Slice slice = handler.handle(Slices.wrap(request)).join();
        answer = slice.toByteArray();
      } catch (RuntimeException failed) {
        exchange.sendResponseHeaders(500, -1);
        return;
      }
      exchange.getResponseHeaders().set("Content-Type", "application/octet-stream");
      exchange.sendResponseHeaders(200, answer.length == 0 ? -1 : answer.length);
      exchange.getResponseBody().write(answer);
    }
  }

  private static CompletableFuture<Void> typed(
      org.apache.flink.statefun.sdk.java.Context context,
      org.apache.flink.statefun.sdk.java.message.Message message) {
    for (Kind<?> kind : Kind.ALL) {
      if (message.is(kind.type())) {
        Object value = message.as(kind.type());
        String line = context.self().id() + " " + kind.name() + " " + Kind.show(value);
        Actor.emit(context, "results", line);
        return context.done();
      }
    }
    throw new IllegalArgumentException("unknown type " + message.valueTypeName());
  }
}
