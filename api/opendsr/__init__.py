"""OpenDSR 2.0 and OpenGDPR 1.0 over HTTP: a face of the register of subject requests, signed as they want it."""
