"""OpenDSR 2.0 and OpenGDPR 1.0 as a matter of words: how requests look there, and the certificate that signs."""
