"""How the hub that follows knows the store's other one: by the CA whose fingerprint its configuration names, and by nothing else.

The certificate of that CA is asked of whoever answers at the address, without a token, and taken if its SHA-256 is the one that
was written down ([standby] ca_sha256). Without one the machine's own roots count.
The clock decides nothing between the two hubs: while this one is not sure of the time, dates are not looked at.
"""

import hashlib
import ssl
from collections.abc import Callable

from hub.client import UnreachableError, fetch_authority
from hub.settings.lines import Follows
from sync.line.wire import WireError

X509_V_FLAG_NO_CHECK_TIME = 0x200000  # openssl/x509_vfy.h; ssl.VerifyFlags has no name for it


class FollowedAuthority:
    """Gives a context for each connection to the hub that is followed."""

    def __init__(self, follows: Follows, *, is_sure: Callable[[], bool]) -> None:
        self._follows = follows
        self._is_sure = is_sure
        self._der = b""

    async def context(self) -> ssl.SSLContext | None:
        """Return the context, None where the machine's own roots count; raise WireError."""
        pin = self._follows.ca_sha256
        if not pin:
            return None
        if not self._der:
            self._der = await self._fetch(pin)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=self._der)
        if not self._is_sure():
            context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
        return context

    async def _fetch(self, pin: str) -> bytes:
        try:
            der = await fetch_authority(self._follows.url)
        except UnreachableError as err:
            raise WireError("unreachable", err.detail) from err
        found = hashlib.sha256(der).hexdigest()
        if found != pin:
            raise WireError("wrong_ca", f"the CA there has SHA-256 {found}")
        return der
