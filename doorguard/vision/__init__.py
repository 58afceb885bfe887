"""From pixels to an encoding: interpreter, detector, mesh, encoder, quality, pipeline."""
