"""The archive stage: every edition as a static site that opens from disk."""
