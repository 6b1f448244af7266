"""The floor: four hops over plain TCP through three relays, what any chain of four processes must cost here.

python -m benchmarks.hops LISTEN_PORT NEXT_PORT     (a relay)
"""

import socket
import sys

from effectd.program.stream import no_delay


def relay(listen: int, onward: int) -> None:
    with socket.create_server(("127.0.0.1", listen)) as server, socket.create_connection(("127.0.0.1", onward)) as out:
        no_delay(out)
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                out.sendall(data)


if __name__ == "__main__":
    relay(int(sys.argv[1]), int(sys.argv[2]))
