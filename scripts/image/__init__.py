"""What builds the container image: with podman or docker, whichever is there."""
