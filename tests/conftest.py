"""What holds for every test."""

import signal

# a suite that a shell started in the background ignores SIGINT, and so would each program that it starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
