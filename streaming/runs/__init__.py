"""Operations and their runs: declaration, start, producer, questions, cancel, executors."""
