"""What [members] of both ends declares alike: the region of telephone numbers, kinds of identity, which of them join. Pure."""

import re
from collections.abc import Iterable, Mapping

from sync.errors import ConfigError
from sync.retail.people.identities import KINDS, DeclaredKind, is_region


def check_declared(region: str | None, identities: Mapping[str, DeclaredKind], join: Iterable[str]) -> None:
    """Raise ConfigError with the key, the value and the remedy; no region is well."""
    if region and not is_region(region):
        raise ConfigError(f"members.region {region!r} is no region of telephone numbers; write one as TW or HK")
    for name, kind in identities.items():
        if name in KINDS:
            raise ConfigError(f"members.identities.{name}: that kind is there already")
        try:
            re.compile(kind.pattern)
        except re.error as err:
            raise ConfigError(f"members.identities.{name}.pattern {kind.pattern!r}: {err}") from err
    for kind_name in join:
        if kind_name not in (*KINDS, *identities):
            known = ", ".join((*KINDS, *identities))
            raise ConfigError(f"members.join: no identity kind {kind_name!r}; kinds: {known}")
