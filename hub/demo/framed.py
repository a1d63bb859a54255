"""What the demo's own little pages have in common: one file with its script inside, which only the console may frame."""

import hashlib
from base64 import b64encode


def page_headers(script: str) -> dict[str, str]:
    """Return the headers of a page whose only script is this one."""
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors http://127.0.0.1:* http://localhost:*"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
