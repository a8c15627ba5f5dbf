"""Celery's side of `runs_in="celery"`: its application and task, what is published, and what hosts the runs."""
