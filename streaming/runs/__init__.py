"""Operations, and what becomes of them: start, find, cancel, question, lease, end."""
