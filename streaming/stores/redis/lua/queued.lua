return #queued_of(1, 1)
