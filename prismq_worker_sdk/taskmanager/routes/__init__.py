"""What is answered over HTTP, one file for each part of the protocol."""
