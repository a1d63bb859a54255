"""What each store gets of what head office and others have, and how it comes and goes."""
