"""The store's CA as an iPad takes it: a configuration profile with one root certificate. Pure.

Source: Apple, Configuration Profile Reference, payload com.apple.security.root.
"""

import plistlib
from uuid import NAMESPACE_URL, uuid5

from hub.tls.files import Authority

CONTENT_TYPE = "application/x-apple-aspen-config"


def configuration_profile(authority: Authority, *, organization: str) -> bytes:
    """Return the profile. Installing it again replaces it: its ids follow from the fingerprint."""
    one = f"storehub.ca.{authority.sha256}"
    certificate = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{one}.certificate",
        "PayloadUUID": _uuid(f"{one}.certificate"),
        "PayloadDisplayName": authority.name,
        "PayloadCertificateFileName": "store-ca.crt",
        "PayloadContent": authority.der,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": one,
        "PayloadUUID": _uuid(one),
        "PayloadDisplayName": authority.name,
        "PayloadOrganization": organization,
        "PayloadDescription": "讓這部裝置信任店內主機。Lets this device trust the store hub of this shop.",
        "PayloadContent": [certificate],
    }
    return plistlib.dumps(profile)


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name)).upper()
