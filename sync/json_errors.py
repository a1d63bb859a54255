"""What reading JSON of somebody else's may raise: malformed, of another shape, not UTF-8, too deep. Nothing else lives here."""

import msgspec

NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
