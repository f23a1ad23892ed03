"""The typed shell around Celery and kombu: nothing else sends or declares a task."""
