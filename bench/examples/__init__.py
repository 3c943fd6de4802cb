"""Programs to start from when writing an integration."""
