"""C99 without dependencies, from a microcontroller to a server."""
