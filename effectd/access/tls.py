"""The server's side of TLS: a context from files of the home, and who a client's certificate says that it is."""

import ssl
from pathlib import Path
from typing import Any

from effectd.config.address import Tls


def tls_context(files: Tls | None, *, home: Path, users: bool) -> ssl.SSLContext | None:
    """With a CA, clients are asked for a certificate; without one they may be users with a password, if there are any.

    Raises OSError (ssl.SSLError among them) for files that are not there or no certificates.
    """
    if files is None or files.certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(context, files, home=home)
    if files.cafile is not None:
        context.load_verify_locations(home / files.cafile)
    context.verify_mode = asked_of_clients(files, users=users)
    return context


def asked_of_clients(files: Tls, *, users: bool) -> ssl.VerifyMode:
    """Whether a client has to show a certificate: users may do so in place of their password."""
    if files.cafile is None:
        return ssl.CERT_NONE
    return ssl.CERT_OPTIONAL if users else ssl.CERT_REQUIRED


def load_certificate(context: ssl.SSLContext, files: Tls, *, home: Path) -> None:
    """The server's own, for every connection from now on. Raises as above, and then the one before it stays."""
    assert files.certfile is not None
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # one that is half loaded would serve nobody
    for one in (trial, context):
        one.load_cert_chain(home / files.certfile, home / files.keyfile if files.keyfile else None)


def common_name(transport: Any) -> str | None:
    """Of the certificate that a client has shown, and that the CA of `broker.tls.cafile` has signed."""
    ssl_object = transport.get_extra_info("ssl_object")
    shown = ssl_object.getpeercert() if ssl_object is not None else None
    if not shown:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return names[-1] if names else ""
