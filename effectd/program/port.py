"""Who holds a TCP port: the commonest first failure is Debian's own mosquitto on 1883."""

import psutil


def who_holds(port: int) -> str:
    """`mosquitto (pid 812)`, or words that say that it cannot be seen. Seeing another user's process needs root."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program (which one, only root can see: sudo ss -ltnp)"
