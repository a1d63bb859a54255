"""People of all channels at head office: who is one person, what they bought, what they said, how they are forgotten."""
