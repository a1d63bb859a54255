"""The sections of the configuration file, a file each or a few that go together."""
