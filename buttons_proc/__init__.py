"""The program `buttons`: holds devices when a button is pressed or a contact opens."""
