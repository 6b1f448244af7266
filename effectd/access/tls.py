"""The server side of TLS: an SSL context from files of the home, and the user named by a client's certificate."""

import ssl
from pathlib import Path
from typing import Any

from effectd.config.address import Tls


def tls_context(files: Tls | None, *, home: Path, users: bool) -> ssl.SSLContext | None:
    """With a CA, clients are asked for a certificate; those without one may log in with a password, if there are users.

    Raises OSError (including ssl.SSLError) for files that are missing or not certificates.
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
    """Whether clients must show a certificate: with users it may replace the password."""
    if files.cafile is None:
        return ssl.CERT_NONE
    return ssl.CERT_OPTIONAL if users else ssl.CERT_REQUIRED


def load_certificate(context: ssl.SSLContext, files: Tls, *, home: Path) -> None:
    """Load the server's certificate for new connections. Raises as above; then the previous one stays in use."""
    assert files.certfile is not None
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # a half-loaded context could not serve any client
    for one in (trial, context):
        one.load_cert_chain(home / files.certfile, home / files.keyfile if files.keyfile else None)


def common_name(transport: Any) -> str | None:
    """The common name of a client's certificate, which the CA of `broker.tls.cafile` has signed."""
    ssl_object = transport.get_extra_info("ssl_object")
    shown = ssl_object.getpeercert() if ssl_object is not None else None
    if not shown:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return names[-1] if names else ""
