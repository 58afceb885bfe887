"""From a float checkpoint to the full-integer TFLite file doorguard ships. Needs the extra `[build]`."""
