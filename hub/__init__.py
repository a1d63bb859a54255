"""The program in the shop: configuration, database, selling, local API, console, command line."""
