"""One file a kind of device; `kind` in the configuration is the file name. See devices.registry."""
