"""A WebSocket server and client.

serve                 prints its port, and echoes until standard input ends
ask ADDRESS HOST      talks to HOST by way of a proxy at ADDRESS; prints a JSON object, an outcome for each part
"""

import json
import socket
import sys
import threading

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve


def echo(connection):
    for message in connection:
        if message == "leave":
            connection.close(4001, "as you wish")
            return
        connection.send(message)


def ask(address, host):
    proxy, port = address.rsplit(":", 1)
    try:
        client = connect(f"ws://{host}/talk?a=b", sock=socket.create_connection((proxy, int(port))), compression=None)
    except InvalidStatus as error:
        return {"handshake": error.response.status_code}
    with client:
        outcomes = {"handshake": "done"}
        client.send("hello")
        outcomes["text"] = client.recv()
        large = bytes(range(256)) * 4_000
        client.send(large)
        outcomes["large"] = client.recv() == large
        outcomes["ping"] = client.ping().wait(20)
        client.send("leave")
        try:
            client.recv()
        except ConnectionClosed as closed:
            outcomes["close"] = f"{closed.rcvd.code} {closed.rcvd.reason}"
    return outcomes


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            with serve(echo, "127.0.0.1", 0, max_size=None) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                print(server.socket.getsockname()[1], flush=True)
                sys.stdin.read()
                server.shutdown()
        case ["ask", address, host]:
            print(json.dumps(ask(address, host)))
        case _:
            sys.exit(__doc__)
