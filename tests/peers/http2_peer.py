"""HTTP/2 frame by frame, malformed or unusual.

ask ADDRESS AUTHORITY    a connection for each case to a proxy at ADDRESS, for a host that it knows as AUTHORITY; prints a JSON
                         object: what became of each case, and of a plain request after it on the same connection
"""

import concurrent.futures
import json
import socket
import struct
import sys

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# How long nothing has to come before it counts as silence.
SILENCE = 1.0


def headers(authority, *more, method="GET", path="/", scheme="http", without=()):
    fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [field for field in fields if field[0] not in without] + list(more)


def request(fields, stream=1, ends=True):
    # Without a table that decoders share, since cases may break a connection's state.
    block = Encoder().encode([(name, value, True) for name, value in fields], huffman=False)
    first, rest = block[:16_000], block[16_000:]
    frame = HeadersFrame(stream, data=first)
    frame.flags |= {"END_STREAM"} if ends else set()
    frame.flags |= set() if rest else {"END_HEADERS"}
    text = frame.serialize()
    while rest:
        piece, rest = rest[:16_000], rest[16_000:]
        frame = ContinuationFrame(stream, data=piece)
        frame.flags |= set() if rest else {"END_HEADERS"}
        text += frame.serialize()
    return text


def data(body, stream=1, ends=True):
    frame = DataFrame(stream, data=body)
    frame.flags |= {"END_STREAM"} if ends else set()
    return frame.serialize()


def raw(length, kind, flags, stream, body):
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + body


def cases(authority):
    """The bytes of each case, after the preface and empty settings."""
    get = lambda *more, **changes: request(headers(authority, *more, **changes))
    post = lambda *more: request(headers(authority, *more, method="POST"), ends=False)
    return {
        "plain": get(),
        "post": post() + data(b"ab"),
        "post with a length": post(("content-length", "2")) + data(b"ab"),
        "length too small": post(("content-length", "1")) + data(b"ab"),
        "length too large": post(("content-length", "3")) + data(b"ab"),
        "two lengths": post(("content-length", "2"), ("content-length", "3")) + data(b"ab"),
        "length is no number": post(("content-length", "+2")) + data(b"ab"),
        "cookies apart": get(("cookie", "a=b"), ("cookie", "c=d")),
        "upper case name": get(("X-Name", "a")),
        "name with a space": get(("a b", "a")),
        "name with a colon": get(("a:b", "a")),
        "empty name": get(("", "a")),
        "value with a line feed": get(("a", "b\nc: d")),
        "value with a carriage return": get(("a", "b\rc")),
        "value with a nul": get(("a", "b\0c")),
        "connection": get(("connection", "close")),
        "keep-alive": get(("keep-alive", "5")),
        "transfer-encoding": post(("transfer-encoding", "chunked")) + data(b"0\r\n\r\n"),
        "upgrade": get(("upgrade", "websocket")),
        "te: trailers": get(("te", "trailers")),
        "te: gzip": get(("te", "gzip")),
        "no method": get(without=(":method",)),
        "no scheme": get(without=(":scheme",)),
        "no path": get(without=(":path",)),
        "no authority": get(without=(":authority",)),
        "host alone": get(("host", authority), without=(":authority",)),
        "other host": get(("host", "other")),
        "two paths": get((":path", "/b")),
        "empty path": get(path=""),
        "path without a slash": get(path="a"),
        "path with a space": get(path="/a b"),
        "path that smuggles": get(path="/ HTTP/1.1\r\nx: y"),
        "method that smuggles": get(method="GET / HTTP/1.1\r\nx: y\r\n\r\nGET"),
        "authority that smuggles": request(headers(authority + "\r\nx: y")),
        "authority with a user": request(headers("user@" + authority)),
        "unknown pseudo-header": get((":color", "red")),
        "response's pseudo-header": get((":status", "200")),
        "pseudo-header last": request([*headers(authority, without=(":path",)), ("a", "b"), (":path", "/")]),
        "options *": get(method="OPTIONS", path="*"),
        "connect": request([(":method", "CONNECT"), (":authority", "example.com:443")]),
        "connect with a path": get(method="CONNECT"),
        "extended connect": get((":protocol", "websocket"), method="CONNECT"),
        "expect": post(("expect", "100-continue"), ("content-length", "2")) + data(b"ab"),
        "99 headers": get(*((f"a{number}", "b") for number in range(95))),
        "200 headers": get(*((f"a{number}", "b") for number in range(196))),
        "head of 50 kB": get(("a", "b" * 50_000)),
        "head of 70 kB": get(("a", "b" * 70_000)),
        "trailers": post() + data(b"ab", ends=False) + request([("x-trailer", "a")]),
        "pseudo-header in trailers": post() + data(b"ab", ends=False) + request([(":path", "/b")]),
        "headers twice without an end": post() + request([("x", "y")], ends=False),
        "data first": data(b"ab"),
        "data after the end": get() + data(b"ab"),
        "even stream": request(headers(authority), stream=2),
        "stream 0": raw(1, 1, 5, 0, b"\x82"),
        "earlier stream": request(headers(authority), stream=5) + request(headers(authority), stream=3),
        "continuation alone": ContinuationFrame(1, data=b"\x82").serialize(),
        "continuation interrupted": raw(1, 1, 1, 1, b"\x82") + PingFrame(0, opaque_data=b"12345678").serialize(),
        "bad compression": raw(3, 1, 5, 1, b"\xff\xff\xff"),
        "table size too large": raw(4, 1, 5, 1, b"\x3f\xff\xff\x7f"),
        "unknown frame": raw(2, 0xEE, 0, 0, b"ab") + get(),
        "frame too large": raw(70_000, 0, 0, 1, b"a" * 70_000),
        "padding too long": raw(3, 0, 8, 1, b"\xffab"),
        "ping of seven bytes": raw(7, 6, 0, 0, b"1234567"),
        "ping on a stream": raw(8, 6, 0, 1, b"12345678"),
        "settings on a stream": raw(0, 4, 0, 1, b""),
        "settings of five bytes": raw(5, 4, 0, 0, b"12345"),
        "settings: window too large": raw(6, 4, 0, 0, b"\x00\x04\xff\xff\xff\xff"),
        "settings: frame too small": raw(6, 4, 0, 0, b"\x00\x05\x00\x00\x00\x01"),
        "window of 0": WindowUpdateFrame(0, window_increment=1).serialize()[:9] + b"\0\0\0\0",
        "window too large": 2 * WindowUpdateFrame(0, window_increment=2**31 - 1).serialize(),
        "reset of an idle stream": RstStreamFrame(1, error_code=8).serialize(),
        "push promise": raw(5, 5, 4, 1, b"\0\0\0\2\x82"),
        "priority of itself": PriorityFrame(1, depends_on=1).serialize() + get(),
        "goaway": get() + GoAwayFrame(0, error_code=0).serialize(),
        "a thousand pings": PingFrame(0, opaque_data=b"12345678").serialize() * 1_000 + get(),
        "20,000 pings": PingFrame(0, opaque_data=b"12345678").serialize() * 20_000 + get(),
        "20,000 settings": SettingsFrame(0).serialize() * 20_000 + get(),
        "20,000 empty continuations": raw(1, 1, 0, 1, b"\x82") + raw(0, 9, 0, 1, b"") * 20_000,
        "10,000 resets": b"".join(
            request(headers(authority), stream=stream) + RstStreamFrame(stream, error_code=8).serialize()
            for stream in range(1, 20_001, 2)
        ),
        "20,000 empty data": post() + data(b"", ends=False) * 20_000 + data(b""),
    }


class Connection:
    """A connection, and what comes on it until it is silent or closed."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(SILENCE)
        self.decoder, self.rest = Decoder(), b""
        self.blocks = {}

    def send(self, text):
        try:
            self.socket.sendall(text)
        except OSError:
            pass  # What has come before the connection broke says why.

    def frames(self):
        while True:
            while len(self.rest) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self.rest[:9]))
                if len(self.rest) < 9 + length:
                    break
                frame.parse_body(memoryview(self.rest[9 : 9 + length]))
                self.rest = self.rest[9 + length :]
                yield frame
            try:
                piece = self.socket.recv(65_536)
            except TimeoutError:
                yield None
                return
            except OSError:
                piece = b""
            if not piece:
                return
            self.rest += piece

    def outcome(self, stream):
        """What a request comes to: its status and body, a reset, or the connection's end."""
        status, body = None, b""
        for frame in self.frames():
            match frame:
                case None:
                    return f"{status} …" if status else "silence"
                case HeadersFrame(stream_id=at) | ContinuationFrame(stream_id=at):
                    fields = self.decoder.decode(frame.data)
                    if at == stream and status in (None, "100"):
                        status = dict(fields).get(":status")
                case DataFrame(stream_id=at) if at == stream:
                    body += frame.data
                case RstStreamFrame(stream_id=at) if at == stream and not status:
                    return f"reset {frame.error_code}"
                case GoAwayFrame() if frame.error_code:
                    return f"goaway {frame.error_code}"
            if isinstance(frame, (HeadersFrame, DataFrame)) and frame.stream_id == stream and "END_STREAM" in frame.flags:
                return f"{status} {body.decode()}".strip()
        return f"{status} cut" if status else "closed"


def become(address, authority, text):
    connection = Connection(address)
    connection.send(PREFACE + SettingsFrame(0).serialize() + text)
    outcome = connection.outcome(1)
    connection.send(request(headers(authority, path="/next"), stream=30_001))
    return outcome, connection.outcome(30_001)


def ask(address, authority):
    # Many at a time, since silence takes long to tell.
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        asked = {name: threads.submit(become, address, authority, text) for name, text in cases(authority).items()}
        return {name: outcome.result() for name, outcome in asked.items()}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ask", address, authority]:
            print(json.dumps(ask(address, authority)))
        case _:
            sys.exit(__doc__)
