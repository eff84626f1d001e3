"""A model repository for the Triton Inference Server, with a client that replays the golden examples on it."""
