"""The webhook as a server: answers over TLS, health and metrics beside it, and a graceful end."""
