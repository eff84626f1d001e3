"""Serves model files over HTTP: the Open Inference Protocol v2, pictures and rows as people have them, and the web target's page."""
