"""What is wrong with a line, by what came instead of the cloud: keys of sync.line.state.REMEDIES. Pure; knows no HTTP library."""

import socket
import ssl
from http import HTTPStatus

REDIRECTS = frozenset({301, 302, 303, 307, 308})  # a cloud never sends one
HTML = ("text/html", "application/xhtml+xml")


def reason_of_status(status: int, content_type: str) -> str:
    """Return the reason for an HTTP answer that is no cloud's welcome."""
    is_page = content_type.partition(";")[0].strip().lower() in HTML
    if (
        status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED
        or status in REDIRECTS
        or (status == HTTPStatus.OK and is_page)
    ):
        return "captive_portal"
    if status in (401, 403):
        return "refused"
    return "server_error" if status >= 500 else "not_a_cloud"


def reason_of_error(err: Exception) -> str:
    """Return the reason for a connection that did not come about; libraries keep the system's own error in `os_error`."""
    if isinstance(err, ssl.SSLError):
        return "tls"
    if isinstance(getattr(err, "os_error", err), socket.gaierror):
        return "dns"
    return "unreachable"
