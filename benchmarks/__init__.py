"""What is measured, on this machine, with one command each; figures of one run are compared with each other only."""
