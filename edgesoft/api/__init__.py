"""What the commands do, from Python: one function a command. Nothing heavy is imported until it is called."""
