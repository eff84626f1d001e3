"""HTML that edgesoft writes: reports, evaluations, what a notebook shows of a result; and the colours and drawings that they share."""

GENERATOR = '<meta name="generator" content="edgesoft">'
"""Stands near the beginning of every page that edgesoft writes as a file: by it edgesoft knows what it may replace."""
