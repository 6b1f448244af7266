"""The program `buttons`: what people press, or a door opens, holds devices."""
