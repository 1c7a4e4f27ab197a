"""gRPC's own server and client, without generated code: a message is its bytes.

serve COUNT        so many servers; prints their ports, and serves until standard input ends
ask TARGET NAME    calls the service that a proxy at TARGET knows as NAME; prints a JSON object, an outcome for each call
"""

import json
import queue
import sys
import time
from concurrent import futures

import grpc

SERVICE = "shop.Stock"
# Larger than what is kept of a request for a retry.
PIECE, PIECES = b"x" * 500_000, 8


def handlers(port):
    """What the server at a port does."""

    def echo(message, context):
        context.send_initial_metadata((("x-port", str(port)),))
        context.set_trailing_metadata((("x-seen", dict(context.invocation_metadata()).get("x-sent", "nothing")),))
        return message

    def upload(messages, context):
        return str(sum(len(message) for message in messages)).encode()

    def count(message, context):
        yield from (str(number).encode() for number in range(int(message)))

    def chat(messages, context):
        yield from (b"you said " + message for message in messages)

    def fail(message, context):
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[int(message)], "sold out: 100 % gone, été")

    def sleep(message, context):
        time.sleep(float(message))
        return b""

    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    methods = {"Echo": unary(echo), "Fail": unary(fail), "Sleep": unary(sleep), "Count": stream(count)}
    methods["Upload"] = grpc.stream_unary_rpc_method_handler(upload)
    methods["Chat"] = grpc.stream_stream_rpc_method_handler(chat)
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def serve(count):
    servers = []
    for _ in range(count):
        server = grpc.server(futures.ThreadPoolExecutor(4))
        port = server.add_insecure_port("127.0.0.1:0")
        server.add_generic_rpc_handlers((handlers(port),))
        server.start()
        servers.append(server)
        print(port, flush=True)
    sys.stdin.read()


def outcome(call):
    """What a call comes to: its answer, or its status."""
    try:
        return call()
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def chat(method):
    """Says the next thing when it has heard the answer to the last one."""
    says = queue.Queue()
    answers = method(iter(says.get, None))
    heard = []
    for word in (b"one", b"two", b"three"):
        says.put(word)
        heard.append(next(answers).decode())
    says.put(None)
    return heard + [answer.decode() for answer in answers]


def ask(target, name):
    channel = grpc.insecure_channel(target, options=[("grpc.default_authority", name)])
    unary = lambda method: channel.unary_unary(f"/{SERVICE}/{method}")
    echo, ports, trailing = unary("Echo"), set(), []

    def echoes():
        for _ in range(30):
            answer, call = echo.with_call(b"hello", metadata=(("x-sent", "a, b"),))
            assert answer == b"hello"
            ports.add(dict(call.initial_metadata())["x-port"])
            trailing.append(dict(call.trailing_metadata())["x-seen"])
        return sorted(set(trailing))

    outcomes = {
        "echo": outcome(echoes),
        "ports": sorted(ports),
        "large": outcome(lambda: len(echo(PIECE * 6))),
        "upload": outcome(lambda: channel.stream_unary(f"/{SERVICE}/Upload")(iter([PIECE] * PIECES)).decode()),
        "count": outcome(lambda: [it.decode() for it in channel.unary_stream(f"/{SERVICE}/Count")(b"3")]),
        "chat": outcome(lambda: chat(channel.stream_stream(f"/{SERVICE}/Chat"))),
        "no such method": outcome(lambda: unary("Nothing")(b"")),
        "too late": outcome(lambda: unary("Sleep")(b"0.5", timeout=0.1)),
    }
    for code in (3, 5, 14):
        outcomes[f"fails with {code}"] = outcome(lambda: unary("Fail")(str(code).encode()))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", count]:
            serve(int(count))
        case ["ask", target, name]:
            ask(target, name)
        case _:
            sys.exit(__doc__)
