"""What a publisher sees of the dispatcher: messages in, messages out, with a clock that moves only when told."""
