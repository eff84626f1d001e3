"""One page for a browser: the model inside, nothing from elsewhere."""
