"""The store's own certification authority and the certificate that this hub shows on the LAN. Who listens: hub.api.lan."""
