"""Operations in processes of their own: the fork server, and the children that it forks."""
