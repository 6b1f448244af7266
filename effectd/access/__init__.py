"""Who may do what on the embedded broker: rights, users and their passwords; pure, but for the file of passwords."""
