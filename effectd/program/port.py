"""Finds out which process holds a TCP port: the most common first failure is Debian's own mosquitto on 1883."""

import psutil


def who_holds(port: int) -> str:
    """`mosquitto (pid 812)`, or a text that says it is unknown: seeing another user's process needs root."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program (only root can see which one: sudo ss -ltnp)"
