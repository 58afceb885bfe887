"""The local sockets: verbs, server, client."""
