"""The laboratory: what an encoder is worth, measured on folders of photographs. Nothing here opens a door."""
