"""Where there is no Python: one exported model becomes a folder that runs there, with its own proof."""
